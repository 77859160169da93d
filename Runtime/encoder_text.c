/* encoder_text.c: an encoder as text, for the metadata of a weights file.
 *
 *   gradc.encoder 1
 *   separator CHAR | header no | missing_marker TEXT... | id COLUMN | sample_weight COLUMN
 *   column NAME KIND OFFSET SCALE MISSING FILL FILL_CATEGORY [drop_first] [unknown=zeros]
 *   target NAME numeric|classes OFFSET SCALE MISSING
 *   categories LABEL...                  of the column or target on the line before
 *   class_names LABEL...                 the same of a target, in no order
 *   input NAME INDEX...                  NAME is empty for input 0 without a name
 *   image CHANNELS HEIGHT WIDTH channels_first|channels_last SCALE yes|no      no: not standardised
 *   channel MEAN DEVIATION               one for each channel of the image above
 *   tokenizer KIND RESERVED pieces|whole plain|prefix [LENGTH]     LENGTH: of the column on the line before; else of the text
 *   token TEXT...                        of the tokenizer above, bytes as GPT-2 writes them
 *   merge LEFT RIGHT LEFT RIGHT...       its merges, as indices of tokens
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text_internal.h"

static const char *const kinds[] = {"numeric", "standardize", "min_max", "one_hot", "tokens"};
static const char *const missing_names[] = {"refuse", "mean", "median", "zero", "drop", "constant", "most_frequent"};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- Writing ---- */

static void add_number(gradc_buffer *out, double value) {
  gradc_buffer_text(out, "\t");
  gradc_buffer_number(out, value);
}

static void print_words(gradc_buffer *out, const char *name, const gradc_strings *words) {
  if (!words->count) return;
  gradc_buffer_text(out, name);
  for (size_t i = 0; i < words->count; i++) gradc_buffer_word(out, words->items[i]);
  gradc_buffer_text(out, "\n");
}

static void print_word(gradc_buffer *out, const char *name, const char *word) {
  if (!word) return;
  gradc_buffer_text(out, name);
  gradc_buffer_word(out, word);
  gradc_buffer_text(out, "\n");
}

static void print_column(gradc_buffer *out, const gradc_encoded_column *column) {
  gradc_buffer_text(out, "column");
  gradc_buffer_word(out, column->name);
  gradc_buffer_word(out, kinds[column->kind]);
  add_number(out, column->offset);
  add_number(out, column->scale);
  gradc_buffer_word(out, missing_names[column->missing]);
  add_number(out, column->fill);
  add_number(out, (double)column->fill_category);
  if (column->drop_first) gradc_buffer_word(out, "drop_first");
  if (column->unknown_zeros) gradc_buffer_word(out, "unknown=zeros");
  gradc_buffer_text(out, "\n");
  print_words(out, "categories", &column->categories.labels);
  if (column->tokenizer) gradc_tokenizer_print(out, column->tokenizer, column->width);
}

static void print_target(gradc_buffer *out, const gradc_encoded_target *target) {
  gradc_buffer_text(out, "target");
  gradc_buffer_word(out, target->name);
  gradc_buffer_word(out, target->classes ? "classes" : "numeric");
  add_number(out, target->offset);
  add_number(out, target->scale);
  gradc_buffer_word(out, missing_names[target->missing]);
  gradc_buffer_text(out, "\n");
  print_words(out, target->categories.named ? "class_names" : "categories", &target->categories.labels);
}

static void print_images(gradc_buffer *out, const gradc_image_encoding *images) {
  if (!images) return;
  gradc_buffer_text(out, "image");
  add_number(out, (double)images->channels);
  add_number(out, (double)images->height);
  add_number(out, (double)images->width);
  gradc_buffer_word(out, images->channels_last ? "channels_last" : "channels_first");
  add_number(out, images->scale);
  gradc_buffer_word(out, images->standardized ? "yes" : "no");
  gradc_buffer_text(out, "\n");
  for (size_t c = 0; c < images->channels; c++) {
    gradc_buffer_text(out, "channel");
    add_number(out, images->mean[c]);
    add_number(out, images->deviation[c]);
    gradc_buffer_text(out, "\n");
  }
}

