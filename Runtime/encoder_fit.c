/* encoder_fit.c: an encoder from a recipe and a table.
 *
 * Three walks over the table: the first checks every cell that is used and collects the categories, so that errors come
 * before any work; then the rows are split; the second walk gathers the statistics of the training rows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text_internal.h"

#define MOST_CATEGORIES ((size_t)1 << 16)
#define MOST_STRATA ((size_t)1 << 12)

/* A growing set of labels with open addressing; the labels themselves lie in a `gradc_categories`. */
typedef struct label_set {
  gradc_categories *categories;
  size_t *slots;  /* index + 1, or 0 */
  size_t slot_count;
} label_set;

/* What is gathered about one column. */
typedef struct gathered {
  label_set labels;
  size_t *frequencies;          /* of categories, in training rows */
  double *values;               /* of training rows, for median and most frequent */
  size_t value_count, value_capacity;
  size_t count, missing;        /* training rows with and without a value */
  double sum, carry;            /* Neumaier's sum: exact for whole numbers, where a running mean is not */
  double mean, spread, low, high;
  gradc_buffer text;            /* of tokens: all training rows, a line end after each */
} gathered;

typedef struct fitting {
  const gradc_table *table;
  const gradc_recipe *recipe;
  gradc_encoder *encoder;
  gradc_encoder_sources sources;
  gradc_row row;
  gathered *columns, *targets;
  gradc_categories strata;      /* classes of a numeric target, for a stratified split */
  label_set strata_set;
  int32_t *labels;              /* class of each kept row, when they are needed */
  uint32_t *kept;
  size_t kept_count;
  gradc_error *error;
} fitting;

/* ---- Label sets ---- */

static uint64_t hash_bytes(const char *text, size_t length) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);  /* FNV-1a, then mixed: its low bits alone are weak */
  for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
  return gradc_random(hash, 0);
}

static bool rehash(label_set *set, gradc_error *error) {
  const size_t slot_count = set->slot_count ? set->slot_count * 2 : 16;
  size_t *slots = gradc_allocate(slot_count, sizeof *slots, error);
  if (!slots) return false;
  for (size_t i = 0; i < set->categories->labels.count; i++) {
    const char *label = set->categories->labels.items[i];
    size_t slot = (size_t)hash_bytes(label, strlen(label)) & (slot_count - 1);
    while (slots[slot]) slot = (slot + 1) & (slot_count - 1);
    slots[slot] = i + 1;
  }
  free(set->slots);
  set->slots = slots;
  set->slot_count = slot_count;
  return true;
}

/* The index of the label, which is added when it is new; -1 when memory is short. */
static ptrdiff_t add_label(label_set *set, const char *text, size_t length, gradc_error *error) {
  const gradc_strings *labels = &set->categories->labels;
  if (labels->count * 2 >= set->slot_count && !rehash(set, error)) return -1;
  size_t slot = (size_t)hash_bytes(text, length) & (set->slot_count - 1);
  for (; set->slots[slot]; slot = (slot + 1) & (set->slot_count - 1)) {
    const char *label = labels->items[set->slots[slot] - 1];
    if (strlen(label) == length && memcmp(label, text, length) == 0) return (ptrdiff_t)(set->slots[slot] - 1);
  }
  if (!gradc_strings_add(&set->categories->labels, text, length, error)) return -1;
  set->slots[slot] = labels->count;
  return (ptrdiff_t)(labels->count - 1);
}

/* ---- The plan: which columns, how ---- */

static bool names_column(const gradc_recipe *recipe, const char *name) {
  for (size_t i = 0; i < recipe->feature_count; i++)
    if (strcmp(recipe->features[i].column, name) == 0) return true;
  const size_t length = strlen(name);
  return gradc_strings_find(&recipe->target, name, length) >= 0 || gradc_strings_find(&recipe->ignore, name, length) >= 0 ||
         (recipe->id && strcmp(recipe->id, name) == 0) || (recipe->sample_weight && strcmp(recipe->sample_weight, name) == 0);
}

