/* scenario_support.h: a training to set up, run and compare. */
#ifndef SCENARIO_SUPPORT_H
#define SCENARIO_SUPPORT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_models.h"

typedef struct run {
  gradc_recipe recipe;
  gradc_train_options options;
  gradc_dataset data;
  gradc_trainer *trainer;
  gradc_history history;
  gradc_error error;
  int code;
  char printed[16384], warned[4096];
} run;

const char *complain(const char *format, ...) GRADC_PRINTF(1, 2);
#define CHECK(condition, ...)                         \
  do {                                                \
    if (!(condition)) return complain(__VA_ARGS__);   \
  } while (0)

/* A trainer with initial weights of seed 7, and rows. The recipe is in its text form with "|" for TAB. Quiet, no bar. */
int begin(run *run, const gradc_model *model, const char *recipe, size_t train, size_t validation, size_t test);
int begin_script(run *run, const char *recipe, const double *losses, size_t count);
int train(run *run);
void end(run *run);
/* "FOLDER/NAME", valid for the life of the process's next 8 calls. */
const char *path_in(const char *folder, const char *name);
/* Whether parameters, state, moments and step of two trainers are the same bytes. */
bool same_state(const run *left, const run *right);
/* Whether all epochs have the same bits, seconds aside. */
bool same_history(const gradc_history *left, const gradc_history *right);
double parameter(const run *run, size_t index);
/* The bytes of a file, zero-terminated; null when it cannot be read. */
char *slurp(const char *path, size_t *count);
int spill(const char *path, const void *bytes, size_t count);

const char *play_resume_after_kill(const char *folder);
const char *play_resume_at_every_epoch(const char *folder);
const char *play_interrupt(const char *folder);
const char *play_second_interrupt_kills(const char *folder);
const char *play_damaged_checkpoints(const char *folder);
const char *play_full_disk(const char *folder);
const char *play_unwritable_folder(const char *folder);
const char *play_not_finite(const char *folder);

const char *play_pool(const char *folder);
const char *play_threads_same_bits(const char *folder);
const char *play_hot_swap(const char *folder);

const char *play_line(const char *folder);
const char *play_by_hand(const char *folder);
const char *play_steps(const char *folder);
const char *play_early_stopping(const char *folder);
const char *play_plateau(const char *folder);
const char *play_schedules(const char *folder);
const char *play_callbacks(const char *folder);
const char *play_accumulate(const char *folder);
const char *play_limits(const char *folder);
const char *play_logs(const char *folder);
const char *play_weights(const char *folder);
const char *play_evaluation(const char *folder);
const char *play_health(const char *folder);
const char *play_flags(const char *folder);
const char *play_native_trainer(const char *folder);

const char *play_images_worker(const char *folder);
const char *play_images_resume(const char *folder);
const char *play_images_end(const char *folder);

#endif
