/* tokenizer_text.c: a tokenizer as lines of an encoder's text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text_internal.h"

static const char *const kinds[] = {"none", "characters", "bytes", "words", "bpe"};

void gradc_tokenizer_print(gradc_buffer *out, const gradc_tokenizer *tokenizer, size_t length) {
  gradc_buffer_text(out, "tokenizer");
  gradc_buffer_word(out, kinds[tokenizer->kind]);
  gradc_buffer_text(out, "\t");
  gradc_buffer_integer(out, (uint64_t)tokenizer->reserved);
  gradc_buffer_word(out, tokenizer->whole ? "whole" : "pieces");
  gradc_buffer_word(out, tokenizer->prefix_space ? "prefix" : "plain");
  if (length) gradc_buffer_text(out, "\t"), gradc_buffer_integer(out, length);
  gradc_buffer_text(out, "\ntoken");
  for (size_t i = 0; i < tokenizer->count; i++) {
    gradc_buffer word = {0};
    gradc_buffer_byte_characters(&word, tokenizer->tokens[i].bytes, tokenizer->tokens[i].length);
    gradc_buffer_word(out, word.bytes ? word.bytes : "");
    out->failed = out->failed || word.failed;
    free(word.bytes);
  }
  gradc_buffer_text(out, "\n");
  if (tokenizer->merge_count == 0) return;
  gradc_buffer_text(out, "merge");
  for (size_t i = 0; i < tokenizer->merge_count; i++) {
    gradc_buffer_text(out, "\t");
    gradc_buffer_integer(out, (uint64_t)tokenizer->merges[i].left);
    gradc_buffer_text(out, "\t");
    gradc_buffer_integer(out, (uint64_t)tokenizer->merges[i].right);
  }
  gradc_buffer_text(out, "\n");
}

static bool parse_head(const gradc_strings *words, gradc_tokenizer *tokenizer) {
  if (words->count < 5) return false;
  for (int kind = 1; kind < 5; kind++)
    if (strcmp(words->items[1], kinds[kind]) == 0) tokenizer->kind = (gradc_token_kind)kind;
  const bool none = strcmp(words->items[2], "0") == 0;
  tokenizer->reserved = none ? 0 : 2;
  tokenizer->whole = strcmp(words->items[3], "whole") == 0;
  tokenizer->prefix_space = strcmp(words->items[4], "prefix") == 0;
  return tokenizer->kind != GRADC_TOKENS_NONE && (none || strcmp(words->items[2], "2") == 0);
}

static bool parse_tokens(const gradc_strings *words, gradc_tokenizer *tokenizer) {
  if (tokenizer->count || words->count < 2) return false;
  size_t capacity = 0;
  for (size_t i = 1; i < words->count; i++) {
    gradc_buffer bytes = {0};
    const bool read = gradc_read_byte_characters(words->items[i], strlen(words->items[i]), &bytes) &&
                      gradc_tokenizer_add(tokenizer, &capacity, bytes.bytes ? bytes.bytes : "", bytes.count, NULL) == 0;
    free(bytes.bytes);
    if (!read) return false;
  }
  /* Ids of bytes are the bytes themselves. */
  for (size_t i = 0; i < tokenizer->count && tokenizer->kind == GRADC_TOKENS_BYTES; i++)
    if (tokenizer->count != 256 || tokenizer->tokens[i].length != 1 || (unsigned char)tokenizer->tokens[i].bytes[0] != i) return false;
  return true;
}

static bool parse_index(const char *word, size_t count, int32_t *index) {
  double value = 0;
  if (!gradc_parse_number(word, strlen(word), &value) || value < 0 || value >= (double)count || floor(value) != value) return false;
  *index = (int32_t)value;
  return true;
}

/* The result of a merge is the token of both; it is looked up among the tokens, which come first. */
static bool parse_merges(const gradc_strings *words, gradc_tokenizer *tokenizer) {
  const size_t count = (words->count - 1) / 2;
  if (tokenizer->kind != GRADC_TOKENS_BPE || tokenizer->merge_count || words->count % 2 == 0) return false;
  tokenizer->merges = gradc_allocate(count, sizeof *tokenizer->merges, NULL);
  if (!tokenizer->merges || gradc_tokenizer_index(tokenizer, "", NULL) != 0) return false;
  for (size_t i = 0; i < count; i++) {
    gradc_merge *merge = &tokenizer->merges[i];
    if (!parse_index(words->items[1 + 2 * i], tokenizer->count, &merge->left) ||
        !parse_index(words->items[2 + 2 * i], tokenizer->count, &merge->right) || !gradc_merge_result(tokenizer, merge))
      return false;
  }
  tokenizer->merge_count = count;
  return true;
}

bool gradc_tokenizer_parse(const gradc_strings *words, gradc_tokenizer *tokenizer) {
  if (strcmp(words->items[0], "tokenizer") == 0) return parse_head(words, tokenizer);
  return strcmp(words->items[0], "token") == 0 ? parse_tokens(words, tokenizer) : parse_merges(words, tokenizer);
}