static const gradc_missing_rule *missing_rule(const gradc_recipe *recipe, const char *column) {
  const gradc_missing_rule *general = NULL;
  for (size_t i = 0; i < recipe->missing_count; i++) {
    if (!recipe->missing[i].column) general = &recipe->missing[i];
    else if (strcmp(recipe->missing[i].column, column) == 0) return &recipe->missing[i];
  }
  return general;
}

/* The rule for missing values of a column. A rule for all columns that makes no sense for this one refuses instead. */
static int plan_missing(fitting *f, gradc_encoded_column *column) {
  const gradc_missing_rule *rule = missing_rule(f->recipe, column->name);
  column->fill_category = -1;
  if (!rule) return 0;
  column->missing = rule->kind;
  if (column->kind == GRADC_FEATURE_TOKENS && rule->kind != GRADC_MISSING_ZERO && rule->kind != GRADC_MISSING_DROP &&
      rule->kind != GRADC_MISSING_REFUSE) {
    if (rule->column)
      return gradc_fail(f->error, GRADC_EXIT_DATA, "missing texts of column \"%s\" may be zero (padding alone), drop or refuse", column->name);
    column->missing = GRADC_MISSING_REFUSE;
  }
  if (column->kind == GRADC_FEATURE_ONE_HOT && (rule->kind == GRADC_MISSING_MEAN || rule->kind == GRADC_MISSING_MEDIAN)) {
    if (rule->column)
      return gradc_fail(f->error, GRADC_EXIT_DATA,
                        "missing values of the one_hot column \"%s\" have no %s; use most_frequent, constant, zero, drop or refuse", column->name,
                        rule->kind == GRADC_MISSING_MEAN ? "mean" : "median");
    column->missing = GRADC_MISSING_REFUSE;
  }
  if (column->kind < GRADC_FEATURE_ONE_HOT && rule->kind == GRADC_MISSING_CONSTANT &&
      !gradc_parse_number(rule->value, strlen(rule->value), &column->fill))
    return gradc_fail(f->error, GRADC_EXIT_DATA, "missing values of column \"%s\" are to be replaced by \"%s\", expected a number",
                      column->name, rule->value);
  return 0;
}

static int plan_column(fitting *f, const gradc_feature *feature, const char *name) {
  gradc_encoded_column *column = &f->encoder->columns[f->encoder->column_count++];
  *column = (gradc_encoded_column){.kind = feature->kind, .scale = 1, .width = 1, .drop_first = feature->drop_first,
                                   .unknown_zeros = feature->unknown_zeros};
  if (feature->kind == GRADC_FEATURE_TOKENS) column->width = (size_t)f->recipe->length;
  column->name = gradc_copy_text(name, strlen(name), f->error);
  return column->name ? plan_missing(f, column) : GRADC_EXIT_DATA;
}

static int plan_columns(fitting *f) {
  const gradc_recipe *recipe = f->recipe;
  const size_t most = recipe->feature_count + f->table->columns.count;
  f->encoder->columns = gradc_allocate(most, sizeof *f->encoder->columns, f->error);
  if (!f->encoder->columns) return GRADC_EXIT_DATA;
  bool all = false;
  for (size_t i = 0; i < recipe->feature_count; i++) {
    const gradc_feature *feature = &recipe->features[i];
    if (strcmp(feature->column, "*") != 0) {
      const int code = plan_column(f, feature, feature->column);
      if (code) return code;
      continue;
    }
    all = true;
    for (size_t j = 0; j < f->table->columns.count; j++) {
      const char *name = f->table->columns.items[j];
      const int code = names_column(recipe, name) ? 0 : plan_column(f, feature, name);
      if (code) return code;
    }
  }
  if (f->encoder->column_count == 0)
    return gradc_fail(f->error, GRADC_EXIT_DATA,
                      "%s: the recipe names no input columns; name them with numeric, standardize, min_max or one_hot", f->table->path);
  for (size_t j = 0; j < f->table->columns.count && !all; j++) {
    const char *name = f->table->columns.items[j];
    if (names_column(recipe, name)) continue;
    if (!gradc_strings_add(&f->encoder->ignored, name, strlen(name), f->error)) return GRADC_EXIT_DATA;
  }
  return 0;
}

