/* tokenizer_json.c: Hugging Face's tokenizer.json, of byte-pair encoders over bytes.
 *
 * Every part of the format that changes ids is either understood or refused; what only describes (version, spans, types of added tokens) is
 * passed over.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* A token with its id, as the file lists them. */
typedef struct entry {
  char *text;
  int64_t id;
  bool added;      /* its text is plain, not bytes as characters */
} entry;

typedef struct reading {
  gradc_json json;
  gradc_tokenizer *tokenizer;
  entry *entries;
  size_t count, capacity;
  gradc_strings merges;  /* left, right, left, right … */
  bool has_model, has_pieces;
} reading;

static int refuse(const reading *r, const char *what) {
  return gradc_fail(r->json.error, GRADC_EXIT_UNSUPPORTED,
                    "%s: %s is not supported; what is: BPE over bytes as GPT-2's, without normalizer, with the ByteLevel pre-tokenizer", r->json.name,
                    what);
}

/* The members of an object, each handed to `read`. */
static int read_object(reading *r, int (*read)(reading *r, const char *key)) {
  if (!gradc_json_take(&r->json, '{')) return gradc_json_bad(&r->json, "{");
  if (gradc_json_take(&r->json, '}')) return 0;
  for (;;) {
    char *key = NULL;
    gradc_json_skip_blanks(&r->json);
    int code = gradc_json_string(&r->json, &key);
    if (!code && !gradc_json_take(&r->json, ':')) code = gradc_json_bad(&r->json, "a colon");
    if (!code) code = read(r, key);
    free(key);
    if (code) return code;
    if (gradc_json_take(&r->json, ',')) continue;
    return gradc_json_take(&r->json, '}') ? 0 : gradc_json_bad(&r->json, ", or }");
  }
}

/* The elements of a list. */
static int read_list(reading *r, int (*read)(reading *r)) {
  if (!gradc_json_take(&r->json, '[')) return gradc_json_bad(&r->json, "[");
  if (gradc_json_take(&r->json, ']')) return 0;
  for (;;) {
    const int code = read(r);
    if (code) return code;
    if (gradc_json_take(&r->json, ',')) continue;
    return gradc_json_take(&r->json, ']') ? 0 : gradc_json_bad(&r->json, ", or ]");
  }
}

static int read_truth(reading *r, bool *value) {
  *value = gradc_json_word(&r->json, "true");
  return *value || gradc_json_word(&r->json, "false") ? 0 : gradc_json_bad(&r->json, "true or false");
}

/* null, "" or false; anything else is a feature that would change ids. */
static int require_none(reading *r, const char *what) {
  if (gradc_json_word(&r->json, "null") || gradc_json_word(&r->json, "false") || gradc_json_word(&r->json, "\"\"")) return 0;
  return refuse(r, what);
}

static int require_string(reading *r, const char *wanted, const char *what) {
  char *text = NULL;
  gradc_json_skip_blanks(&r->json);
  const int code = gradc_json_string(&r->json, &text);
  const bool same = !code && strcmp(text, wanted) == 0;
  free(text);
  return code ? code : same ? 0 : refuse(r, what);
}

/* ---- The parts ---- */

static int add_entry(reading *r, char *text, int64_t id, bool added) {
  if (!gradc_grow((void **)&r->entries, &r->capacity, r->count, sizeof *r->entries, r->json.error)) {
    free(text);
    return GRADC_EXIT_DATA;
  }
  r->entries[r->count++] = (entry){text, id, added};
  return 0;
}

static int read_vocabulary_entry(reading *r, const char *key) {
  int64_t id = 0;
  int code = gradc_json_integer(&r->json, &id);
  char *copy = code ? NULL : gradc_copy_text(key, strlen(key), r->json.error);
  if (!code && !copy) code = GRADC_EXIT_DATA;
  return code ? code : add_entry(r, copy, id, false);
}

