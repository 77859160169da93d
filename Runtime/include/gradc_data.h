/* gradc_data.h: the data side of the runtime: recipes, tables, arrays, weights files, encoders, splits, datasets, metrics.
 *
 * Conventions. A function that can fail returns 0 or the code that it also writes, with a message, into its last
 * argument `error` (which may be null). The codes are gradc's exit codes. On failure every output is left empty, so that
 * the matching `_free` is always safe; `_free` of a zeroed struct does nothing. Nothing here keeps global state: all
 * functions may be called from several threads on different objects. Files are taken to be hostile. 0BSD.
 */
#ifndef GRADC_DATA_H
#define GRADC_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gradc_images.h"
#include "gradc_model.h"
#include "gradc_text.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Errors ---------------------------------------------------------------------------------------------------- */

enum {
  GRADC_EXIT_OK = 0,
  GRADC_EXIT_DATA = 1,        /* the user's model or data */
  GRADC_EXIT_USAGE = 2,       /* a wrong flag or value on the command line */
  GRADC_EXIT_UNSUPPORTED = 3, /* an unsupported operator or format */
  GRADC_EXIT_NUMERIC = 4,     /* NaN or infinity where a number was needed */
  GRADC_EXIT_BUG = 70,        /* a bug in gradc */
  GRADC_EXIT_INTERRUPTED = 130
};

/* A code from the list above and a sentence that says what was found, what was expected and what to do. */
typedef struct gradc_error {
  int code;
  char message[1024];
} gradc_error;

#if defined(__GNUC__)
#define GRADC_PRINTF(position, first) __attribute__((__format__(__printf__, position, first)))
#else
#define GRADC_PRINTF(position, first)
#endif

/* Writes code and message into `error` (when not null) and returns the code. A long message is cut, never overrun. */
int gradc_fail(gradc_error *error, int code, const char *format, ...) GRADC_PRINTF(3, 4);
/* The message as a pointer, for callers to whom an array member is awkward. */
const char *gradc_error_message(const gradc_error *error);

/* ---- Text ------------------------------------------------------------------------------------------------------ */

/* An owned list of owned strings. */
typedef struct gradc_strings {
  size_t count;
  char **items;
} gradc_strings;

void gradc_strings_free(gradc_strings *strings);
/* The string at `index`, or null past the end. */
const char *gradc_strings_at(const gradc_strings *strings, size_t index);
/* Frees text that a function below handed over. */
void gradc_text_free(char *text);
/* Reads all of text[0 ..< length] (outer blanks aside) as a finite decimal number, correctly rounded, with "." whatever
 * the locale. False, and *value untouched, when it is anything else ("", "1,5", "nan", "0x10"). */
bool gradc_parse_number(const char *text, size_t length, double *value);
/* Writes the shortest decimal form that reads back to the same double, with "." whatever the locale; at least 32 bytes. */
void gradc_format_number(double value, char *buffer, size_t size);
/* The index of the name nearest to `name` (edit distance at most a third of its length, at least 1), or -1; none
 * for a name of one letter. */
ptrdiff_t gradc_nearest_name(const char *name, const char *const *names, size_t count);

/* ---- Recipe ---------------------------------------------------------------------------------------------------- */

typedef enum gradc_source {
  GRADC_SOURCE_NONE = 0,
  GRADC_SOURCE_CSV = 1,
  GRADC_SOURCE_NPY = 2,
  GRADC_SOURCE_IDX = 3,
  GRADC_SOURCE_CIFAR = 4,
  GRADC_SOURCE_NPZ = 5,
  GRADC_SOURCE_FOLDER = 6,
  GRADC_SOURCE_TEXT = 7
} gradc_source;

typedef enum gradc_feature_kind {
  GRADC_FEATURE_NUMERIC = 0,     /* x */
  GRADC_FEATURE_STANDARDIZE = 1, /* (x - mean) / deviation of the training rows */
  GRADC_FEATURE_MIN_MAX = 2,     /* (x - min) / (max - min) of the training rows */
  GRADC_FEATURE_ONE_HOT = 3,     /* one 0/1 column a category of the whole file */
  GRADC_FEATURE_TOKENS = 4       /* text as ids, cut or padded to a length; the vocabulary is that of the training rows */
} gradc_feature_kind;

/* One column that becomes input. Column "*" stands for all columns that the recipe names nowhere, in file order. */
typedef struct gradc_feature {
  char *column;
  gradc_feature_kind kind;
  bool drop_first;    /* one_hot: the first category has no column of its own */
  bool unknown_zeros; /* one_hot: a category unseen at fitting gives zeros instead of an error */
} gradc_feature;

