/* tokenizer.c: vocabularies of characters, bytes and words; encoding and decoding of all kinds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_internal.h"

#define MOST_TOKENS ((size_t)1 << 24)

void gradc_tokenizer_free(gradc_tokenizer *tokenizer) {
  for (size_t i = 0; i < tokenizer->count; i++) free(tokenizer->tokens[i].bytes);
  free(tokenizer->tokens);
  free(tokenizer->merges);
  free(tokenizer->slots);
  free(tokenizer->merge_slots);
  *tokenizer = (gradc_tokenizer){0};
}

size_t gradc_tokenizer_size(const gradc_tokenizer *tokenizer) { return tokenizer->count + (size_t)tokenizer->reserved; }

int gradc_tokenizer_add(gradc_tokenizer *tokenizer, size_t *capacity, const char *bytes, size_t length, gradc_error *error) {
  if (tokenizer->count == MOST_TOKENS) return gradc_fail(error, GRADC_EXIT_DATA, "a vocabulary has at most %zu tokens", MOST_TOKENS);
  if (!gradc_grow((void **)&tokenizer->tokens, capacity, tokenizer->count, sizeof *tokenizer->tokens, error)) return GRADC_EXIT_DATA;
  char *copy = gradc_copy_text(bytes, length, error);
  if (!copy) return GRADC_EXIT_DATA;
  tokenizer->tokens[tokenizer->count++] = (gradc_token){copy, length};
  return 0;
}

/* ---- The index ---- */

uint64_t gradc_hash_bytes(const char *text, size_t length) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
  return gradc_random(hash, 0);
}

uint64_t gradc_hash_pair(int32_t left, int32_t right) { return gradc_random((uint64_t)(uint32_t)left << 32 | (uint32_t)right, 0); }

static size_t slots_for(size_t count) {
  size_t slots = 16;
  while (slots < 2 * count) slots *= 2;
  return slots;
}

static bool same(const gradc_token *token, const char *bytes, size_t length) {
  return token->length == length && (length == 0 || memcmp(token->bytes, bytes, length) == 0);
}

/* The slot of these bytes, or the empty one where they would go. */
static size_t find_slot(const gradc_tokenizer *tokenizer, const char *bytes, size_t length) {
  size_t slot = (size_t)gradc_hash_bytes(bytes, length) & (tokenizer->slot_count - 1);
  while (tokenizer->slots[slot] && !same(&tokenizer->tokens[tokenizer->slots[slot] - 1], bytes, length))
    slot = (slot + 1) & (tokenizer->slot_count - 1);
  return slot;
}

ptrdiff_t gradc_tokenizer_find(const gradc_tokenizer *tokenizer, const char *bytes, size_t length) {
  return tokenizer->slot_count ? (ptrdiff_t)tokenizer->slots[find_slot(tokenizer, bytes, length)] - 1 : -1;
}

static int index_tokens(gradc_tokenizer *tokenizer, const char *name, gradc_error *error) {
  free(tokenizer->slots);
  tokenizer->slot_count = slots_for(tokenizer->count);
  tokenizer->slots = gradc_allocate(tokenizer->slot_count, sizeof *tokenizer->slots, error);
  if (!tokenizer->slots) return GRADC_EXIT_DATA;
  for (size_t i = 0; i < tokenizer->count; i++) {
    const gradc_token *token = &tokenizer->tokens[i];
    const size_t slot = find_slot(tokenizer, token->bytes, token->length);
    char shown[GRADC_SHOWN];
    if (tokenizer->slots[slot])
      return gradc_fail(error, GRADC_EXIT_DATA, "%s: the token \"%s\" is there twice, as %u and %zu", name,
                        gradc_shown(token->bytes, token->length, shown), tokenizer->slots[slot] - 1, i);
    tokenizer->slots[slot] = (uint32_t)i + 1;
  }
  return 0;
}