/* "left right", or ["left", "right"]. */
static int read_merge(reading *r) {
  const bool listed = gradc_json_take(&r->json, '[');
  char *left = NULL, *right = NULL;
  gradc_json_skip_blanks(&r->json);
  int code = gradc_json_string(&r->json, &left);
  if (!code && listed) {
    if (!gradc_json_take(&r->json, ',')) code = gradc_json_bad(&r->json, "a comma");
    gradc_json_skip_blanks(&r->json);
    if (!code) code = gradc_json_string(&r->json, &right);
    if (!code && !gradc_json_take(&r->json, ']')) code = gradc_json_bad(&r->json, "]");
  }
  const char *blank = code || listed ? NULL : strchr(left, ' ');
  if (!code && !listed && (!blank || blank == left || !blank[1])) code = gradc_json_bad(&r->json, "a merge of two tokens before this place");
  if (!code) {
    const size_t length = blank ? (size_t)(blank - left) : strlen(left);
    const char *second = right ? right : left + length + 1;
    if (!gradc_strings_add(&r->merges, left, length, r->json.error) ||
        !gradc_strings_add(&r->merges, second, strlen(second), r->json.error))
      code = GRADC_EXIT_DATA;
  }
  free(left);
  free(right);
  return code;
}

static int read_model_member(reading *r, const char *key) {
  if (strcmp(key, "type") == 0) return require_string(r, "BPE", "another model than BPE");
  if (strcmp(key, "vocab") == 0) return read_object(r, read_vocabulary_entry);
  if (strcmp(key, "merges") == 0) return read_list(r, read_merge);
  if (strcmp(key, "dropout") == 0) return require_none(r, "dropout of merges");
  if (strcmp(key, "unk_token") == 0) return gradc_json_skip(&r->json);  /* every byte has a token: it is never used */
  if (strcmp(key, "fuse_unk") == 0) return gradc_json_skip(&r->json);
  if (strcmp(key, "continuing_subword_prefix") == 0) return require_none(r, "a prefix of continuing subwords");
  if (strcmp(key, "end_of_word_suffix") == 0) return require_none(r, "a suffix of words' ends");
  if (strcmp(key, "byte_fallback") == 0) return require_none(r, "byte fallback");
  if (strcmp(key, "ignore_merges") == 0) return require_none(r, "ignore_merges");
  return refuse(r, key);
}

static int read_pieces_member(reading *r, const char *key) {
  bool truth = false;
  if (strcmp(key, "type") == 0) return require_string(r, "ByteLevel", "another pre-tokenizer than ByteLevel");
  if (strcmp(key, "add_prefix_space") == 0) return read_truth(r, &r->tokenizer->prefix_space);
  if (strcmp(key, "trim_offsets") == 0) return read_truth(r, &truth);
  if (strcmp(key, "use_regex") != 0) return refuse(r, key);
  const int code = read_truth(r, &truth);
  r->tokenizer->whole = !truth;
  return code;
}

static int read_byte_level_member(reading *r, const char *key) {
  if (strcmp(key, "type") == 0) return require_string(r, "ByteLevel", "another decoder or post-processor than ByteLevel");
  return gradc_json_skip(&r->json);
}

/* An added token: its text and id; the rest says how it is found in text, which is not done. */
static entry *last_entry(reading *r) { return &r->entries[r->count - 1]; }

static int read_added_member(reading *r, const char *key) {
  if (strcmp(key, "id") == 0) return gradc_json_integer(&r->json, &last_entry(r)->id);
  if (strcmp(key, "content") != 0) return gradc_json_skip(&r->json);
  free(last_entry(r)->text);
  last_entry(r)->text = NULL;
  gradc_json_skip_blanks(&r->json);
  return gradc_json_string(&r->json, &last_entry(r)->text);
}

static int read_added(reading *r) {
  int code = add_entry(r, NULL, -1, true);
  if (!code) code = read_object(r, read_added_member);
  if (!code && (!last_entry(r)->text || last_entry(r)->id < 0)) code = gradc_json_bad(&r->json, "an id and a content before this place");
  return code;
}

static int read_member(reading *r, const char *key) {
  const bool null = strcmp(key, "model") != 0 && gradc_json_word(&r->json, "null");
  if (strcmp(key, "model") == 0) {
    if (r->has_model) return gradc_json_bad(&r->json, "one model");
    r->has_model = true;
    return read_object(r, read_model_member);
  }
  if (strcmp(key, "pre_tokenizer") == 0 && !null) {
    r->has_pieces = true;
    return read_object(r, read_pieces_member);
  }
  if (null) return 0;
  if (strcmp(key, "decoder") == 0 || strcmp(key, "post_processor") == 0) return read_object(r, read_byte_level_member);
  if (strcmp(key, "added_tokens") == 0) return read_list(r, read_added);
  if (strcmp(key, "version") == 0) return gradc_json_skip(&r->json);
  return refuse(r, key);
}

/* ---- All of it ---- */

