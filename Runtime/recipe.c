/* recipe.c: the text form of a model's data and train blocks, read. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipe_internal.h"

static bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }

int gradc_bad_value(const gradc_directive *d, const char *found, const char *expected) {
  char shown[GRADC_SHOWN];
  gradc_shown(found, strlen(found), shown);
  return gradc_fail(d->error, d->code, "%s%s: found \"%s\", expected %s", d->place, d->name, shown, expected);
}

int gradc_replace_text(const gradc_directive *d, char **field, const char *text) {
  char *copy = gradc_copy_text(text, strlen(text), d->error);
  if (!copy) return GRADC_EXIT_DATA;
  free(*field);
  *field = copy;
  return 0;
}

/* ---- Values ---- */

int gradc_read_real(const gradc_directive *d, const char *text, double low, double high, const char *expected, double *value) {
  double number = 0;
  if (!gradc_parse_number(text, strlen(text), &number) || number < low || number > high) return gradc_bad_value(d, text, expected);
  *value = number;
  return 0;
}

int gradc_read_whole(const gradc_directive *d, const char *text, int64_t low, const char *expected, int64_t *value) {
  double number = 0;
  const bool plain = gradc_parse_number(text, strlen(text), &number) && number >= (double)low && number <= 9007199254740992.0;
  if (!plain || floor(number) != number) return gradc_bad_value(d, text, expected);
  *value = (int64_t)number;
  return 0;
}

/* Seeds use all 64 bits, so they are not read by way of a double. */
static int read_seed(const gradc_directive *d, const char *text, uint64_t *seed) {
  uint64_t value = 0;
  const char *at = text;
  for (; *at >= '0' && *at <= '9'; at++) {
    const uint64_t digit = (uint64_t)(*at - '0');
    if (value > (UINT64_MAX - digit) / 10) return gradc_bad_value(d, text, "a seed below 2^64");
    value = value * 10 + digit;
  }
  if (at == text || *at) return gradc_bad_value(d, text, "a whole number as seed");
  *seed = value;
  return 0;
}

static int read_yes_no(const gradc_directive *d, const char *text, bool *value) {
  if (!is(text, "yes") && !is(text, "no")) return gradc_bad_value(d, text, "yes or no");
  *value = is(text, "yes");
  return 0;
}