static int plan_targets(fitting *f) {
  const gradc_recipe *recipe = f->recipe;
  f->encoder->targets = gradc_allocate(recipe->target.count, sizeof *f->encoder->targets, f->error);
  if (!f->encoder->targets) return GRADC_EXIT_DATA;
  for (size_t i = 0; i < recipe->target.count; i++) {
    gradc_encoded_target *target = &f->encoder->targets[f->encoder->target_count++];
    *target = (gradc_encoded_target){.scale = 1, .classes = recipe->target_kind == GRADC_TARGET_CLASSES};
    target->name = gradc_copy_text(recipe->target.items[i], strlen(recipe->target.items[i]), f->error);
    if (!target->name) return GRADC_EXIT_DATA;
    const gradc_missing_rule *rule = missing_rule(recipe, target->name);
    if (rule && rule->kind == GRADC_MISSING_DROP) target->missing = GRADC_MISSING_DROP;
    else if (rule && rule->column && rule->kind != GRADC_MISSING_REFUSE)
      return gradc_fail(f->error, GRADC_EXIT_DATA, "missing values of the target \"%s\" cannot be made up; use drop or refuse",
                        target->name);
  }
  return 0;
}

static int plan_input(fitting *f, const gradc_input_rule *rule, gradc_encoded_input *input, bool *used) {
  input->name = gradc_copy_text(rule->name, strlen(rule->name), f->error);
  input->columns = gradc_allocate(rule->columns.count, sizeof *input->columns, f->error);
  if (!input->name || !input->columns) return GRADC_EXIT_DATA;
  for (size_t i = 0; i < rule->columns.count; i++) {
    size_t column = 0;
    while (column < f->encoder->column_count && strcmp(f->encoder->columns[column].name, rule->columns.items[i]) != 0) column++;
    if (column == f->encoder->column_count)
      return gradc_fail(f->error, GRADC_EXIT_DATA,
                        "input \"%s\" takes column \"%s\", which no numeric, standardize, min_max or one_hot names", rule->name,
                        rule->columns.items[i]);
    used[column] = true;
    input->columns[input->column_count++] = column;
  }
  return 0;
}

static int plan_inputs(fitting *f) {
  gradc_encoder *encoder = f->encoder;
  const gradc_recipe *recipe = f->recipe;
  const size_t count = recipe->input_count ? recipe->input_count : 1;
  encoder->inputs = gradc_allocate(count, sizeof *encoder->inputs, f->error);
  bool *used = gradc_allocate(encoder->column_count, sizeof *used, f->error);
  int code = encoder->inputs && used ? 0 : GRADC_EXIT_DATA;
  if (!code) encoder->input_count = count;
  for (size_t i = 0; i < recipe->input_count && !code; i++) code = plan_input(f, &recipe->inputs[i], &encoder->inputs[i], used);
  for (size_t i = 0; i < encoder->column_count && recipe->input_count && !code; i++)
    if (!used[i])
      code = gradc_fail(f->error, GRADC_EXIT_DATA, "column \"%s\" feeds no input; name it in an input or ignore it",
                        encoder->columns[i].name);
  if (!code && !recipe->input_count) {
    encoder->inputs[0].columns = gradc_allocate(encoder->column_count, sizeof(size_t), f->error);
    if (!encoder->inputs[0].columns) code = GRADC_EXIT_DATA;
    for (size_t i = 0; i < encoder->column_count && !code; i++) encoder->inputs[0].columns[i] = i;
    encoder->inputs[0].column_count = encoder->column_count;
  }
  free(used);
  return code;
}

