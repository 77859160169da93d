/* dataset_load.c: from files to a dataset that fits a model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image_internal.h"
#include "text_internal.h"
#include "windows.h"

/* ---- Targets ---- */

int gradc_target_form_of(const gradc_model *model, int index, const gradc_port *port, size_t width, gradc_target_form *form,
                         size_t *classes, gradc_error *error) {
  const bool floating = port->element == GRADC_F32 || port->element == GRADC_F64;
  const bool first = model && index == 0;
  *classes = first && model->task == GRADC_TASK_CLASSES && model->output_count ? model->outputs[0].row_count : 0;
  if (!floating) {
    *form = GRADC_FORM_INDEX;
    if (port->row_count == width) return 0;
  } else if (port->row_count == width) {
    *form = first && model->task == GRADC_TASK_BINARY ? GRADC_FORM_PROBABILITY : GRADC_FORM_NUMBER;
    return 0;
  } else if (width == 1) {
    *form = GRADC_FORM_ONE_HOT;
    *classes = port->row_count;
    return 0;
  }
  return gradc_fail(error, GRADC_EXIT_DATA, "the data has %zu target values a row, the model's target \"%s\" takes %zu", width, port->name,
                    port->row_count);
}

const char *gradc_store_target(gradc_port_data *port, size_t row, size_t position, double value, gradc_target_form form, size_t classes) {
  char *at = (char *)port->data + row * port->row_bytes;
  const size_t size = gradc_element_bytes(port->element);
  const bool is_index = value >= 0 && floor(value) == value && (classes == 0 || value < (double)classes);
  if (form == GRADC_FORM_PROBABILITY && !(value >= 0 && value <= 1)) return "a label of 0 or 1";
  if ((form == GRADC_FORM_INDEX || form == GRADC_FORM_ONE_HOT) && !is_index) return "a class index";
  if (form == GRADC_FORM_ONE_HOT) {
    gradc_store_number(1, port->element, at + (size_t)value * size);
    return NULL;
  }
  return gradc_store_number(value, port->element, at + position * size) ? NULL : "a number that fits the model's element type";
}

/* The input whose values a target port takes: of the same name and shape, else (when `position` is not negative) that at the position. */
static int input_of_target(const gradc_dataset *dataset, const gradc_port *port, int position) {
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < dataset->input_count; i++) {
      const gradc_port_data *input = &dataset->inputs[i];
      const bool chosen = pass == 0 ? strcmp(input->name, port->name) == 0 : i == position;
      if (chosen && input->row_count == port->row_count && input->element == port->element) return i;
    }
  return -1;
}

static int share_input(gradc_dataset *dataset, int input, int target, const char *name, gradc_error *error) {
  dataset->targets[target] = dataset->inputs[input];
  dataset->targets[target].borrowed = true;
  dataset->targets[target].name = gradc_copy_text(name, strlen(name), error);
  return dataset->targets[target].name ? 0 : GRADC_EXIT_DATA;
}

int gradc_dataset_share_targets(gradc_dataset *dataset, const gradc_model *model, gradc_error *error) {
  const int count = model ? model->target_count : 1;
  dataset->targets = gradc_allocate((size_t)count, sizeof *dataset->targets, error);
  if (!dataset->targets) return GRADC_EXIT_DATA;
  dataset->target_count = count;
  dataset->targets_shared = true;
  if (!model) return share_input(dataset, 0, 0, dataset->inputs[0].name, error);
  for (int i = 0; i < count; i++) {
    const gradc_port *port = &model->targets[i];
    const int input = input_of_target(dataset, port, i);
    if (input < 0)
      return gradc_fail(error, GRADC_EXIT_DATA,
                        "the data has no target, so the input is the target; but the model's target \"%s\" takes %zu elements a row; "
                        "name the target column",
                        port->name, port->row_count);
    const int code = share_input(dataset, input, i, port->name, error);
    if (code) return code;
  }
  return 0;
}

/* ---- Encoding a table ---- */

/* A target column and where its values go. */
typedef struct target_place {
  size_t source;    /* encoder target */
  int port;
  size_t position;  /* element of the row */
  gradc_target_form form;
  size_t class_limit;
} target_place;