int gradc_encoder_print(const gradc_encoder *encoder, char **text, gradc_error *error) {
  gradc_buffer out = {0};
  gradc_buffer_text(&out, GRADC_ENCODER_KEY "\t1\n");
  if (encoder->separator) print_word(&out, "separator", (char[]){encoder->separator, 0});
  if (!encoder->header) print_word(&out, "header", "no");
  print_words(&out, "missing_marker", &encoder->missing_markers);
  print_word(&out, "id", encoder->id);
  print_word(&out, "sample_weight", encoder->sample_weight);
  for (size_t i = 0; i < encoder->column_count; i++) print_column(&out, &encoder->columns[i]);
  for (size_t i = 0; i < encoder->target_count; i++) print_target(&out, &encoder->targets[i]);
  for (size_t i = 0; i < encoder->input_count; i++) {
    gradc_buffer_text(&out, "input");
    gradc_buffer_word(&out, encoder->inputs[i].name ? encoder->inputs[i].name : "");
    for (size_t j = 0; j < encoder->inputs[i].column_count; j++) {
      gradc_buffer_text(&out, "\t");
      gradc_buffer_integer(&out, encoder->inputs[i].columns[j]);
    }
    gradc_buffer_text(&out, "\n");
  }
  print_images(&out, encoder->images);
  if (encoder->text) gradc_tokenizer_print(&out, encoder->text, 0);
  return gradc_buffer_take(&out, text, error);
}

/* ---- Reading ---- */

typedef struct encoder_reader {
  gradc_encoder *encoder;
  const gradc_strings *words;
  gradc_categories *categories;  /* of the column or target on the line before */
  size_t channels;               /* of the image that have been read */
  gradc_tokenizer *tokenizer;    /* the last one */
  size_t line;
  gradc_error *error;
} encoder_reader;

static int bad_line(const encoder_reader *reader, const char *expected) {
  return gradc_fail(reader->error, GRADC_EXIT_DATA, "the weights file's preprocessing is malformed on line %zu: expected %s", reader->line,
                    expected);
}

static bool read_number(const encoder_reader *reader, size_t index, double *value) {
  const char *word = gradc_strings_at(reader->words, index);
  return word && gradc_parse_number(word, strlen(word), value);
}

static bool read_name(const encoder_reader *reader, size_t index, const char *const *names, size_t count, int *found) {
  const char *word = gradc_strings_at(reader->words, index);
  for (size_t i = 0; word && i < count; i++)
    if (strcmp(word, names[i]) == 0) {
      *found = (int)i;
      return true;
    }
  return false;
}

static int copy_word(const encoder_reader *reader, size_t index, char **text) {
  const char *word = gradc_strings_at(reader->words, index);
  if (!word || *text) return bad_line(reader, "one word, once");
  *text = gradc_copy_text(word, strlen(word), reader->error);
  return *text ? 0 : GRADC_EXIT_DATA;
}

static int read_column(encoder_reader *reader) {
  gradc_encoder *encoder = reader->encoder;
  gradc_encoded_column *grown = realloc(encoder->columns, (encoder->column_count + 1) * sizeof *grown);
  if (!grown) return gradc_fail(reader->error, GRADC_EXIT_DATA, "out of memory");
  encoder->columns = grown;
  gradc_encoded_column *column = &grown[encoder->column_count++];
  *column = (gradc_encoded_column){.width = 1};
  int code = copy_word(reader, 1, &column->name), kind = 0, missing = 0;
  if (code) return code;
  double category = -1;
  if (!read_name(reader, 2, kinds, COUNT(kinds), &kind) || !read_number(reader, 3, &column->offset) ||
      !read_number(reader, 4, &column->scale) || !read_name(reader, 5, missing_names, COUNT(missing_names), &missing) ||
      !read_number(reader, 6, &column->fill) || !read_number(reader, 7, &category))
    return bad_line(reader, "column NAME KIND OFFSET SCALE MISSING FILL FILL_CATEGORY");
  if (column->scale == 0) return bad_line(reader, "a scale other than 0");
  if (category < -1 || category > 1e9 || floor(category) != category) return bad_line(reader, "a category's index");
  column->kind = (gradc_feature_kind)kind;
  column->missing = (gradc_missing)missing;
  column->fill_category = (int64_t)category;
  for (size_t i = 8; i < reader->words->count; i++) {
    if (strcmp(reader->words->items[i], "drop_first") == 0) column->drop_first = true;
    else if (strcmp(reader->words->items[i], "unknown=zeros") == 0) column->unknown_zeros = true;
    else return bad_line(reader, "drop_first or unknown=zeros");
  }
  reader->categories = kind == GRADC_FEATURE_ONE_HOT ? &column->categories : NULL;
  return 0;
}