static int plan(fitting *f) {
  gradc_encoder *encoder = f->encoder;
  const gradc_recipe *recipe = f->recipe;
  encoder->separator = recipe->separator;
  encoder->header = recipe->header;
  int code = plan_columns(f);
  if (!code) code = plan_targets(f);
  if (!code) code = plan_inputs(f);
  if (!code && recipe->id && !(encoder->id = gradc_copy_text(recipe->id, strlen(recipe->id), f->error))) code = GRADC_EXIT_DATA;
  if (!code && recipe->sample_weight &&
      !(encoder->sample_weight = gradc_copy_text(recipe->sample_weight, strlen(recipe->sample_weight), f->error)))
    code = GRADC_EXIT_DATA;
  for (size_t i = 0; i < recipe->missing_markers.count && !code; i++)
    if (!gradc_strings_add(&encoder->missing_markers, recipe->missing_markers.items[i], strlen(recipe->missing_markers.items[i]), f->error))
      code = GRADC_EXIT_DATA;
  for (size_t i = 0; i < recipe->missing_count && !code; i++) {
    size_t index = 0;
    if (recipe->missing[i].column) code = gradc_table_column(f->table, recipe->missing[i].column, &index, f->error);
  }
  if (!code) code = gradc_encoder_locate(encoder, f->table, true, &f->sources, f->error);
  if (!code) code = gradc_row_open(f->table, &f->row, f->error);
  f->columns = gradc_allocate(encoder->column_count, sizeof *f->columns, f->error);
  f->targets = gradc_allocate(encoder->target_count, sizeof *f->targets, f->error);
  if (!f->columns || !f->targets) return GRADC_EXIT_DATA;
  for (size_t i = 0; i < encoder->column_count; i++) f->columns[i].labels.categories = &encoder->columns[i].categories;
  for (size_t i = 0; i < encoder->target_count; i++) f->targets[i].labels.categories = &encoder->targets[i].categories;
  f->strata_set.categories = &f->strata;
  return code;
}

/* ---- First walk: every cell checked, categories collected ---- */

/* A target whose encoding is left open holds classes as soon as one cell is no number. */
static void decide_targets(fitting *f) {
  if (f->recipe->target_kind != GRADC_TARGET_AUTO || f->encoder->target_count == 0) return;
  for (size_t row = 0; row < f->table->row_count; row++) {
    gradc_row_read(&f->row, row);
    for (size_t i = 0; i < f->encoder->target_count; i++) {
      const gradc_cell cell = f->row.cells[f->sources.targets[i]];
      double number = 0;
      if (!gradc_cell_is_missing(cell, &f->encoder->missing_markers) && !gradc_parse_number(cell.text, cell.length, &number))
        f->encoder->targets[i].classes = true;
    }
  }
}

static int fail_missing(fitting *f, size_t row, const char *column) {
  return gradc_fail_cell(f->error, f->table, row, column,
                         "the value is missing; say what to do with missing values: `missing mean`, `missing drop` … or, for this column, "
                         "`missing mean \"%s\"`",
                         column);
}

static int fail_text(fitting *f, size_t row, const char *column, gradc_cell cell) {
  char shown[GRADC_SHOWN];
  return gradc_fail_cell(f->error, f->table, row, column, "found \"%s\", expected a finite number",
                         gradc_shown(cell.text, cell.length, shown));
}

static int collect_label(fitting *f, label_set *set, size_t most, size_t row, const char *column, gradc_cell cell, ptrdiff_t *index) {
  *index = add_label(set, cell.text, cell.length, f->error);
  if (*index < 0) return GRADC_EXIT_DATA;
  if (set->categories->labels.count <= most) return 0;
  return gradc_fail_cell(f->error, f->table, row, column,
                         "more than %zu different values, too many for categories; is it an id or a number?", most);
}

static int check_columns(fitting *f, size_t row) {
  for (size_t i = 0; i < f->encoder->column_count; i++) {
    const gradc_encoded_column *column = &f->encoder->columns[i];
    const gradc_cell cell = f->row.cells[f->sources.columns[i]];
    double number = 0;
    ptrdiff_t index = 0;
    int code = 0;
    if (gradc_cell_is_missing(cell, &f->encoder->missing_markers)) {
      if (column->missing == GRADC_MISSING_REFUSE) code = fail_missing(f, row, column->name);
    } else if (column->kind == GRADC_FEATURE_ONE_HOT) {
      code = collect_label(f, &f->columns[i].labels, MOST_CATEGORIES, row, column->name, cell, &index);
    } else if (column->kind != GRADC_FEATURE_TOKENS && !gradc_parse_number(cell.text, cell.length, &number)) {
      code = fail_text(f, row, column->name, cell);
    }
    if (code) return code;
  }
  return 0;
}