static int token_bytes(const reading *r, const entry *item, gradc_buffer *bytes) {
  bytes->count = 0;
  if (item->added) gradc_buffer_text(bytes, item->text);
  else if (!gradc_read_byte_characters(item->text, strlen(item->text), bytes)) {
    char shown[GRADC_SHOWN];
    return gradc_fail(r->json.error, GRADC_EXIT_DATA, "%s: the token \"%s\" (%lld) is not written in byte characters", r->json.name,
                      gradc_shown(item->text, strlen(item->text), shown), (long long)item->id);
  }
  return bytes->failed ? gradc_fail(r->json.error, GRADC_EXIT_DATA, "out of memory") : 0;
}

/* An added token that the vocabulary has too is the same one. */
static bool is_same_token(const gradc_token *token, const gradc_buffer *bytes) {
  return token->length == bytes->count && memcmp(token->bytes, bytes->bytes, bytes->count) == 0;
}

static int place_tokens(reading *r) {
  gradc_tokenizer *t = r->tokenizer;
  int64_t most = -1;
  for (size_t i = 0; i < r->count; i++) most = r->entries[i].id > most ? r->entries[i].id : most;
  if (most < 0 || (uint64_t)most >= r->count)
    return gradc_fail(r->json.error, GRADC_EXIT_DATA, "%s: the largest id is %lld, but there are %zu tokens: ids must have no gaps", r->json.name,
                      (long long)most, r->count);
  t->count = (size_t)most + 1;
  t->tokens = gradc_allocate(t->count, sizeof *t->tokens, r->json.error);
  if (!t->tokens) {
    t->count = 0;
    return GRADC_EXIT_DATA;
  }
  gradc_buffer bytes = {0};
  int code = 0;
  for (size_t i = 0; i < r->count && !code; i++) {
    const entry *item = &r->entries[i];
    gradc_token *token = &t->tokens[item->id];
    code = token_bytes(r, item, &bytes);
    if (code || (token->bytes && item->added && is_same_token(token, &bytes))) continue;
    if (token->bytes || bytes.count == 0)
      code = gradc_fail(r->json.error, GRADC_EXIT_DATA, "%s: id %lld is there twice, or its token is empty", r->json.name, (long long)item->id);
    else if (!(token->bytes = gradc_copy_text(bytes.bytes, bytes.count, r->json.error))) code = GRADC_EXIT_DATA;
    else token->length = bytes.count;
  }
  free(bytes.bytes);
  for (size_t i = 0; i < t->count && !code; i++)
    if (!t->tokens[i].bytes) code = gradc_fail(r->json.error, GRADC_EXIT_DATA, "%s: no token has the id %zu", r->json.name, i);
  return code;
}

static int find_part(const reading *r, size_t index, int32_t *token) {
  gradc_buffer bytes = {0};
  const char *text = r->merges.items[index];
  const bool read = gradc_read_byte_characters(text, strlen(text), &bytes) && bytes.count;
  *token = read ? (int32_t)gradc_tokenizer_find(r->tokenizer, bytes.bytes, bytes.count) : -1;
  free(bytes.bytes);
  char shown[GRADC_SHOWN];
  return *token >= 0 ? 0 : gradc_fail(r->json.error, GRADC_EXIT_DATA, "%s: merge %zu has \"%s\", which is no token", r->json.name, index / 2,
                                      gradc_shown(text, strlen(text), shown));
}

static int place_merges(reading *r) {
  gradc_tokenizer *t = r->tokenizer;
  int code = gradc_tokenizer_index(t, r->json.name, r->json.error);
  if (code) return code;
  t->merges = gradc_allocate(r->merges.count / 2, sizeof *t->merges, r->json.error);
  if (!t->merges) return GRADC_EXIT_DATA;
  for (size_t i = 0; i < r->merges.count / 2 && !code; i++) {
    gradc_merge *merge = &t->merges[i];
    code = find_part(r, 2 * i, &merge->left);
    if (!code) code = find_part(r, 2 * i + 1, &merge->right);
    if (!code && !gradc_merge_result(t, merge))
      code = gradc_fail(r->json.error, GRADC_EXIT_DATA, "%s: merge %zu makes a token that the vocabulary does not have", r->json.name, i);
    if (!code) t->merge_count++;
  }
  return code ? code : gradc_tokenizer_index(t, r->json.name, r->json.error);
}