typedef struct encoding {
  const gradc_table *table;
  const gradc_encoder *encoder;
  const gradc_model *model;
  gradc_encoder_sources sources;
  gradc_row row;
  bool with_targets;
  double *values;            /* one input row */
  size_t target_count;
  target_place *targets;
  gradc_dataset *dataset;
  gradc_error *error;
} encoding;

/* The model's port that an encoder input feeds. */
static int find_input(const encoding *e, const gradc_encoded_input *input, int *index) {
  *index = 0;
  if (!e->model || !input->name) return 0;
  while (*index < e->model->input_count && strcmp(e->model->inputs[*index].name, input->name) != 0) ++*index;
  if (*index < e->model->input_count) return 0;
  const char *names[16];
  const size_t count = e->model->input_count < 16 ? (size_t)e->model->input_count : 16;
  for (size_t i = 0; i < count; i++) names[i] = e->model->inputs[i].name;
  const ptrdiff_t nearest = gradc_nearest_name(input->name, names, count);
  return gradc_fail(e->error, GRADC_EXIT_DATA, "the model has no input \"%s\"; its %s \"%s\"", input->name,
                    nearest >= 0 ? "nearest is" : "first is", names[nearest >= 0 ? (size_t)nearest : 0]);
}

static int add_inputs(encoding *e, size_t rows) {
  const size_t ports = e->model ? (size_t)e->model->input_count : e->encoder->input_count;
  e->dataset->inputs = gradc_allocate(ports, sizeof *e->dataset->inputs, e->error);
  if (!e->dataset->inputs) return GRADC_EXIT_DATA;
  e->dataset->input_count = (int)ports;
  size_t widest = 0;
  for (size_t i = 0; i < e->encoder->input_count; i++) {
    const gradc_encoded_input *input = &e->encoder->inputs[i];
    int index = e->model ? 0 : (int)i;
    int code = e->model ? find_input(e, input, &index) : 0;
    if (code) return code;
    const gradc_port *port = e->model ? &e->model->inputs[index] : NULL;
    if (port && port->row_count != input->width)
      return gradc_fail(e->error, GRADC_EXIT_DATA, "the recipe makes %zu numbers of a row, and the model's input \"%s\" takes %zu: declare it as f32[N, %zu], or name other columns",
                        input->width, port->name, port->row_count, input->width);
    if (e->dataset->inputs[index].data)
      return gradc_fail(e->error, GRADC_EXIT_DATA, "two inputs of the recipe feed the model's input \"%s\"", port ? port->name : "");
    code = gradc_dataset_add_port(&e->dataset->inputs[index], port ? port->name : input->name ? input->name : "features",
                                  port ? port->element : GRADC_F32, input->width, rows, e->error);
    if (code) return code;
    if (input->width > widest) widest = input->width;
  }
  for (size_t i = 0; i < ports; i++)
    if (!e->dataset->inputs[i].data)
      return gradc_fail(e->error, GRADC_EXIT_DATA, "no columns feed the model's input \"%s\"; name them with input",
                        e->model->inputs[i].name);
  e->values = gradc_allocate(widest, sizeof *e->values, e->error);
  return e->values ? 0 : GRADC_EXIT_DATA;
}

/* Fills a target port from the encoder's targets first ..< first + width. */
static int add_target_port(encoding *e, int index, size_t first, size_t width, size_t rows) {
  const gradc_port unknown = {.name = e->encoder->targets[first].name, .element = GRADC_F32, .row_count = width};
  const gradc_port *port = e->model ? &e->model->targets[index] : &unknown;
  for (size_t i = 0; i < width; i++) {
    target_place *place = &e->targets[e->target_count++];
    *place = (target_place){.source = first + i, .port = index, .position = i};
    const int code = gradc_target_form_of(e->model, index, port, width, &place->form, &place->class_limit, e->error);
    if (code) return code;
    const gradc_encoded_target *target = &e->encoder->targets[first + i];
    const size_t count = target->categories.labels.count, limit = place->form == GRADC_FORM_PROBABILITY ? 2 : place->class_limit;
    if (target->classes && limit && count > limit)
      return gradc_fail(e->error, GRADC_EXIT_DATA, "the target \"%s\" has %zu classes, the model tells %zu apart", target->name, count,
                        limit);
  }
  return gradc_dataset_add_port(&e->dataset->targets[index], port->name, port->element, port->row_count, rows, e->error);
}

