/* dataset.c: encoded rows in memory, and the batches taken from them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset_internal.h"

#define BATCH_ALIGNMENT 64

int gradc_dataset_add_port(gradc_port_data *port, const char *name, gradc_element element, size_t row_count, size_t rows,
                           gradc_error *error) {
  size_t count = 0, bytes = 0;
  *port = (gradc_port_data){.element = element, .row_count = row_count};
  if (!gradc_multiply(row_count, gradc_element_bytes(element), &port->row_bytes) || !gradc_multiply(port->row_bytes, rows, &bytes) ||
      !gradc_multiply(row_count, rows, &count))
    return gradc_fail(error, GRADC_EXIT_DATA, "%zu rows of %zu elements are larger than the address space", rows, row_count);
  port->step_bytes = port->row_bytes;
  port->name = gradc_copy_text(name, strlen(name), error);
  port->data = gradc_allocate(bytes, 1, error);
  return port->name && port->data ? 0 : GRADC_EXIT_DATA;
}

bool gradc_store_number(double value, gradc_element element, void *at) {
  const bool integral = floor(value) == value;
  switch (element) {
    case GRADC_F32: {
      const float narrow = (float)value;
      memcpy(at, &narrow, sizeof narrow);
      return isfinite(narrow);
    }
    case GRADC_F64: memcpy(at, &value, sizeof value); return isfinite(value);
    case GRADC_F16:
    case GRADC_BF16:
      gradc_convert(&value, GRADC_DTYPE_F64, 1, at, gradc_element_dtype(element));
      return isfinite(gradc_load_number(at, element));
    default:
      if (!integral || fabs(value) > 9007199254740992.0) return false;
      gradc_convert(&value, GRADC_DTYPE_F64, 1, at, gradc_element_dtype(element));
      return gradc_load_number(at, element) == value; /* else it was saturated */
  }
}

double gradc_load_number(const void *at, gradc_element element) {
  double value = 0;
  gradc_convert(at, gradc_element_dtype(element), 1, &value, GRADC_DTYPE_F64);
  return value;
}

/* ---- Classes of rows: weights and strata ---- */

double gradc_target_class(const gradc_dataset *dataset, size_t row) {
  const gradc_port_data *port = &dataset->targets[0];
  const char *at = (const char *)port->data + row * port->step_bytes;
  if (port->row_count == 1) return gradc_load_number(at, port->element);
  size_t best = 0;
  const size_t size = gradc_element_bytes(port->element);
  for (size_t i = 1; i < port->row_count; i++)
    if (gradc_load_number(at + i * size, port->element) > gradc_load_number(at + best * size, port->element)) best = i;
  return (double)best;
}

