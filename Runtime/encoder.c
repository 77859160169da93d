/* encoder.c: categories, and what an encoder knows about a table. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_internal.h"

/* ---- Categories ---- */

typedef struct sortable_label {
  char *text;
  double number;
  size_t index;
} sortable_label;

static int compare_as_text(const void *a, const void *b) {
  return strcmp(((const sortable_label *)a)->text, ((const sortable_label *)b)->text);
}

static int compare_as_number(const void *a, const void *b) {
  const sortable_label *left = a, *right = b;
  if (left->number != right->number) return left->number < right->number ? -1 : 1;
  return strcmp(left->text, right->text);
}

int gradc_categories_sort(gradc_categories *categories, size_t *map, gradc_error *error) {
  gradc_strings *labels = &categories->labels;
  sortable_label *sorted = gradc_allocate(labels->count, sizeof *sorted, error);
  double *numbers = gradc_allocate(labels->count, sizeof *numbers, error);
  if (!sorted || !numbers) {
    free(sorted);
    free(numbers);
    return GRADC_EXIT_DATA;
  }
  bool all_numbers = labels->count > 0;
  for (size_t i = 0; i < labels->count; i++) {
    sorted[i] = (sortable_label){labels->items[i], 0, i};
    all_numbers = gradc_parse_number(labels->items[i], strlen(labels->items[i]), &sorted[i].number) && all_numbers;
  }
  if (labels->count) qsort(sorted, labels->count, sizeof *sorted, all_numbers ? compare_as_number : compare_as_text);
  size_t count = 0;
  for (size_t i = 0; i < labels->count; i++) {
    const bool same = count && all_numbers && numbers[count - 1] == sorted[i].number;  /* "1" and "1.0" */
    if (same) free(sorted[i].text);
    else {
      labels->items[count] = sorted[i].text;
      numbers[count++] = sorted[i].number;
    }
    if (map) map[sorted[i].index] = count - 1;
  }
  labels->count = count;
  free(sorted);
  free(categories->numbers);
  categories->numbers = all_numbers ? numbers : NULL;
  if (!all_numbers) free(numbers);
  return 0;
}

static ptrdiff_t find_number(const gradc_categories *categories, double number) {
  size_t low = 0, high = categories->labels.count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (categories->numbers[middle] < number) low = middle + 1;
    else high = middle;
  }
  return low < categories->labels.count && categories->numbers[low] == number ? (ptrdiff_t)low : -1;
}

ptrdiff_t gradc_category_find(const gradc_categories *categories, const char *text, size_t length) {
  double number = 0;
  if (categories->named) return gradc_strings_find(&categories->labels, text, length);
  if (categories->numbers) return gradc_parse_number(text, length, &number) ? find_number(categories, number) : -1;
  size_t low = 0, high = categories->labels.count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const char *label = categories->labels.items[middle];
    const int order = gradc_compare_bytes(label, strlen(label), text, length);
    if (order == 0) return (ptrdiff_t)middle;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return -1;
}

void gradc_categories_free(gradc_categories *categories) {
  gradc_strings_free(&categories->labels);
  free(categories->numbers);
  *categories = (gradc_categories){0};
}

const char *gradc_categories_shown(const gradc_categories *categories, char *buffer, size_t size) {
  size_t used = 0;
  buffer[0] = 0;
  for (size_t i = 0; i < categories->labels.count; i++) {
    char shown[GRADC_SHOWN];
    const char *label = categories->labels.items[i];
    gradc_shown(label, strlen(label), shown);
    const bool fits = used + strlen(shown) + 24 < size;
    const int wrote = fits ? snprintf(buffer + used, size - used, "%s\"%s\"", i ? ", " : "", shown)
                           : snprintf(buffer + used, size - used, " and %zu more", categories->labels.count - i);
    if (!fits || wrote < 0) break;
    used += (size_t)wrote;
  }
  return buffer;
}

/* ---- Encoders ---- */

void gradc_encoder_free(gradc_encoder *encoder) {
  for (size_t i = 0; i < encoder->column_count; i++) {
    free(encoder->columns[i].name);
    gradc_categories_free(&encoder->columns[i].categories);
    if (encoder->columns[i].tokenizer) gradc_tokenizer_free(encoder->columns[i].tokenizer);
    free(encoder->columns[i].tokenizer);
  }
  for (size_t i = 0; i < encoder->target_count; i++) {
    free(encoder->targets[i].name);
    gradc_categories_free(&encoder->targets[i].categories);
  }
  for (size_t i = 0; i < encoder->input_count; i++) {
    free(encoder->inputs[i].name);
    free(encoder->inputs[i].columns);
  }
  free(encoder->columns);
  free(encoder->targets);
  free(encoder->inputs);
  free(encoder->id);
  free(encoder->sample_weight);
  gradc_strings_free(&encoder->missing_markers);
  gradc_strings_free(&encoder->ignored);
  if (encoder->images) gradc_image_encoding_free(encoder->images);
  free(encoder->images);
  if (encoder->text) gradc_tokenizer_free(encoder->text);
  free(encoder->text);
  *encoder = (gradc_encoder){0};
}

