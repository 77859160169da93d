/* tokenizer_bpe.c: byte-pair encoding, applied and learned. */
#include <stdlib.h>
#include <string.h>

#include "text_internal.h"

ptrdiff_t gradc_find_merge(const gradc_tokenizer *tokenizer, int32_t left, int32_t right) {
  size_t slot = (size_t)gradc_hash_pair(left, right) & (tokenizer->merge_slot_count - 1);
  for (; tokenizer->merge_slots[slot]; slot = (slot + 1) & (tokenizer->merge_slot_count - 1)) {
    const gradc_merge *merge = &tokenizer->merges[tokenizer->merge_slots[slot] - 1];
    if (merge->left == left && merge->right == right) return (ptrdiff_t)tokenizer->merge_slots[slot] - 1;
  }
  return -1;
}

/* ---- Encoding a piece: a list of symbols and a heap of the merges that are possible ---- */

typedef struct symbol {
  int32_t token;      /* -1: it is part of the one before */
  int64_t before, after;
} symbol;

typedef struct candidate {
  int64_t rank, at;   /* at: the left symbol */
} candidate;

struct gradc_bpe_room {
  symbol *symbols;
  size_t symbol_capacity;
  candidate *heap;
  size_t count, heap_capacity;
};

gradc_bpe_room *gradc_bpe_open(gradc_error *error) { return gradc_allocate(1, sizeof(gradc_bpe_room), error); }

void gradc_bpe_close(gradc_bpe_room *room) {
  free(room->symbols);
  free(room->heap);
  free(room);
}

/* Lower rank first; of one rank the left place first. */
static bool comes_before(candidate a, candidate b) { return a.rank < b.rank || (a.rank == b.rank && a.at < b.at); }

static bool push(gradc_bpe_room *room, candidate item, gradc_error *error) {
  if (!gradc_grow((void **)&room->heap, &room->heap_capacity, room->count, sizeof *room->heap, error)) return false;
  size_t at = room->count++;
  for (; at > 0 && comes_before(item, room->heap[(at - 1) / 2]); at = (at - 1) / 2) room->heap[at] = room->heap[(at - 1) / 2];
  room->heap[at] = item;
  return true;
}

static candidate pop(gradc_bpe_room *room) {
  const candidate first = room->heap[0], last = room->heap[--room->count];
  size_t at = 0;
  for (size_t child = 1; child < room->count; child = 2 * at + 1) {
    if (child + 1 < room->count && comes_before(room->heap[child + 1], room->heap[child])) child++;
    if (!comes_before(room->heap[child], last)) break;
    room->heap[at] = room->heap[child];
    at = child;
  }
  room->heap[at] = last;
  return first;
}

/* Notes the merge of a symbol with the next, if there is one. */
static bool consider(const gradc_tokenizer *tokenizer, gradc_bpe_room *room, int64_t at, gradc_error *error) {
  const int64_t next = room->symbols[at].after;
  if (next < 0) return true;
  const ptrdiff_t rank = gradc_find_merge(tokenizer, room->symbols[at].token, room->symbols[next].token);
  return rank < 0 || push(room, (candidate){rank, at}, error);
}

/* A candidate of two symbols that have changed since is no longer what it was. */
static bool still_holds(const gradc_tokenizer *tokenizer, const gradc_bpe_room *room, candidate item) {
  const symbol *left = &room->symbols[item.at];
  if (left->token < 0 || left->after < 0) return false;
  const gradc_merge *merge = &tokenizer->merges[item.rank];
  return left->token == merge->left && room->symbols[left->after].token == merge->right;
}

static bool merge_symbols(const gradc_tokenizer *tokenizer, gradc_bpe_room *room, candidate item, gradc_error *error) {
  symbol *left = &room->symbols[item.at], *right = &room->symbols[left->after];
  left->token = tokenizer->merges[item.rank].result;
  left->after = right->after;
  right->token = -1;
  if (left->after >= 0) room->symbols[left->after].before = item.at;
  return (left->before < 0 || consider(tokenizer, room, left->before, error)) && consider(tokenizer, room, item.at, error);
}