static bool is_result(const gradc_tokenizer *tokenizer, const gradc_merge *merge) {
  const int64_t count = (int64_t)tokenizer->count;
  if (merge->left < 0 || merge->right < 0 || merge->result < 0) return false;
  if (merge->left >= count || merge->right >= count || merge->result >= count) return false;
  const gradc_token *left = &tokenizer->tokens[merge->left], *right = &tokenizer->tokens[merge->right];
  const gradc_token *result = &tokenizer->tokens[merge->result];
  return left->length && right->length && result->length == left->length + right->length &&
         memcmp(result->bytes, left->bytes, left->length) == 0 &&
         memcmp(result->bytes + left->length, right->bytes, right->length) == 0;
}

static int index_merges(gradc_tokenizer *tokenizer, const char *name, gradc_error *error) {
  free(tokenizer->merge_slots);
  tokenizer->merge_slot_count = slots_for(tokenizer->merge_count);
  tokenizer->merge_slots = gradc_allocate(tokenizer->merge_slot_count, sizeof *tokenizer->merge_slots, error);
  if (!tokenizer->merge_slots) return GRADC_EXIT_DATA;
  for (size_t i = 0; i < tokenizer->merge_count; i++) {
    const gradc_merge *merge = &tokenizer->merges[i];
    if (!is_result(tokenizer, merge))
      return gradc_fail(error, GRADC_EXIT_DATA, "%s: merge %zu is not of two tokens that make a third", name, i);
    size_t slot = (size_t)gradc_hash_pair(merge->left, merge->right) & (tokenizer->merge_slot_count - 1);
    bool known = false;
    for (; tokenizer->merge_slots[slot] && !known; slot = (slot + 1) & (tokenizer->merge_slot_count - 1)) {
      const gradc_merge *other = &tokenizer->merges[tokenizer->merge_slots[slot] - 1];
      known = other->left == merge->left && other->right == merge->right;
    }
    if (known) return gradc_fail(error, GRADC_EXIT_DATA, "%s: merge %zu is there twice", name, i);
    tokenizer->merge_slots[slot] = (uint32_t)i + 1;
  }
  return 0;
}

int gradc_tokenizer_index(gradc_tokenizer *tokenizer, const char *name, gradc_error *error) {
  int code = index_tokens(tokenizer, name, error);
  if (!code && tokenizer->kind == GRADC_TOKENS_BPE) code = index_merges(tokenizer, name, error);
  for (int i = 0; i < 256 && !code && tokenizer->kind == GRADC_TOKENS_BPE; i++) {
    const char byte = (char)(unsigned char)i;
    tokenizer->bytes[i] = (int32_t)gradc_tokenizer_find(tokenizer, &byte, 1);
    if (tokenizer->bytes[i] < 0)
      code = gradc_fail(error, GRADC_EXIT_DATA, "%s: the byte %d has no token; a vocabulary over bytes has all 256", name, i);
  }
  return code;
}

bool gradc_merge_result(const gradc_tokenizer *tokenizer, gradc_merge *merge) {
  const gradc_token *left = &tokenizer->tokens[merge->left], *right = &tokenizer->tokens[merge->right];
  gradc_buffer both = {0};
  gradc_buffer_add(&both, left->bytes, left->length);
  gradc_buffer_add(&both, right->bytes, right->length);
  const ptrdiff_t result = both.failed || !both.bytes ? -1 : gradc_tokenizer_find(tokenizer, both.bytes, both.count);
  free(both.bytes);
  merge->result = (int32_t)result;
  return result >= 0;
}

/* ---- Fitting ---- */

static int fail_utf8(const char *name, size_t offset, gradc_error *error) {
  return gradc_fail(error, GRADC_EXIT_DATA, "%s: byte %zu is no UTF-8; `tokens bytes` takes any file", name, offset);
}