typedef enum gradc_missing {
  GRADC_MISSING_REFUSE = 0,        /* a missing value is an error (the default) */
  GRADC_MISSING_MEAN = 1,          /* of the training rows */
  GRADC_MISSING_MEDIAN = 2,        /* of the training rows */
  GRADC_MISSING_ZERO = 3,          /* 0; for one_hot, zeros in all its columns */
  GRADC_MISSING_DROP = 4,          /* the row is left out (of training, evaluation and prediction) */
  GRADC_MISSING_CONSTANT = 5,      /* the given number or category */
  GRADC_MISSING_MOST_FREQUENT = 6  /* of the training rows; on a tie the smaller */
} gradc_missing;

typedef struct gradc_missing_rule {
  char *column;     /* null: every column without a rule of its own */
  gradc_missing kind;
  char *value;      /* of `constant`, else null */
} gradc_missing_rule;

typedef struct gradc_input_rule {
  char *name;             /* the model's input */
  gradc_strings columns;  /* source columns, in the order in which they are laid side by side */
} gradc_input_rule;

typedef enum gradc_target_kind {
  GRADC_TARGET_AUTO = 0,    /* numbers as numbers, anything else as classes */
  GRADC_TARGET_NUMERIC = 1,
  GRADC_TARGET_CLASSES = 2  /* labels become class indices 0, 1 … in sorted order */
} gradc_target_kind;

/* A key=value pair. `value` is NaN when the text is no number. */
typedef struct gradc_setting {
  char *key;
  char *text;
  double value;
} gradc_setting;

/* A name with settings: `adam beta1=0.9`. The name is null when the directive is absent. */
typedef struct gradc_choice {
  char *name;
  size_t count;
  gradc_setting *settings;
} gradc_choice;

/* The number under `key`, or `otherwise` when it is absent or no number. */
double gradc_choice_number(const gradc_choice *choice, const char *key, double otherwise);
/* The text under `key`, or null. */
const char *gradc_choice_text(const gradc_choice *choice, const char *key);

typedef enum gradc_mode { GRADC_MODE_AUTO = 0, GRADC_MODE_MIN = 1, GRADC_MODE_MAX = 2 } gradc_mode;

typedef struct gradc_class_weight {
  char *label;
  double weight;
} gradc_class_weight;