/* Columns that a port takes: as many as it has elements when it holds numbers, one class otherwise; all when it is the only one. */
static size_t columns_of_port(const encoding *e, int index, size_t left) {
  const gradc_port *port = &e->model->targets[index];
  const bool floating = port->element == GRADC_F32 || port->element == GRADC_F64;
  if (e->model->target_count == 1) return left;
  return floating && (size_t)e->model->target_count < e->encoder->target_count && port->row_count <= left ? port->row_count : 1;
}

static bool names_target(const encoding *e, const char *name) {
  for (size_t i = 0; i < e->encoder->target_count; i++)
    if (strcmp(e->encoder->targets[i].name, name) == 0) return true;
  return false;
}

/* Ports in order: those of an input's name take the input's values (an autoencoder beside other losses), the others columns. */
static int add_targets(encoding *e, size_t rows) {
  const size_t count = e->encoder->target_count;
  if (count == 0) return 0;
  const int ports = e->model ? e->model->target_count : 1;
  e->targets = gradc_allocate(count, sizeof *e->targets, e->error);
  e->dataset->targets = gradc_allocate((size_t)ports, sizeof *e->dataset->targets, e->error);
  if (!e->targets || !e->dataset->targets) return GRADC_EXIT_DATA;
  e->dataset->target_count = ports;
  if (!e->model) return add_target_port(e, 0, 0, count, rows);
  size_t next = 0;
  bool all_shared = true;
  for (int i = 0; i < ports; i++) {
    const char *name = e->model->targets[i].name;
    const int input = names_target(e, name) ? -1 : input_of_target(e->dataset, &e->model->targets[i], -1);
    if (input >= 0 && share_input(e->dataset, input, i, name, e->error)) return GRADC_EXIT_DATA;
    if (input >= 0) continue;
    all_shared = false;
    const size_t width = next < count ? columns_of_port(e, i, count - next) : 0;
    if (width == 0)
      return gradc_fail(e->error, GRADC_EXIT_DATA, "no target column is left for the model's target \"%s\"; the recipe names %zu",
                        e->model->targets[i].name, count);
    const int code = add_target_port(e, i, next, width, rows);
    if (code) return code;
    next += width;
  }
  e->dataset->targets_shared = all_shared;
  if (next == count || all_shared) return 0;
  return gradc_fail(e->error, GRADC_EXIT_DATA, "the recipe names %zu target columns, the model takes %zu", count, next);
}

static int fail_text(encoding *e, size_t source, const char *column, gradc_cell cell) {
  char shown[GRADC_SHOWN];
  return gradc_fail_cell(e->error, e->table, source, column, "found \"%s\", expected a finite number",
                         gradc_shown(cell.text, cell.length, shown));
}

/* The elements of one number; false after an error. */
static bool encode_number(encoding *e, size_t source, const gradc_encoded_column *column, gradc_cell cell, double *value) {
  double number = column->fill;
  if (gradc_cell_is_missing(cell, &e->encoder->missing_markers)) {
    if (column->missing == GRADC_MISSING_REFUSE || column->missing == GRADC_MISSING_DROP) {
      gradc_fail_cell(e->error, e->table, source, column->name, "the value is missing, and the recipe refuses missing values here");
      return false;
    }
  } else if (!gradc_parse_number(cell.text, cell.length, &number)) {
    fail_text(e, source, column->name, cell);
    return false;
  }
  *value = (number - column->offset) / column->scale;
  return true;
}

/* The 0/1 elements of one category; false after an error. */
static bool encode_category(encoding *e, size_t source, const gradc_encoded_column *column, gradc_cell cell, double *values) {
  ptrdiff_t index = (ptrdiff_t)column->fill_category;
  memset(values, 0, column->width * sizeof *values);
  if (gradc_cell_is_missing(cell, &e->encoder->missing_markers)) {
    if (column->missing == GRADC_MISSING_REFUSE || column->missing == GRADC_MISSING_DROP) {
      gradc_fail_cell(e->error, e->table, source, column->name, "the value is missing, and the recipe refuses missing values here");
      return false;
    }
  } else {
    index = gradc_category_find(&column->categories, cell.text, cell.length);
    if (index < 0 && !column->unknown_zeros) {
      char shown[GRADC_SHOWN], list[400];
      gradc_fail_cell(e->error, e->table, source, column->name,
                      "the category \"%s\" was not seen in training; known are %s. `unknown: zeros` in one_hot makes it zeros",
                      gradc_shown(cell.text, cell.length, shown), gradc_categories_shown(&column->categories, list, sizeof list));
      return false;
    }
  }
  if (column->drop_first) index--;
  if (index >= 0) values[index] = 1;
  return true;
}