/* Also notes the class of target 0 when the split is stratified. */
static int check_targets(fitting *f, size_t row) {
  for (size_t i = 0; i < f->encoder->target_count; i++) {
    const gradc_encoded_target *target = &f->encoder->targets[i];
    const gradc_cell cell = f->row.cells[f->sources.targets[i]];
    double number = 0;
    ptrdiff_t index = 0;
    int code = 0;
    if (gradc_cell_is_missing(cell, &f->encoder->missing_markers))
      return gradc_fail_cell(f->error, f->table, row, target->name, "the target is missing; leave out such rows with missing drop");
    if (!target->classes && !gradc_parse_number(cell.text, cell.length, &number)) code = fail_text(f, row, target->name, cell);
    else if (target->classes) code = collect_label(f, &f->targets[i].labels, MOST_CATEGORIES, row, target->name, cell, &index);
    else if (i == 0 && f->recipe->stratified) code = collect_label(f, &f->strata_set, MOST_STRATA, row, target->name, cell, &index);
    if (code) return code;
    if (i == 0 && f->recipe->stratified) f->labels[f->kept_count] = (int32_t)index;
  }
  if (!f->encoder->sample_weight) return 0;
  const gradc_cell cell = f->row.cells[f->sources.sample_weight];
  double weight = 0;
  if (gradc_parse_number(cell.text, cell.length, &weight) && weight >= 0) return 0;
  char shown[GRADC_SHOWN];
  return gradc_fail_cell(f->error, f->table, row, f->encoder->sample_weight, "found \"%s\", expected a weight from 0",
                         gradc_shown(cell.text, cell.length, shown));
}

/* Sorts labels, and renumbers the classes of the rows that were noted by the order of their appearance. */
static int sort_labels(fitting *f, gradc_categories *categories, bool renumber) {
  size_t *map = gradc_allocate(categories->labels.count, sizeof *map, f->error);
  if (!map) return GRADC_EXIT_DATA;
  const int code = gradc_categories_sort(categories, map, f->error);
  for (size_t i = 0; i < f->kept_count && renumber && !code; i++) f->labels[i] = (int32_t)map[f->labels[i]];
  free(map);
  return code;
}

static int finish_categories(fitting *f) {
  gradc_encoder *encoder = f->encoder;
  for (size_t i = 0; i < encoder->column_count; i++) {
    gradc_encoded_column *column = &encoder->columns[i];
    if (column->kind != GRADC_FEATURE_ONE_HOT) continue;
    const gradc_missing_rule *rule = missing_rule(f->recipe, column->name);
    const bool constant = column->missing == GRADC_MISSING_CONSTANT;
    if (constant && add_label(&f->columns[i].labels, rule->value, strlen(rule->value), f->error) < 0) return GRADC_EXIT_DATA;
    if (column->categories.labels.count == 0)
      return gradc_fail(f->error, GRADC_EXIT_DATA, "%s: column \"%s\" has no values at all", f->table->path, column->name);
    const int code = sort_labels(f, &column->categories, false);
    if (code) return code;
    if (constant) column->fill_category = gradc_category_find(&column->categories, rule->value, strlen(rule->value));
    column->width = column->categories.labels.count - (column->drop_first ? 1 : 0);
  }
  for (size_t i = 0; i < encoder->target_count; i++) {
    if (!encoder->targets[i].classes) continue;
    const int code = sort_labels(f, &encoder->targets[i].categories, i == 0 && f->recipe->stratified);
    if (code) return code;
  }
  const bool numeric_strata = f->recipe->stratified && encoder->target_count && !encoder->targets[0].classes;
  return numeric_strata ? sort_labels(f, &f->strata, true) : 0;
}