/* What a model's `data {}` and `train {}` blocks say, defaults filled in.
 *
 * Text form: one directive a line, words separated by TAB, the escapes \t \n \r \\ inside words; blank lines and lines
 * that begin with # are skipped. An unknown directive is an error naming the nearest one.
 *
 *   csv PATH                             a table
 *   npy FEATURES [TARGETS]               arrays; the first dimension is the row. Without TARGETS: an autoencoder
 *   idx IMAGES [LABELS]                  images, plain or .gz; labels of "train-images-idx3-ubyte" are "train-labels-idx1-ubyte"
 *   cifar FILE...                        CIFAR-10's binary records: a label byte, 3 x 32 x 32 bytes
 *   npz FILE [x=NAME] [y=NAME]           arrays of images and labels
 *   images FOLDER                        PNG and JPEG files, a class a sub-folder, classes in sorted order
 *   test_data FILE...                    further files like those above: the test part (split then divides the others)
 *   text FILE                            a text; its rows are windows of it
 *   tokens characters|bytes|words|bpe [size=N] [column=NAME]   of the text, or of a column; size: of words, or of bpe that is learned
 *   tokenizer FILE                       tokenizer.json of `tokens bpe`, which then learns nothing
 *   length N                             ids a row of the column of tokens
 *   window N [ahead=N] [stride=N]        rows are windows of N lines of the table (or N tokens); targets are the next `ahead` lines. A
 *                                        window begins every `stride` lines: 1 in a table, N in a text
 *   class_names NAME...                  of the labels 0, 1 ... (a folder's sub-folders in this order)
 *   layout channels_first|channels_last  of the model's input, default channels_first
 *   image_size HEIGHT WIDTH              where the model's input does not say it
 *   color gray|rgb                       where the model's input does not say it
 *   resize                               images of another size are resized (a folder's always are)
 *   scale auto|unit|none                 unit: divided by 255. auto: unit for bytes, none for floats
 *   standardize_channels [MEAN... DEVIATION...]    a mean a channel, then a deviation a channel; absent: of the training rows
 *   augment [flip] [shift=N] [crop=N] [rotation=DEGREES] [fill=black|edge|reflect]     training rows only
 *   skip_bad                             images that cannot be read are left out and counted
 *   separator CHAR                       one character, or \t; absent: sniffed among , ; tab
 *   header yes|no                        default yes; without one, columns are c0, c1 …
 *   target COLUMN...                     absent: the target is the input (an autoencoder)
 *   id COLUMN                            kept beside predictions, no feature
 *   ignore COLUMN...
 *   input NAME COLUMN...                 these columns feed this model input, in this order; absent: all feed input 0
 *   numeric|standardize|min_max COLUMN...
 *   one_hot [drop_first] [unknown=zeros|error] COLUMN...
 *   missing mean|median|zero|refuse|drop|most_frequent [COLUMN...]     no column: every column without its own rule
 *   missing constant VALUE [COLUMN...]
 *   missing_marker TEXT...               cells that mean "missing", besides the empty one
 *   target_encoding auto|numeric|classes
 *   classes COLUMN                       the same as target_encoding classes, COLUMN being the target
 *   standardize_target
 *   split [train F] [validation F] [test F] [stratified] [seed N]
 *   batch N|all
 *   accumulate N                         batches whose gradients are averaged for one update, default 1
 *   epochs N
 *   rate R
 *   steps N                              updates an epoch, of rows (windows: of any place) drawn at random; absent: all rows once
 *   evaluate N                           rows of each part, evenly spread, that the figures after an epoch are of; absent: all
 *   order shuffled|contiguous            contiguous: row r of a batch of windows goes on where row r of the batch before ended
 *   optimizer NAME key=value...
 *   loss NAME key=value...
 *   metrics NAME...
 *   threshold T
 *   early_stopping [monitor=val_loss] [mode=auto|min|max] [patience=20] [min_delta=0]
 *   schedule constant
 *   schedule step [every=10] [factor=0.1] [per=epoch|step]           rate * factor ^ floor(time / every)
 *   schedule exponential [decay=0.96] [every=1] [per=epoch|step]     rate * decay ^ (time / every)
 *   schedule cosine [total] [minimum=0] [per=epoch|step]             total: by default the whole training
 *   schedule plateau [factor=0.1] [patience=10] [min_delta=0.0001] [cooldown=0] [min_rate=0]      Keras's ReduceLROnPlateau
 *   warmup STEPS                         the rate rises linearly to its value in so many steps; schedules count from their end
 *   class_weight balanced | CLASS=W...
 *   sample_weight COLUMN
 *   clip_norm X
 *   clip_value X
 *   shuffle yes|no
 *   seed N
 *   checkpoint PATH [every=N]            every N epochs, default 1
 *   log PATH                             .csv or .jsonl
 */
typedef struct gradc_recipe {
  gradc_source source;
  char *path;              /* of the CSV, the feature array, the images */
  char *targets_path;      /* NPY, IDX: of the target array, or null */
  gradc_image_recipe images;
  gradc_token_kind tokens; /* of the text, or of the feature of kind tokens */
  int64_t token_limit;     /* words, bpe: the most tokens */
  char *tokenizer;         /* bpe: path of tokenizer.json, or null */
  int64_t length;          /* ids a row of the column of tokens */
  int64_t window, ahead, stride; /* window 0: rows are no windows, or those of a text as long as the model's input; stride 0: see above */
  char separator;          /* 0: sniff */
  bool header;
  gradc_strings target;
  char *id;
  gradc_strings ignore;
  size_t input_count;
  gradc_input_rule *inputs;
  size_t feature_count;
  gradc_feature *features; /* in the order of the encoded columns */
  size_t missing_count;
  gradc_missing_rule *missing;
  gradc_strings missing_markers;
  gradc_target_kind target_kind;
  bool standardize_target;

  double train_share, validation_share, test_share; /* default 1, 0, 0 */
  bool stratified;
  bool has_split_seed;
  uint64_t split_seed;     /* else the training seed is used */

  int64_t batch;           /* rows; 0: all. Default 32 */
  int64_t accumulate;      /* batches an update, default 1 */
  int64_t epochs;          /* default 10 */
  int64_t steps;           /* updates an epoch; 0: as many as the rows give */
  int64_t evaluate;        /* rows of a part that figures after an epoch are of; 0: all */
  bool contiguous;
  double rate;             /* 0: not given, the optimizer's own default */
  gradc_choice optimizer, loss, schedule;
  gradc_strings metrics;
  double threshold;        /* of a positive prediction, default 0.5 */
  bool early_stopping;
  char *monitor;           /* null: val_loss, or loss without validation rows */
  gradc_mode monitor_mode;
  int64_t patience;        /* epochs, default 20 */
  double min_delta;
  int64_t warmup;          /* steps, default 0 */
  bool balanced_classes;
  size_t class_weight_count;
  gradc_class_weight *class_weights;
  char *sample_weight;     /* column, or null */
  double clip_norm;        /* 0: none */
  double clip_value;       /* 0: none */
  bool shuffle;            /* default true */
  uint64_t seed;           /* default 0 */
  char *checkpoint;        /* path, or null */
  int64_t checkpoint_every;/* epochs */
  char *log;               /* path, or null */
} gradc_recipe;