static int read_target(encoder_reader *reader) {
  static const char *const forms[] = {"numeric", "classes"};
  gradc_encoder *encoder = reader->encoder;
  gradc_encoded_target *grown = realloc(encoder->targets, (encoder->target_count + 1) * sizeof *grown);
  if (!grown) return gradc_fail(reader->error, GRADC_EXIT_DATA, "out of memory");
  encoder->targets = grown;
  gradc_encoded_target *target = &grown[encoder->target_count++];
  *target = (gradc_encoded_target){0};
  int code = copy_word(reader, 1, &target->name), form = 0, missing = 0;
  if (code) return code;
  if (!read_name(reader, 2, forms, 2, &form) || !read_number(reader, 3, &target->offset) || !read_number(reader, 4, &target->scale) ||
      !read_name(reader, 5, missing_names, COUNT(missing_names), &missing) || target->scale == 0)
    return bad_line(reader, "target NAME numeric|classes OFFSET SCALE MISSING");
  target->classes = form == 1;
  target->missing = (gradc_missing)missing;
  reader->categories = target->classes ? &target->categories : NULL;
  return 0;
}

static int read_categories(encoder_reader *reader) {
  gradc_categories *categories = reader->categories;
  if (!categories || categories->labels.count) return bad_line(reader, "categories after a column or target that has them");
  for (size_t i = 1; i < reader->words->count; i++)
    if (!gradc_strings_add(&categories->labels, reader->words->items[i], strlen(reader->words->items[i]), reader->error))
      return GRADC_EXIT_DATA;
  const size_t count = categories->labels.count;
  const int code = gradc_categories_sort(categories, NULL, reader->error);
  if (code) return code;
  for (size_t i = 0; i < count; i++)
    if (i >= categories->labels.count || strcmp(categories->labels.items[i], reader->words->items[i + 1]) != 0 ||
        (i && strcmp(categories->labels.items[i], categories->labels.items[i - 1]) == 0))
      return bad_line(reader, "different categories in ascending order");
  return 0;
}

static int read_class_names(encoder_reader *reader) {
  gradc_categories *categories = reader->categories;
  const gradc_encoder *encoder = reader->encoder;
  if (!categories || categories->labels.count || encoder->target_count == 0 ||
      categories != &encoder->targets[encoder->target_count - 1].categories)
    return bad_line(reader, "class_names after a target of classes");
  categories->named = true;
  for (size_t i = 1; i < reader->words->count; i++) {
    const char *name = reader->words->items[i];
    if (gradc_strings_find(&categories->labels, name, strlen(name)) >= 0) return bad_line(reader, "different class names");
    if (!gradc_strings_add(&categories->labels, name, strlen(name), reader->error)) return GRADC_EXIT_DATA;
  }
  return 0;
}

static int read_input(encoder_reader *reader) {
  gradc_encoder *encoder = reader->encoder;
  gradc_encoded_input *grown = realloc(encoder->inputs, (encoder->input_count + 1) * sizeof *grown);
  if (!grown) return gradc_fail(reader->error, GRADC_EXIT_DATA, "out of memory");
  encoder->inputs = grown;
  gradc_encoded_input *input = &grown[encoder->input_count++];
  *input = (gradc_encoded_input){0};
  const char *name = gradc_strings_at(reader->words, 1);
  if (!name) return bad_line(reader, "input NAME INDEX...");
  if (*name && copy_word(reader, 1, &input->name)) return GRADC_EXIT_DATA;
  input->columns = gradc_allocate(reader->words->count, sizeof *input->columns, reader->error);
  if (!input->columns) return GRADC_EXIT_DATA;
  for (size_t i = 2; i < reader->words->count; i++) {
    double index = 0;
    if (!read_number(reader, i, &index) || index < 0 || index >= (double)encoder->column_count || floor(index) != index)
      return bad_line(reader, "the index of a column above");
    input->columns[input->column_count++] = (size_t)index;
  }
  return 0;
}

