/* recipe_print.c: a recipe as text. */
#include <stdlib.h>
#include <string.h>

#include "recipe_internal.h"

static void begin(gradc_buffer *out, const char *name) { gradc_buffer_text(out, name); }
static void end(gradc_buffer *out) { gradc_buffer_text(out, "\n"); }

static void print_words(gradc_buffer *out, const gradc_strings *words) {
  for (size_t i = 0; i < words->count; i++) gradc_buffer_word(out, words->items[i]);
}

static void print_list(gradc_buffer *out, const char *name, const gradc_strings *words) {
  if (!words->count) return;
  begin(out, name);
  print_words(out, words);
  end(out);
}

static void print_text(gradc_buffer *out, const char *name, const char *text) {
  if (!text) return;
  begin(out, name);
  gradc_buffer_word(out, text);
  end(out);
}

static void print_number(gradc_buffer *out, const char *name, double value, double standard) {
  if (value == standard) return;
  begin(out, name);
  gradc_buffer_text(out, "\t");
  gradc_buffer_number(out, value);
  end(out);
}

static void print_whole(gradc_buffer *out, const char *name, uint64_t value, uint64_t standard) {
  if (value == standard) return;
  begin(out, name);
  gradc_buffer_text(out, "\t");
  gradc_buffer_integer(out, value);
  end(out);
}

static void print_pair(gradc_buffer *out, const char *key, const char *text) {
  char *word = gradc_text_format("%s=%s", key, text);
  if (word) gradc_buffer_word(out, word);
  else out->failed = true;
  free(word);
}

static void print_number_pair(gradc_buffer *out, const char *key, double value) {
  char text[32];
  gradc_format_number(value, text, sizeof text);
  print_pair(out, key, text);
}

static void print_choice(gradc_buffer *out, const char *name, const gradc_choice *choice) {
  if (!choice->name) return;
  begin(out, name);
  gradc_buffer_word(out, choice->name);
  for (size_t i = 0; i < choice->count; i++) print_pair(out, choice->settings[i].key, choice->settings[i].text);
  end(out);
}

/* A column of tokens is printed with what it needs besides. */
static void print_features(gradc_buffer *out, const gradc_recipe *recipe) {
  static const char *const names[] = {"numeric", "standardize", "min_max", "one_hot"};
  const gradc_feature *before = NULL;
  for (size_t i = 0; i < recipe->feature_count; i++) {
    const gradc_feature *feature = &recipe->features[i];
    if (feature->kind == GRADC_FEATURE_TOKENS) continue;
    const bool continues = before && before->kind == feature->kind && before->drop_first == feature->drop_first &&
                           before->unknown_zeros == feature->unknown_zeros;
    if (!continues) {
      if (before) end(out);
      begin(out, names[feature->kind]);
      if (feature->drop_first) gradc_buffer_word(out, "drop_first");
      if (feature->unknown_zeros) gradc_buffer_word(out, "unknown=zeros");
    }
    gradc_buffer_word(out, feature->column);
    before = feature;
  }
  if (before) end(out);
}

static void print_missing(gradc_buffer *out, const gradc_recipe *recipe) {
  static const char *const names[] = {"refuse", "mean", "median", "zero", "drop", "constant", "most_frequent"};
  for (size_t i = 0; i < recipe->missing_count; i++) {
    const gradc_missing_rule *rule = &recipe->missing[i];
    begin(out, "missing");
    gradc_buffer_word(out, names[rule->kind]);
    if (rule->value) gradc_buffer_word(out, rule->value);
    if (rule->column) gradc_buffer_word(out, rule->column);
    end(out);
  }
}

