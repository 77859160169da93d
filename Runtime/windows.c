/* windows.c: rows that are windows of a text or of the lines of a table. Nothing is copied: a row is a place in the data. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_internal.h"
#include "windows.h"

static const char *const part_names[] = {"training", "validation", "test"};

/* Windows of a part of `lines` lines. */
static size_t windows_of(size_t lines, size_t length, size_t ahead) { return lines >= length + ahead ? lines - length - ahead + 1 : 0; }

static int check_parts(const size_t lines[3], const gradc_windows *windows, const char *unit, gradc_error *error) {
  for (int part = 0; part < 3; part++)
    if (windows->count[part] == 0 && (lines[part] > 0 || part == 0))
      return gradc_fail(error, GRADC_EXIT_DATA,
                        "the %s part has %zu %s, and a window with what comes after it takes %zu: use more data, a larger share or a "
                        "shorter window",
                        part_names[part], lines[part], unit, windows->length + windows->ahead);
  return 0;
}

int gradc_windows_make(gradc_dataset *dataset, const size_t lines[3], size_t length, size_t ahead, size_t stride, const char *unit,
                       gradc_error *error) {
  gradc_windows *windows = &dataset->windows;
  windows->length = length;
  windows->ahead = ahead;
  windows->stride = stride;
  size_t listed = 0, first = 0;
  for (int part = 0; part < 3; part++) {
    windows->first[part] = first;
    windows->count[part] = windows_of(lines[part], length, ahead);
    first += lines[part];
    listed += (windows->count[part] + stride - 1) / stride;
  }
  const int code = check_parts(lines, windows, unit, error);
  if (code) return code;
  if (first > UINT32_MAX) return gradc_fail(error, GRADC_EXIT_DATA, "%zu %s; at most %u can be divided into windows", first, unit, UINT32_MAX);
  dataset->row_count = windows_of(first, length, ahead);
  gradc_split_free(&dataset->split);
  dataset->split.rows = gradc_allocate(listed, sizeof *dataset->split.rows, error);
  if (!dataset->split.rows) return GRADC_EXIT_DATA;
  uint32_t *next = dataset->split.rows;
  for (int part = 0; part < 3; part++) {
    for (size_t at = 0; at < windows->count[part]; at += stride) *next++ = (uint32_t)(windows->first[part] + at);
    dataset->split.counts[part] = (windows->count[part] + stride - 1) / stride;
  }
  return 0;
}

/* ---- Lines of a table ---- */

/* Elements of one of `lines` lines of a port; 0 when they do not divide it. */
static size_t line_size(const gradc_port *port, size_t lines) { return port->row_count % lines == 0 ? port->row_count / lines : 0; }

int gradc_windows_lines(const gradc_recipe *recipe, const gradc_model *model, gradc_model *lines, gradc_port **ports, gradc_error *error) {
  const size_t window = (size_t)recipe->window, ahead = (size_t)recipe->ahead;
  *lines = *model;
  *ports = gradc_allocate((size_t)(model->input_count + model->target_count), sizeof **ports, error);
  if (!*ports) return GRADC_EXIT_DATA;
  for (int i = 0; i < model->input_count; i++) {
    (*ports)[i] = model->inputs[i];
    (*ports)[i].row_count = line_size(&model->inputs[i], window);
    if ((*ports)[i].row_count == 0)
      return gradc_fail(error, GRADC_EXIT_DATA, "input \"%s\" takes %zu elements a row, which are no %zu lines: declare it as f32[N, %zu, columns]",
                        model->inputs[i].name, model->inputs[i].row_count, window, window);
  }
  gradc_port *targets = *ports + model->input_count;
  for (int i = 0; i < model->target_count; i++) {
    targets[i] = model->targets[i];
    targets[i].row_count = line_size(&model->targets[i], ahead);
    if (targets[i].row_count == 0)
      return gradc_fail(error, GRADC_EXIT_DATA, "target \"%s\" takes %zu elements a row, which are no %zu lines ahead", model->targets[i].name,
                        model->targets[i].row_count, ahead);
  }
  lines->inputs = *ports;
  lines->targets = targets;
  return 0;
}

/* Rows of so many lines, each begun a line after the one before. */
static void widen(gradc_port_data *port, size_t lines) {
  port->row_count *= lines;
  port->row_bytes *= lines;
}