/* An empty recipe with the defaults above. */
void gradc_recipe_init(gradc_recipe *recipe);
/* Reads the text form. Errors name the line and have code 1. */
int gradc_recipe_parse(const char *text, gradc_recipe *recipe, gradc_error *error);
/* Writes the text form; what equals its default is left out. Free *text with gradc_text_free. */
int gradc_recipe_print(const gradc_recipe *recipe, char **text, gradc_error *error);
void gradc_recipe_free(gradc_recipe *recipe);

/* One field that a flag may override: `--name VALUE`. */
typedef struct gradc_recipe_field {
  const char *name;    /* "epochs", "batch_size" … in Keras's words */
  const char *values;  /* what may stand there: "N", "N|all" … */
  const char *meaning; /* one line for --help */
} gradc_recipe_field;

extern const gradc_recipe_field gradc_recipe_fields[];
extern const size_t gradc_recipe_field_count;
/* The field at `index`, or null past the end. */
const gradc_recipe_field *gradc_recipe_field_at(size_t index);

/* Overrides one field: name as in the list ("-" and "_" are the same), value as one text in which blanks or commas separate
 * words ("adam beta1=0.8", "accuracy,auc"). Errors have code 2; on error the recipe is as it was. */
int gradc_recipe_set(gradc_recipe *recipe, const char *name, const char *value, gradc_error *error);

/* ---- Tables (CSV, RFC 4180) ------------------------------------------------------------------------------------- */

/* One cell: text[0 ..< length], not terminated, quotes removed; outer blanks removed unless it was quoted. */
typedef struct gradc_cell {
  const char *text;
  size_t length;
} gradc_cell;

/* A CSV file held as its bytes and the offset of each row. */
typedef struct gradc_table {
  char *path;              /* for messages */
  char *bytes;
  size_t byte_count;
  char separator;
  gradc_strings columns;   /* names, all different */
  size_t row_count;        /* without the header */
  size_t *row_offsets;     /* where each row begins */
  size_t longest_row;      /* bytes */
} gradc_table;

/* Reads a whole file. `separator` 0: sniffed. A file without data rows, a ragged row, an open quote, a duplicate column name and
 * a NUL byte are errors that name the line. */
int gradc_table_read(const char *path, char separator, bool header, gradc_table *table, gradc_error *error);
/* The same from memory (copied); `name` is used in messages. */
int gradc_table_parse(const char *bytes, size_t byte_count, const char *name, char separator, bool header, gradc_table *table,
                      gradc_error *error);
void gradc_table_free(gradc_table *table);
/* The column's index; an error names the nearest column. */
int gradc_table_column(const gradc_table *table, const char *name, size_t *index, gradc_error *error);
/* The line of the file, from 1, on which row `row` begins. */
size_t gradc_table_line(const gradc_table *table, size_t row);

/* A reader of single rows of one table, to be used by one thread. */
typedef struct gradc_row {
  const gradc_table *table;
  gradc_cell *cells;       /* one a column, valid until the next read */
  char *scratch;
} gradc_row;

int gradc_row_open(const gradc_table *table, gradc_row *row, gradc_error *error);
/* Fills row->cells from data row `index`. */
void gradc_row_read(gradc_row *row, size_t index);
void gradc_row_close(gradc_row *row);

/* ---- Files ------------------------------------------------------------------------------------------------------ */

typedef struct gradc_span {
  const void *data;
  size_t bytes;
} gradc_span;

/* Writes the spans one after another into a file beside `path`, syncs it, renames it onto `path` and syncs the folder: after
 * a failure or a crash the old content is there, whole. A path that is no regular file (a pipe, a terminal) is written directly. */
int gradc_write_file(const char *path, const gradc_span *spans, size_t count, gradc_error *error);
/* Reads a whole file of at most `limit` bytes (0: no limit but memory); one zero byte follows the content. */
int gradc_read_file(const char *path, size_t limit, char **bytes, size_t *byte_count, gradc_error *error);
/* Formats printf-style into new text (null when memory is short). */
char *gradc_text_format(const char *format, ...) GRADC_PRINTF(1, 2);