static void print_data(gradc_buffer *out, const gradc_recipe *recipe) {
  if (recipe->source == GRADC_SOURCE_CSV) print_text(out, "csv", recipe->path);
  if (recipe->source == GRADC_SOURCE_NPY) {
    begin(out, "npy");
    gradc_buffer_word(out, recipe->path);
    if (recipe->targets_path) gradc_buffer_word(out, recipe->targets_path);
    end(out);
  }
  gradc_print_image_recipe(out, recipe);
  gradc_print_text_recipe(out, recipe);
  if (recipe->separator) print_text(out, "separator", (char[]){recipe->separator, 0});
  if (!recipe->header) print_text(out, "header", "no");
  print_list(out, "target", &recipe->target);
  print_text(out, "id", recipe->id);
  print_list(out, "ignore", &recipe->ignore);
  for (size_t i = 0; i < recipe->input_count; i++) {
    begin(out, "input");
    gradc_buffer_word(out, recipe->inputs[i].name);
    print_words(out, &recipe->inputs[i].columns);
    end(out);
  }
  print_features(out, recipe);
  print_missing(out, recipe);
  print_list(out, "missing_marker", &recipe->missing_markers);
  if (recipe->target_kind == GRADC_TARGET_NUMERIC) print_text(out, "target_encoding", "numeric");
  if (recipe->target_kind == GRADC_TARGET_CLASSES) print_text(out, "target_encoding", "classes");
  if (recipe->standardize_target) gradc_buffer_text(out, "standardize_target\n");
  if (recipe->validation_share <= 0 && recipe->test_share <= 0 && !recipe->stratified && !recipe->has_split_seed) return;
  gradc_buffer_text(out, "split\ttrain\t");
  gradc_buffer_number(out, recipe->train_share);
  gradc_buffer_text(out, "\tvalidation\t");
  gradc_buffer_number(out, recipe->validation_share);
  gradc_buffer_text(out, "\ttest\t");
  gradc_buffer_number(out, recipe->test_share);
  if (recipe->stratified) gradc_buffer_word(out, "stratified");
  if (recipe->has_split_seed) {
    gradc_buffer_text(out, "\tseed\t");
    gradc_buffer_integer(out, recipe->split_seed);
  }
  end(out);
}

static void print_early_stopping(gradc_buffer *out, const gradc_recipe *recipe) {
  if (!recipe->early_stopping) return;
  begin(out, "early_stopping");
  if (recipe->monitor) print_pair(out, "monitor", recipe->monitor);
  if (recipe->monitor_mode != GRADC_MODE_AUTO) print_pair(out, "mode", recipe->monitor_mode == GRADC_MODE_MIN ? "min" : "max");
  print_number_pair(out, "patience", (double)recipe->patience);
  if (recipe->min_delta > 0) print_number_pair(out, "min_delta", recipe->min_delta);
  end(out);
}

static void print_class_weights(gradc_buffer *out, const gradc_recipe *recipe) {
  if (recipe->balanced_classes) print_text(out, "class_weight", "balanced");
  if (!recipe->class_weight_count) return;
  begin(out, "class_weight");
  for (size_t i = 0; i < recipe->class_weight_count; i++)
    print_number_pair(out, recipe->class_weights[i].label, recipe->class_weights[i].weight);
  end(out);
}

static void print_training(gradc_buffer *out, const gradc_recipe *recipe) {
  if (recipe->batch == 0) print_text(out, "batch", "all");
  else print_whole(out, "batch", (uint64_t)recipe->batch, 32);
  print_whole(out, "accumulate", (uint64_t)recipe->accumulate, 1);
  print_whole(out, "epochs", (uint64_t)recipe->epochs, 10);
  gradc_print_order_recipe(out, recipe);
  print_number(out, "rate", recipe->rate, 0);
  print_choice(out, "optimizer", &recipe->optimizer);
  print_choice(out, "loss", &recipe->loss);
  print_list(out, "metrics", &recipe->metrics);
  print_number(out, "threshold", recipe->threshold, 0.5);
  print_early_stopping(out, recipe);
  print_choice(out, "schedule", &recipe->schedule);
  print_whole(out, "warmup", (uint64_t)recipe->warmup, 0);
  print_class_weights(out, recipe);
  print_text(out, "sample_weight", recipe->sample_weight);
  print_number(out, "clip_norm", recipe->clip_norm, 0);
  print_number(out, "clip_value", recipe->clip_value, 0);
  if (!recipe->shuffle) print_text(out, "shuffle", "no");
  print_whole(out, "seed", recipe->seed, 0);
  if (recipe->checkpoint) {
    begin(out, "checkpoint");
    gradc_buffer_word(out, recipe->checkpoint);
    if (recipe->checkpoint_every != 1) print_number_pair(out, "every", (double)recipe->checkpoint_every);
    end(out);
  }
  print_text(out, "log", recipe->log);
}

int gradc_recipe_print(const gradc_recipe *recipe, char **text, gradc_error *error) {
  gradc_buffer out = {0};
  print_data(&out, recipe);
  print_training(&out, recipe);
  return gradc_buffer_take(&out, text, error);
}