static int fit_characters(gradc_tokenizer *tokenizer, const char *text, size_t length, const char *name, gradc_error *error) {
  unsigned char *seen = gradc_allocate(0x110000, 1, error);
  int code = seen ? 0 : GRADC_EXIT_DATA;
  for (size_t at = 0, step = 0; at < length && !code; at += step) {
    uint32_t c = 0;
    step = gradc_utf8_read(text + at, length - at, &c);
    if (step) seen[c] = 1;
    else if (tokenizer->reserved) step = 1; /* a cell's: the unknown token */
    else code = fail_utf8(name, at, error);
  }
  size_t capacity = 0;
  for (uint32_t c = 0; c < 0x110000 && !code; c++) {
    if (!seen[c]) continue;
    gradc_buffer buffer = {0};
    gradc_buffer_code_point(&buffer, c);
    code = buffer.failed ? gradc_fail(error, GRADC_EXIT_DATA, "out of memory")
                         : gradc_tokenizer_add(tokenizer, &capacity, buffer.bytes, buffer.count, error);
    free(buffer.bytes);
  }
  free(seen);
  return code;
}

static int fit_bytes(gradc_tokenizer *tokenizer, gradc_error *error) {
  size_t capacity = 0;
  int code = 0;
  for (int i = 0; i < 256 && !code; i++) {
    const char byte = (char)(unsigned char)i;
    code = gradc_tokenizer_add(tokenizer, &capacity, &byte, 1, error);
  }
  return code;
}

/* A word and how often it was there. */
typedef struct counted {
  gradc_token token;
  size_t count;
} counted;

static int compare_counted(const void *a, const void *b) {
  const counted *left = a, *right = b;
  if (left->count != right->count) return left->count > right->count ? -1 : 1;
  return gradc_compare_bytes(left->token.bytes, left->token.length, right->token.bytes, right->token.length);
}

/* All different words are collected as tokens first, then sorted and cut. */
static int collect_words(gradc_tokenizer *tokenizer, size_t **counts, const char *text, size_t length, gradc_error *error) {
  size_t capacity = 0, count_capacity = 0, at = 0;
  gradc_buffer word = {0};
  int code = index_tokens(tokenizer, "", error);
  while (!code && gradc_next_word(text, length, &at, &word)) {
    if (word.failed) code = gradc_fail(error, GRADC_EXIT_DATA, "out of memory");
    if (code) break;
    size_t slot = find_slot(tokenizer, word.bytes, word.count);
    if (tokenizer->slots[slot]) {
      (*counts)[tokenizer->slots[slot] - 1]++;
      continue;
    }
    if (!gradc_grow((void **)counts, &count_capacity, tokenizer->count, sizeof **counts, error)) code = GRADC_EXIT_DATA;
    else code = gradc_tokenizer_add(tokenizer, &capacity, word.bytes, word.count, error);
    if (code) break;
    (*counts)[tokenizer->count - 1] = 1;
    tokenizer->slots[slot] = (uint32_t)tokenizer->count;
    if (2 * tokenizer->count > tokenizer->slot_count) code = index_tokens(tokenizer, "", error);
  }
  free(word.bytes);
  return code;
}

static int fit_words(gradc_tokenizer *tokenizer, size_t size, const char *text, size_t length, gradc_error *error) {
  size_t *counts = NULL;
  int code = collect_words(tokenizer, &counts, text, length, error);
  counted *sorted = code ? NULL : gradc_allocate(tokenizer->count, sizeof *sorted, error);
  if (!code && !sorted) code = GRADC_EXIT_DATA;
  if (!code) {
    for (size_t i = 0; i < tokenizer->count; i++) sorted[i] = (counted){tokenizer->tokens[i], counts[i]};
    if (tokenizer->count) qsort(sorted, tokenizer->count, sizeof *sorted, compare_counted);
    for (size_t i = 0; i < tokenizer->count; i++) tokenizer->tokens[i] = sorted[i].token;
    for (; tokenizer->count > size; tokenizer->count--) free(tokenizer->tokens[tokenizer->count - 1].bytes);
  }
  free(sorted);
  free(counts);
  return code;
}

