/* recipe_internal.h: what the readers of a recipe's directives share. */
#ifndef GRADC_RECIPE_INTERNAL_H
#define GRADC_RECIPE_INTERNAL_H

#include "data_internal.h"

/* The words of one directive and where errors go. `code` is what a wrong value returns: 1 in a file, 2 for a flag. */
typedef struct gradc_directive {
  const char *name;
  const gradc_strings *words;  /* the first is the directive */
  int code;
  char place[64];              /* "line 3: " or "--epochs: " */
  gradc_error *error;
} gradc_directive;

static inline size_t gradc_argument_count(const gradc_directive *d) { return d->words->count - 1; }
static inline const char *gradc_argument(const gradc_directive *d, size_t index) { return d->words->items[index + 1]; }

int gradc_bad_value(const gradc_directive *d, const char *found, const char *expected);
int gradc_replace_text(const gradc_directive *d, char **field, const char *text);
int gradc_read_real(const gradc_directive *d, const char *text, double low, double high, const char *expected, double *value);
int gradc_read_whole(const gradc_directive *d, const char *text, int64_t low, const char *expected, int64_t *value);
/* The value of `key=value` when the word has this key, else null. */
const char *gradc_value_of(const char *word, const char *key);

/* ---- recipe_images.c ---- */

int gradc_read_idx(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_cifar(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_npz(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_image_folder(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_test_data(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_class_names(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_layout(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_image_size(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_color(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_resize(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_scale(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_standardize_channels(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_augment(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_skip_bad(gradc_recipe *recipe, const gradc_directive *d);
/* What no single directive can see. */
int gradc_check_image_recipe(const gradc_recipe *recipe, gradc_error *error);
void gradc_print_image_recipe(gradc_buffer *out, const gradc_recipe *recipe);
void gradc_image_recipe_free(gradc_image_recipe *images);

/* ---- recipe_text.c ---- */

int gradc_read_text(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_tokens(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_tokenizer(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_length(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_window(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_steps(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_evaluate(gradc_recipe *recipe, const gradc_directive *d);
int gradc_read_order(gradc_recipe *recipe, const gradc_directive *d);
/* What no single directive can see. */
int gradc_check_text_recipe(const gradc_recipe *recipe, gradc_error *error);
void gradc_print_text_recipe(gradc_buffer *out, const gradc_recipe *recipe);
void gradc_print_order_recipe(gradc_buffer *out, const gradc_recipe *recipe);

#endif