static int compare_numbers(const void *a, const void *b) {
  const double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

/* The different classes of the given rows in ascending order, and how many rows each has. */
static int count_classes(const gradc_dataset *dataset, const uint32_t *rows, size_t count, double **classes, size_t **counts,
                         size_t *class_count, gradc_error *error) {
  double *values = gradc_allocate(count, sizeof *values, error);
  size_t *numbers = gradc_allocate(count, sizeof *numbers, error);
  *classes = values;
  *counts = numbers;
  *class_count = 0;
  if (!values || !numbers) return GRADC_EXIT_DATA;
  for (size_t i = 0; i < count; i++) values[i] = gradc_target_class(dataset, rows ? rows[i] : i);
  if (count) qsort(values, count, sizeof *values, compare_numbers);
  for (size_t i = 0; i < count; i++) {
    if (*class_count == 0 || values[*class_count - 1] != values[i]) {
      values[*class_count] = values[i];
      numbers[(*class_count)++] = 0;
    }
    numbers[*class_count - 1]++;
  }
  return 0;
}

static size_t find_class(const double *classes, size_t count, double value) {
  size_t low = 0, high = count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (classes[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

int gradc_dataset_strata(const gradc_dataset *dataset, int32_t **labels, gradc_error *error) {
  *labels = NULL;
  if (dataset->target_count == 0 || dataset->targets_shared)
    return gradc_fail(error, GRADC_EXIT_DATA, "a stratified split needs a target");
  double *classes = NULL;
  size_t *counts = NULL, class_count = 0;
  int code = count_classes(dataset, NULL, dataset->row_count, &classes, &counts, &class_count, error);
  if (!code && class_count > 4096)
    code = gradc_fail(error, GRADC_EXIT_DATA, "the target has %zu different values, too many for a stratified split", class_count);
  if (!code && !(*labels = gradc_allocate(dataset->row_count, sizeof **labels, error))) code = GRADC_EXIT_DATA;
  for (size_t row = 0; row < dataset->row_count && !code; row++)
    (*labels)[row] = (int32_t)find_class(classes, class_count, gradc_target_class(dataset, row));
  free(classes);
  free(counts);
  return code;
}

/* Room for one weight a row, ones at first. */
int gradc_dataset_add_weights(gradc_dataset *dataset, gradc_error *error) {
  if (dataset->weights) return 0;
  size_t bytes = 0;
  if (gradc_multiply(dataset->row_count, gradc_element_bytes(dataset->element), &bytes)) dataset->weights = gradc_allocate(bytes, 1, error);
  if (!dataset->weights) return GRADC_EXIT_DATA;
  for (size_t row = 0; row < dataset->row_count; row++) gradc_dataset_set_weight(dataset, row, 1);
  return 0;
}

void gradc_dataset_set_weight(gradc_dataset *dataset, size_t row, double weight) {
  gradc_store_number(weight, dataset->element, (char *)dataset->weights + row * gradc_element_bytes(dataset->element));
}

static void scale_weight(gradc_dataset *dataset, size_t row, double factor) {
  const void *at = (const char *)dataset->weights + row * gradc_element_bytes(dataset->element);
  gradc_dataset_set_weight(dataset, row, gradc_load_number(at, dataset->element) * factor);
}

/* The class that a label of `class_weight` means in the target port: an index when the target holds classes, else its number. */
static int class_of_label(const gradc_encoder *encoder, const char *label, double *value, gradc_error *error) {
  if (encoder && encoder->target_count && encoder->targets[0].classes) {
    const gradc_categories *categories = &encoder->targets[0].categories;
    const ptrdiff_t index = gradc_category_find(categories, label, strlen(label));
    char list[400];
    if (index < 0)
      return gradc_fail(error, GRADC_EXIT_DATA, "class_weight names the class \"%s\"; the target has %s", label,
                        gradc_categories_shown(categories, list, sizeof list));
    *value = (double)index;
    return 0;
  }
  if (gradc_parse_number(label, strlen(label), value)) return 0;
  return gradc_fail(error, GRADC_EXIT_DATA, "class_weight names the class \"%s\", but the target holds numbers", label);
}

/* scikit-learn's "balanced": rows / (classes x rows of the class). */
static int balance_classes(gradc_dataset *dataset, const uint32_t *rows, size_t count, gradc_error *error) {
  double *classes = NULL;
  size_t *counts = NULL, class_count = 0;
  const int code = count_classes(dataset, rows, count, &classes, &counts, &class_count, error);
  for (size_t i = 0; i < count && !code; i++) {
    const size_t index = find_class(classes, class_count, gradc_target_class(dataset, rows[i]));
    scale_weight(dataset, rows[i], (double)count / ((double)class_count * (double)counts[index]));
  }
  free(classes);
  free(counts);
  return code;
}

int gradc_dataset_weigh_classes(gradc_dataset *dataset, const gradc_recipe *recipe, const gradc_encoder *encoder, gradc_error *error) {
  if (!recipe->balanced_classes && recipe->class_weight_count == 0) return 0;
  if (dataset->target_count == 0) return 0;
  if (dataset->targets_shared) return gradc_fail(error, GRADC_EXIT_DATA, "class_weight needs a target");
  int code = gradc_dataset_add_weights(dataset, error);
  if (code) return code;
  size_t count = 0;
  const uint32_t *rows = gradc_dataset_part(dataset, GRADC_PART_TRAIN, &count);
  if (recipe->balanced_classes) return balance_classes(dataset, rows, count, error);
  for (size_t i = 0; i < recipe->class_weight_count; i++) {
    double value = 0;
    code = class_of_label(encoder, recipe->class_weights[i].label, &value, error);
    if (code) return code;
    for (size_t j = 0; j < count; j++)
      if (gradc_target_class(dataset, rows[j]) == value) scale_weight(dataset, rows[j], recipe->class_weights[i].weight);
  }
  return 0;
}

/* ---- Access ---- */

void gradc_dataset_free(gradc_dataset *dataset) {
  for (int i = 0; i < dataset->target_count; i++) {
    free(dataset->targets[i].name);
    if (!dataset->targets[i].borrowed) free(dataset->targets[i].data);
  }
  for (int i = 0; i < dataset->input_count; i++) {
    free(dataset->inputs[i].name);
    free(dataset->inputs[i].data);
  }
  free(dataset->inputs);
  free(dataset->targets);
  free(dataset->weights);
  gradc_split_free(&dataset->split);
  free(dataset->source_rows);
  free(dataset->id_name);
  gradc_strings_free(&dataset->ids);
  if (dataset->images) gradc_images_free(dataset->images);
  free(dataset->images);
  *dataset = (gradc_dataset){0};
}

const char *gradc_dataset_id(const gradc_dataset *dataset, size_t row) { return gradc_strings_at(&dataset->ids, row); }

const uint32_t *gradc_dataset_part(const gradc_dataset *dataset, gradc_part_kind part, size_t *count) {
  return gradc_split_part(&dataset->split, part, count);
}

/* ---- Batches ---- */

size_t gradc_batch_count(size_t rows, size_t batch) {
  if (rows == 0) return 0;
  return batch == 0 ? 1 : (rows - 1) / batch + 1;
}

static void *aligned_block(size_t rows, size_t row_bytes, gradc_error *error) {
  size_t bytes = 0;
  void *block = NULL;
  if (gradc_multiply(rows, row_bytes, &bytes) && bytes < SIZE_MAX - BATCH_ALIGNMENT)
    block = aligned_alloc(BATCH_ALIGNMENT, (bytes + BATCH_ALIGNMENT) / BATCH_ALIGNMENT * BATCH_ALIGNMENT);
  if (!block) gradc_fail(error, GRADC_EXIT_DATA, "out of memory: no room for a batch of %zu rows", rows);
  else memset(block, 0, bytes);
  return block;
}

int gradc_batch_create(const gradc_dataset *dataset, size_t capacity, gradc_batch *batch, gradc_error *error) {
  *batch = (gradc_batch){.capacity = capacity};
  batch->inputs = gradc_allocate((size_t)dataset->input_count, sizeof *batch->inputs, error);
  batch->targets = gradc_allocate((size_t)dataset->target_count, sizeof *batch->targets, error);
  bool ready = batch->inputs && batch->targets;
  if (ready) {
    batch->input_count = dataset->input_count;
    batch->target_count = dataset->target_count;
  }
  for (int i = 0; ready && i < dataset->input_count; i++)
    ready = (batch->inputs[i] = aligned_block(capacity, dataset->inputs[i].row_bytes, error)) != NULL;
  for (int i = 0; ready && i < dataset->target_count; i++)
    ready = (batch->targets[i] = aligned_block(capacity, dataset->targets[i].row_bytes, error)) != NULL;
  if (ready && dataset->weights)
    ready = (batch->weights = aligned_block(capacity, gradc_element_bytes(dataset->element), error)) != NULL;
  if (ready) return 0;
  gradc_batch_free(batch);
  return GRADC_EXIT_DATA;
}

static void gather(const void *from, size_t row_bytes, size_t step_bytes, const uint32_t *rows, size_t count, void *to) {
  for (size_t i = 0; i < count; i++) memcpy((char *)to + i * row_bytes, (const char *)from + rows[i] * step_bytes, row_bytes);
}

/* `key`, or null: seed and epoch of the augmentation. */
static void gather_rows(const gradc_dataset *dataset, const uint32_t *rows, size_t count, const uint64_t *key, gradc_batch *batch) {
  const gradc_images *images = dataset->images;
  for (int i = 0; i < batch->input_count; i++) {
    const gradc_port_data *port = &dataset->inputs[i];
    if (port->data) gather(port->data, port->row_bytes, port->step_bytes, rows, count, batch->inputs[i]);
    else gradc_images_gather(images, rows, count, key != NULL, key ? key[0] : 0, key ? key[1] : 0, port->element, batch->inputs[i]);
  }
  for (int i = 0; i < batch->target_count; i++) {
    const gradc_port_data *port = &dataset->targets[i];
    if (port->data) gather(port->data, port->row_bytes, port->step_bytes, rows, count, batch->targets[i]);
    else memcpy(batch->targets[i], batch->inputs[images->input], count * port->row_bytes);  /* an autoencoder's */
  }
  const size_t weight = gradc_element_bytes(dataset->element);
  if (batch->weights) gather(dataset->weights, weight, weight, rows, count, batch->weights);
}

void gradc_batch_gather(const gradc_dataset *dataset, const uint32_t *rows, size_t count, gradc_batch *batch) {
  gather_rows(dataset, rows, count, NULL, batch);
}

void gradc_batch_gather_training(const gradc_dataset *dataset, const uint32_t *rows, size_t count, uint64_t seed, uint64_t epoch,
                                 gradc_batch *batch) {
  gather_rows(dataset, rows, count, (uint64_t[]){seed, epoch}, batch);
}

void gradc_batch_free(gradc_batch *batch) {
  for (int i = 0; i < batch->input_count; i++) free(batch->inputs[i]);
  for (int i = 0; i < batch->target_count; i++) free(batch->targets[i]);
  free(batch->inputs);
  free(batch->targets);
  free(batch->weights);
  *batch = (gradc_batch){0};
}