/* The ids of a text, cut to the column's width or padded; false after an error. */
static bool encode_tokens(encoding *e, size_t source, const gradc_encoded_column *column, gradc_cell cell, double *values) {
  for (size_t i = 0; i < column->width; i++) values[i] = GRADC_PAD_TOKEN;
  if (gradc_cell_is_missing(cell, &e->encoder->missing_markers)) {
    if (column->missing != GRADC_MISSING_REFUSE && column->missing != GRADC_MISSING_DROP) return true;
    gradc_fail_cell(e->error, e->table, source, column->name, "the text is missing; `missing zero` makes such a row of padding alone");
    return false;
  }
  int32_t *ids = NULL;
  size_t count = 0;
  if (gradc_tokenizer_encode(column->tokenizer, cell.text, cell.length, e->table->path, &ids, &count, e->error)) return false;
  for (size_t i = 0; i < count && i < column->width; i++) values[i] = ids[i];
  free(ids);
  return true;
}

static int encode_inputs(encoding *e, size_t row, size_t source) {
  for (size_t i = 0; i < e->encoder->input_count; i++) {
    const gradc_encoded_input *input = &e->encoder->inputs[i];
    int index = (int)i;
    if (e->model) find_input(e, input, &index);
    gradc_port_data *port = &e->dataset->inputs[index];
    const size_t size = gradc_element_bytes(port->element);
    char *at = (char *)port->data + row * port->row_bytes;
    for (size_t j = 0; j < input->column_count; j++) {
      const gradc_encoded_column *column = &e->encoder->columns[input->columns[j]];
      const gradc_cell cell = e->row.cells[e->sources.columns[input->columns[j]]];
      const bool encoded = column->kind == GRADC_FEATURE_ONE_HOT  ? encode_category(e, source, column, cell, e->values)
                           : column->kind == GRADC_FEATURE_TOKENS ? encode_tokens(e, source, column, cell, e->values)
                                                                  : encode_number(e, source, column, cell, e->values);
      if (!encoded) return GRADC_EXIT_DATA;
      for (size_t k = 0; k < column->width; k++, at += size) {
        if (gradc_store_number(e->values[k], port->element, at)) continue;
        char text[32];
        gradc_format_number(e->values[k], text, sizeof text);
        return gradc_fail_cell(e->error, e->table, source, column->name,
                               "its encoded value %s does not fit the element type of input \"%s\"", text, port->name);
      }
    }
  }
  return 0;
}

static int encode_target(encoding *e, size_t row, size_t source, const target_place *place) {
  const gradc_encoded_target *target = &e->encoder->targets[place->source];
  const gradc_cell cell = e->row.cells[e->sources.targets[place->source]];
  char shown[GRADC_SHOWN], list[400];
  double value = 0;
  if (gradc_cell_is_missing(cell, &e->encoder->missing_markers))
    return gradc_fail_cell(e->error, e->table, source, target->name, "the target is missing");
  gradc_shown(cell.text, cell.length, shown);
  if (target->classes) {
    value = (double)gradc_category_find(&target->categories, cell.text, cell.length);
    if (value < 0)
      return gradc_fail_cell(e->error, e->table, source, target->name, "the label \"%s\" was not seen in training; known are %s", shown,
                             gradc_categories_shown(&target->categories, list, sizeof list));
  } else if (!gradc_parse_number(cell.text, cell.length, &value)) {
    return fail_text(e, source, target->name, cell);
  } else {
    value = (value - target->offset) / target->scale;
  }
  gradc_port_data *port = &e->dataset->targets[place->port];
  const char *expected = gradc_store_target(port, row, place->position, value, place->form, place->class_limit);
  if (!expected) return 0;
  if (place->class_limit)
    return gradc_fail_cell(e->error, e->table, source, target->name, "the label \"%s\" is out of range, expected %s from 0 to %zu", shown,
                           expected, place->class_limit - 1);
  return gradc_fail_cell(e->error, e->table, source, target->name, "the label \"%s\" is out of range, expected %s", shown, expected);
}

