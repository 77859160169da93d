/* flags.c: the flags of training, in Keras's words, read in one place for the command and for every native trainer. */
#include "train_internal.h"

#include <stdio.h>
#include <string.h>

const gradc_flag gradc_train_flags[] = {
    {"data", "FILE", "the table (.csv), array (.npy) or images to train on, instead of the recipe's"},
    {"epochs", "N", "passes over the training rows"},
    {"steps", "N", "updates an epoch, of rows drawn at random; 0: every row once"},
    {"evaluate", "N", "rows of each part that the figures after an epoch are of; 0: all"},
    {"batch-size", "N|all", "rows a step; all: the whole training set in one step"},
    {"lr", "R", "learning rate"},
    {"schedule", "NAME[,KEY=VALUE...]", "constant, step, exponential, cosine, plateau"},
    {"warmup", "STEPS", "steps in which the rate rises from 0"},
    {"accumulate", "K", "batches whose gradients are averaged for one update"},
    {"seed", "N", "of initial weights, dropout and shuffling"},
    {"no-shuffle", NULL, "keep the training rows in the order of the file"},
    {"validation-split", "F", "share of the rows held out for validation"},
    {"early-stopping", "yes|no", "stop when the monitored figure no longer improves"},
    {"patience", "N", "epochs without improvement before stopping"},
    {"monitor", "NAME", "the figure to watch: val_loss, val_auc ..."},
    {"min-delta", "D", "what counts as an improvement"},
    {"metrics", "NAME[,NAME...]", "accuracy, precision, recall, f1, auc, mae, mse, rmse, r2"},
    {"no-training-metrics", NULL, "metrics over the validation rows alone"},
    {"threshold", "T", "probability from which a prediction counts as positive"},
    {"augment", "NAME[=VALUE][,...]", "images: flip, shift=PIXELS, crop=PIXELS, rotation=DEGREES, or none"},
    {"skip-bad", NULL, "leave out images that cannot be read, and count them"},
    {"class-weight", "balanced|CLASS=W[,CLASS=W...]", "weight of each class in the loss"},
    {"optimizer", "NAME[,KEY=VALUE...]", "sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam, adamw"},
    {"loss", "NAME[,KEY=VALUE...]", "the loss to train with"},
    {"clip-norm", "X", "largest global gradient norm"},
    {"clip-value", "X", "largest gradient element"},
    {"weights", "FILE", "start from these weights (.safetensors): those that fit by name and shape"},
    {"save", "FILE", "write the best weights here (.safetensors)"},
    {"checkpoint", "FILE", "keep the whole state of the training here"},
    {"checkpoint-every", "N", "epochs between checkpoints; of quick epochs at most one a second is written"},
    {"resume", "FILE", "go on from this checkpoint, bit for bit"},
    {"log", "FILE", "a row an epoch, .csv or .jsonl"},
    {"gradient-health", NULL, "gradient norms in the log, and a warning when they vanish or explode"},
    {"threads", "N", "threads that work; results do not depend on it"},
    {"progress", "auto|never|always", "the bar on the terminal"},
    {"quiet", NULL, "no line an epoch"},
};

const size_t gradc_train_flag_count = sizeof gradc_train_flags / sizeof gradc_train_flags[0];

const gradc_flag *gradc_train_flag_at(size_t index) { return index < gradc_train_flag_count ? &gradc_train_flags[index] : NULL; }

static bool same_name(const char *left, const char *right) {
  for (; *left != 0 && *right != 0; left += 1, right += 1)
    if (*left != *right && !(strchr("-_", *left) != NULL && strchr("-_", *right) != NULL)) return false;
  return *left == *right;
}

const gradc_flag *gradc_train_flag_find(const char *name) {
  for (size_t index = 0; index < gradc_train_flag_count; index += 1)
    if (same_name(name, gradc_train_flags[index].name)) return &gradc_train_flags[index];
  return NULL;
}

static int unknown_flag(const char *name, gradc_error *error) {
  const char *names[sizeof gradc_train_flags / sizeof gradc_train_flags[0]];
  for (size_t index = 0; index < gradc_train_flag_count; index += 1) names[index] = gradc_train_flags[index].name;
  ptrdiff_t nearest = gradc_nearest_name(name, names, gradc_train_flag_count);
  if (nearest < 0) return gradc_fail(error, GRADC_EXIT_USAGE, "unknown flag --%.64s; --help lists them", name);
  return gradc_fail(error, GRADC_EXIT_USAGE, "unknown flag --%.64s; did you mean --%s?", name, names[nearest]);
}

/* A whole number in low ... high. */
static int read_count(const char *name, const char *value, int64_t low, int64_t high, int64_t *count, gradc_error *error) {
  double number = 0;
  if (!gradc_parse_number(value, strlen(value), &number) || number < (double)low || number > (double)high ||
      (double)(int64_t)number != number)
    return gradc_fail(error, GRADC_EXIT_USAGE, "--%s: found \"%.64s\", expected a whole number from %lld to %lld", name, value,
                      (long long)low, (long long)high);
  *count = (int64_t)number;
  return 0;
}

static int read_progress(const char *value, gradc_progress *progress, gradc_error *error) {
  static const char *const words[] = {"auto", "never", "always"};
  for (int index = 0; index < 3; index += 1)
    if (strcmp(value, words[index]) == 0) {
      *progress = (gradc_progress)index;
      return 0;
    }
  return gradc_fail(error, GRADC_EXIT_USAGE, "--progress: found \"%.64s\", expected auto, never or always", value);
}

int gradc_train_flag(const char *name, const char *value, gradc_recipe *recipe, gradc_train_options *options, gradc_error *error) {
  const gradc_flag *flag = gradc_train_flag_find(name);
  if (flag == NULL) return unknown_flag(name, error);
  if (flag->values != NULL && (value == NULL || value[0] == 0))
    return gradc_fail(error, GRADC_EXIT_USAGE, "--%s needs a value: --%s %s", flag->name, flag->name, flag->values);
  if (flag->values == NULL && value != NULL)
    return gradc_fail(error, GRADC_EXIT_USAGE, "--%s takes no value, \"%.64s\" was given", flag->name, value);
  const struct { const char *name; const char **place; } texts[] = {
      {"data", &options->data}, {"weights", &options->weights}, {"save", &options->save}, {"resume", &options->resume}};
  const struct { const char *name; bool *place; } switches[] = {{"no-training-metrics", &options->skip_training_metrics},
                                                                {"gradient-health", &options->gradient_health},
                                                                {"quiet", &options->quiet}};
  for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index += 1)
    if (strcmp(flag->name, texts[index].name) == 0) {
      *texts[index].place = value;
      return 0;
    }
  for (size_t index = 0; index < sizeof switches / sizeof switches[0]; index += 1)
    if (strcmp(flag->name, switches[index].name) == 0) {
      *switches[index].place = true;
      return 0;
    }
  if (strcmp(flag->name, "progress") == 0) return read_progress(value, &options->progress, error);
  if (strcmp(flag->name, "threads") == 0) {
    int64_t threads = 0;
    int code = read_count(flag->name, value, 1, 1024, &threads, error);
    if (code == 0) options->threads = (int)threads;
    return code;
  }
  if (strcmp(flag->name, "skip-bad") == 0) return gradc_recipe_set(recipe, "skip_bad", "yes", error);
  if (strcmp(flag->name, "no-shuffle") == 0) return gradc_recipe_set(recipe, "shuffle", "no", error);
  return gradc_recipe_set(recipe, flag->name, value, error);
}