static bool read_side(const encoder_reader *reader, size_t index, size_t *side) {
  double value = 0;
  if (!read_number(reader, index, &value) || value < 1 || value > 65535 || floor(value) != value) return false;
  *side = (size_t)value;
  return true;
}

static int read_image(encoder_reader *reader) {
  static const char *const layouts[] = {"channels_first", "channels_last"}, *const answers[] = {"no", "yes"};
  gradc_image_encoding image = {0};
  int layout = 0, answer = 0;
  if (reader->encoder->images || !read_side(reader, 1, &image.channels) || !read_side(reader, 2, &image.height) ||
      !read_side(reader, 3, &image.width) || !read_name(reader, 4, layouts, 2, &layout) || !read_number(reader, 5, &image.scale) ||
      image.scale <= 0 || !read_name(reader, 6, answers, 2, &answer))
    return bad_line(reader, "image CHANNELS HEIGHT WIDTH LAYOUT SCALE yes|no, once");
  image.channels_last = layout == 1;
  image.standardized = answer == 1;
  image.mean = gradc_allocate(image.channels, sizeof *image.mean, reader->error);
  image.deviation = gradc_allocate(image.channels, sizeof *image.deviation, reader->error);
  gradc_image_encoding *kept = image.mean && image.deviation ? gradc_allocate(1, sizeof *kept, reader->error) : NULL;
  if (!kept) {
    gradc_image_encoding_free(&image);
    return GRADC_EXIT_DATA;
  }
  *kept = image;
  reader->encoder->images = kept;
  return 0;
}

static int read_channel(encoder_reader *reader) {
  gradc_image_encoding *images = reader->encoder->images;
  if (!images || reader->channels == images->channels) return bad_line(reader, "as many channels as the image has");
  double *mean = &images->mean[reader->channels], *deviation = &images->deviation[reader->channels];
  if (!read_number(reader, 1, mean) || !read_number(reader, 2, deviation) || *deviation <= 0)
    return bad_line(reader, "channel MEAN DEVIATION");
  reader->channels++;
  return 0;
}

/* A tokenizer of the column on the line before, or of the text; its tokens and merges follow. */
static int read_tokenizer(encoder_reader *reader) {
  gradc_encoder *encoder = reader->encoder;
  gradc_tokenizer **place = &encoder->text;
  double length = 0;
  if (reader->words->count > 5) {
    gradc_encoded_column *column = encoder->column_count ? &encoder->columns[encoder->column_count - 1] : NULL;
    if (!column || column->kind != GRADC_FEATURE_TOKENS || !read_number(reader, 5, &length) || length < 1 || length > (1 << 24) ||
        floor(length) != length)
      return bad_line(reader, "a length after a column of tokens");
    column->width = (size_t)length;
    place = &column->tokenizer;
  }
  if (*place) return bad_line(reader, "one tokenizer");
  *place = gradc_allocate(1, sizeof **place, reader->error);
  if (!*place) return GRADC_EXIT_DATA;
  reader->tokenizer = *place;
  return gradc_tokenizer_parse(reader->words, *place) ? 0 : bad_line(reader, "tokenizer KIND RESERVED pieces|whole plain|prefix");
}