static int first_walk(fitting *f) {
  const size_t rows = f->table->row_count;
  f->kept = gradc_allocate(rows, sizeof *f->kept, f->error);
  f->labels = f->recipe->stratified ? gradc_allocate(rows, sizeof *f->labels, f->error) : NULL;
  if (!f->kept || (f->recipe->stratified && !f->labels)) return GRADC_EXIT_DATA;
  if (f->recipe->stratified && f->encoder->target_count == 0)
    return gradc_fail(f->error, GRADC_EXIT_DATA, "a stratified split needs a target column");
  decide_targets(f);
  for (size_t row = 0; row < rows; row++) {
    gradc_row_read(&f->row, row);
    if (gradc_encoder_drops(f->encoder, &f->sources, &f->row, true)) continue;
    int code = check_columns(f, row);
    if (!code) code = check_targets(f, row);
    if (code) return code;
    f->kept[f->kept_count++] = (uint32_t)row;
  }
  if (f->kept_count == 0)
    return gradc_fail(f->error, GRADC_EXIT_DATA, "%s: no rows are left after those with missing values are dropped", f->table->path);
  return finish_categories(f);
}

/* ---- Second walk: statistics of the training rows ---- */

/* Welford's recurrence, which does not cancel as a sum of squares does. */
static void add_value(gathered *g, double value) {
  g->count++;
  const double sum = g->sum + value, delta = value - g->mean;
  g->carry += fabs(g->sum) >= fabs(value) ? (g->sum - sum) + value : (value - sum) + g->sum;
  g->sum = sum;
  g->mean += delta / (double)g->count;
  g->spread += delta * (value - g->mean);
  if (g->count == 1 || value < g->low) g->low = value;
  if (g->count == 1 || value > g->high) g->high = value;
}

static int gather_cell(fitting *f, gathered *g, const gradc_encoded_column *column, gradc_cell cell) {
  if (gradc_cell_is_missing(cell, &f->encoder->missing_markers)) {
    g->missing++;
    return 0;
  }
  if (column->kind == GRADC_FEATURE_ONE_HOT) {
    g->frequencies[gradc_category_find(&column->categories, cell.text, cell.length)]++;
    return 0;
  }
  if (column->kind == GRADC_FEATURE_TOKENS) {
    gradc_buffer_add(&g->text, cell.text, cell.length);
    gradc_buffer_text(&g->text, "\n");
    return g->text.failed ? gradc_fail(f->error, GRADC_EXIT_DATA, "out of memory: no room for the texts of column \"%s\"", column->name) : 0;
  }
  double value = 0;
  gradc_parse_number(cell.text, cell.length, &value);
  add_value(g, value);
  if (column->missing != GRADC_MISSING_MEDIAN && column->missing != GRADC_MISSING_MOST_FREQUENT) return 0;
  if (!gradc_grow((void **)&g->values, &g->value_capacity, g->value_count, sizeof *g->values, f->error)) return GRADC_EXIT_DATA;
  g->values[g->value_count++] = value;
  return 0;
}

