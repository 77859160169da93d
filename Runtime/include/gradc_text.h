/* gradc_text.h: text as numbers: vocabularies, byte-pair encoding, Hugging Face's tokenizer.json.
 *
 * A tokenizer gives numbers (ids) to pieces of text. Its tokens are strings of bytes; id i + reserved stands for token i. Four kinds:
 *
 *   characters   one a code point, those of the text it was fitted to, in ascending order. The text must be UTF-8
 *   bytes        one a byte, 256 of them: id and byte are the same number
 *   words        runs of ASCII letters, digits, apostrophes and bytes from 128 on, ASCII letters made small; all else separates. The most
 *                frequent ones of the text it was fitted to, of equally frequent ones the first in the order of their bytes
 *   bpe          byte-pair encoding over bytes (Sennrich, Haddow and Birch: Neural machine translation of rare words with subword
 *                units, 2016; over bytes as in GPT-2): any text has ids, and the ids give its bytes back
 *
 * Rows of a table reserve two ids: 0 pads, 1 stands for what is not in the vocabulary. Text in one piece reserves none, and what is not in
 * the vocabulary is an error.
 *
 * A text that is encoded by `bpe` is first cut into pieces as GPT-2 cuts it ('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+|
 * ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+); merges never cross a piece. Part of gradc_data.h, whose conventions hold. 0BSD.
 */
#ifndef GRADC_TEXT_H
#define GRADC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gradc_error;

typedef enum gradc_token_kind {
  GRADC_TOKENS_NONE = 0,
  GRADC_TOKENS_CHARACTERS = 1,
  GRADC_TOKENS_BYTES = 2,
  GRADC_TOKENS_WORDS = 3,
  GRADC_TOKENS_BPE = 4
} gradc_token_kind;

#define GRADC_PAD_TOKEN 0
#define GRADC_UNKNOWN_TOKEN 1

/* The bytes of a token; any bytes, zeros too. */
typedef struct gradc_token {
  char *bytes;
  size_t length;
} gradc_token;

/* Two neighbouring tokens that become one. */
typedef struct gradc_merge {
  int32_t left, right, result;  /* indices of tokens */
} gradc_merge;

typedef struct gradc_tokenizer {
  gradc_token_kind kind;
  int32_t reserved;       /* ids before that of token 0: 0, or 2 */
  bool whole;             /* bpe: the text is not cut into pieces first */
  bool prefix_space;      /* bpe: a blank is put before a text that begins with none */
  size_t count;
  gradc_token *tokens;
  size_t merge_count;
  gradc_merge *merges;    /* the first has the highest rank */
  size_t slot_count;      /* a power of two; 0 without an index */
  uint32_t *slots;        /* tokens by their bytes: index + 1, or 0 */
  size_t merge_slot_count;
  uint32_t *merge_slots;  /* merges by their pair: index + 1, or 0 */
  int32_t bytes[256];     /* bpe: the token of each byte */
} gradc_tokenizer;

/* Fits a tokenizer to text[0 ..< length]. `size`: the most tokens of `words` and `bpe` (of which 256 are the bytes). `name` is used in
 * messages. */
int gradc_tokenizer_fit(gradc_token_kind kind, size_t size, int32_t reserved, const char *text, size_t length, const char *name,
                        gradc_tokenizer *tokenizer, struct gradc_error *error);
void gradc_tokenizer_free(gradc_tokenizer *tokenizer);
/* Numbers that ids lie below: tokens and reserved ids. */
size_t gradc_tokenizer_size(const gradc_tokenizer *tokenizer);
/* The ids of a text (free with free()). What is not in the vocabulary and bytes that are no UTF-8, where it matters, are an error that
 * names the byte; with reserved ids they are the unknown token. `name` is used in messages. */
int gradc_tokenizer_encode(const gradc_tokenizer *tokenizer, const char *text, size_t length, const char *name, int32_t **ids,
                           size_t *count, struct gradc_error *error);
/* The bytes of ids one after the other (free with gradc_text_free; a zero byte follows them); reserved ids are left out, words are joined by
 * blanks. */
int gradc_tokenizer_decode(const gradc_tokenizer *tokenizer, const int32_t *ids, size_t count, char **text, size_t *length,
                           struct gradc_error *error);
/* The index of the token with these bytes, or -1. */
ptrdiff_t gradc_tokenizer_find(const gradc_tokenizer *tokenizer, const char *bytes, size_t length);

/* Reads Hugging Face's tokenizer.json: model BPE without dropout, unknown token, prefixes and byte fallback; pre-tokenizer ByteLevel (with or
 * without its regular expression and prefix space); no normalizer; decoder and post-processor ByteLevel or none; added tokens are taken as
 * tokens of their own that no text is encoded to. All else is refused by name. */
int gradc_tokenizer_read(const char *path, gradc_tokenizer *tokenizer, struct gradc_error *error);
int gradc_tokenizer_read_json(const char *text, size_t length, const char *name, gradc_tokenizer *tokenizer, struct gradc_error *error);
/* Writes a `bpe` tokenizer in that form. */
int gradc_tokenizer_write(const gradc_tokenizer *tokenizer, const char *path, struct gradc_error *error);

#ifdef __cplusplus
}
#endif
#endif