bool gradc_encoder_is_fitted(const gradc_encoder *encoder) { 
  return encoder->column_count > 0 || encoder->images != NULL || encoder->text != NULL;
}

size_t gradc_encoder_width(const gradc_encoder *encoder) {
  const gradc_image_encoding *images = encoder->images;
  size_t width = images ? images->channels * images->height * images->width : 0;
  for (size_t i = 0; i < encoder->input_count; i++) width += encoder->inputs[i].width;
  return width;
}

char *gradc_encoder_column_name(const gradc_encoder *encoder, size_t input, size_t index) {
  if (input >= encoder->input_count) return NULL;
  for (size_t i = 0; i < encoder->inputs[input].column_count; i++) {
    const gradc_encoded_column *column = &encoder->columns[encoder->inputs[input].columns[i]];
    if (index >= column->width) {
      index -= column->width;
      continue;
    }
    if (column->kind != GRADC_FEATURE_ONE_HOT) return gradc_text_format("%s", column->name);
    return gradc_text_format("%s=%s", column->name, column->categories.labels.items[index + (column->drop_first ? 1 : 0)]);
  }
  return NULL;
}

const char *gradc_encoder_label(const gradc_encoder *encoder, size_t index) {
  if (encoder->target_count == 0 || !encoder->targets[0].classes) return NULL;
  return gradc_strings_at(&encoder->targets[0].categories.labels, index);
}

double gradc_encoder_decode(const gradc_encoder *encoder, size_t target, double value) {
  if (target >= encoder->target_count) return value;
  return value * encoder->targets[target].scale + encoder->targets[target].offset;
}

/* ---- Finding an encoder's columns in a table ---- */

bool gradc_cell_is_missing(gradc_cell cell, const gradc_strings *markers) {
  return cell.length == 0 || gradc_strings_find(markers, cell.text, cell.length) >= 0;
}

int gradc_encoder_locate(const gradc_encoder *encoder, const gradc_table *table, bool with_targets, gradc_encoder_sources *sources,
                         gradc_error *error) {
  *sources = (gradc_encoder_sources){.id = SIZE_MAX, .sample_weight = SIZE_MAX};
  sources->columns = gradc_allocate(encoder->column_count, sizeof *sources->columns, error);
  sources->targets = gradc_allocate(encoder->target_count, sizeof *sources->targets, error);
  int code = sources->columns && sources->targets ? 0 : GRADC_EXIT_DATA;
  for (size_t i = 0; i < encoder->column_count && !code; i++)
    code = gradc_table_column(table, encoder->columns[i].name, &sources->columns[i], error);
  for (size_t i = 0; i < encoder->target_count && !code && with_targets; i++)
    code = gradc_table_column(table, encoder->targets[i].name, &sources->targets[i], error);
  if (!code && encoder->id) code = gradc_table_column(table, encoder->id, &sources->id, error);
  if (!code && encoder->sample_weight && with_targets)
    code = gradc_table_column(table, encoder->sample_weight, &sources->sample_weight, error);
  if (code) gradc_encoder_sources_free(sources);
  return code;
}

void gradc_encoder_sources_free(gradc_encoder_sources *sources) {
  free(sources->columns);
  free(sources->targets);
  *sources = (gradc_encoder_sources){0};
}

bool gradc_encoder_drops(const gradc_encoder *encoder, const gradc_encoder_sources *sources, const gradc_row *row, bool with_targets) {
  for (size_t i = 0; i < encoder->column_count; i++)
    if (encoder->columns[i].missing == GRADC_MISSING_DROP &&
        gradc_cell_is_missing(row->cells[sources->columns[i]], &encoder->missing_markers))
      return true;
  for (size_t i = 0; i < encoder->target_count && with_targets; i++)
    if (encoder->targets[i].missing == GRADC_MISSING_DROP &&
        gradc_cell_is_missing(row->cells[sources->targets[i]], &encoder->missing_markers))
      return true;
  return false;
}
