#include "scenario_support.h"

#include <stdarg.h>

const char *complain(const char *format, ...) {
  static char text[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

static void collect(char *place, size_t size, const char *text) {
  size_t used = strlen(place);
  snprintf(place + used, size - used, "%s", text);
}

static void take_print(void *context, const char *text) { collect(((run *)context)->printed, sizeof((run *)context)->printed, text); }
static void take_warning(void *context, const char *text) { collect(((run *)context)->warned, sizeof((run *)context)->warned, text); }

static int begin_with(run *run, const gradc_model *model, const char *recipe) {
  char text[1024];
  snprintf(text, sizeof text, "%s\n", recipe);
  for (char *at = text; *at != 0; at += 1)
    if (*at == '|') *at = '\t';
  run->options.print = take_print;
  run->options.print_context = run;
  run->options.warn = take_warning;
  run->options.warn_context = run;
  run->options.progress = GRADC_PROGRESS_NEVER;
  run->options.leave_signals = true;
  run->code = gradc_recipe_parse(text, &run->recipe, &run->error);
  if (run->code == 0) run->code = gradc_trainer_create(model, run->options.threads, 0, &run->trainer, &run->error);
  if (run->code == 0) run->code = gradc_initialize(run->trainer, 7, &run->error);
  return run->code;
}

int begin(run *run, const gradc_model *model, const char *recipe, size_t train, size_t validation, size_t test) {
  int threads = run->options.threads;
  memset(run, 0, sizeof *run);
  run->options.threads = threads;
  if (test_dataset(model, train, validation, test, &run->data) != 0) return 1;
  return begin_with(run, model, recipe);
}

int begin_script(run *run, const char *recipe, const double *losses, size_t count) {
  memset(run, 0, sizeof *run);
  if (test_script_dataset(losses, count, &run->data) != 0) return 1;
  return begin_with(run, &test_script, recipe);
}

int train(run *run) {
  gradc_history_free(&run->history);
  run->code = gradc_train(run->trainer, &run->recipe, &run->data, NULL, &run->options, &run->history, &run->error);
  return run->code;
}

void end(run *run) {
  gradc_history_free(&run->history);
  gradc_trainer_free(run->trainer);
  gradc_recipe_free(&run->recipe);
  test_dataset_free(&run->data);
  memset(run, 0, sizeof *run);
}

const char *path_in(const char *folder, const char *name) {
  static char paths[8][1024];
  static unsigned next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

bool same_state(const run *left, const run *right) {
  const gradc_model *model = gradc_trainer_model(left->trainer);
  const unsigned char *a = gradc_trainer_memory(left->trainer), *b = gradc_trainer_memory(right->trainer);
  size_t element = gradc_element_bytes(model->element);
  return memcmp(a + model->parameters_offset, b + model->parameters_offset, model->parameter_count * element) == 0 &&
         memcmp(a + model->state_offset, b + model->state_offset, model->state_count * element) == 0 &&
         memcmp(a + model->moments_offset, b + model->moments_offset, model->moment_count * element) == 0 &&
         gradc_trainer_controls(left->trainer)->step == gradc_trainer_controls(right->trainer)->step;
}

static bool same_bits(double a, double b) { return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)); }

bool same_history(const gradc_history *left, const gradc_history *right) {
  if (left->epoch_count != right->epoch_count || left->best_epoch != right->best_epoch || !same_bits(left->best_value, right->best_value))
    return false;
  for (int index = 0; index < left->epoch_count; index += 1) {
    const gradc_epoch *a = &left->epochs[index], *b = &right->epochs[index];
    bool same = a->epoch == b->epoch && a->step == b->step && same_bits(a->loss, b->loss) && same_bits(a->val_loss, b->val_loss) &&
                same_bits(a->rate, b->rate);
    for (int metric = 0; same && metric < left->metric_count; metric += 1)
      same = same_bits(a->metrics[metric], b->metrics[metric]) && same_bits(a->val_metrics[metric], b->val_metrics[metric]);
    if (!same) return false;
  }
  return true;
}

double parameter(const run *run, size_t index) {
  const gradc_model *model = gradc_trainer_model(run->trainer);
  const unsigned char *block = (const unsigned char *)gradc_trainer_memory(run->trainer) + model->parameters_offset;
  return model->element == GRADC_F64 ? ((const double *)(const void *)block)[index] : (double)((const float *)(const void *)block)[index];
}

char *slurp(const char *path, size_t *count) {
  char *bytes = NULL;
  return gradc_read_file(path, 0, &bytes, count, NULL) == 0 ? bytes : NULL;
}

int spill(const char *path, const void *bytes, size_t count) {
  FILE *file = fopen(path, "wb");
  if (file == NULL) return 1;
  size_t written = fwrite(bytes, 1, count, file);
  return fclose(file) != 0 || written != count;
}

const test_named_scenario test_scenarios[] = {
    {"line", play_line}, {"by hand", play_by_hand}, {"steps", play_steps}, {"early stopping", play_early_stopping},
    {"plateau", play_plateau}, {"schedules", play_schedules}, {"callbacks", play_callbacks}, {"accumulate", play_accumulate},
    {"limits", play_limits}, {"logs", play_logs}, {"weights", play_weights}, {"evaluation", play_evaluation},
    {"health", play_health}, {"flags", play_flags}, {"native trainer", play_native_trainer},
    {"pool", play_pool}, {"threads", play_threads_same_bits}, {"hot swap", play_hot_swap},
    {"resume after kill", play_resume_after_kill}, {"resume at every epoch", play_resume_at_every_epoch}, {"interrupt", play_interrupt},
    {"second interrupt kills", play_second_interrupt_kills}, {"damaged checkpoints", play_damaged_checkpoints},
    {"full disk", play_full_disk}, {"unwritable folder", play_unwritable_folder}, {"not finite", play_not_finite},
    {"images worker", play_images_worker}, {"images resume", play_images_resume}, {"images end", play_images_end},
};
const size_t test_scenario_count = sizeof test_scenarios / sizeof test_scenarios[0];

const char *test_play(const char *name, const char *folder) {
  for (size_t index = 0; index < test_scenario_count; index += 1)
    if (strcmp(test_scenarios[index].name, name) == 0) return test_scenarios[index].play(folder);
  return complain("there is no scenario '%s'", name);
}
