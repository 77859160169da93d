/* trainer_main.c: the whole of a stand-alone native trainer but its model. */
#include "train_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const gradc_error *error) {
  fprintf(stderr, "error: %s\n", error->message);
  return error->code;
}

/* What decides the generated code cannot be changed by a flag. */
static bool is_compiled_in(const char *name) {
  static const char *const names[] = {"optimizer", "loss", "clip-norm", "clip-value"};
  for (size_t index = 0; index < sizeof names / sizeof names[0]; index += 1)
    if (strcmp(name, names[index]) == 0) return true;
  return false;
}

/* --clip-norm and --clip-value are fine when they say what was compiled. */
static bool says_the_same(const char *name, const char *value, const gradc_recipe *recipe) {
  double number = 0;
  if (value == NULL || !gradc_parse_number(value, strlen(value), &number)) return false;
  return (strcmp(name, "clip-norm") == 0 && number == recipe->clip_norm) ||
         (strcmp(name, "clip-value") == 0 && number == recipe->clip_value);
}

static void print_help(const gradc_model *model, const char *program) {
  printf("%s: trains '%s' (%zu parameters)\n\nusage: %s [--data FILE] [flags]\n\n"
         "  %s --data data.csv --epochs 100 --save best.safetensors\n"
         "  %s --data data.csv --checkpoint run.checkpoint      Ctrl-C saves; go on with --resume run.checkpoint\n\nflags:\n",
         program, model->name, model->parameter_count, program, program, program);
  for (size_t index = 0; index < gradc_train_flag_count; index += 1) {
    const gradc_flag *flag = &gradc_train_flags[index];
    if (is_compiled_in(flag->name)) continue;
    char usage[64];
    snprintf(usage, sizeof usage, "--%s %s", flag->name, flag->values != NULL ? flag->values : "");
    printf("  %-46s %s\n", usage, flag->meaning);
  }
  printf("  %-46s this page\n  %-46s the model and the version of the runtime\n\n"
         "Optimizer, loss and clipping are compiled in. Without --save the best weights go to %s.safetensors.\n"
         "Exit codes: 0 ok, 1 model or data, 2 usage, 4 not finite, 70 a bug, 130 interrupted.\n",
         "--help", "--version", model->name);
}

/* Reads one flag at argv[*index]; "--name value" and "--name=value". */
static int read_flag(int argc, char **argv, int *index, gradc_recipe *recipe, gradc_train_options *options, gradc_error *error) {
  const char *word = argv[*index];
  if (strncmp(word, "--", 2) != 0 || word[2] == 0)
    return gradc_fail(error, GRADC_EXIT_USAGE, "found \"%.64s\", expected a flag; --help lists them", word);
  char name[64];
  const char *equals = strchr(word, '=');
  size_t length = equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - 2;
  snprintf(name, sizeof name, "%.*s", length < sizeof name ? (int)length : (int)sizeof name - 1, word + 2);
  const gradc_flag *flag = gradc_train_flag_find(name);
  const char *value = equals != NULL ? equals + 1 : NULL;
  if (value == NULL && flag != NULL && flag->values != NULL && *index + 1 < argc) value = argv[++*index];
  if (flag != NULL && is_compiled_in(flag->name)) {
    if (says_the_same(flag->name, value, recipe)) return 0;
    return gradc_fail(error, GRADC_EXIT_USAGE,
                      "--%s is compiled into this trainer: set it in the model file and build again with `gradc build --trainer`",
                      flag->name);
  }
  return gradc_train_flag(name, value, recipe, options, error);
}

static void print_ignored(const gradc_encoder *encoder) {
  if (encoder->ignored.count == 0) return;
  fprintf(stderr, "note: columns that the recipe does not name are ignored:");
  for (size_t index = 0; index < encoder->ignored.count; index += 1)
    fprintf(stderr, "%s %s", index > 0 ? "," : "", encoder->ignored.items[index]);
  fputc('\n', stderr);
}

static void print_skipped(const gradc_dataset *dataset) {
  char *text = dataset->images != NULL ? gradc_images_skipped(dataset->images) : NULL;
  if (text != NULL) fprintf(stderr, "note: %s", text);
  gradc_text_free(text);
}

static void print_start(const gradc_model *model, const gradc_dataset *dataset, const gradc_train_options *options) {
  if (options->quiet) return;
  printf("%s: %zu parameters; %zu rows to train on, %zu for validation, %zu for the test\n", model->name, model->parameter_count,
         dataset->split.counts[GRADC_PART_TRAIN], dataset->split.counts[GRADC_PART_VALIDATION], dataset->split.counts[GRADC_PART_TEST]);
  fflush(stdout);
}

static int train(const gradc_model *model, const gradc_recipe *recipe, const gradc_train_options *options, gradc_error *error) {
  gradc_dataset dataset = {0};
  gradc_encoder encoder = {0};
  gradc_trainer *trainer = NULL;
  gradc_history history = {0};
  gradc_load_options load = {.path = options->data};
  int code = gradc_trainer_create(model, options->threads, 0, &trainer, error);
  if (code == 0) code = gradc_dataset_load(recipe, model, &load, &dataset, &encoder, error);
  const gradc_encoder *fitted = gradc_encoder_is_fitted(&encoder) ? &encoder : NULL;
  if (code == 0) code = gradc_initialize(trainer, recipe->seed, error);
  if (code == 0) {
    print_ignored(&encoder);
    print_skipped(&dataset);
    print_start(model, &dataset, options);
    code = gradc_train(trainer, recipe, &dataset, fitted, options, &history, error);
  }
  char *summary = code == 0 ? gradc_history_summary(&history, fitted) : NULL;
  if (summary != NULL) printf("%swrote %s\n", summary, options->save);
  gradc_text_free(summary);
  gradc_history_free(&history);
  gradc_trainer_free(trainer);
  gradc_dataset_free(&dataset);
  gradc_encoder_free(&encoder);
  return code;
}

int gradc_trainer_main(const gradc_model *model, const char *recipe_text, int argc, char **argv) {
  gradc_error error = {0};
  gradc_recipe recipe;
  gradc_train_options options = {0};
  const char *program = argc > 0 ? argv[0] : "trainer";
  for (int index = 1; index < argc; index += 1) {
    if (strcmp(argv[index], "--help") == 0 || strcmp(argv[index], "-h") == 0) {
      print_help(model, program);
      return 0;
    }
    if (strcmp(argv[index], "--version") == 0) {
      printf("%s: native trainer made by gradc, model interface %u\n", model->name, model->version);
      return 0;
    }
  }
  if (gradc_recipe_parse(recipe_text, &recipe, &error) != 0) return fail(&error);
  int code = 0;
  for (int index = 1; code == 0 && index < argc; index += 1) code = read_flag(argc, argv, &index, &recipe, &options, &error);
  char *save = gradc_text_format("%s.safetensors", model->name);
  if (options.save == NULL) options.save = save;
  if (code == 0) code = train(model, &recipe, &options, &error);
  gradc_text_free(save);
  gradc_recipe_free(&recipe);
  if (code == 0 && (fflush(stdout) != 0 || ferror(stdout)))
    code = gradc_fail(&error, GRADC_EXIT_DATA, "cannot write to the standard output");
  return code == 0 ? 0 : fail(&error);
}