int gradc_bpe_encode(const gradc_tokenizer *tokenizer, gradc_bpe_room *room, const char *piece, size_t length, int32_t *tokens,
                     size_t *count, gradc_error *error) {
  *count = 0;
  while (room->symbol_capacity < length)
    if (!gradc_grow((void **)&room->symbols, &room->symbol_capacity, room->symbol_capacity, sizeof *room->symbols, error))
      return GRADC_EXIT_DATA;
  for (size_t i = 0; i < length; i++)
    room->symbols[i] = (symbol){tokenizer->bytes[(unsigned char)piece[i]], (int64_t)i - 1, i + 1 < length ? (int64_t)i + 1 : -1};
  room->count = 0;
  for (size_t i = 0; i + 1 < length; i++)
    if (!consider(tokenizer, room, (int64_t)i, error)) return GRADC_EXIT_DATA;
  while (room->count) {
    const candidate item = pop(room);
    if (still_holds(tokenizer, room, item) && !merge_symbols(tokenizer, room, item, error)) return GRADC_EXIT_DATA;
  }
  for (int64_t at = length ? 0 : -1; at >= 0; at = room->symbols[at].after) tokens[(*count)++] = room->symbols[at].token;
  return 0;
}

/* ---- Learning ---- */

/* A piece of the text, how often it is there, and its tokens so far. */
typedef struct piece {
  const char *text;
  size_t length;
  int64_t count;
  int32_t *tokens;
  size_t token_count;
} piece;

/* A pair of tokens, how often it is there, and the pieces in which it is or was. */
typedef struct pair {
  int32_t left, right;
  int64_t count;
  uint32_t *pieces;
  size_t piece_count, piece_capacity;
} pair;

typedef struct learning {
  gradc_tokenizer *tokenizer;
  piece *pieces;
  size_t piece_count, piece_capacity;
  uint32_t *piece_slots;
  size_t piece_slot_count;
  int32_t *tokens;      /* of all pieces */
  pair *pairs;
  size_t pair_count, pair_capacity;
  uint32_t *pair_slots;
  size_t pair_slot_count;
  gradc_error *error;
} learning;

static bool grow_piece_slots(learning *l) {
  const size_t count = l->piece_slot_count ? 2 * l->piece_slot_count : 1024;
  uint32_t *slots = gradc_allocate(count, sizeof *slots, l->error);
  if (!slots) return false;
  for (size_t i = 0; i < l->piece_count; i++) {
    size_t slot = (size_t)gradc_hash_bytes(l->pieces[i].text, l->pieces[i].length) & (count - 1);
    while (slots[slot]) slot = (slot + 1) & (count - 1);
    slots[slot] = (uint32_t)i + 1;
  }
  free(l->piece_slots);
  l->piece_slots = slots;
  l->piece_slot_count = count;
  return true;
}

static bool count_piece(learning *l, const char *text, size_t length) {
  if (2 * l->piece_count >= l->piece_slot_count && !grow_piece_slots(l)) return false;
  size_t slot = (size_t)gradc_hash_bytes(text, length) & (l->piece_slot_count - 1);
  for (; l->piece_slots[slot]; slot = (slot + 1) & (l->piece_slot_count - 1)) {
    piece *known = &l->pieces[l->piece_slots[slot] - 1];
    if (known->length != length || memcmp(known->text, text, length) != 0) continue;
    known->count++;
    return true;
  }
  if (!gradc_grow((void **)&l->pieces, &l->piece_capacity, l->piece_count, sizeof *l->pieces, l->error)) return false;
  l->pieces[l->piece_count++] = (piece){.text = text, .length = length, .count = 1};
  l->piece_slots[slot] = (uint32_t)l->piece_count;
  return true;
}

