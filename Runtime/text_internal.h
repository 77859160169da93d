/* text_internal.h: what the sources of text share. */
#ifndef GRADC_TEXT_INTERNAL_H
#define GRADC_TEXT_INTERNAL_H

#include "data_internal.h"
#include "gradc_text.h"

/* Bytes of the UTF-8 character at text[0 ..< left] and its code point; 0 when there is none. */
size_t gradc_utf8_read(const char *text, size_t left, uint32_t *c);
/* Appends a code point. */
void gradc_buffer_code_point(gradc_buffer *buffer, uint32_t c);

typedef enum gradc_character_class {
  GRADC_CLASS_OTHER, GRADC_CLASS_LETTER, GRADC_CLASS_NUMBER, GRADC_CLASS_SPACE
} gradc_character_class;

/* \p{L}, \p{N}, \s or none of them. */
gradc_character_class gradc_classify(uint32_t c);
/* Bytes of the piece of GPT-2's regular expression that begins text[0 ..< left]; a byte that is no UTF-8 counts as a character of no class. */
size_t gradc_piece(const char *text, size_t left);
/* The next word of text[*at ..< length], lower case, into `word` (emptied first); false at the end. */
bool gradc_next_word(const char *text, size_t length, size_t *at, gradc_buffer *word);

/* Bytes as GPT-2 writes them, each by a printable character: bytes of printable Latin-1 by themselves, the others by U+0100 and on. */
uint32_t gradc_byte_character(unsigned char byte);
void gradc_buffer_byte_characters(gradc_buffer *buffer, const char *bytes, size_t length);
/* The bytes that text[0 ..< length] stands for in that form; false when a character of it stands for none. */
bool gradc_read_byte_characters(const char *text, size_t length, gradc_buffer *bytes);
/* The bytes in the order of their characters. */
void gradc_byte_alphabet(unsigned char order[256]);

/* Adds a token (bytes are copied). */
int gradc_tokenizer_add(gradc_tokenizer *tokenizer, size_t *capacity, const char *bytes, size_t length, gradc_error *error);
/* Builds the indices of tokens and merges, and checks them: different tokens, merges of known ones whose result is the token of both, and for
 * bpe a token for each byte. */
int gradc_tokenizer_index(gradc_tokenizer *tokenizer, const char *name, gradc_error *error);

/* Fills in a merge's result, the token of both its bytes; false when there is none. The tokens are indexed. */
bool gradc_merge_result(const gradc_tokenizer *tokenizer, gradc_merge *merge);

uint64_t gradc_hash_bytes(const char *text, size_t length);
uint64_t gradc_hash_pair(int32_t left, int32_t right);

/* ---- tokenizer_bpe.c ---- */

/* The merge of the pair with the highest rank, or -1. */
ptrdiff_t gradc_find_merge(const gradc_tokenizer *tokenizer, int32_t left, int32_t right);
/* Room for encoding pieces one after the other. */
typedef struct gradc_bpe_room gradc_bpe_room;
gradc_bpe_room *gradc_bpe_open(gradc_error *error);
void gradc_bpe_close(gradc_bpe_room *room);
/* Encodes one piece into at most `length` tokens; their number in *count. */
int gradc_bpe_encode(const gradc_tokenizer *tokenizer, gradc_bpe_room *room, const char *piece, size_t length, int32_t *tokens,
                     size_t *count, gradc_error *error);
/* Fills an empty tokenizer with at most `size` tokens by merging the most frequent pairs. */
int gradc_bpe_fit(gradc_tokenizer *tokenizer, size_t size, const char *text, size_t length, gradc_error *error);

/* ---- tokenizer_text.c ---- */

/* As lines of an encoder's text; `length`, when not 0, is that of a column. */
void gradc_tokenizer_print(gradc_buffer *out, const gradc_tokenizer *tokenizer, size_t length);
/* Reads the words of one of these lines; false when it is none. Afterwards gradc_tokenizer_index looks at the whole. */
bool gradc_tokenizer_parse(const gradc_strings *words, gradc_tokenizer *tokenizer);

#endif