static int encode_row(encoding *e, size_t row, size_t source) {
  gradc_dataset *dataset = e->dataset;
  gradc_row_read(&e->row, source);
  dataset->source_rows[row] = (uint32_t)source;
  int code = encode_inputs(e, row, source);
  for (size_t i = 0; i < e->target_count && !code; i++) code = encode_target(e, row, source, &e->targets[i]);
  if (!code && dataset->weights) {
    const gradc_cell cell = e->row.cells[e->sources.sample_weight];
    double weight = 0;
    if (!gradc_parse_number(cell.text, cell.length, &weight) || weight < 0) return fail_text(e, source, e->encoder->sample_weight, cell);
    gradc_dataset_set_weight(dataset, row, weight);
  }
  if (!code && e->encoder->id) {
    const gradc_cell cell = e->row.cells[e->sources.id];
    if (!gradc_strings_add(&dataset->ids, cell.text, cell.length, e->error)) code = GRADC_EXIT_DATA;
  }
  return code;
}

/* The rows that no `missing drop` rule leaves out. */
static int choose_rows(encoding *e, uint32_t **rows, size_t *count) {
  *count = 0;
  *rows = gradc_allocate(e->table->row_count, sizeof **rows, e->error);
  if (!*rows) return GRADC_EXIT_DATA;
  for (size_t row = 0; row < e->table->row_count; row++) {
    gradc_row_read(&e->row, row);
    if (!gradc_encoder_drops(e->encoder, &e->sources, &e->row, e->with_targets)) (*rows)[(*count)++] = (uint32_t)row;
  }
  if (*count) return 0;
  return gradc_fail(e->error, GRADC_EXIT_DATA, "%s: no rows are left after those with missing values are dropped", e->table->path);
}

static int put_all_in_first_part(gradc_dataset *dataset, gradc_error *error) {
  const double shares[] = {1, 0, 0};
  gradc_split_free(&dataset->split);
  return gradc_split_rows(dataset->row_count, shares, NULL, 0, &dataset->split, error);
}

static int encode_rows(encoding *e, const uint32_t *rows, size_t count) {
  gradc_dataset *dataset = e->dataset;
  dataset->row_count = count;
  dataset->element = e->model ? e->model->element : GRADC_F32;
  dataset->source_rows = gradc_allocate(count, sizeof *dataset->source_rows, e->error);
  int code = dataset->source_rows ? add_inputs(e, count) : GRADC_EXIT_DATA;
  if (!code && e->with_targets) code = add_targets(e, count);
  if (!code && e->encoder->sample_weight && e->with_targets) code = gradc_dataset_add_weights(dataset, e->error);
  if (!code && e->encoder->id && !(dataset->id_name = gradc_copy_text(e->encoder->id, strlen(e->encoder->id), e->error)))
    code = GRADC_EXIT_DATA;
  for (size_t row = 0; row < count && !code; row++) code = encode_row(e, row, rows[row]);
  if (!code && e->with_targets && e->encoder->target_count == 0) code = gradc_dataset_share_targets(dataset, e->model, e->error);
  return code ? code : put_all_in_first_part(dataset, e->error);
}

int gradc_dataset_encode(const gradc_table *table, const gradc_encoder *encoder, const gradc_model *model, const uint32_t *rows,
                         size_t row_count, bool with_targets, gradc_dataset *dataset, gradc_error *error) {
  *dataset = (gradc_dataset){0};
  encoding e = {.table = table, .encoder = encoder, .model = model, .with_targets = with_targets, .dataset = dataset, .error = error};
  uint32_t *chosen = NULL;
  int code = gradc_encoder_locate(encoder, table, with_targets, &e.sources, error);
  if (!code) code = gradc_row_open(table, &e.row, error);
  if (!code && !rows) code = choose_rows(&e, &chosen, &row_count);
  if (!code) code = encode_rows(&e, rows ? rows : chosen, row_count);
  free(chosen);
  free(e.values);
  free(e.targets);
  gradc_encoder_sources_free(&e.sources);
  if (e.row.cells) gradc_row_close(&e.row);
  if (code) gradc_dataset_free(dataset);
  return code;
}