int gradc_windows_of_table(const gradc_recipe *recipe, const gradc_load_options *options, gradc_dataset *dataset, gradc_error *error) {
  const size_t window = (size_t)recipe->window, rows = dataset->row_count;
  const size_t ahead = dataset->target_count && !dataset->targets_shared ? (size_t)recipe->ahead : 0;
  const double shares[] = {recipe->train_share, recipe->validation_share, recipe->test_share};
  size_t lines[3] = {rows, 0, 0};
  gradc_split split = {0};
  if (!options->without_split) {
    const int code = gradc_split_in_order(rows, shares, &split, error);
    if (code) return code;
    memcpy(lines, split.counts, sizeof lines);
    gradc_split_free(&split);
  }
  if (dataset->targets_shared) return gradc_fail(error, GRADC_EXIT_DATA, "windows of a table need a target, the column to look ahead in");
  const int code = gradc_windows_make(dataset, lines, window, ahead, recipe->stride && !options->without_split ? (size_t)recipe->stride : 1,
                                      "lines", error);
  if (code) return code;
  for (int i = 0; i < dataset->input_count; i++) widen(&dataset->inputs[i], window);
  for (int i = 0; i < dataset->target_count; i++) {
    gradc_port_data *port = &dataset->targets[i];
    /* Targets begin where the window ends: the lines before are not needed. */
    memmove(port->data, (char *)port->data + window * port->row_bytes, (rows - window) * port->row_bytes);
    widen(port, ahead);
  }
  return 0;
}

/* ---- A text ---- */

typedef struct text_loading {
  const gradc_recipe *recipe;
  const gradc_model *model;
  const gradc_load_options *options;
  const char *path;
  char *bytes;
  size_t byte_count;
  size_t ends[3];           /* of the parts, in bytes */
  const gradc_tokenizer *tokenizer;
  int32_t *ids;
  size_t count;
  size_t lines[3];          /* tokens a part */
  gradc_dataset *dataset;
  gradc_error *error;
} text_loading;

static bool continues(char byte) { return ((unsigned char)byte & 0xc0u) == 0x80; }

static size_t count_characters(const char *bytes, size_t count) {
  size_t characters = 0;
  for (size_t i = 0; i < count; i++) characters += !continues(bytes[i]);
  return characters;
}

/* The byte at which character `index` begins. */
static size_t byte_of_character(const char *bytes, size_t count, size_t index) {
  size_t at = 0;
  for (; at < count; at++)
    if (!continues(bytes[at]) && index-- == 0) break;
  return at;
}

/* The text is divided by characters, or by bytes where they are the tokens. */
static int divide_text(text_loading *l) {
  const gradc_recipe *recipe = l->recipe;
  const double shares[] = {recipe->train_share, recipe->validation_share, recipe->test_share};
  l->ends[0] = l->ends[1] = l->ends[2] = l->byte_count;
  if (l->options->without_split) return 0;
  const bool by_bytes = recipe->tokens == GRADC_TOKENS_BYTES;
  size_t sizes[3];
  const size_t count = by_bytes ? l->byte_count : count_characters(l->bytes, l->byte_count);
  const int code = gradc_split_sizes(count, shares, sizes, l->error);
  if (code) return code;
  for (int part = 0; part < 2; part++) {
    const size_t end = part == 0 ? sizes[0] : sizes[0] + sizes[1];
    l->ends[part] = by_bytes ? end : byte_of_character(l->bytes, l->byte_count, end);
  }
  return 0;
}

static int choose_tokenizer(text_loading *l, gradc_tokenizer **fitted) {
  const gradc_recipe *recipe = l->recipe;
  *fitted = NULL;
  if (l->options->encoder && l->options->encoder->text) {
    l->tokenizer = l->options->encoder->text;
    return 0;
  }
  gradc_tokenizer *own = gradc_allocate(1, sizeof *own, l->error);
  if (!own) return GRADC_EXIT_DATA;
  /* Characters are those of the whole file, as categories of a table are; what is learned is learned from the training part. */
  const size_t length = recipe->tokens == GRADC_TOKENS_CHARACTERS ? l->byte_count : l->ends[0];
  const int32_t reserved = recipe->tokens == GRADC_TOKENS_WORDS ? 2 : 0;
  const int code = recipe->tokenizer ? gradc_tokenizer_read(recipe->tokenizer, own, l->error)
                                     : gradc_tokenizer_fit(recipe->tokens, (size_t)recipe->token_limit, reserved, l->bytes, length, l->path,
                                                           own, l->error);
  if (code) {
    free(own);
    return code;
  }
  l->tokenizer = *fitted = own;
  return 0;
}