static int read_line(encoder_reader *reader) {
  gradc_encoder *encoder = reader->encoder;
  const char *name = reader->words->items[0], *value = gradc_strings_at(reader->words, 1);
  if (strcmp(name, "column") == 0) return read_column(reader);
  if (strcmp(name, "target") == 0) return read_target(reader);
  if (strcmp(name, "categories") == 0) return read_categories(reader);
  if (strcmp(name, "class_names") == 0) return read_class_names(reader);
  if (strcmp(name, "input") == 0) return read_input(reader);
  if (strcmp(name, "image") == 0) return read_image(reader);
  if (strcmp(name, "tokenizer") == 0) return read_tokenizer(reader);
  if (strcmp(name, "token") == 0 || strcmp(name, "merge") == 0)
    return reader->tokenizer && gradc_tokenizer_parse(reader->words, reader->tokenizer) ? 0 : bad_line(reader, "tokens or merges of a tokenizer");
  if (strcmp(name, "channel") == 0) return read_channel(reader);
  if (strcmp(name, "id") == 0) return copy_word(reader, 1, &encoder->id);
  if (strcmp(name, "sample_weight") == 0) return copy_word(reader, 1, &encoder->sample_weight);
  if (!value) return bad_line(reader, "a value");
  if (strcmp(name, "separator") == 0 && strlen(value) == 1 && !strchr("\"\n\r", *value)) {
    encoder->separator = *value;
    return 0;
  }
  if (strcmp(name, "header") == 0 && strcmp(value, "no") == 0) {
    encoder->header = false;
    return 0;
  }
  if (strcmp(name, "missing_marker") != 0) return bad_line(reader, "column, target, categories, input, id …");
  for (size_t i = 1; i < reader->words->count; i++)
    if (!gradc_strings_add(&encoder->missing_markers, reader->words->items[i], strlen(reader->words->items[i]), reader->error))
      return GRADC_EXIT_DATA;
  return 0;
}

/* Widths, and what only the whole text shows. */
static int complete(encoder_reader *reader) {
  gradc_encoder *encoder = reader->encoder;
  for (size_t i = 0; i < encoder->column_count; i++) {
    gradc_encoded_column *column = &encoder->columns[i];
    if (column->kind == GRADC_FEATURE_TOKENS) {
      if (!column->tokenizer) return bad_line(reader, "the tokenizer of each column of tokens");
      const int code = gradc_tokenizer_index(column->tokenizer, "the weights file", reader->error);
      if (code) return code;
    }
    if (column->kind != GRADC_FEATURE_ONE_HOT) continue;
    const size_t count = column->categories.labels.count;
    if (count == 0 || column->fill_category >= (int64_t)count) return bad_line(reader, "categories of each one_hot column");
    column->width = count - (column->drop_first ? 1 : 0);
  }
  for (size_t i = 0; i < encoder->target_count; i++)
    if (encoder->targets[i].classes && encoder->targets[i].categories.labels.count == 0) return bad_line(reader, "classes of the target");
  if (encoder->images && reader->channels != encoder->images->channels) return bad_line(reader, "as many channels as the image has");
  if (encoder->text) {
    const int code = gradc_tokenizer_index(encoder->text, "the weights file", reader->error);
    if (code) return code;
  }
  if (encoder->input_count == 0 && !encoder->images && !encoder->text) return bad_line(reader, "an input");
  for (size_t i = 0; i < encoder->input_count; i++)
    for (size_t j = 0; j < encoder->inputs[i].column_count; j++)
      encoder->inputs[i].width += encoder->columns[encoder->inputs[i].columns[j]].width;
  return 0;
}

int gradc_encoder_parse(const char *text, gradc_encoder *encoder, gradc_error *error) {
  *encoder = (gradc_encoder){.header = true};
  gradc_strings words = {0};
  encoder_reader reader = {.encoder = encoder, .words = &words, .error = error};
  int more = gradc_next_line(&text, &reader.line, &words, error), code = 0;
  if (more <= 0 || words.count != 2 || strcmp(words.items[0], GRADC_ENCODER_KEY) != 0 || strcmp(words.items[1], "1") != 0)
    code = more < 0 ? GRADC_EXIT_DATA : bad_line(&reader, GRADC_ENCODER_KEY " 1 (another version of gradc wrote this file)");
  while (!code && (more = gradc_next_line(&text, &reader.line, &words, error)) > 0) code = read_line(&reader);
  if (more < 0) code = GRADC_EXIT_DATA;
  if (!code) code = complete(&reader);
  gradc_strings_free(&words);
  if (code) gradc_encoder_free(encoder);
  return code;
}