/* ---- Arrays: NPY ------------------------------------------------------------------------------------------------- */

typedef enum gradc_dtype {
  GRADC_DTYPE_BOOL = 0, GRADC_DTYPE_U8 = 1, GRADC_DTYPE_I8 = 2, GRADC_DTYPE_U16 = 3, GRADC_DTYPE_I16 = 4, GRADC_DTYPE_F16 = 5,
  GRADC_DTYPE_BF16 = 6, GRADC_DTYPE_U32 = 7, GRADC_DTYPE_I32 = 8, GRADC_DTYPE_F32 = 9, GRADC_DTYPE_U64 = 10,
  GRADC_DTYPE_I64 = 11, GRADC_DTYPE_F64 = 12
} gradc_dtype;

#define GRADC_MAX_RANK 16

/* Bytes an element. */
size_t gradc_dtype_bytes(gradc_dtype dtype);
/* The safetensors name: "F32". */
const char *gradc_dtype_name(gradc_dtype dtype);
/* The array type of a model's element type. */
gradc_dtype gradc_element_dtype(gradc_element element);
/* Bytes an element of a model's element type. */
size_t gradc_element_bytes(gradc_element element);

/* A dense array in C order, little-endian as the machine. */
typedef struct gradc_array {
  gradc_dtype dtype;
  int rank;
  int64_t dims[GRADC_MAX_RANK];
  size_t count;  /* elements; 1 at rank 0 */
  size_t bytes;
  void *data;
} gradc_array;

/* A zeroed array; sizes are checked. */
int gradc_array_create(gradc_dtype dtype, const int64_t *dims, int rank, gradc_array *array, gradc_error *error);
void gradc_array_free(gradc_array *array);
int64_t gradc_array_dim(const gradc_array *array, int axis);
/* Converts `count` elements of `dtype` at `data` (any alignment) into another type: integers saturate, floats round to
 * nearest even (to F16 and BF16 by way of F32), NaN becomes 0 in integers, bool is x != 0. */
void gradc_convert(const void *data, gradc_dtype dtype, size_t count, void *to_data, gradc_dtype to);

/* Reads .npy of versions 1 to 3, either byte order, C or Fortran order (converted to C order). */
int gradc_npy_read(const char *path, gradc_array *array, gradc_error *error);
int gradc_npy_parse(const void *bytes, size_t byte_count, const char *name, gradc_array *array, gradc_error *error);
/* Writes .npy version 1.0, C order. BF16 is refused: NumPy has no such type. */
int gradc_npy_write(const char *path, const gradc_array *array, gradc_error *error);

/* ---- Weights files: safetensors ---------------------------------------------------------------------------------- */

typedef struct gradc_safetensor {
  char *name;
  gradc_dtype dtype;
  int rank;
  int64_t dims[GRADC_MAX_RANK];
  size_t count;      /* elements */
  size_t bytes;
  const void *data;  /* of any alignment when read */
} gradc_safetensor;

typedef struct gradc_metadata {
  char *key;
  char *value;
} gradc_metadata;

/* A whole file in memory. */
typedef struct gradc_safetensors {
  char *file;               /* owned bytes, or null when parsed from the caller's */
  size_t tensor_count;
  gradc_safetensor *tensors;/* in file order of their data */
  size_t metadata_count;
  gradc_metadata *metadata; /* "__metadata__" */
} gradc_safetensors;

/* Reads a file: header of at most 100 MB and no longer than the file, known types, sizes = shape x type, no gap, no overlap,
 * nothing after the data, no name twice. */
int gradc_safetensors_read(const char *path, gradc_safetensors *file, gradc_error *error);
/* The same from memory, which must outlive `file`. */
int gradc_safetensors_parse(const void *bytes, size_t byte_count, const char *name, gradc_safetensors *file, gradc_error *error);
void gradc_safetensors_free(gradc_safetensors *file);
/* The tensor of that name, or null. */
const gradc_safetensor *gradc_safetensors_find(const gradc_safetensors *file, const char *name);
/* The metadata value of that key, or null. */
const char *gradc_safetensors_metadata(const gradc_safetensors *file, const char *key);
/* Writes tensors (data borrowed, laid one after another) and metadata. Names and values must be valid UTF-8. */
int gradc_safetensors_write(const char *path, const gradc_safetensor *tensors, size_t tensor_count, const gradc_metadata *metadata,
                            size_t metadata_count, gradc_error *error);

/* ---- Random numbers, split, order --------------------------------------------------------------------------------- */