/* Tokens of the parts one after the other; no token reaches over the end of a part. */
static int encode_parts(text_loading *l) {
  size_t begin = 0;
  for (int part = 0; part < 3; part++) {
    int32_t *ids = NULL;
    size_t count = 0;
    int code = gradc_tokenizer_encode(l->tokenizer, l->bytes + begin, l->ends[part] - begin, l->path, &ids, &count, l->error);
    if (code) return code;
    int32_t *grown = realloc(l->ids, (l->count + count + 1) * sizeof *grown);
    if (grown) {
      l->ids = grown;
      if (count) memcpy(grown + l->count, ids, count * sizeof *ids);
    } else code = gradc_fail(l->error, GRADC_EXIT_DATA, "%s: no memory for its tokens", l->path);
    free(ids);
    if (code) return code;
    l->count += count;
    l->lines[part] = count;
    begin = l->ends[part];
  }
  return 0;
}

static int check_port(const text_loading *l, const gradc_port *port, const char *kind) {
  const size_t size = gradc_tokenizer_size(l->tokenizer);
  const gradc_element element = port->element;
  char room[16];
  if (element == GRADC_BOOL || !gradc_store_number((double)(size - 1), element, room))
    return gradc_fail(l->error, GRADC_EXIT_DATA, "the %s \"%s\" has a type that does not hold the numbers of %zu tokens; use i32", kind,
                      port->name, size);
  return 0;
}

static int check_model(const text_loading *l) {
  const gradc_model *model = l->model;
  const size_t size = gradc_tokenizer_size(l->tokenizer);
  if (model->input_count != 1 || model->target_count > 1)
    return gradc_fail(l->error, GRADC_EXIT_DATA, "a text feeds one input and one target; the model has %d and %d", model->input_count,
                      model->target_count);
  const gradc_port *input = &model->inputs[0];
  if (l->recipe->window && input->row_count != (size_t)l->recipe->window)
    return gradc_fail(l->error, GRADC_EXIT_DATA, "the window has %lld tokens, the model's input \"%s\" takes %zu: declare it as i32[N, %lld]",
                      (long long)l->recipe->window, input->name, input->row_count, (long long)l->recipe->window);
  int code = check_port(l, input, "input");
  if (code || model->target_count == 0) return code;
  const gradc_port *target = &model->targets[0];
  if (target->row_count != input->row_count && target->row_count != 1)
    return gradc_fail(l->error, GRADC_EXIT_DATA,
                      "a text has the next token of each of %zu tokens, or the one after them, as target; the model's target \"%s\" takes %zu "
                      "numbers: use sparse_categorical_cross_entropy, on classes for each position or for the row",
                      input->row_count, target->name, target->row_count);
  if (model->task == GRADC_TASK_CLASSES && model->output_count && model->outputs[0].rank > 1) {
    const int64_t classes = model->outputs[0].dims[model->outputs[0].rank - 1];
    if (classes > 0 && size > (size_t)classes)
      return gradc_fail(l->error, GRADC_EXIT_DATA, "%s has a vocabulary of %zu tokens, the model tells %lld apart: its last layer needs %zu",
                        l->path, size, (long long)classes, size);
  }
  return check_port(l, target, "target");
}

static int store_ids(text_loading *l, gradc_port_data *port, const gradc_port *as, size_t row_count) {
  const size_t size = gradc_element_bytes(as->element);
  *port = (gradc_port_data){.element = as->element, .row_count = row_count, .row_bytes = row_count * size, .step_bytes = size};
  port->name = gradc_copy_text(as->name, strlen(as->name), l->error);
  if (as->element == GRADC_I32) {
    port->data = l->ids;
    l->ids = NULL;
    return port->name ? 0 : GRADC_EXIT_DATA;
  }
  port->data = gradc_allocate(l->count + 1, size, l->error);
  if (!port->name || !port->data) return GRADC_EXIT_DATA;
  gradc_convert(l->ids, GRADC_DTYPE_I32, l->count, port->data, gradc_element_dtype(as->element));
  return 0;
}