static bool grow_pair_slots(learning *l) {
  const size_t count = l->pair_slot_count ? 2 * l->pair_slot_count : 4096;
  uint32_t *slots = gradc_allocate(count, sizeof *slots, l->error);
  if (!slots) return false;
  for (size_t i = 0; i < l->pair_count; i++) {
    size_t slot = (size_t)gradc_hash_pair(l->pairs[i].left, l->pairs[i].right) & (count - 1);
    while (slots[slot]) slot = (slot + 1) & (count - 1);
    slots[slot] = (uint32_t)i + 1;
  }
  free(l->pair_slots);
  l->pair_slots = slots;
  l->pair_slot_count = count;
  return true;
}

static pair *find_pair(learning *l, int32_t left, int32_t right) {
  if (2 * l->pair_count >= l->pair_slot_count && !grow_pair_slots(l)) return NULL;
  size_t slot = (size_t)gradc_hash_pair(left, right) & (l->pair_slot_count - 1);
  for (; l->pair_slots[slot]; slot = (slot + 1) & (l->pair_slot_count - 1)) {
    pair *known = &l->pairs[l->pair_slots[slot] - 1];
    if (known->left == left && known->right == right) return known;
  }
  if (!gradc_grow((void **)&l->pairs, &l->pair_capacity, l->pair_count, sizeof *l->pairs, l->error)) return NULL;
  l->pairs[l->pair_count] = (pair){.left = left, .right = right};
  l->pair_slots[slot] = (uint32_t)++l->pair_count;
  return &l->pairs[l->pair_count - 1];
}

/* Changes how often a pair is there by `count` in a piece. */
static bool add_pair(learning *l, int32_t left, int32_t right, int64_t count, uint32_t piece_index) {
  pair *pair = find_pair(l, left, right);
  if (!pair) return false;
  pair->count += count;
  if (count < 0 || (pair->piece_count && pair->pieces[pair->piece_count - 1] == piece_index)) return true;
  if (!gradc_grow((void **)&pair->pieces, &pair->piece_capacity, pair->piece_count, sizeof *pair->pieces, l->error)) return false;
  pair->pieces[pair->piece_count++] = piece_index;
  return true;
}

static bool collect(learning *l, const char *text, size_t length) {
  for (size_t at = 0, step = 0; at < length; at += step) {
    step = gradc_piece(text + at, length - at);
    if (!count_piece(l, text + at, step)) return false;
  }
  l->tokens = gradc_allocate(length, sizeof *l->tokens, l->error);
  if (!l->tokens) return false;
  int32_t *next = l->tokens;
  for (size_t i = 0; i < l->piece_count; i++) {
    piece *p = &l->pieces[i];
    p->tokens = next;
    p->token_count = p->length;
    next += p->length;
    for (size_t j = 0; j < p->length; j++) p->tokens[j] = l->tokenizer->bytes[(unsigned char)p->text[j]];
    for (size_t j = 0; j + 1 < p->length; j++)
      if (!add_pair(l, p->tokens[j], p->tokens[j + 1], p->count, (uint32_t)i)) return false;
  }
  return true;
}

/* The most frequent pair; of equally frequent ones that of the smaller tokens. */
static pair *best_pair(const learning *l) {
  pair *best = NULL;
  for (size_t i = 0; i < l->pair_count; i++) {
    pair *p = &l->pairs[i];
    if (p->count <= 0) continue;
    const bool better = !best || p->count > best->count ||
                        (p->count == best->count && (p->left < best->left || (p->left == best->left && p->right < best->right)));
    if (better) best = p;
  }
  return best;
}

