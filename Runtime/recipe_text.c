/* recipe_text.c: the directives of a recipe that are about text, windows and the order of rows. */
#include <stdlib.h>
#include <string.h>

#include "recipe_internal.h"

static bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }

static const char *const kinds[] = {"none", "characters", "bytes", "words", "bpe"};

/* ---- Reading ---- */

int gradc_read_text(gradc_recipe *recipe, const gradc_directive *d) {
  if (recipe->source != GRADC_SOURCE_NONE)
    return gradc_fail(d->error, d->code, "%s%s: the data are named twice", d->place, d->name);
  recipe->source = GRADC_SOURCE_TEXT;
  return gradc_replace_text(d, &recipe->path, gradc_argument(d, 0));
}

/* A column of tokens is a feature like others. */
static int add_token_column(gradc_recipe *recipe, const gradc_directive *d, const char *column) {
  gradc_feature *grown = realloc(recipe->features, (recipe->feature_count + 1) * sizeof *grown);
  if (!grown) return gradc_fail(d->error, GRADC_EXIT_DATA, "out of memory");
  recipe->features = grown;
  grown[recipe->feature_count] = (gradc_feature){.kind = GRADC_FEATURE_TOKENS, .unknown_zeros = true};
  return gradc_replace_text(d, &grown[recipe->feature_count++].column, column);
}

int gradc_read_tokens(gradc_recipe *recipe, const gradc_directive *d) {
  recipe->tokens = GRADC_TOKENS_NONE;
  for (int kind = 1; kind < 5; kind++)
    if (is(gradc_argument(d, 0), kinds[kind])) recipe->tokens = (gradc_token_kind)kind;
  if (recipe->tokens == GRADC_TOKENS_NONE) return gradc_bad_value(d, gradc_argument(d, 0), "characters, bytes, words or bpe");
  for (size_t i = 1; i < gradc_argument_count(d); i++) {
    const char *word = gradc_argument(d, i), *size = gradc_value_of(word, "size"), *column = gradc_value_of(word, "column");
    const int64_t least = recipe->tokens == GRADC_TOKENS_BPE ? 256 : 1;
    int code = 0;
    if (size) code = gradc_read_whole(d, size, least, least > 1 ? "a number of tokens from 256" : "a number of tokens", &recipe->token_limit);
    else if (column && *column) code = add_token_column(recipe, d, column);
    else code = gradc_bad_value(d, word, "size=N or column=NAME");
    if (code) return code;
  }
  if (recipe->token_limit > (1 << 24)) return gradc_bad_value(d, d->name, "at most 16,777,216 tokens");
  return 0;
}

int gradc_read_tokenizer(gradc_recipe *recipe, const gradc_directive *d) {
  return gradc_replace_text(d, &recipe->tokenizer, gradc_argument(d, 0));
}

static int read_count(const gradc_directive *d, const char *text, int64_t *value) {
  const int code = gradc_read_whole(d, text, 1, "a whole number from 1", value);
  return code || *value <= (1 << 24) ? code : gradc_bad_value(d, text, "at most 16,777,216");
}

int gradc_read_length(gradc_recipe *recipe, const gradc_directive *d) { return read_count(d, gradc_argument(d, 0), &recipe->length); }

int gradc_read_window(gradc_recipe *recipe, const gradc_directive *d) {
  int code = read_count(d, gradc_argument(d, 0), &recipe->window);
  for (size_t i = 1; i < gradc_argument_count(d) && !code; i++) {
    const char *word = gradc_argument(d, i), *ahead = gradc_value_of(word, "ahead"), *stride = gradc_value_of(word, "stride");
    if (ahead) code = read_count(d, ahead, &recipe->ahead);
    else if (stride) code = read_count(d, stride, &recipe->stride);
    else code = gradc_bad_value(d, word, "ahead=N or stride=N");
  }
  return code;
}

int gradc_read_steps(gradc_recipe *recipe, const gradc_directive *d) {
  return gradc_read_whole(d, gradc_argument(d, 0), 0, "a number of updates", &recipe->steps);
}

int gradc_read_evaluate(gradc_recipe *recipe, const gradc_directive *d) {
  return gradc_read_whole(d, gradc_argument(d, 0), 0, "a number of rows", &recipe->evaluate);
}

int gradc_read_order(gradc_recipe *recipe, const gradc_directive *d) {
  recipe->contiguous = is(gradc_argument(d, 0), "contiguous");
  return recipe->contiguous || is(gradc_argument(d, 0), "shuffled") ? 0
                                                                      : gradc_bad_value(d, gradc_argument(d, 0), "shuffled or contiguous");
}