/* The target is the input, begun one token later. */
static int share_ids(text_loading *l, const gradc_port *as, size_t window) {
  gradc_dataset *dataset = l->dataset;
  gradc_port_data *target = dataset->targets, *input = dataset->inputs;
  const size_t skip = as->row_count == 1 ? window : 1;
  if (as->element == input->element) {
    *target = *input;
    target->name = gradc_copy_text(as->name, strlen(as->name), l->error);
    target->borrowed = true;
    target->data = (char *)input->data + skip * input->step_bytes;
    target->row_count = as->row_count;
    target->row_bytes = as->row_count * input->step_bytes;
    return target->name ? 0 : GRADC_EXIT_DATA;
  }
  memmove(l->ids, l->ids + skip, (l->count - skip) * sizeof *l->ids);
  return store_ids(l, target, as, as->row_count);
}

static int make_ports(text_loading *l) {
  const gradc_port unknown = {.name = "tokens", .element = GRADC_I32, .row_count = l->recipe->window ? (size_t)l->recipe->window : 1};
  const gradc_port *input = l->model ? &l->model->inputs[0] : &unknown;
  const gradc_port *target = l->model && l->model->target_count ? &l->model->targets[0] : &unknown;
  gradc_dataset *dataset = l->dataset;
  const bool targets = !l->options->without_targets && (!l->model || l->model->target_count > 0);
  const size_t window = input->row_count, stride = l->recipe->stride ? (size_t)l->recipe->stride : window;
  int code = gradc_windows_make(dataset, l->lines, window, 1, stride, "tokens", l->error);
  if (code) return code;
  dataset->inputs = gradc_allocate(1, sizeof *dataset->inputs, l->error);
  dataset->targets = gradc_allocate(1, sizeof *dataset->targets, l->error);
  if (!dataset->inputs || !dataset->targets) return GRADC_EXIT_DATA;
  dataset->input_count = 1;
  const bool target_first = targets && target->element != input->element && input->element == GRADC_I32;
  int32_t *copy = NULL;
  if (target_first) {  /* the input takes the block of ids away */
    copy = gradc_allocate(l->count, sizeof *copy, l->error);
    if (!copy) return GRADC_EXIT_DATA;
    memcpy(copy, l->ids, l->count * sizeof *copy);
  }
  code = store_ids(l, dataset->inputs, input, window);
  if (target_first) l->ids = copy;
  if (!code && targets) {
    dataset->target_count = 1;
    code = share_ids(l, target, window);
  }
  return code;
}

static int read_text(text_loading *l) {
  const int code = gradc_read_file(l->path, 0, &l->bytes, &l->byte_count, l->error);
  if (code) return code;
  return l->byte_count ? 0 : gradc_fail(l->error, GRADC_EXIT_DATA, "%s is empty", l->path);
}

int gradc_text_load(const gradc_recipe *recipe, const gradc_model *model, const gradc_load_options *options, gradc_dataset *dataset,
                    gradc_encoder *fitted, gradc_error *error) {
  text_loading l = {.recipe = recipe, .model = model, .options = options, .dataset = dataset, .error = error};
  l.path = options->path ? options->path : recipe->path;
  dataset->element = model ? model->element : GRADC_F32;
  gradc_tokenizer *own = NULL;
  int code = read_text(&l);
  if (!code) code = divide_text(&l);
  if (!code) code = choose_tokenizer(&l, &own);
  if (!code && model) code = check_model(&l);
  if (!code) code = encode_parts(&l);
  if (!code) {
    dataset->windows.characters = (double)count_characters(l.bytes, l.byte_count) / (double)(l.count ? l.count : 1);
    dataset->windows.bytes = (double)l.byte_count / (double)(l.count ? l.count : 1);
    code = make_ports(&l);
  }
  free(l.bytes);
  free(l.ids);
  fitted->text = own;  /* the caller frees what was fitted, whether or not it is asked for */
  fitted->header = true;
  return code;
}