const char *gradc_value_of(const char *word, const char *key) {
  const size_t length = strlen(key);
  return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

static int add_words(const gradc_directive *d, size_t first, gradc_strings *list) {
  for (size_t i = first; i < gradc_argument_count(d); i++)
    if (!gradc_strings_add(list, gradc_argument(d, i), strlen(gradc_argument(d, i)), d->error)) return GRADC_EXIT_DATA;
  return 0;
}

/* ---- Choices: NAME key=value... ---- */

static void free_choice(gradc_choice *choice) {
  for (size_t i = 0; i < choice->count; i++) {
    free(choice->settings[i].key);
    free(choice->settings[i].text);
  }
  free(choice->settings);
  free(choice->name);
  *choice = (gradc_choice){0};
}

static int read_choice(const gradc_directive *d, gradc_choice *choice) {
  free_choice(choice);
  choice->settings = gradc_allocate(gradc_argument_count(d), sizeof *choice->settings, d->error);
  if (!choice->settings) return GRADC_EXIT_DATA;
  const int code = gradc_replace_text(d, &choice->name, gradc_argument(d, 0));
  if (code) return code;
  for (size_t i = 1; i < gradc_argument_count(d); i++) {
    const char *word = gradc_argument(d, i), *equals = strchr(word, '=');
    if (!equals || equals == word) return gradc_bad_value(d, word, "key=value");
    gradc_setting *setting = &choice->settings[choice->count++];
    setting->key = gradc_copy_text(word, (size_t)(equals - word), d->error);
    setting->text = gradc_copy_text(equals + 1, strlen(equals + 1), d->error);
    if (!setting->key || !setting->text) return GRADC_EXIT_DATA;
    if (!gradc_parse_number(setting->text, strlen(setting->text), &setting->value)) setting->value = (double)NAN;
    for (size_t j = 0; j + 1 < choice->count; j++)
      if (is(choice->settings[j].key, setting->key)) return gradc_bad_value(d, word, "each key once");
  }
  return 0;
}

static const gradc_setting *find_setting(const gradc_choice *choice, const char *key) {
  for (size_t i = 0; i < choice->count; i++)
    if (is(choice->settings[i].key, key)) return &choice->settings[i];
  return NULL;
}

double gradc_choice_number(const gradc_choice *choice, const char *key, double otherwise) {
  const gradc_setting *setting = find_setting(choice, key);
  return setting && !isnan(setting->value) ? setting->value : otherwise;
}

const char *gradc_choice_text(const gradc_choice *choice, const char *key) {
  const gradc_setting *setting = find_setting(choice, key);
  return setting ? setting->text : NULL;
}

/* ---- Directives of the data block ---- */

static int read_csv(gradc_recipe *recipe, const gradc_directive *d) {
  recipe->source = GRADC_SOURCE_CSV;
  return gradc_replace_text(d, &recipe->path, gradc_argument(d, 0));
}

static int read_npy(gradc_recipe *recipe, const gradc_directive *d) {
  recipe->source = GRADC_SOURCE_NPY;
  const int code = gradc_replace_text(d, &recipe->path, gradc_argument(d, 0));
  return code || gradc_argument_count(d) < 2 ? code : gradc_replace_text(d, &recipe->targets_path, gradc_argument(d, 1));
}

static int read_separator(gradc_recipe *recipe, const gradc_directive *d) {
  const char *text = gradc_argument(d, 0);
  if (strlen(text) != 1 || strchr("\"\n\r", text[0])) return gradc_bad_value(d, text, "one character, no quote and no line end");
  recipe->separator = text[0];
  return 0;
}

static int read_header(gradc_recipe *recipe, const gradc_directive *d) { return read_yes_no(d, gradc_argument(d, 0), &recipe->header); }
static int read_target(gradc_recipe *recipe, const gradc_directive *d) { return add_words(d, 0, &recipe->target); }
static int read_id(gradc_recipe *recipe, const gradc_directive *d) { return gradc_replace_text(d, &recipe->id, gradc_argument(d, 0)); }
static int read_ignore(gradc_recipe *recipe, const gradc_directive *d) { return add_words(d, 0, &recipe->ignore); }
static int read_markers(gradc_recipe *recipe, const gradc_directive *d) { return add_words(d, 0, &recipe->missing_markers); }

static int read_input(gradc_recipe *recipe, const gradc_directive *d) {
  for (size_t i = 0; i < recipe->input_count; i++)
    if (is(recipe->inputs[i].name, gradc_argument(d, 0))) return gradc_bad_value(d, gradc_argument(d, 0), "each input once");
  gradc_input_rule *grown = realloc(recipe->inputs, (recipe->input_count + 1) * sizeof *grown);
  if (!grown) return gradc_fail(d->error, GRADC_EXIT_DATA, "out of memory");
  recipe->inputs = grown;
  gradc_input_rule *rule = &grown[recipe->input_count++];
  *rule = (gradc_input_rule){0};
  const int code = gradc_replace_text(d, &rule->name, gradc_argument(d, 0));
  return code ? code : add_words(d, 1, &rule->columns);
}

static int add_feature(gradc_recipe *recipe, const gradc_directive *d, gradc_feature feature) {
  for (size_t i = 0; i < recipe->feature_count; i++)
    if (is(recipe->features[i].column, feature.column)) return gradc_bad_value(d, feature.column, "each column in one directive only");
  gradc_feature *grown = realloc(recipe->features, (recipe->feature_count + 1) * sizeof *grown);
  if (!grown) return gradc_fail(d->error, GRADC_EXIT_DATA, "out of memory");
  recipe->features = grown;
  feature.column = gradc_copy_text(feature.column, strlen(feature.column), d->error);
  if (!feature.column) return GRADC_EXIT_DATA;
  grown[recipe->feature_count++] = feature;
  return 0;
}

static int add_features(gradc_recipe *recipe, const gradc_directive *d, size_t first, gradc_feature feature) {
  if (first == gradc_argument_count(d)) return gradc_bad_value(d, "", "at least one column");
  for (size_t i = first; i < gradc_argument_count(d); i++) {
    feature.column = d->words->items[i + 1];
    const int code = add_feature(recipe, d, feature);
    if (code) return code;
  }
  return 0;
}

static int read_numeric(gradc_recipe *recipe, const gradc_directive *d) {
  return add_features(recipe, d, 0, (gradc_feature){.kind = GRADC_FEATURE_NUMERIC});
}

static int read_standardize(gradc_recipe *recipe, const gradc_directive *d) {
  return add_features(recipe, d, 0, (gradc_feature){.kind = GRADC_FEATURE_STANDARDIZE});
}

static int read_min_max(gradc_recipe *recipe, const gradc_directive *d) {
  return add_features(recipe, d, 0, (gradc_feature){.kind = GRADC_FEATURE_MIN_MAX});
}

static int read_one_hot(gradc_recipe *recipe, const gradc_directive *d) {
  gradc_feature feature = {.kind = GRADC_FEATURE_ONE_HOT};
  size_t first = 0;
  for (; first < gradc_argument_count(d); first++) {
    const char *word = gradc_argument(d, first);
    if (is(word, "drop_first")) feature.drop_first = true;
    else if (is(word, "unknown=zeros")) feature.unknown_zeros = true;
    else if (is(word, "unknown=error")) feature.unknown_zeros = false;
    else if (strncmp(word, "unknown=", 8) == 0) return gradc_bad_value(d, word, "unknown=zeros or unknown=error");
    else break;
  }
  return add_features(recipe, d, first, feature);
}

static const char *const missing_names[] = {
    [GRADC_MISSING_REFUSE] = "refuse", [GRADC_MISSING_MEAN] = "mean", [GRADC_MISSING_MEDIAN] = "median", [GRADC_MISSING_ZERO] = "zero",
    [GRADC_MISSING_DROP] = "drop", [GRADC_MISSING_CONSTANT] = "constant", [GRADC_MISSING_MOST_FREQUENT] = "most_frequent"};

static int add_missing(gradc_recipe *recipe, const gradc_directive *d, gradc_missing kind, const char *column, const char *value) {
  for (size_t i = 0; i < recipe->missing_count; i++) {
    const char *other = recipe->missing[i].column;
    if (column && other ? is(column, other) : !column && !other)
      return gradc_bad_value(d, column ? column : "", "one rule for missing values a column");
  }
  gradc_missing_rule *grown = realloc(recipe->missing, (recipe->missing_count + 1) * sizeof *grown);
  if (!grown) return gradc_fail(d->error, GRADC_EXIT_DATA, "out of memory");
  recipe->missing = grown;
  gradc_missing_rule *rule = &grown[recipe->missing_count++];
  *rule = (gradc_missing_rule){.kind = kind};
  const int code = column ? gradc_replace_text(d, &rule->column, column) : 0;
  return code || !value ? code : gradc_replace_text(d, &rule->value, value);
}

static int read_missing(gradc_recipe *recipe, const gradc_directive *d) {
  size_t kind = 0, kinds = sizeof missing_names / sizeof *missing_names;
  while (kind < kinds && !is(missing_names[kind], gradc_argument(d, 0))) kind++;
  if (kind == kinds) return gradc_bad_value(d, gradc_argument(d, 0), "refuse, mean, median, zero, drop, most_frequent or constant VALUE");
  size_t first = 1;
  const char *value = NULL;
  if (kind == GRADC_MISSING_CONSTANT) {
    if (gradc_argument_count(d) < 2) return gradc_bad_value(d, "constant", "a value after it");
    value = gradc_argument(d, first++);
  }
  if (first == gradc_argument_count(d)) return add_missing(recipe, d, (gradc_missing)kind, NULL, value);
  for (size_t i = first; i < gradc_argument_count(d); i++) {
    const int code = add_missing(recipe, d, (gradc_missing)kind, gradc_argument(d, i), value);
    if (code) return code;
  }
  return 0;
}

static int read_target_encoding(gradc_recipe *recipe, const gradc_directive *d) {
  const char *text = gradc_argument(d, 0);
  if (is(text, "auto")) recipe->target_kind = GRADC_TARGET_AUTO;
  else if (is(text, "numeric")) recipe->target_kind = GRADC_TARGET_NUMERIC;
  else if (is(text, "classes")) recipe->target_kind = GRADC_TARGET_CLASSES;
  else return gradc_bad_value(d, text, "auto, numeric or classes");
  return 0;
}

static int read_classes(gradc_recipe *recipe, const gradc_directive *d) {
  recipe->target_kind = GRADC_TARGET_CLASSES;
  const char *column = gradc_argument(d, 0);
  return gradc_strings_find(&recipe->target, column, strlen(column)) >= 0 ? 0 : add_words(d, 0, &recipe->target);
}

static int read_standardize_target(gradc_recipe *recipe, const gradc_directive *d) {
  (void)d;
  recipe->standardize_target = true;
  return 0;
}

static int read_split(gradc_recipe *recipe, const gradc_directive *d) {
  double *shares[] = {&recipe->train_share, &recipe->validation_share, &recipe->test_share};
  static const char *const names[] = {"train", "validation", "test"};
  bool given[3] = {false};
  recipe->validation_share = recipe->test_share = 0;
  recipe->stratified = recipe->has_split_seed = false;
  for (size_t i = 0; i < gradc_argument_count(d); i++) {
    const char *word = gradc_argument(d, i), *value = i + 1 < gradc_argument_count(d) ? gradc_argument(d, i + 1) : "";
    int part = 0, code = 0;
    while (part < 3 && !is(word, names[part])) part++;
    if (is(word, "stratified")) {
      recipe->stratified = true;
    } else if (is(word, "seed")) {
      recipe->has_split_seed = true;
      code = read_seed(d, value, &recipe->split_seed);
      i++;
    } else if (part < 3 && !given[part]) {
      given[part] = true;
      code = gradc_read_real(d, value, 0, 1, "a share from 0 to 1", shares[part]);
      i++;
    } else {
      return gradc_bad_value(d, word, "train, validation, test with a share each, stratified, seed");
    }
    if (code) return code;
  }
  if (!given[0]) recipe->train_share = 1 - recipe->validation_share - recipe->test_share;
  const double sum = recipe->train_share + recipe->validation_share + recipe->test_share;
  if (recipe->train_share > 0 && fabs(sum - 1) < 1e-5) return 0;
  return gradc_fail(d->error, d->code, "%s%s: the shares add up to %g with %g for training, expected 1 and more than 0", d->place, d->name,
                    sum, recipe->train_share);
}

/* ---- Directives of the train block ---- */

static int read_batch(gradc_recipe *recipe, const gradc_directive *d) {
  if (is(gradc_argument(d, 0), "all")) {
    recipe->batch = 0;
    return 0;
  }
  return gradc_read_whole(d, gradc_argument(d, 0), 1, "a number of rows from 1, or all", &recipe->batch);
}

static int read_epochs(gradc_recipe *recipe, const gradc_directive *d) {
  return gradc_read_whole(d, gradc_argument(d, 0), 0, "a number of epochs", &recipe->epochs);
}

static int read_accumulate(gradc_recipe *recipe, const gradc_directive *d) {
  return gradc_read_whole(d, gradc_argument(d, 0), 1, "a number of batches from 1", &recipe->accumulate);
}

static int read_rate(gradc_recipe *recipe, const gradc_directive *d) {
  double rate = 0;
  const int code = gradc_read_real(d, gradc_argument(d, 0), 0, 1e30, "a learning rate above 0", &rate);
  if (code || rate <= 0) return code ? code : gradc_bad_value(d, gradc_argument(d, 0), "a learning rate above 0");
  recipe->rate = rate;
  return 0;
}

static int read_optimizer(gradc_recipe *recipe, const gradc_directive *d) { return read_choice(d, &recipe->optimizer); }
static int read_loss(gradc_recipe *recipe, const gradc_directive *d) { return read_choice(d, &recipe->loss); }

static int read_metrics(gradc_recipe *recipe, const gradc_directive *d) {
  for (size_t i = 0; i < gradc_argument_count(d); i++) {
    if (gradc_metric_is_known(gradc_argument(d, i))) continue;
    const char *nearest = gradc_metric_nearest(gradc_argument(d, i));
    char shown[GRADC_SHOWN];
    gradc_shown(gradc_argument(d, i), strlen(gradc_argument(d, i)), shown);
    if (nearest)
      return gradc_fail(d->error, d->code, "%s%s: unknown metric \"%s\"; did you mean \"%s\"?", d->place, d->name, shown, nearest);
    return gradc_bad_value(d, shown, "accuracy, precision, recall, f1, auc, mae, mse, rmse, r2, perplexity, bits_per_character or bits_per_byte");
  }
  gradc_strings_free(&recipe->metrics);
  return add_words(d, 0, &recipe->metrics);
}

static int read_threshold(gradc_recipe *recipe, const gradc_directive *d) {
  return gradc_read_real(d, gradc_argument(d, 0), 0, 1, "a probability from 0 to 1", &recipe->threshold);
}

static int read_mode(gradc_recipe *recipe, const gradc_directive *d, const char *text) {
  if (is(text, "auto")) recipe->monitor_mode = GRADC_MODE_AUTO;
  else if (is(text, "min")) recipe->monitor_mode = GRADC_MODE_MIN;
  else if (is(text, "max")) recipe->monitor_mode = GRADC_MODE_MAX;
  else return gradc_bad_value(d, text, "mode=auto, mode=min or mode=max");
  return 0;
}

static int read_early_stopping(gradc_recipe *recipe, const gradc_directive *d) {
  recipe->early_stopping = true;
  for (size_t i = 0; i < gradc_argument_count(d); i++) {
    const char *word = gradc_argument(d, i), *value = NULL;
    int code = 0;
    if ((value = gradc_value_of(word, "monitor"))) code = gradc_replace_text(d, &recipe->monitor, value);
    else if ((value = gradc_value_of(word, "mode"))) code = read_mode(recipe, d, value);
    else if ((value = gradc_value_of(word, "patience"))) code = gradc_read_whole(d, value, 0, "a number of epochs", &recipe->patience);
    else if ((value = gradc_value_of(word, "min_delta"))) code = gradc_read_real(d, value, 0, 1e300, "a number from 0", &recipe->min_delta);
    else code = gradc_bad_value(d, word, "monitor=…, mode=…, patience=… or min_delta=…");
    if (code) return code;
  }
  return 0;
}

static int read_schedule(gradc_recipe *recipe, const gradc_directive *d) {
  static const char *const names[] = {"constant", "step", "exponential", "cosine", "plateau"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (is(gradc_argument(d, 0), names[i])) return read_choice(d, &recipe->schedule);
  return gradc_bad_value(d, gradc_argument(d, 0), "constant, step, exponential, cosine or plateau");
}

static int read_warmup(gradc_recipe *recipe, const gradc_directive *d) {
  return gradc_read_whole(d, gradc_argument(d, 0), 0, "a number of steps", &recipe->warmup);
}

static void free_class_weights(gradc_recipe *recipe) {
  for (size_t i = 0; i < recipe->class_weight_count; i++) free(recipe->class_weights[i].label);
  free(recipe->class_weights);
  recipe->class_weights = NULL;
  recipe->class_weight_count = 0;
}

static int read_class_weight(gradc_recipe *recipe, const gradc_directive *d) {
  free_class_weights(recipe);
  recipe->balanced_classes = gradc_argument_count(d) == 1 && is(gradc_argument(d, 0), "balanced");
  if (recipe->balanced_classes) return 0;
  recipe->class_weights = gradc_allocate(gradc_argument_count(d), sizeof *recipe->class_weights, d->error);
  if (!recipe->class_weights) return GRADC_EXIT_DATA;
  for (size_t i = 0; i < gradc_argument_count(d); i++) {
    const char *word = gradc_argument(d, i), *equals = strrchr(word, '=');
    if (!equals) return gradc_bad_value(d, word, "balanced, or CLASS=WEIGHT");
    gradc_class_weight *weight = &recipe->class_weights[recipe->class_weight_count];
    const int code = gradc_read_real(d, equals + 1, 0, 1e30, "a weight from 0", &weight->weight);
    if (code) return code;
    weight->label = gradc_copy_text(word, (size_t)(equals - word), d->error);
    if (!weight->label) return GRADC_EXIT_DATA;
    recipe->class_weight_count++;
  }
  return 0;
}

static int read_sample_weight(gradc_recipe *recipe, const gradc_directive *d) {
  return gradc_replace_text(d, &recipe->sample_weight, gradc_argument(d, 0));
}

static int read_clip_norm(gradc_recipe *recipe, const gradc_directive *d) {
  return gradc_read_real(d, gradc_argument(d, 0), 0, 1e300, "a norm from 0 (0: no clipping)", &recipe->clip_norm);
}

static int read_clip_value(gradc_recipe *recipe, const gradc_directive *d) {
  return gradc_read_real(d, gradc_argument(d, 0), 0, 1e300, "a value from 0 (0: no clipping)", &recipe->clip_value);
}

static int read_shuffle(gradc_recipe *recipe, const gradc_directive *d) { return read_yes_no(d, gradc_argument(d, 0), &recipe->shuffle); }
static int read_training_seed(gradc_recipe *recipe, const gradc_directive *d) { return read_seed(d, gradc_argument(d, 0), &recipe->seed); }

static int read_checkpoint(gradc_recipe *recipe, const gradc_directive *d) {
  if (gradc_argument_count(d) == 2) {
    const char *value = gradc_value_of(gradc_argument(d, 1), "every");
    const int code = value ? gradc_read_whole(d, value, 1, "a number of epochs from 1", &recipe->checkpoint_every)
                           : gradc_bad_value(d, gradc_argument(d, 1), "every=N");
    if (code) return code;
  }
  return gradc_replace_text(d, &recipe->checkpoint, gradc_argument(d, 0));
}

static int read_log(gradc_recipe *recipe, const gradc_directive *d) {
  const char *path = gradc_argument(d, 0), *dot = strrchr(path, '.');
  if (!dot || (!is(dot, ".csv") && !is(dot, ".jsonl"))) return gradc_bad_value(d, path, "a file that ends in .csv or .jsonl");
  return gradc_replace_text(d, &recipe->log, path);
}

/* ---- The list of directives ---- */

#define ANY SIZE_MAX

static const struct directive {
  const char *name;
  size_t least, most;  /* arguments */
  bool repeats;        /* may stand on several lines */
  int (*read)(gradc_recipe *recipe, const gradc_directive *d);
} directives[] = {
    {"csv", 1, 1, false, read_csv},
    {"npy", 1, 2, false, read_npy},
    {"idx", 1, 2, false, gradc_read_idx},
    {"cifar", 1, ANY, false, gradc_read_cifar},
    {"npz", 1, 3, false, gradc_read_npz},
    {"images", 1, 1, false, gradc_read_image_folder},
    {"text", 1, 1, false, gradc_read_text},
    {"tokens", 1, 3, false, gradc_read_tokens},
    {"tokenizer", 1, 1, false, gradc_read_tokenizer},
    {"length", 1, 1, false, gradc_read_length},
    {"window", 1, 3, false, gradc_read_window},
    {"test_data", 1, ANY, false, gradc_read_test_data},
    {"class_names", 2, ANY, false, gradc_read_class_names},
    {"layout", 1, 1, false, gradc_read_layout},
    {"image_size", 2, 2, false, gradc_read_image_size},
    {"color", 1, 1, false, gradc_read_color},
    {"resize", 0, 0, false, gradc_read_resize},
    {"scale", 1, 1, false, gradc_read_scale},
    {"standardize_channels", 0, ANY, false, gradc_read_standardize_channels},
    {"augment", 1, ANY, false, gradc_read_augment},
    {"skip_bad", 0, 1, false, gradc_read_skip_bad},
    {"separator", 1, 1, false, read_separator},
    {"header", 1, 1, false, read_header},
    {"target", 1, ANY, false, read_target},
    {"id", 1, 1, false, read_id},
    {"ignore", 1, ANY, true, read_ignore},
    {"input", 2, ANY, true, read_input},
    {"numeric", 1, ANY, true, read_numeric},
    {"standardize", 1, ANY, true, read_standardize},
    {"min_max", 1, ANY, true, read_min_max},
    {"one_hot", 1, ANY, true, read_one_hot},
    {"missing", 1, ANY, true, read_missing},
    {"missing_marker", 1, ANY, true, read_markers},
    {"target_encoding", 1, 1, false, read_target_encoding},
    {"classes", 1, 1, false, read_classes},
    {"standardize_target", 0, 0, false, read_standardize_target},
    {"split", 1, ANY, false, read_split},
    {"batch", 1, 1, false, read_batch},
    {"accumulate", 1, 1, false, read_accumulate},
    {"epochs", 1, 1, false, read_epochs},
    {"steps", 1, 1, false, gradc_read_steps},
    {"evaluate", 1, 1, false, gradc_read_evaluate},
    {"order", 1, 1, false, gradc_read_order},
    {"rate", 1, 1, false, read_rate},
    {"optimizer", 1, ANY, false, read_optimizer},
    {"loss", 1, ANY, false, read_loss},
    {"metrics", 1, ANY, false, read_metrics},
    {"threshold", 1, 1, false, read_threshold},
    {"early_stopping", 0, ANY, false, read_early_stopping},
    {"schedule", 1, ANY, false, read_schedule},
    {"warmup", 1, 1, false, read_warmup},
    {"class_weight", 1, ANY, false, read_class_weight},
    {"sample_weight", 1, 1, false, read_sample_weight},
    {"clip_norm", 1, 1, false, read_clip_norm},
    {"clip_value", 1, 1, false, read_clip_value},
    {"shuffle", 1, 1, false, read_shuffle},
    {"seed", 1, 1, false, read_training_seed},
    {"checkpoint", 1, 2, false, read_checkpoint},
    {"log", 1, 1, false, read_log},
};

#define DIRECTIVES (sizeof directives / sizeof *directives)

static size_t find_directive(const char *name) {
  size_t i = 0;
  while (i < DIRECTIVES && !is(directives[i].name, name)) i++;
  return i;
}

static int fail_unknown(const gradc_directive *d) {
  const char *names[DIRECTIVES];
  for (size_t i = 0; i < DIRECTIVES; i++) names[i] = directives[i].name;
  const ptrdiff_t nearest = gradc_nearest_name(d->name, names, DIRECTIVES);
  char shown[GRADC_SHOWN];
  gradc_shown(d->name, strlen(d->name), shown);
  if (nearest >= 0)
    return gradc_fail(d->error, d->code, "%sunknown directive \"%s\"; did you mean \"%s\"?", d->place, shown, names[nearest]);
  return gradc_fail(d->error, d->code, "%sunknown directive \"%s\"; expected csv, target, standardize, one_hot, split, batch, epochs …",
                    d->place, shown);
}

static int read_directive(gradc_recipe *recipe, const gradc_directive *d, bool *seen) {
  const size_t index = find_directive(d->words->items[0]);
  if (index == DIRECTIVES) return fail_unknown(d);
  const struct directive *directive = &directives[index];
  if (seen && seen[index] && !directive->repeats)
    return gradc_fail(d->error, d->code, "%s%s is there twice", d->place, d->name);
  if (seen) seen[index] = true;
  const size_t count = gradc_argument_count(d);
  if (count < directive->least || count > directive->most)
    return gradc_fail(d->error, d->code, "%s%s: found %zu values, expected %s%zu", d->place, d->name, count,
                      directive->most == directive->least ? "" : count < directive->least ? "at least " : "at most ",
                      count < directive->least ? directive->least : directive->most);
  return directive->read(recipe, d);
}

void gradc_recipe_init(gradc_recipe *recipe) {
  *recipe = (gradc_recipe){.header = true, .train_share = 1, .batch = 32, .accumulate = 1, .epochs = 10, .threshold = 0.5, .patience = 20,
                           .shuffle = true, .ahead = 1, .checkpoint_every = 1};
}

/* What no single directive can see. */
static int check_recipe(const gradc_recipe *recipe, gradc_error *error) {
  for (size_t i = 0; i < recipe->feature_count; i++) {
    const char *column = recipe->features[i].column;
    const bool is_target = gradc_strings_find(&recipe->target, column, strlen(column)) >= 0;
    if ((is_target && recipe->window == 0) || gradc_strings_find(&recipe->ignore, column, strlen(column)) >= 0)
      return gradc_fail(error, GRADC_EXIT_DATA, "column \"%s\" is both an input and %s", column, is_target ? "the target" : "ignored");
  }
  for (size_t i = 1; i < recipe->target.count; i++)
    for (size_t j = 0; j < i; j++)
      if (is(recipe->target.items[i], recipe->target.items[j]))
        return gradc_fail(error, GRADC_EXIT_DATA, "column \"%s\" is a target twice", recipe->target.items[i]);
  const int code = gradc_check_image_recipe(recipe, error);
  return code ? code : gradc_check_text_recipe(recipe, error);
}

int gradc_recipe_parse(const char *text, gradc_recipe *recipe, gradc_error *error) {
  gradc_recipe_init(recipe);
  bool seen[DIRECTIVES] = {false};
  gradc_strings words = {0};
  size_t line = 0;
  int code = 0, more = 0;
  while (!code && (more = gradc_next_line(&text, &line, &words, error)) > 0) {
    gradc_directive d = {words.items[0], &words, GRADC_EXIT_DATA, "", error};
    snprintf(d.place, sizeof d.place, "recipe line %zu: ", line);
    code = read_directive(recipe, &d, seen);
  }
  if (more < 0) code = GRADC_EXIT_DATA;
  if (!code) code = check_recipe(recipe, error);
  gradc_strings_free(&words);
  if (code) gradc_recipe_free(recipe);
  return code;
}

void gradc_recipe_free(gradc_recipe *recipe) {
  free(recipe->path);
  free(recipe->targets_path);
  free(recipe->tokenizer);
  gradc_image_recipe_free(&recipe->images);
  gradc_strings_free(&recipe->target);
  free(recipe->id);
  gradc_strings_free(&recipe->ignore);
  for (size_t i = 0; i < recipe->input_count; i++) {
    free(recipe->inputs[i].name);
    gradc_strings_free(&recipe->inputs[i].columns);
  }
  free(recipe->inputs);
  for (size_t i = 0; i < recipe->feature_count; i++) free(recipe->features[i].column);
  free(recipe->features);
  for (size_t i = 0; i < recipe->missing_count; i++) {
    free(recipe->missing[i].column);
    free(recipe->missing[i].value);
  }
  free(recipe->missing);
  gradc_strings_free(&recipe->missing_markers);
  free_choice(&recipe->optimizer);
  free_choice(&recipe->loss);
  free_choice(&recipe->schedule);
  gradc_strings_free(&recipe->metrics);
  free(recipe->monitor);
  free_class_weights(recipe);
  free(recipe->sample_weight);
  free(recipe->checkpoint);
  free(recipe->log);
  *recipe = (gradc_recipe){0};
}

/* ---- Overriding by flags ---- */

const gradc_recipe_field gradc_recipe_fields[] = {
    {"epochs", "N", "passes over the training rows"},
    {"steps", "N", "updates an epoch, of rows drawn at random; 0: every row once"},
    {"evaluate", "N", "rows of each part that the figures after an epoch are of; 0: all"},
    {"batch_size", "N|all", "rows a step; all: the whole training set in one step"},
    {"accumulate", "N", "batches whose gradients are averaged for one update"},
    {"lr", "R", "learning rate"},
    {"optimizer", "NAME[,KEY=VALUE...]", "sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam, adamw"},
    {"loss", "NAME[,KEY=VALUE...]", "the loss to train with"},
    {"metrics", "NAME[,NAME...]", "accuracy, precision, recall, f1, auc, mae, mse, rmse, r2, perplexity, bits_per_character, bits_per_byte"},
    {"threshold", "T", "probability from which a prediction counts as positive"},
    {"seed", "N", "of initial weights, dropout and shuffling"},
    {"validation_split", "F", "share of the rows that is held out for validation, taken from the training share"},
    {"early_stopping", "yes|no", "stop when the monitored figure no longer improves"},
    {"patience", "N", "epochs without improvement before stopping"},
    {"monitor", "NAME", "the figure that early stopping watches: val_loss, val_auc …"},
    {"min_delta", "D", "what counts as an improvement"},
    {"schedule", "NAME[,KEY=VALUE...]", "constant, step, exponential, cosine, plateau"},
    {"warmup", "STEPS", "steps in which the rate rises from 0"},
    {"class_weight", "balanced|CLASS=W[,CLASS=W...]", "weight of each class in the loss"},
    {"clip_norm", "X", "largest global gradient norm"},
    {"clip_value", "X", "largest gradient element"},
    {"shuffle", "yes|no", "a new order of the training rows each epoch"},
    {"checkpoint", "PATH", "where to keep the state of the training"},
    {"checkpoint_every", "N", "epochs between checkpoints"},
    {"log", "PATH", "one line an epoch, .csv or .jsonl"},
    {"augment", "NAME[=VALUE][,...]", "flip, shift=PIXELS, crop=PIXELS, rotation=DEGREES, fill=black|edge|reflect, or none"},
    {"skip_bad", "yes|no", "leave out images that cannot be read"},
};

const size_t gradc_recipe_field_count = sizeof gradc_recipe_fields / sizeof *gradc_recipe_fields;

const gradc_recipe_field *gradc_recipe_field_at(size_t index) {
  return index < gradc_recipe_field_count ? &gradc_recipe_fields[index] : NULL;
}

static int set_validation_share(gradc_recipe *recipe, const gradc_directive *d) {
  double share = 0;
  const int code = gradc_read_real(d, gradc_argument(d, 0), 0, 1, "a share from 0 to below 1", &share);
  if (code) return code;
  const double train = 1 - share - recipe->test_share;
  if (train <= 0) return gradc_bad_value(d, gradc_argument(d, 0), "a share that leaves rows to train on");
  recipe->validation_share = share;
  recipe->train_share = train;
  return 0;
}

static int set_monitor(gradc_recipe *recipe, const gradc_directive *d) {
  recipe->early_stopping = true;
  return gradc_replace_text(d, &recipe->monitor, gradc_argument(d, 0));
}

static int set_patience(gradc_recipe *recipe, const gradc_directive *d) {
  recipe->early_stopping = true;
  return gradc_read_whole(d, gradc_argument(d, 0), 0, "a number of epochs", &recipe->patience);
}

static int set_min_delta(gradc_recipe *recipe, const gradc_directive *d) {
  recipe->early_stopping = true;
  return gradc_read_real(d, gradc_argument(d, 0), 0, 1e300, "a number from 0", &recipe->min_delta);
}

static int set_early_stopping(gradc_recipe *recipe, const gradc_directive *d) {
  return read_yes_no(d, gradc_argument(d, 0), &recipe->early_stopping);
}

static int set_checkpoint_every(gradc_recipe *recipe, const gradc_directive *d) {
  return gradc_read_whole(d, gradc_argument(d, 0), 1, "a number of epochs from 1", &recipe->checkpoint_every);
}

/* Flags that are no directive of their own, or have another name as one. */
static const struct flag {
  const char *name, *directive;
  int (*set)(gradc_recipe *recipe, const gradc_directive *d);
} flags[] = {
    {"batch_size", "batch", NULL},
    {"lr", "rate", NULL},
    {"learning_rate", "rate", NULL},
    {"validation_split", NULL, set_validation_share},
    {"early_stopping", NULL, set_early_stopping},
    {"patience", NULL, set_patience},
    {"monitor", NULL, set_monitor},
    {"min_delta", NULL, set_min_delta},
    {"checkpoint_every", NULL, set_checkpoint_every},
};

static bool is_field(const char *name) {
  for (size_t i = 0; i < gradc_recipe_field_count; i++)
    if (is(gradc_recipe_fields[i].name, name)) return true;
  return is(name, "batch") || is(name, "rate") || is(name, "learning_rate");
}

static int fail_unknown_field(const char *name, gradc_error *error) {
  const char *names[sizeof gradc_recipe_fields / sizeof *gradc_recipe_fields];
  for (size_t i = 0; i < gradc_recipe_field_count; i++) names[i] = gradc_recipe_fields[i].name;
  const ptrdiff_t nearest = gradc_nearest_name(name, names, gradc_recipe_field_count);
  char shown[GRADC_SHOWN];
  gradc_shown(name, strlen(name), shown);
  if (nearest < 0) return gradc_fail(error, GRADC_EXIT_USAGE, "there is no training field \"%s\"", shown);
  return gradc_fail(error, GRADC_EXIT_USAGE, "there is no training field \"%s\"; did you mean \"%s\"?", shown, names[nearest]);
}

static bool split_value(const char *name, const char *value, bool whole, gradc_strings *words, gradc_error *error) {
  if (!gradc_strings_add(words, name, strlen(name), error)) return false;
  if (whole) return gradc_strings_add(words, value, strlen(value), error);
  for (const char *at = value + strspn(value, " ,\t\n"); *at; at += strspn(at, " ,\t\n")) {
    const size_t length = strcspn(at, " ,\t\n");
    if (!gradc_strings_add(words, at, length, error)) return false;
    at += length;
  }
  return true;
}

static int apply_field(gradc_recipe *recipe, const char *name, const char *shown_name, const char *value, gradc_error *error) {
  const struct flag *flag = NULL;
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
    if (is(flags[i].name, name)) flag = &flags[i];
  const char *directive = flag && flag->directive ? flag->directive : name;
  gradc_strings words = {0};
  if (!split_value(directive, value, is(name, "log") || is(name, "checkpoint"), &words, error)) {
    gradc_strings_free(&words);
    return GRADC_EXIT_DATA;
  }
  gradc_directive d = {shown_name, &words, GRADC_EXIT_USAGE, "", error};
  int code = 0;
  if (!flag || !flag->set) code = read_directive(recipe, &d, NULL);
  else if (words.count != 2) code = gradc_bad_value(&d, value, "one value");
  else code = flag->set(recipe, &d);
  gradc_strings_free(&words);
  return code;
}

int gradc_recipe_set(gradc_recipe *recipe, const char *name, const char *value, gradc_error *error) {
  char plain[64] = "";
  const size_t length = strlen(name);
  for (size_t i = 0; i < length && i + 1 < sizeof plain; i++) plain[i] = name[i] == '-' ? '_' : name[i];
  if (length >= sizeof plain || !is_field(plain)) return fail_unknown_field(name, error);
  char *text = NULL;
  int code = gradc_recipe_print(recipe, &text, error);
  if (code) return code;
  gradc_recipe changed;  /* a copy, so that a wrong value changes nothing */
  code = gradc_recipe_parse(text, &changed, error);
  gradc_text_free(text);
  if (code) return code;
  changed.checkpoint_every = recipe->checkpoint_every;  /* not printed without a checkpoint */
  code = apply_field(&changed, plain, name, value, error);
  if (code) {
    gradc_recipe_free(&changed);
    return code;
  }
  gradc_recipe_free(recipe);
  *recipe = changed;
  return 0;
}