/* The number at `counter` of the stream `key`: the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
 * generators, OOPSLA 2014; constants: Stafford's variant 13) applied to key + (counter + 1) * 0x9e3779b97f4a7c15. */
uint64_t gradc_random(uint64_t key, uint64_t counter);
/* A token by its scores (f32 or f64): each is drawn by exp(score / temperature), among the top_k highest alone unless top_k is 0; temperature 0
 * takes the highest. A function of the scores, the seed and the token's position alone; the same as NAME_sample of a compiled model. -1
 * where no score is a number. */
int gradc_sample(gradc_element element, const void *scores, int count, double temperature, int top_k, uint64_t seed, int64_t position);
/* Permutes rows[0 ..< count] (Fisher and Yates, unbiased). The permutation depends on seed, epoch and count only. */
void gradc_shuffle(uint32_t *rows, size_t count, uint64_t seed, uint64_t epoch);

typedef enum gradc_part_kind { GRADC_PART_TRAIN = 0, GRADC_PART_VALIDATION = 1, GRADC_PART_TEST = 2 } gradc_part_kind;

/* Every row in exactly one part; the rows of a part ascend. */
typedef struct gradc_split {
  uint32_t *rows;      /* training rows, then validation rows, then test rows */
  size_t counts[3];
} gradc_split;

/* Splits rows 0 ..< row_count by shares that add up to 1. Part sizes by largest remainder. `labels` (a class a row, from 0) or null:
 * with labels every class is divided in the same proportion, by largest remainder. A part with a share and no rows is an error. */
int gradc_split_rows(size_t row_count, const double shares[3], const int32_t *labels, uint64_t seed, gradc_split *split,
                     gradc_error *error);
/* Rows of each part by shares that add up to 1, by largest remainder. */
int gradc_split_sizes(size_t row_count, const double shares[3], size_t sizes[3], gradc_error *error);
/* As gradc_split_rows with parts one after the other: training rows first, then validation rows, then test rows. */
int gradc_split_in_order(size_t row_count, const double shares[3], gradc_split *split, gradc_error *error);
void gradc_split_free(gradc_split *split);
const uint32_t *gradc_split_part(const gradc_split *split, gradc_part_kind part, size_t *count);

/* ---- Encoder ----------------------------------------------------------------------------------------------------- */

/* The sorted values of a column of categories: by number when all are numbers, else by bytes; or names in an order of their own. */
typedef struct gradc_categories {
  gradc_strings labels;
  bool named;        /* class_names: label i is the name of class i, in no order */
  double *numbers;   /* their values when all are numbers, else null; matching is then by value ("1" is "1.0") */
} gradc_categories;

/* One source column and how it is encoded: numbers as (x - offset) / scale, in double; categories as 0/1 columns. */
typedef struct gradc_encoded_column {
  char *name;
  gradc_feature_kind kind;
  double offset, scale;
  bool drop_first, unknown_zeros;
  gradc_categories categories;  /* of one_hot */
  gradc_missing missing;
  double fill;                  /* replaces a missing number, before offset and scale */
  int64_t fill_category;        /* replaces a missing category; -1: zeros */
  size_t width;                 /* encoded columns; of tokens, ids a row */
  gradc_tokenizer *tokenizer;   /* of tokens, else null */
} gradc_encoded_column;

typedef struct gradc_encoded_target {
  char *name;
  bool classes;                 /* else numbers, (x - offset) / scale */
  double offset, scale;
  gradc_categories categories;
  gradc_missing missing;        /* refuse or drop */
} gradc_encoded_target;

/* A model input and the encoded columns that are laid side by side in it. */
typedef struct gradc_encoded_input {
  char *name;          /* null: input 0 */
  size_t column_count;
  size_t *columns;     /* indices of encoder columns */
  size_t width;        /* elements a row */
} gradc_encoded_input;

typedef struct gradc_encoder {
  size_t column_count;
  gradc_encoded_column *columns;
  size_t target_count;          /* 0: an autoencoder */
  gradc_encoded_target *targets;
  size_t input_count;           /* at least 1 */
  gradc_encoded_input *inputs;
  char *id;                     /* column, or null */
  char *sample_weight;          /* column, or null */
  gradc_strings missing_markers;
  char separator;               /* as in the recipe */
  bool header;
  gradc_strings ignored;        /* columns of the fitted file that the recipe does not name; not serialised */
  gradc_image_encoding *images; /* how images become numbers; null: there are none, and columns otherwise */
  gradc_tokenizer *text;        /* how a text becomes ids; null: there is none */
} gradc_encoder;