int gradc_tokenizer_fit(gradc_token_kind kind, size_t size, int32_t reserved, const char *text, size_t length, const char *name,
                        gradc_tokenizer *tokenizer, gradc_error *error) {
  *tokenizer = (gradc_tokenizer){.kind = kind, .reserved = reserved};
  int code = 0;
  switch (kind) {
    case GRADC_TOKENS_CHARACTERS: code = fit_characters(tokenizer, text, length, name, error); break;
    case GRADC_TOKENS_BYTES: code = fit_bytes(tokenizer, error); break;
    case GRADC_TOKENS_WORDS: code = fit_words(tokenizer, size, text, length, error); break;
    case GRADC_TOKENS_BPE: code = gradc_bpe_fit(tokenizer, size, text, length, error); break;
    case GRADC_TOKENS_NONE: code = gradc_fail(error, GRADC_EXIT_BUG, "a tokenizer of no kind"); break;
  }
  if (!code && tokenizer->count == 0) code = gradc_fail(error, GRADC_EXIT_DATA, "%s: the text is empty, a vocabulary cannot be made of it", name);
  if (!code) code = gradc_tokenizer_index(tokenizer, name, error);
  if (code) gradc_tokenizer_free(tokenizer);
  return code;
}

/* ---- Encoding ---- */

typedef struct encoding {
  const gradc_tokenizer *tokenizer;
  const char *text, *name;
  size_t length;
  int32_t *ids;
  size_t count;
  gradc_error *error;
} encoding;

static int encode_characters(encoding *e) {
  int32_t ascii[128];
  for (int i = 0; i < 128; i++) {
    const char c = (char)i;
    ascii[i] = (int32_t)gradc_tokenizer_find(e->tokenizer, &c, 1);
  }
  for (size_t at = 0, step = 0; at < e->length; at += step) {
    const unsigned char first = (unsigned char)e->text[at];
    uint32_t c = first;
    step = first < 128 ? 1 : gradc_utf8_read(e->text + at, e->length - at, &c);
    ptrdiff_t index = first < 128 ? ascii[first] : step ? gradc_tokenizer_find(e->tokenizer, e->text + at, step) : -1;
    if (index < 0 && e->tokenizer->reserved == 0) {
      char shown[GRADC_SHOWN];
      if (step == 0) return fail_utf8(e->name, at, e->error);
      return gradc_fail(e->error, GRADC_EXIT_DATA, "%s: the character \"%s\" (U+%04X) at byte %zu is not in the vocabulary of %zu characters",
                        e->name, gradc_shown(e->text + at, step, shown), (unsigned)c, at, e->tokenizer->count);
    }
    if (step == 0) step = 1;
    e->ids[e->count++] = index < 0 ? GRADC_UNKNOWN_TOKEN : (int32_t)index + e->tokenizer->reserved;
  }
  return 0;
}

static int encode_bytes(encoding *e) {
  for (size_t i = 0; i < e->length; i++) e->ids[e->count++] = (unsigned char)e->text[i] + e->tokenizer->reserved;
  return 0;
}

static int encode_words(encoding *e) {
  gradc_buffer word = {0};
  int code = 0;
  for (size_t at = 0; !code && gradc_next_word(e->text, e->length, &at, &word);) {
    const ptrdiff_t index = gradc_tokenizer_find(e->tokenizer, word.bytes, word.count);
    char shown[GRADC_SHOWN];
    if (word.failed) code = gradc_fail(e->error, GRADC_EXIT_DATA, "out of memory");
    else if (index < 0 && e->tokenizer->reserved == 0)
      code = gradc_fail(e->error, GRADC_EXIT_DATA, "%s: the word \"%s\" that ends at byte %zu is not in the vocabulary", e->name,
                        gradc_shown(word.bytes, word.count, shown), at);
    else e->ids[e->count++] = index < 0 ? GRADC_UNKNOWN_TOKEN : (int32_t)index + e->tokenizer->reserved;
  }
  free(word.bytes);
  return code;
}