/* ---- Arrays ---- */

/* Elements a row of an array whose first dimension is the row. */
static int row_size(const gradc_array *array, const char *path, size_t *size, gradc_error *error) {
  if (array->rank == 0 || array->dims[0] == 0) return gradc_fail(error, GRADC_EXIT_DATA, "%s has no rows", path);
  if ((uint64_t)array->dims[0] > UINT32_MAX) return gradc_fail(error, GRADC_EXIT_DATA, "%s has more than %u rows", path, UINT32_MAX);
  *size = array->count / (size_t)array->dims[0];
  return 0;
}

static int load_features(const char *path, const gradc_model *model, gradc_dataset *dataset, gradc_error *error) {
  gradc_array array;
  size_t width = 0;
  int code = gradc_npy_read(path, &array, error);
  if (!code) code = row_size(&array, path, &width, error);
  if (!code && model && model->input_count != 1)
    code = gradc_fail(error, GRADC_EXIT_DATA, "%s feeds one input, the model has %d", path, model->input_count);
  const gradc_port *port = model && !code ? &model->inputs[0] : NULL;
  if (port && port->row_count != width)
    code = gradc_fail(error, GRADC_EXIT_DATA, "%s has %zu elements a row, the model's input \"%s\" takes %zu", path, width, port->name,
                      port->row_count);
  if (!code) {
    dataset->row_count = (size_t)array.dims[0];
    dataset->inputs = gradc_allocate(1, sizeof *dataset->inputs, error);
    dataset->input_count = dataset->inputs ? 1 : 0;
    if (!dataset->inputs) code = GRADC_EXIT_DATA;
    else
      code = gradc_dataset_add_port(dataset->inputs, port ? port->name : "features", port ? port->element : GRADC_F32, width,
                                    dataset->row_count, error);
  }
  const size_t size = code ? 0 : gradc_dtype_bytes(array.dtype);
  for (size_t i = 0; i < array.count && !code; i++) {
    double value = 0;
    gradc_convert((const char *)array.data + i * size, array.dtype, 1, &value, GRADC_DTYPE_F64);
    const gradc_element element = dataset->inputs[0].element;
    if (!gradc_store_number(value, element, (char *)dataset->inputs[0].data + i * gradc_element_bytes(element)))
      code = gradc_fail(error, GRADC_EXIT_DATA, "%s: row %zu, element %zu: %g does not fit the element type of the input", path,
                        i / width + 1, i % width + 1, value);
  }
  gradc_array_free(&array);
  return code;
}

static int store_targets(const gradc_array *array, const char *path, const gradc_model *model, size_t width, gradc_dataset *dataset,
                         gradc_error *error) {
  const gradc_port unknown = {.name = "target", .element = GRADC_F32, .row_count = width};
  const gradc_port *port = model ? &model->targets[0] : &unknown;
  gradc_target_form form = GRADC_FORM_NUMBER;
  size_t classes = 0;
  int code = gradc_target_form_of(model, 0, port, width, &form, &classes, error);
  if (!code) code = gradc_dataset_add_port(dataset->targets, port->name, port->element, port->row_count, dataset->row_count, error);
  const size_t size = gradc_dtype_bytes(array->dtype);
  for (size_t i = 0; i < array->count && !code; i++) {
    double value = 0;
    gradc_convert((const char *)array->data + i * size, array->dtype, 1, &value, GRADC_DTYPE_F64);
    const char *expected = gradc_store_target(dataset->targets, i / width, i % width, value, form, classes);
    if (expected && classes)
      code = gradc_fail(error, GRADC_EXIT_DATA, "%s: row %zu: the label %g is out of range, expected %s from 0 to %zu", path, i / width + 1,
                        value, expected, classes - 1);
    else if (expected)
      code = gradc_fail(error, GRADC_EXIT_DATA, "%s: row %zu: the label %g is out of range, expected %s", path, i / width + 1, value,
                        expected);
  }
  return code;
}