/* Fits a recipe to a table and splits the rows: categories from the whole table; mean, deviation (population), min, max and
 * fill values from the training rows only; a constant column is divided by 1. `kept` (free with free()) gets the table rows that
 * are not dropped, and `split` divides 0 ..< *kept_count. */
int gradc_encoder_fit(const gradc_table *table, const gradc_recipe *recipe, gradc_encoder *encoder, gradc_split *split,
                      uint32_t **kept, size_t *kept_count, gradc_error *error);
/* The line format of recipes; goes into the weights file under "gradc.encoder". */
int gradc_encoder_print(const gradc_encoder *encoder, char **text, gradc_error *error);
int gradc_encoder_parse(const char *text, gradc_encoder *encoder, gradc_error *error);
void gradc_encoder_free(gradc_encoder *encoder);
/* Whether it was fitted, to a table or to images; an empty encoder is not. */
bool gradc_encoder_is_fitted(const gradc_encoder *encoder);
/* Elements a row of all inputs together. */
size_t gradc_encoder_width(const gradc_encoder *encoder);
/* The name of encoded column `index` of an input: "age", "thal=normal". Free with gradc_text_free. */
char *gradc_encoder_column_name(const gradc_encoder *encoder, size_t input, size_t index);
/* The label of class `index` of target 0, or null. */
const char *gradc_encoder_label(const gradc_encoder *encoder, size_t index);
/* A model's output in the target's own unit: value * scale + offset. */
double gradc_encoder_decode(const gradc_encoder *encoder, size_t target, double value);

#define GRADC_ENCODER_KEY "gradc.encoder"

/* ---- Dataset ------------------------------------------------------------------------------------------------------ */

typedef struct gradc_port_data {
  char *name;
  gradc_element element;
  size_t row_count;   /* elements a row */
  size_t row_bytes;
  size_t step_bytes;  /* from a row to the next: row_bytes, or less where rows are windows that overlap */
  bool borrowed;      /* the data belong to another port */
  void *data;         /* row_count elements a row, rows in order; null: the dataset's images */
} gradc_port_data;

/* Rows that are windows: row i begins at line i of the data (a line of a table, a token of a text). Any row of a part may be drawn; its
 * list in the split has those that begin every `stride` lines. */
typedef struct gradc_windows {
  size_t length, ahead, stride;  /* lines; ahead: lines of the target; 0: there are no windows */
  size_t first[3], count[3];     /* the rows of each part that may be drawn */
  double characters, bytes;      /* of a text, a token on average; 0 where there are no tokens */
} gradc_windows;

/* Encoded rows in memory, in the model's element types. */
typedef struct gradc_dataset {
  size_t row_count;
  gradc_element element;     /* of weights: F32 or F64 */
  int input_count;
  gradc_port_data *inputs;
  int target_count;          /* 0: read without targets */
  gradc_port_data *targets;  /* of an autoencoder: data shared with the inputs */
  bool targets_shared;       /* all of them are */
  void *weights;             /* one a row, or null for ones: the sample weight, in training rows times the class weight */
  gradc_split split;
  uint32_t *source_rows;     /* the data row of the file (from 0) of each row */
  char *id_name;             /* id column, or null */
  gradc_strings ids;         /* one a row when there is an id column; the files of images from a folder */
  gradc_images *images;      /* what input images->input takes its rows from, or null */
  gradc_windows windows;
} gradc_dataset;

/* How to load. Zeroed is: the recipe's own files, fit an encoder, with targets, split as the recipe says. */
typedef struct gradc_load_options {
  const char *path;              /* instead of the recipe's */
  const char *targets_path;      /* NPY, IDX */
  const gradc_encoder *encoder;  /* encode with this one instead of fitting */
  bool without_targets;          /* targets are neither needed nor read (predict) */
  bool without_split;            /* all rows are in the first part (predict, eval of a new file) */
} gradc_load_options;

/* Reads the recipe's data for a model: checks that inputs and targets fit its ports (null: one F32 input port as wide as the encoder,
 * F32 targets). `encoder` gets the fitted encoder (it is left empty when options->encoder is given or the source is
 * NPY); it may be null. Labels out of range, a width that does not fit and every unreadable cell are errors naming row and column. */
int gradc_dataset_load(const gradc_recipe *recipe, const gradc_model *model, const gradc_load_options *options, gradc_dataset *dataset,
                       gradc_encoder *encoder, gradc_error *error);
/* Encodes the given rows of a table with a fitted encoder; `rows` null: all, minus those that a `missing drop` rule leaves out.
 * The split has all rows in the first part. */
