/* data_internal.h: what the data side's sources share among themselves. */
#ifndef GRADC_DATA_INTERNAL_H
#define GRADC_DATA_INTERNAL_H

#include "gradc_data.h"

/* False when the product does not fit. */
static inline bool gradc_multiply(size_t a, size_t b, size_t *product) {
  if (b != 0 && a > SIZE_MAX / b) return false;
  *product = a * b;
  return true;
}

/* A number below `bound`, each equally likely, from the stream `key` at *counter, which goes on. */
uint32_t gradc_random_below(uint64_t key, uint64_t *counter, uint32_t bound);

/* Whether the augmentation changes anything. */
static inline bool gradc_augments(const gradc_augmentation *augmentation) {
  return augmentation->flip || augmentation->shift > 0 || augmentation->crop > 0 || augmentation->rotation > 0;
}

/* Zeroed room for `count` elements (at least one); an error names the size that could not be had. */
void *gradc_allocate(size_t count, size_t size, gradc_error *error);
/* Doubles `*items` when `count` has reached `*capacity`. */
bool gradc_grow(void **items, size_t *capacity, size_t count, size_t size, gradc_error *error);
char *gradc_copy_text(const char *text, size_t length, gradc_error *error);
/* Appends a copy. */
bool gradc_strings_add(gradc_strings *strings, const char *text, size_t length, gradc_error *error);
/* The index of the string equal to text[0 ..< length], or -1. */
ptrdiff_t gradc_strings_find(const gradc_strings *strings, const char *text, size_t length);
int gradc_compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length);

/* A growing text. A failed allocation is remembered; `gradc_buffer_take` reports it. */
typedef struct gradc_buffer {
  char *bytes;
  size_t count, capacity;
  bool failed;
} gradc_buffer;

void gradc_buffer_add(gradc_buffer *buffer, const char *bytes, size_t count);
void gradc_buffer_text(gradc_buffer *buffer, const char *text);
void gradc_buffer_number(gradc_buffer *buffer, double value);
void gradc_buffer_integer(gradc_buffer *buffer, uint64_t value);
/* A TAB and the word, escaped. */
void gradc_buffer_word(gradc_buffer *buffer, const char *word);
int gradc_buffer_take(gradc_buffer *buffer, char **text, gradc_error *error);

/* Reads the next line that holds words into `words` (emptied first). 0 at the end of the text, 1 for a line, -1 for an error. */
int gradc_next_line(const char **cursor, size_t *line, gradc_strings *words, gradc_error *error);

#define GRADC_SHOWN 64
/* A printable form of at most 40 bytes of text, for messages. */
const char *gradc_shown(const char *text, size_t length, char buffer[GRADC_SHOWN]);

/* Fails with "PATH: row R (line L), column "C": message". Rows count from 1. */
int gradc_fail_cell(gradc_error *error, const gradc_table *table, size_t row, const char *column, const char *format, ...)
    GRADC_PRINTF(5, 6);

bool gradc_cell_is_missing(gradc_cell cell, const gradc_strings *markers);
/* The category's index, or -1. */
ptrdiff_t gradc_category_find(const gradc_categories *categories, const char *text, size_t length);
/* Orders a list of different labels (by number when all are numbers) and drops labels of equal value. `map`, when not null, gets
 * the new index of each old one. */
int gradc_categories_sort(gradc_categories *categories, size_t *map, gradc_error *error);
void gradc_categories_free(gradc_categories *categories);
/* The known categories as text for a message: "a", "b", … and 3 more. */
const char *gradc_categories_shown(const gradc_categories *categories, char *buffer, size_t size);

/* Table columns that an encoder reads. */
typedef struct gradc_encoder_sources {
  size_t *columns;   /* per encoded column */
  size_t *targets;
  size_t id, sample_weight;
} gradc_encoder_sources;

int gradc_encoder_locate(const gradc_encoder *encoder, const gradc_table *table, bool with_targets, gradc_encoder_sources *sources,
                         gradc_error *error);
void gradc_encoder_sources_free(gradc_encoder_sources *sources);
/* Whether a `missing drop` rule leaves out the row. */
bool gradc_encoder_drops(const gradc_encoder *encoder, const gradc_encoder_sources *sources, const gradc_row *row, bool with_targets);

#endif