static int load_targets(const char *path, const gradc_model *model, gradc_dataset *dataset, gradc_error *error) {
  gradc_array array;
  size_t width = 0;
  int code = gradc_npy_read(path, &array, error);
  if (!code) code = row_size(&array, path, &width, error);
  if (!code && (size_t)array.dims[0] != dataset->row_count)
    code = gradc_fail(error, GRADC_EXIT_DATA, "%s has %lld rows, the features have %zu", path, (long long)array.dims[0],
                      dataset->row_count);
  if (!code && model && model->target_count != 1)
    code = gradc_fail(error, GRADC_EXIT_DATA, "%s feeds one target, the model has %d", path, model->target_count);
  if (!code) {
    dataset->targets = gradc_allocate(1, sizeof *dataset->targets, error);
    dataset->target_count = dataset->targets ? 1 : 0;
    code = dataset->targets ? store_targets(&array, path, model, width, dataset, error) : GRADC_EXIT_DATA;
  }
  gradc_array_free(&array);
  return code;
}

/* What the recipe asks for and only columns can give. */
static int check_array_recipe(const gradc_recipe *recipe, gradc_error *error) {
  const bool names_columns = recipe->feature_count || recipe->target.count || recipe->id || recipe->sample_weight || recipe->input_count;
  if (!names_columns && !recipe->standardize_target) return 0;
  return gradc_fail(error, GRADC_EXIT_DATA, "npy arrays are taken as they are: they have no columns to name or standardize");
}

static int load_arrays(const gradc_recipe *recipe, const gradc_model *model, const gradc_load_options *options, gradc_dataset *dataset,
                       gradc_error *error) {
  const char *targets = options->targets_path ? options->targets_path : options->path ? NULL : recipe->targets_path;
  int code = check_array_recipe(recipe, error);
  dataset->element = model ? model->element : GRADC_F32;
  if (!code) code = load_features(options->path ? options->path : recipe->path, model, dataset, error);
  if (!code && !options->without_targets)
    code = targets                 ? load_targets(targets, model, dataset, error)
           : recipe->targets_path ? gradc_fail(error, GRADC_EXIT_USAGE, "a feature array was given without its target array")
                                  : gradc_dataset_share_targets(dataset, model, error);
  if (code) return code;
  dataset->source_rows = gradc_allocate(dataset->row_count, sizeof *dataset->source_rows, error);
  if (!dataset->source_rows) return GRADC_EXIT_DATA;
  for (size_t row = 0; row < dataset->row_count; row++) dataset->source_rows[row] = (uint32_t)row;
  return 0;
}

/* ---- Loading by recipe ---- */

static int split_dataset(const gradc_recipe *recipe, const gradc_load_options *options, gradc_dataset *dataset, gradc_error *error) {
  if (options->without_split) return put_all_in_first_part(dataset, error);
  const double shares[] = {recipe->train_share, recipe->validation_share, recipe->test_share};
  int32_t *labels = NULL;
  int code = recipe->stratified ? gradc_dataset_strata(dataset, &labels, error) : 0;
  gradc_split_free(&dataset->split);
  if (!code)
    code = gradc_split_rows(dataset->row_count, shares, labels, recipe->has_split_seed ? recipe->split_seed : recipe->seed, &dataset->split,
                            error);
  free(labels);
  return code;
}

/* Fits on the table and encodes its rows; the split of the fit is the split of the dataset. */
static int fit_and_encode(const gradc_table *table, const gradc_recipe *recipe, const gradc_model *model, const gradc_load_options *options,
                          gradc_dataset *dataset, gradc_encoder *encoder, gradc_error *error) {
  gradc_split split;
  uint32_t *kept = NULL;
  size_t count = 0;
  int code = gradc_encoder_fit(table, recipe, encoder, &split, &kept, &count, error);
  if (!code) code = gradc_dataset_encode(table, encoder, model, kept, count, !options->without_targets, dataset, error);
  if (!code && !options->without_split) {
    gradc_split_free(&dataset->split);
    dataset->split = split;
    split = (gradc_split){0};
  }
  gradc_split_free(&split);
  free(kept);
  return code;
}