int gradc_tokenizer_read_json(const char *text, size_t length, const char *name, gradc_tokenizer *tokenizer, gradc_error *error) {
  *tokenizer = (gradc_tokenizer){.kind = GRADC_TOKENS_BPE};
  reading r = {.json = {text, text, text + length, name, "the tokenizer", error}, .tokenizer = tokenizer};
  int code = read_object(&r, read_member);
  gradc_json_skip_blanks(&r.json);
  if (!code && r.json.at != r.json.end) code = gradc_json_bad(&r.json, "the end of the file");
  if (!code && !r.has_model) code = gradc_fail(error, GRADC_EXIT_DATA, "%s: there is no \"model\"; a tokenizer.json was expected", name);
  if (!code && !r.has_pieces) code = refuse(&r, "a file without pre-tokenizer");
  if (!code) code = place_tokens(&r);
  if (!code) code = place_merges(&r);
  for (size_t i = 0; i < r.count; i++) free(r.entries[i].text);
  free(r.entries);
  gradc_strings_free(&r.merges);
  if (code) gradc_tokenizer_free(tokenizer);
  return code;
}

#define MOST_BYTES ((size_t)1 << 28)

int gradc_tokenizer_read(const char *path, gradc_tokenizer *tokenizer, gradc_error *error) {
  char *bytes = NULL;
  size_t count = 0;
  *tokenizer = (gradc_tokenizer){0};
  int code = gradc_read_file(path, MOST_BYTES, &bytes, &count, error);
  if (!code) code = gradc_tokenizer_read_json(bytes, count, path, tokenizer, error);
  free(bytes);
  return code;
}

/* ---- Writing ---- */

/* Byte characters have nothing to escape but the quote and the backslash. */
static void add_token(gradc_buffer *out, const gradc_token *token) {
  gradc_buffer text = {0};
  gradc_buffer_byte_characters(&text, token->bytes, token->length);
  gradc_buffer_text(out, "\"");
  for (size_t i = 0; i < text.count; i++) {
    if (text.bytes[i] == '"' || text.bytes[i] == '\\') gradc_buffer_text(out, "\\");
    gradc_buffer_add(out, text.bytes + i, 1);
  }
  gradc_buffer_text(out, "\"");
  out->failed = out->failed || text.failed;
  free(text.bytes);
}

int gradc_tokenizer_write(const gradc_tokenizer *tokenizer, const char *path, gradc_error *error) {
  if (tokenizer->kind != GRADC_TOKENS_BPE) return gradc_fail(error, GRADC_EXIT_UNSUPPORTED, "only tokenizers of kind bpe have a tokenizer.json");
  gradc_buffer out = {0};
  gradc_buffer_text(&out, "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [], \"normalizer\": null,\n"
                          " \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": ");
  gradc_buffer_text(&out, tokenizer->prefix_space ? "true" : "false");
  gradc_buffer_text(&out, ", \"trim_offsets\": true, \"use_regex\": ");
  gradc_buffer_text(&out, tokenizer->whole ? "false" : "true");
  gradc_buffer_text(&out, "},\n \"post_processor\": null,\n"
                          " \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true},\n"
                          " \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, \"continuing_subword_prefix\": null, "
                          "\"end_of_word_suffix\": null, \"fuse_unk\": false, \"byte_fallback\": false, \"ignore_merges\": false, \"vocab\": {");
  for (size_t i = 0; i < tokenizer->count; i++) {
    gradc_buffer_text(&out, i ? ",\n  " : "\n  ");
    add_token(&out, &tokenizer->tokens[i]);
    gradc_buffer_text(&out, ": ");
    gradc_buffer_integer(&out, i);
  }
  gradc_buffer_text(&out, "},\n  \"merges\": [");
  for (size_t i = 0; i < tokenizer->merge_count; i++) {
    gradc_buffer_text(&out, i ? ",\n  [" : "\n  [");
    add_token(&out, &tokenizer->tokens[tokenizer->merges[i].left]);
    gradc_buffer_text(&out, ", ");
    add_token(&out, &tokenizer->tokens[tokenizer->merges[i].right]);
    gradc_buffer_text(&out, "]");
  }
  gradc_buffer_text(&out, "]}}\n");
  char *text = NULL;
  const size_t count = out.count;
  int code = gradc_buffer_take(&out, &text, error);
  if (!code) code = gradc_write_file(path, &(gradc_span){text, count}, 1, error);
  free(text);
  return code;
}
