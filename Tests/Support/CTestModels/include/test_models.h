/* test_models.h: models written by hand, to test the training runtime without a compiler, and scenarios that Swift cannot
 * play (signals, processes that are killed). */
#ifndef TEST_MODELS_H
#define TEST_MODELS_H

#include "gradc_train.h"

/* y = w x + b in f64, mean squared error, sgd, gradients of w and b in one block. Trainable tensors "line.weight" [1, 1] and "line.bias"
 * [1]. */
extern const gradc_model test_line;
/* The same memory and the same bits from other functions, as another compiler would make them. */
extern const gradc_model test_line_again;
/* As test_line with one parameter fewer in its layout: must be refused by a swap. */
extern const gradc_model test_line_other;
/* Four inputs and a sigmoid in f32, binary cross-entropy, momentum 0.9, a random mask on the inputs keyed by (seed, step, micro), a running
 * mean of the inputs as state, and gradients summed in parallel parts of 8 rows. */
extern const gradc_model test_logistic;
/* One parameter that counts updates; evaluate's loss is `script[count - 1]`. Data are ignored. */
extern const gradc_model test_script;
/* Losses that one input row of test_script holds. */
#define TEST_SCRIPT_LENGTH 32

/* A dataset with deterministic rows for a model: `rows` = train + validation + test, in that order. */
int test_dataset(const gradc_model *model, size_t train, size_t validation, size_t test, gradc_dataset *dataset);
/* Each validation loss of test_script, epoch by epoch. */
int test_script_dataset(const double *losses, size_t count, gradc_dataset *dataset);
void test_dataset_free(gradc_dataset *dataset);

/* Plays a scenario in `folder` (which exists and is empty). Null when all is well, else what was not, valid until the next call. */
typedef const char *test_scenario(const char *folder);
typedef struct test_named_scenario {
  const char *name;
  test_scenario *play;
} test_named_scenario;
extern const test_named_scenario test_scenarios[];
extern const size_t test_scenario_count;
/* Plays the scenario of that name. */
const char *test_play(const char *name, const char *folder);

#endif