static int load_table(const gradc_recipe *recipe, const gradc_model *model, const gradc_load_options *options, gradc_dataset *dataset,
                      gradc_encoder *fitted, gradc_error *error) {
  const gradc_encoder *given = options->encoder;
  gradc_table table;
  gradc_model lines;
  gradc_port *ports = NULL;
  const bool windows = recipe->window > 0;
  int code = windows && model ? gradc_windows_lines(recipe, model, &lines, &ports, error) : 0;
  if (code) {
    free(ports);
    return code;
  }
  if (ports) model = &lines;
  code = gradc_table_read(options->path ? options->path : recipe->path, given ? given->separator : recipe->separator,
                              given ? given->header : recipe->header, &table, error);
  if (code) free(ports);
  if (code && !options->path && access(recipe->path, F_OK) != 0)
    return gradc_fail(error, GRADC_EXIT_DATA, "cannot open %s, which the recipe names; --data FILE names another file", recipe->path);
  if (code) return code;
  if (given) {
    code = gradc_dataset_encode(&table, given, model, NULL, 0, !options->without_targets, dataset, error);
    if (!code && !windows) code = split_dataset(recipe, options, dataset, error);
  } else {
    code = fit_and_encode(&table, recipe, model, options, dataset, fitted, error);
  }
  gradc_table_free(&table);
  free(ports);
  if (!code && windows) return gradc_windows_of_table(recipe, options, dataset, error);
  return code ? code : gradc_dataset_weigh_classes(dataset, recipe, given ? given : fitted, error);
}

#ifdef GRADC_IMAGES
static int load_images(const gradc_recipe *recipe, const gradc_model *model, const gradc_load_options *options, gradc_dataset *dataset,
                       gradc_encoder *fitted, gradc_error *error) {
  return gradc_images_load(recipe, model, options, dataset, fitted, error);
}
#else
/* A native trainer whose recipe had no images when it was built. */
static int load_images(const gradc_recipe *recipe, const gradc_model *model, const gradc_load_options *options, gradc_dataset *dataset,
                       gradc_encoder *fitted, gradc_error *error) {
  (void)recipe, (void)model, (void)options, (void)dataset, (void)fitted;
  return gradc_fail(error, GRADC_EXIT_UNSUPPORTED,
                    "this program was built without readers of images; define GRADC_IMAGES and link png, jpeg and z");
}
#endif

static bool has_images(const gradc_recipe *recipe, const gradc_load_options *options) {
  if (options->encoder && options->encoder->images) return true;
  return (recipe->source >= GRADC_SOURCE_IDX && recipe->source <= GRADC_SOURCE_FOLDER) || (recipe->source == GRADC_SOURCE_NPY && recipe->images.used);
}

int gradc_dataset_load(const gradc_recipe *recipe, const gradc_model *model, const gradc_load_options *options, gradc_dataset *dataset,
                       gradc_encoder *encoder, gradc_error *error) {
  const gradc_load_options standard = {0};
  gradc_encoder fitted = {0};
  *dataset = (gradc_dataset){0};
  if (encoder) *encoder = fitted;
  if (!options) options = &standard;
  int code = 0;
  if (recipe->source == GRADC_SOURCE_NONE)
    code = gradc_fail(error, GRADC_EXIT_DATA, "the recipe names no data; its data block needs csv \"FILE\", npy \"X\", \"Y\" or images");
  else if (has_images(recipe, options))
    code = load_images(recipe, model, options, dataset, &fitted, error);
  else if (recipe->source == GRADC_SOURCE_TEXT)
    code = gradc_text_load(recipe, model, options, dataset, &fitted, error);
  else if (recipe->source == GRADC_SOURCE_CSV)
    code = load_table(recipe, model, options, dataset, &fitted, error);
  else
    code = load_arrays(recipe, model, options, dataset, error);
  if (!code && recipe->source == GRADC_SOURCE_NPY && !dataset->images) {
    code = split_dataset(recipe, options, dataset, error);
    if (!code) code = gradc_dataset_weigh_classes(dataset, recipe, NULL, error);
  }
  if (code) gradc_dataset_free(dataset);
  if (code || !encoder) gradc_encoder_free(&fitted);
  else *encoder = fitted;
  return code;
}