int gradc_dataset_encode(const gradc_table *table, const gradc_encoder *encoder, const gradc_model *model, const uint32_t *rows,
                         size_t row_count, bool with_targets, gradc_dataset *dataset, gradc_error *error);
void gradc_dataset_free(gradc_dataset *dataset);
/* The id of a row, or null without id column. */
const char *gradc_dataset_id(const gradc_dataset *dataset, size_t row);
/* Rows of a part, and their number. */
const uint32_t *gradc_dataset_part(const gradc_dataset *dataset, gradc_part_kind part, size_t *count);
/* Steps of an epoch: rows / batch, rounded up; batch 0 (all): 1. 10,000 rows at 32: 313, the last of 16 rows. */
size_t gradc_batch_count(size_t rows, size_t batch);

/* Room for the rows of one step. */
typedef struct gradc_batch {
  size_t capacity;        /* rows */
  int input_count, target_count;
  void **inputs, **targets; /* one block a port, aligned to 64 bytes */
  void *weights;          /* null when the dataset has none */
} gradc_batch;

int gradc_batch_create(const gradc_dataset *dataset, size_t capacity, gradc_batch *batch, gradc_error *error);
/* Copies dataset rows rows[0 ..< count] into the batch; count is at most its capacity. */
void gradc_batch_gather(const gradc_dataset *dataset, const uint32_t *rows, size_t count, gradc_batch *batch);
void gradc_batch_free(gradc_batch *batch);

/* ---- Metrics ------------------------------------------------------------------------------------------------------ */

/* The names that gradc_metrics_value knows: accuracy precision recall f1 auc mae mse rmse r2 perplexity bits_per_character bits_per_byte, and Keras's long names for them. */
bool gradc_metric_is_known(const char *name);
/* The nearest known name, or null. */
const char *gradc_metric_nearest(const char *name);
/* Whether larger is better (false: smaller, as for every loss). */
bool gradc_metric_is_score(const char *name);

/* Accumulates predictions and targets of any number of batches. */
typedef struct gradc_metrics {
  gradc_task task;
  size_t width;            /* outputs a row; classes for GRADC_TASK_CLASSES */
  double threshold;
  bool keep_scores;        /* collects scores for auc */
  size_t rows;
  size_t class_count;      /* side of the confusion matrix: 2, or width; 0 for regression */
  uint64_t *confusion;     /* [actual][predicted]; null for more than 4096 classes */
  uint64_t right, judged;  /* predictions of the actual class, and all of them */
  bool skip_errors;        /* mae, mse, rmse and r2 are not asked for */
  double loss;             /* for perplexity and bits: the mean cross-entropy a token, put here by who knows it */
  double characters, bytes;/* a token on average; 0: not known */
  double *mean, *spread;   /* of the targets, per output: running mean and sum of squared deviations */
  double *squared, *absolute; /* sums of errors, per output */
  double *offset, *scale;  /* outputs and targets are taken as value * scale + offset; null: as they are */
  size_t score_count, score_capacity;
  double *scores;          /* rows x (1 or width) */
  int32_t *labels;
} gradc_metrics;

/* `width`: elements a row of the output. Metrics of regression tasks are mae, mse, rmse, r2; of the others all. */
int gradc_metrics_create(gradc_task task, size_t width, double threshold, bool keep_scores, gradc_metrics *metrics, gradc_error *error);
/* Reports errors of regression in the target's own unit. */
int gradc_metrics_set_unit(gradc_metrics *metrics, const gradc_encoder *encoder, gradc_error *error);
/* Adds n rows. outputs: n x width of `element`. targets: n x width of the same element, or n class indices (I32), or n labels 0/1. A
 * class index out of range is an error. */
int gradc_metrics_add(gradc_metrics *metrics, const void *outputs, gradc_element element, const void *targets,
                      gradc_element target_element, size_t target_width, size_t n, gradc_error *error);
/* The metric over all rows added so far: fractions in 0 ... 1; errors in the target's unit. precision, recall, f1: of class 1 for
 * binary, else the mean over classes; 0 where a denominator is 0. auc: exact with ties; with several classes the mean of one against
 * the rest; NaN while only one class was seen. r2: mean over outputs. An unknown name, or one that the task does not have, is an error. */
int gradc_metrics_value(const gradc_metrics *metrics, const char *name, double *value, gradc_error *error);
/* Rows of class `actual` that were predicted as `predicted`. */
uint64_t gradc_metrics_confusion(const gradc_metrics *metrics, size_t actual, size_t predicted);
void gradc_metrics_reset(gradc_metrics *metrics);
void gradc_metrics_free(gradc_metrics *metrics);

#ifdef __cplusplus
}
#endif
#endif