static int encode_piece(encoding *e, gradc_bpe_room *room, const char *piece, size_t length) {
  size_t count = 0;
  const int code = gradc_bpe_encode(e->tokenizer, room, piece, length, e->ids + e->count, &count, e->error);
  for (size_t i = 0; i < count; i++) e->ids[e->count + i] += e->tokenizer->reserved;
  e->count += count;
  return code;
}

static int encode_pairs(encoding *e) {
  gradc_bpe_room *room = gradc_bpe_open(e->error);
  if (!room) return GRADC_EXIT_DATA;
  const bool prefix = e->tokenizer->prefix_space && e->length && e->text[0] != ' ';
  char *longer = NULL;
  const char *text = e->text;
  size_t length = e->length;
  int code = 0;
  if (prefix) {
    longer = gradc_allocate(length + 1, 1, e->error);
    if (longer) {
      longer[0] = ' ';
      memcpy(longer + 1, text, length);
    } else code = GRADC_EXIT_DATA;
    text = longer;
    length++;
  }
  for (size_t at = 0, step = 0; at < length && !code; at += step) {
    step = e->tokenizer->whole ? length : gradc_piece(text + at, length - at);
    code = encode_piece(e, room, text + at, step);
  }
  free(longer);
  gradc_bpe_close(room);
  return code;
}

int gradc_tokenizer_encode(const gradc_tokenizer *tokenizer, const char *text, size_t length, const char *name, int32_t **ids,
                           size_t *count, gradc_error *error) {
  encoding e = {.tokenizer = tokenizer, .text = text, .name = name, .length = length, .error = error};
  *ids = NULL;
  *count = 0;
  if (length == SIZE_MAX) return gradc_fail(error, GRADC_EXIT_DATA, "%s is too long", name);
  e.ids = gradc_allocate(length + 1, sizeof *e.ids, error);
  if (!e.ids) return GRADC_EXIT_DATA;
  int code = 0;
  switch (tokenizer->kind) {
    case GRADC_TOKENS_CHARACTERS: code = encode_characters(&e); break;
    case GRADC_TOKENS_BYTES: code = encode_bytes(&e); break;
    case GRADC_TOKENS_WORDS: code = encode_words(&e); break;
    case GRADC_TOKENS_BPE: code = encode_pairs(&e); break;
    case GRADC_TOKENS_NONE: code = gradc_fail(error, GRADC_EXIT_BUG, "a tokenizer of no kind"); break;
  }
  if (code) {
    free(e.ids);
    return code;
  }
  *ids = e.ids;
  *count = e.count;
  return 0;
}

int gradc_tokenizer_decode(const gradc_tokenizer *tokenizer, const int32_t *ids, size_t count, char **text, size_t *length,
                           gradc_error *error) {
  gradc_buffer out = {0};
  *text = NULL;
  *length = 0;
  for (size_t i = 0; i < count; i++) {
    const int64_t index = (int64_t)ids[i] - tokenizer->reserved;
    if (ids[i] < 0 || index >= (int64_t)tokenizer->count) {
      free(out.bytes);
      return gradc_fail(error, GRADC_EXIT_DATA, "token %zu is %d, expected 0 to %zu", i, (int)ids[i], gradc_tokenizer_size(tokenizer) - 1);
    }
    if (index < 0) continue;
    if (tokenizer->kind == GRADC_TOKENS_WORDS && out.count) gradc_buffer_text(&out, " ");
    gradc_buffer_add(&out, tokenizer->tokens[index].bytes, tokenizer->tokens[index].length);
  }
  const size_t bytes = out.count;
  const int code = gradc_buffer_take(&out, text, error);
  if (!code) *length = bytes;
  return code;
}