static int compare_numbers(const void *a, const void *b) {
  const double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static double median(const double *sorted, size_t count) {
  return count % 2 ? sorted[count / 2] : sorted[count / 2 - 1] / 2 + sorted[count / 2] / 2;
}

static double most_frequent(const double *sorted, size_t count) {
  double best = sorted[0];
  size_t longest = 0;
  for (size_t begin = 0, at = 0; begin < count; begin = at) {
    while (at < count && sorted[at] == sorted[begin]) at++;
    if (at - begin > longest) {
      longest = at - begin;
      best = sorted[begin];
    }
  }
  return best;
}

static void finish_mean(gathered *g) {
  if (g->count) g->mean = (g->sum + g->carry) / (double)g->count;
}

/* What replaces a missing number. */
static int choose_fill(fitting *f, gathered *g, gradc_encoded_column *column) {
  const bool of_values = column->missing == GRADC_MISSING_MEAN || column->missing == GRADC_MISSING_MEDIAN ||
                         column->missing == GRADC_MISSING_MOST_FREQUENT;
  if (of_values && g->count == 0)
    return gradc_fail(f->error, GRADC_EXIT_DATA,
                      "%s: column \"%s\" has no value in the training rows from which missing ones could be filled", f->table->path,
                      column->name);
  if (g->value_count) qsort(g->values, g->value_count, sizeof *g->values, compare_numbers);
  if (column->missing == GRADC_MISSING_MEAN) column->fill = g->mean;
  if (column->missing == GRADC_MISSING_MEDIAN) column->fill = median(g->values, g->value_count);
  if (column->missing == GRADC_MISSING_MOST_FREQUENT) column->fill = most_frequent(g->values, g->value_count);
  return 0;
}

/* Statistics are those of the filled column, as when an imputer stands before a scaler. */
static void finish_number(gathered *g, gradc_encoded_column *column) {
  if (g->missing && column->missing != GRADC_MISSING_DROP) {
    const double values = (double)g->count, filled = (double)g->missing, delta = column->fill - g->mean;
    if (g->count == 0 || column->fill < g->low) g->low = column->fill;
    if (g->count == 0 || column->fill > g->high) g->high = column->fill;
    g->spread += delta * delta * values * filled / (values + filled);
    g->mean += delta * filled / (values + filled);
    g->count += g->missing;
  }
  if (column->kind == GRADC_FEATURE_STANDARDIZE) {
    column->offset = g->mean;
    column->scale = g->count ? sqrt(g->spread / (double)g->count) : 1;
  } else if (column->kind == GRADC_FEATURE_MIN_MAX) {
    column->offset = g->low;
    column->scale = g->high - g->low;
  }
  if (!(column->scale > 0) || g->low == g->high) column->scale = 1;
}

/* The vocabulary of a column of tokens. */
static int finish_tokens(fitting *f, gathered *g, gradc_encoded_column *column) {
  const gradc_recipe *recipe = f->recipe;
  gradc_tokenizer tokenizer;
  int code = 0;
  if (recipe->tokenizer) {
    code = gradc_tokenizer_read(recipe->tokenizer, &tokenizer, f->error);
    tokenizer.reserved = 2;
  } else {
    code = gradc_tokenizer_fit(recipe->tokens, (size_t)recipe->token_limit, 2, g->text.bytes ? g->text.bytes : "", g->text.count,
                               f->table->path, &tokenizer, f->error);
  }
  if (code) return code;
  column->tokenizer = gradc_allocate(1, sizeof *column->tokenizer, f->error);
  if (column->tokenizer) *column->tokenizer = tokenizer;
  else gradc_tokenizer_free(&tokenizer);
  return column->tokenizer ? 0 : GRADC_EXIT_DATA;
}

static int finish_column(fitting *f, gathered *g, gradc_encoded_column *column) {
  if (column->kind == GRADC_FEATURE_TOKENS) return finish_tokens(f, g, column);
  if (column->kind == GRADC_FEATURE_ONE_HOT) {
    if (column->missing != GRADC_MISSING_MOST_FREQUENT) return 0;
    size_t best = 0;
    for (size_t i = 1; i < column->categories.labels.count; i++)
      if (g->frequencies[i] > g->frequencies[best]) best = i;
    column->fill_category = (int64_t)best;
    return 0;
  }
  finish_mean(g);
  const int code = choose_fill(f, g, column);
  if (code) return code;
  finish_number(g, column);
  if (isfinite(column->offset) && isfinite(column->scale)) return 0;
  return gradc_fail(f->error, GRADC_EXIT_NUMERIC, "%s: the statistics of column \"%s\" are not finite; its values are too large",
                    f->table->path, column->name);
}

static int finish_target(fitting *f, gathered *g, gradc_encoded_target *target) {
  if (!f->recipe->standardize_target) return 0;
  if (target->classes)
    return gradc_fail(f->error, GRADC_EXIT_DATA, "the target \"%s\" holds classes, which cannot be standardized", target->name);
  finish_mean(g);
  const double deviation = g->count ? sqrt(g->spread / (double)g->count) : 1;
  target->offset = g->mean;
  target->scale = deviation > 0 && g->low != g->high ? deviation : 1;
  if (isfinite(target->offset) && isfinite(target->scale)) return 0;
  return gradc_fail(f->error, GRADC_EXIT_NUMERIC, "%s: the statistics of the target \"%s\" are not finite", f->table->path, target->name);
}

static int second_walk(fitting *f, const gradc_split *split) {
  gradc_encoder *encoder = f->encoder;
  for (size_t i = 0; i < encoder->column_count; i++) {
    f->columns[i].frequencies = gradc_allocate(encoder->columns[i].categories.labels.count, sizeof(size_t), f->error);
    if (!f->columns[i].frequencies) return GRADC_EXIT_DATA;
  }
  for (size_t i = 0; i < split->counts[GRADC_PART_TRAIN]; i++) {
    gradc_row_read(&f->row, f->kept[split->rows[i]]);
    for (size_t j = 0; j < encoder->column_count; j++) {
      const int code = gather_cell(f, &f->columns[j], &encoder->columns[j], f->row.cells[f->sources.columns[j]]);
      if (code) return code;
    }
    for (size_t j = 0; j < encoder->target_count; j++) {
      const gradc_cell cell = f->row.cells[f->sources.targets[j]];
      double value = 0;
      if (!encoder->targets[j].classes && gradc_parse_number(cell.text, cell.length, &value)) add_value(&f->targets[j], value);
    }
  }
  for (size_t i = 0; i < encoder->column_count; i++) {
    const int code = finish_column(f, &f->columns[i], &encoder->columns[i]);
    if (code) return code;
  }
  for (size_t i = 0; i < encoder->target_count; i++) {
    const int code = finish_target(f, &f->targets[i], &encoder->targets[i]);
    if (code) return code;
  }
  return 0;
}

/* ---- All of it ---- */

static void free_gathered(gathered *list, size_t count) {
  for (size_t i = 0; list && i < count; i++) {
    free(list[i].labels.slots);
    free(list[i].frequencies);
    free(list[i].values);
    free(list[i].text.bytes);
  }
  free(list);
}

static void free_fitting(fitting *f) {
  free_gathered(f->columns, f->encoder->column_count);
  free_gathered(f->targets, f->encoder->target_count);
  gradc_categories_free(&f->strata);
  free(f->strata_set.slots);
  free(f->labels);
  gradc_encoder_sources_free(&f->sources);
  if (f->row.cells) gradc_row_close(&f->row);
}

static int finish_inputs(fitting *f) {
  for (size_t i = 0; i < f->encoder->input_count; i++) {
    gradc_encoded_input *input = &f->encoder->inputs[i];
    for (size_t j = 0; j < input->column_count; j++) input->width += f->encoder->columns[input->columns[j]].width;
    if (input->width == 0)
      return gradc_fail(f->error, GRADC_EXIT_DATA, "%s: input \"%s\" has no encoded columns", f->table->path,
                        input->name ? input->name : "0");
  }
  return 0;
}

int gradc_encoder_fit(const gradc_table *table, const gradc_recipe *recipe, gradc_encoder *encoder, gradc_split *split,
                      uint32_t **kept, size_t *kept_count, gradc_error *error) {
  *encoder = (gradc_encoder){0};
  *split = (gradc_split){0};
  *kept = NULL;
  *kept_count = 0;
  fitting f = {.table = table, .recipe = recipe, .encoder = encoder, .error = error};
  const double shares[] = {recipe->train_share, recipe->validation_share, recipe->test_share};
  int code = plan(&f);
  if (!code) code = first_walk(&f);
  if (!code && recipe->window && f.kept_count != table->row_count)
    code = gradc_fail(error, GRADC_EXIT_DATA, "windows are of lines that follow one another: `missing drop` would leave gaps");
  if (!code && recipe->window) code = gradc_split_in_order(f.kept_count, shares, split, error);
  else if (!code)
    code = gradc_split_rows(f.kept_count, shares, f.labels, recipe->has_split_seed ? recipe->split_seed : recipe->seed, split, error);
  if (!code) code = second_walk(&f, split);
  if (!code) code = finish_inputs(&f);
  free_fitting(&f);
  if (code) {
    free(f.kept);
    gradc_split_free(split);
    gradc_encoder_free(encoder);
    return code;
  }
  *kept = f.kept;
  *kept_count = f.kept_count;
  return 0;
}