/* What no single directive can see. */
int gradc_check_text_recipe(const gradc_recipe *recipe, gradc_error *error) {
  bool column = false;
  for (size_t i = 0; i < recipe->feature_count; i++) column = column || recipe->features[i].kind == GRADC_FEATURE_TOKENS;
  const bool text = recipe->source == GRADC_SOURCE_TEXT, needs_size = recipe->tokens >= GRADC_TOKENS_WORDS && !recipe->tokenizer;
  if (text && recipe->tokens == GRADC_TOKENS_NONE)
    return gradc_fail(error, GRADC_EXIT_DATA, "a text needs tokens: characters, bytes, words or bpe");
  if (text && column) return gradc_fail(error, GRADC_EXIT_DATA, "a text has no columns");
  if (recipe->tokens != GRADC_TOKENS_NONE && !text && !column)
    return gradc_fail(error, GRADC_EXIT_DATA, "tokens are of a text, or of a column of a table");
  if (needs_size && recipe->token_limit == 0)
    return gradc_fail(error, GRADC_EXIT_DATA, "tokens %s needs the size of the vocabulary", kinds[recipe->tokens]);
  if (recipe->tokenizer && recipe->tokens != GRADC_TOKENS_BPE)
    return gradc_fail(error, GRADC_EXIT_DATA, "a tokenizer's file goes with tokens bpe");
  if (column && recipe->length == 0) return gradc_fail(error, GRADC_EXIT_DATA, "a column of tokens needs length, the ids a row");
  if (!column && recipe->length) return gradc_fail(error, GRADC_EXIT_DATA, "length is of a column of tokens; a text has window");
  if (column && recipe->window) return gradc_fail(error, GRADC_EXIT_DATA, "windows and a column of tokens do not go together");
  if (recipe->window && !text && recipe->source != GRADC_SOURCE_CSV && recipe->source != GRADC_SOURCE_NONE)
    return gradc_fail(error, GRADC_EXIT_DATA, "windows are of a text or a table");
  const bool windows = text || recipe->window;
  if (recipe->contiguous && (!windows || recipe->steps))
    return gradc_fail(error, GRADC_EXIT_DATA, "order contiguous is for windows without steps, which draws them at random");
  if (windows && (recipe->stratified || recipe->class_weight_count || recipe->balanced_classes || recipe->sample_weight))
    return gradc_fail(error, GRADC_EXIT_DATA, "windows are split in order, all with one weight: stratified, class_weight and sample_weight do not go with them");
  return 0;
}

/* ---- Printing ---- */

static void print_setting(gradc_buffer *out, const char *name, int64_t value, int64_t standard) {
  if (value == standard) return;
  gradc_buffer_text(out, name);
  gradc_buffer_integer(out, (uint64_t)value);
}

void gradc_print_text_recipe(gradc_buffer *out, const gradc_recipe *recipe) {
  if (recipe->source == GRADC_SOURCE_TEXT) {
    gradc_buffer_text(out, "text");
    gradc_buffer_word(out, recipe->path);
    gradc_buffer_text(out, "\n");
  }
  if (recipe->tokens != GRADC_TOKENS_NONE) {
    gradc_buffer_text(out, "tokens\t");
    gradc_buffer_text(out, kinds[recipe->tokens]);
    print_setting(out, "\tsize=", recipe->token_limit, 0);
    for (size_t i = 0; i < recipe->feature_count; i++) {
      if (recipe->features[i].kind != GRADC_FEATURE_TOKENS) continue;
      char *word = gradc_text_format("column=%s", recipe->features[i].column);
      if (word) gradc_buffer_word(out, word);
      else out->failed = true;
      free(word);
    }
    gradc_buffer_text(out, "\n");
  }
  if (recipe->tokenizer) {
    gradc_buffer_text(out, "tokenizer");
    gradc_buffer_word(out, recipe->tokenizer);
    gradc_buffer_text(out, "\n");
  }
  if (recipe->length) print_setting(out, "length\t", recipe->length, 0), gradc_buffer_text(out, "\n");
  if (recipe->window) {
    print_setting(out, "window\t", recipe->window, 0);
    print_setting(out, "\tahead=", recipe->ahead, 1);
    print_setting(out, "\tstride=", recipe->stride, 0);
    gradc_buffer_text(out, "\n");
  }
}

void gradc_print_order_recipe(gradc_buffer *out, const gradc_recipe *recipe) {
  if (recipe->steps) print_setting(out, "steps\t", recipe->steps, 0), gradc_buffer_text(out, "\n");
  if (recipe->evaluate) print_setting(out, "evaluate\t", recipe->evaluate, 0), gradc_buffer_text(out, "\n");
  if (recipe->contiguous) gradc_buffer_text(out, "order\tcontiguous\n");
}