/* Replaces the pair in one piece, from left to right. */
static bool merge_in_piece(learning *l, uint32_t index, int32_t left, int32_t right, int32_t result) {
  piece *p = &l->pieces[index];
  size_t to = 0;
  for (size_t from = 0; from < p->token_count; to++) {
    if (from + 1 >= p->token_count || p->tokens[from] != left || p->tokens[from + 1] != right) {
      p->tokens[to] = p->tokens[from++];
      continue;
    }
    const size_t after = from + 2;
    if (to > 0 && (!add_pair(l, p->tokens[to - 1], left, -p->count, index) || !add_pair(l, p->tokens[to - 1], result, p->count, index)))
      return false;
    if (after < p->token_count && (!add_pair(l, right, p->tokens[after], -p->count, index) ||
                                   !add_pair(l, result, p->tokens[after], p->count, index)))
      return false;
    p->tokens[to] = result;
    from = after;
  }
  p->token_count = to;
  return true;
}

static int add_merge(learning *l, size_t *capacity, size_t *merge_capacity, int32_t left, int32_t right) {
  gradc_tokenizer *t = l->tokenizer;
  gradc_buffer bytes = {0};
  gradc_buffer_add(&bytes, t->tokens[left].bytes, t->tokens[left].length);
  gradc_buffer_add(&bytes, t->tokens[right].bytes, t->tokens[right].length);
  int code = bytes.failed ? gradc_fail(l->error, GRADC_EXIT_DATA, "out of memory")
                          : gradc_tokenizer_add(t, capacity, bytes.bytes, bytes.count, l->error);
  free(bytes.bytes);
  if (!code && !gradc_grow((void **)&t->merges, merge_capacity, t->merge_count, sizeof *t->merges, l->error)) code = GRADC_EXIT_DATA;
  if (!code) t->merges[t->merge_count++] = (gradc_merge){left, right, (int32_t)t->count - 1};
  return code;
}

/* One merge after the other. Two pairs may make the same bytes; the second is then left as it is. */
static int learn(learning *l, size_t size, size_t *capacity) {
  size_t merge_capacity = 0;
  int code = 0;
  while (!code && l->tokenizer->count < size) {
    pair *best = best_pair(l);
    if (!best) break;
    const int32_t left = best->left, right = best->right;
    uint32_t *pieces = best->pieces;
    const size_t count = best->piece_count;
    best->pieces = NULL;
    best->piece_count = best->piece_capacity = 0;
    best->count = 0;
    code = add_merge(l, capacity, &merge_capacity, left, right);
    const int32_t result = (int32_t)l->tokenizer->count - 1;
    for (size_t i = 0; i < count && !code; i++)
      if (!merge_in_piece(l, pieces[i], left, right, result)) code = GRADC_EXIT_DATA;
    free(pieces);
    /* Where both neighbours were the pair too, counts of the pair itself were taken away a second time. */
    pair *done = code ? NULL : find_pair(l, left, right);
    if (done) done->count = 0;
  }
  return code;
}

int gradc_bpe_fit(gradc_tokenizer *tokenizer, size_t size, const char *text, size_t length, gradc_error *error) {
  if (size < 256) return gradc_fail(error, GRADC_EXIT_DATA, "a vocabulary over bytes has at least 256 tokens; found %zu", size);
  learning l = {.tokenizer = tokenizer, .error = error};
  unsigned char order[256];
  size_t capacity = 0;
  int code = 0;
  gradc_byte_alphabet(order);
  for (int i = 0; i < 256 && !code; i++) {
    const char byte = (char)order[i];
    tokenizer->bytes[order[i]] = i;
    code = gradc_tokenizer_add(tokenizer, &capacity, &byte, 1, error);
  }
  if (!code && (length > UINT32_MAX || !collect(&l, text, length)))
    code = length > UINT32_MAX ? gradc_fail(error, GRADC_EXIT_DATA, "a text of more than 4 GB cannot be learned from") : GRADC_EXIT_DATA;
  if (!code) code = learn(&l, size, &capacity);
  for (size_t i = 0; i < l.pair_count; i++) free(l.pairs[i].pieces);
  free(l.pairs);
  free(l.pair_slots);
  free(l.pieces);
  free(l.piece_slots);
  free(l.tokens);
  return code;
}
