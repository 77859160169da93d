/* recipe_images.c: the directives of a recipe that are about images. */
#include <stdlib.h>
#include <string.h>

#include "recipe_internal.h"

static bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }

/* ---- Reading ---- */

/* The arguments from `first` on as a list of its own. */
static int read_list(const gradc_directive *d, size_t first, char ***items, size_t *count) {
  for (size_t i = first; i < gradc_argument_count(d); i++) {
    char **grown = realloc(*items, (*count + 1) * sizeof *grown);
    if (!grown) return gradc_fail(d->error, GRADC_EXIT_DATA, "out of memory");
    *items = grown;
    const char *text = gradc_argument(d, i);
    grown[*count] = gradc_copy_text(text, strlen(text), d->error);
    if (!grown[*count]) return GRADC_EXIT_DATA;
    (*count)++;
  }
  return 0;
}

/* A second source would silently win over the first. */
static int begin_source(gradc_recipe *recipe, const gradc_directive *d, gradc_source source) {
  if (recipe->source != GRADC_SOURCE_NONE)
    return gradc_fail(d->error, d->code, "%s%s: the data are named twice; use one of csv, npy, idx, cifar, npz and images, and test_data",
                      d->place, d->name);
  recipe->source = source;
  return gradc_replace_text(d, &recipe->path, gradc_argument(d, 0));
}

int gradc_read_idx(gradc_recipe *recipe, const gradc_directive *d) {
  const int code = begin_source(recipe, d, GRADC_SOURCE_IDX);
  return code || gradc_argument_count(d) < 2 ? code : gradc_replace_text(d, &recipe->targets_path, gradc_argument(d, 1));
}

int gradc_read_cifar(gradc_recipe *recipe, const gradc_directive *d) {
  const int code = begin_source(recipe, d, GRADC_SOURCE_CIFAR);
  return code ? code : read_list(d, 1, &recipe->images.more_files, &recipe->images.more_file_count);
}

int gradc_read_npz(gradc_recipe *recipe, const gradc_directive *d) {
  int code = begin_source(recipe, d, GRADC_SOURCE_NPZ);
  for (size_t i = 1; i < gradc_argument_count(d) && !code; i++) {
    const char *word = gradc_argument(d, i), *x = gradc_value_of(word, "x"), *y = gradc_value_of(word, "y");
    if (x && *x) code = gradc_replace_text(d, &recipe->images.input_name, x);
    else if (y && *y) code = gradc_replace_text(d, &recipe->images.target_name, y);
    else code = gradc_bad_value(d, word, "x=NAME or y=NAME");
  }
  return code;
}

int gradc_read_image_folder(gradc_recipe *recipe, const gradc_directive *d) { return begin_source(recipe, d, GRADC_SOURCE_FOLDER); }

int gradc_read_test_data(gradc_recipe *recipe, const gradc_directive *d) {
  recipe->images.used = true;
  return read_list(d, 0, &recipe->images.test_files, &recipe->images.test_file_count);
}

int gradc_read_class_names(gradc_recipe *recipe, const gradc_directive *d) {
  recipe->images.used = true;
  for (size_t i = 0; i < gradc_argument_count(d); i++)
    for (size_t j = 0; j < i; j++)
      if (is(gradc_argument(d, i), gradc_argument(d, j))) return gradc_bad_value(d, gradc_argument(d, i), "each class once");
  return read_list(d, 0, &recipe->images.class_names, &recipe->images.class_name_count);
}

int gradc_read_layout(gradc_recipe *recipe, const gradc_directive *d) {
  const char *text = gradc_argument(d, 0);
  if (!is(text, "channels_first") && !is(text, "channels_last")) return gradc_bad_value(d, text, "channels_first or channels_last");
  recipe->images.channels_last = is(text, "channels_last");
  return 0;
}

#define MOST_SIDE 65535

static int read_side(const gradc_directive *d, const char *text, int64_t low, int64_t *side) {
  int64_t value = 0;
  const int code = gradc_read_whole(d, text, low, "a number of pixels up to 65535", &value);
  if (code) return code;
  if (value > MOST_SIDE) return gradc_bad_value(d, text, "a number of pixels up to 65535");
  *side = value;
  return 0;
}

int gradc_read_image_size(gradc_recipe *recipe, const gradc_directive *d) {
  recipe->images.used = true;
  const int code = read_side(d, gradc_argument(d, 0), 1, &recipe->images.height);
  return code ? code : read_side(d, gradc_argument(d, 1), 1, &recipe->images.width);
}

int gradc_read_color(gradc_recipe *recipe, const gradc_directive *d) {
  const char *text = gradc_argument(d, 0);
  recipe->images.used = true;
  if (is(text, "gray") || is(text, "grey")) recipe->images.channels = 1;
  else if (is(text, "rgb")) recipe->images.channels = 3;
  else return gradc_bad_value(d, text, "gray or rgb");
  return 0;
}

int gradc_read_resize(gradc_recipe *recipe, const gradc_directive *d) {
  (void)d;
  recipe->images.used = recipe->images.resize = true;
  return 0;
}

int gradc_read_scale(gradc_recipe *recipe, const gradc_directive *d) {
  const char *text = gradc_argument(d, 0);
  recipe->images.used = true;
  if (is(text, "auto")) recipe->images.scale = GRADC_SCALE_AUTO;
  else if (is(text, "unit")) recipe->images.scale = GRADC_SCALE_UNIT;
  else if (is(text, "none")) recipe->images.scale = GRADC_SCALE_NONE;
  else return gradc_bad_value(d, text, "auto, unit or none");
  return 0;
}

int gradc_read_standardize_channels(gradc_recipe *recipe, const gradc_directive *d) {
  gradc_image_recipe *images = &recipe->images;
  images->used = images->standardize = true;
  const size_t count = gradc_argument_count(d);
  if (count % 2 != 0 || count > 2 * GRADC_GIVEN_CHANNELS)
    return gradc_bad_value(d, gradc_argument(d, count - 1), "nothing, or a mean for each channel and then a deviation for each");
  images->given_channels = count / 2;
  for (size_t i = 0; i < count; i++) {
    const bool is_mean = i < count / 2;
    double value = 0;
    const int code = gradc_read_real(d, gradc_argument(d, i), is_mean ? -1e30 : 0, 1e30,
                                     is_mean ? "the mean of a channel" : "the deviation of a channel, above 0", &value);
    if (code) return code;
    if (!is_mean && !(value > 0)) return gradc_bad_value(d, gradc_argument(d, i), "the deviation of a channel, above 0");
    *(is_mean ? &images->mean[i] : &images->deviation[i - count / 2]) = value;
  }
  return 0;
}

static const char *const fills[] = {"black", "edge", "reflect"};

static int read_fill(const gradc_directive *d, const char *word, const char *text, gradc_image_fill *fill) {
  for (int i = 0; i < 3; i++)
    if (is(text, fills[i])) {
      *fill = (gradc_image_fill)i;
      return 0;
    }
  return gradc_bad_value(d, word, "fill=black, fill=edge or fill=reflect");
}

int gradc_read_augment(gradc_recipe *recipe, const gradc_directive *d) {
  gradc_augmentation augmentation = {0};
  if (recipe->source == GRADC_SOURCE_CSV) return gradc_fail(d->error, d->code, "%s%s: a table has no images to augment", d->place, d->name);
  for (size_t i = 0; i < gradc_argument_count(d); i++) {
    const char *word = gradc_argument(d, i), *value = NULL;
    int code = 0;
    if (is(word, "flip")) augmentation.flip = true;
    else if (is(word, "none") && gradc_argument_count(d) == 1) break;
    else if ((value = gradc_value_of(word, "shift"))) code = read_side(d, value, 0, &augmentation.shift);
    else if ((value = gradc_value_of(word, "crop"))) code = read_side(d, value, 0, &augmentation.crop);
    else if ((value = gradc_value_of(word, "rotation")))
      code = gradc_read_real(d, value, 0, 180, "degrees from 0 to 180", &augmentation.rotation);
    else if ((value = gradc_value_of(word, "fill"))) code = read_fill(d, word, value, &augmentation.fill);
    else code = gradc_bad_value(d, word, "flip, shift=PIXELS, crop=PIXELS, rotation=DEGREES, fill=black|edge|reflect, or none");
    if (code) return code;
  }
  recipe->images.used = recipe->images.used || gradc_augments(&augmentation);
  recipe->images.augmentation = augmentation;
  return 0;
}

int gradc_read_skip_bad(gradc_recipe *recipe, const gradc_directive *d) {
  if (gradc_argument_count(d) == 1 && !is(gradc_argument(d, 0), "yes") && !is(gradc_argument(d, 0), "no"))
    return gradc_bad_value(d, gradc_argument(d, 0), "yes or no");
  recipe->images.skip_bad = gradc_argument_count(d) == 0 || is(gradc_argument(d, 0), "yes");
  return 0;
}

int gradc_check_image_recipe(const gradc_recipe *recipe, gradc_error *error) {
  if (recipe->source == GRADC_SOURCE_CSV && recipe->images.used)
    return gradc_fail(error, GRADC_EXIT_DATA,
                      "a table has no images to resize, scale or augment; name images with idx, cifar, npz, npy or images");
  if (recipe->images.test_file_count && recipe->test_share > 0)
    return gradc_fail(error, GRADC_EXIT_DATA, "the split has a test share of %g, and test_data names files for the test; keep one of them",
                      recipe->test_share);
  return 0;
}

void gradc_image_recipe_free(gradc_image_recipe *images) {
  for (size_t i = 0; i < images->more_file_count; i++) free(images->more_files[i]);
  for (size_t i = 0; i < images->test_file_count; i++) free(images->test_files[i]);
  for (size_t i = 0; i < images->class_name_count; i++) free(images->class_names[i]);
  free(images->class_names);
  free(images->more_files);
  free(images->test_files);
  free(images->input_name);
  free(images->target_name);
  *images = (gradc_image_recipe){0};
}

/* ---- Printing ---- */

static void print_pair(gradc_buffer *out, const char *key, const char *text) {
  char *word = gradc_text_format("%s=%s", key, text);
  if (word) gradc_buffer_word(out, word);
  else out->failed = true;
  free(word);
}

static void print_number_pair(gradc_buffer *out, const char *key, double value) {
  char text[32];
  gradc_format_number(value, text, sizeof text);
  print_pair(out, key, text);
}

static void print_line(gradc_buffer *out, const char *name, const char *word) {
  gradc_buffer_text(out, name);
  if (word) gradc_buffer_word(out, word);
  gradc_buffer_text(out, "\n");
}

static void print_items(gradc_buffer *out, const char *name, char *const *items, size_t count) {
  if (count == 0) return;
  gradc_buffer_text(out, name);
  for (size_t i = 0; i < count; i++) gradc_buffer_word(out, items[i]);
  gradc_buffer_text(out, "\n");
}

static void print_source(gradc_buffer *out, const gradc_recipe *recipe) {
  static const char *const names[] = {[GRADC_SOURCE_IDX] = "idx", [GRADC_SOURCE_CIFAR] = "cifar", [GRADC_SOURCE_NPZ] = "npz",
                                      [GRADC_SOURCE_FOLDER] = "images"};
  if (recipe->source < GRADC_SOURCE_IDX || recipe->source > GRADC_SOURCE_FOLDER) return;
  const gradc_image_recipe *images = &recipe->images;
  gradc_buffer_text(out, names[recipe->source]);
  gradc_buffer_word(out, recipe->path);
  if (recipe->targets_path) gradc_buffer_word(out, recipe->targets_path);
  for (size_t i = 0; i < images->more_file_count; i++) gradc_buffer_word(out, images->more_files[i]);
  if (images->input_name) print_pair(out, "x", images->input_name);
  if (images->target_name) print_pair(out, "y", images->target_name);
  gradc_buffer_text(out, "\n");
}

static void print_numbers(gradc_buffer *out, const double *numbers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    gradc_buffer_text(out, "\t");
    gradc_buffer_number(out, numbers[i]);
  }
}

static void print_augmentation(gradc_buffer *out, const gradc_augmentation *augmentation) {
  if (!gradc_augments(augmentation)) return;
  gradc_buffer_text(out, "augment");
  if (augmentation->flip) gradc_buffer_word(out, "flip");
  if (augmentation->shift) print_number_pair(out, "shift", (double)augmentation->shift);
  if (augmentation->crop) print_number_pair(out, "crop", (double)augmentation->crop);
  if (augmentation->rotation > 0) print_number_pair(out, "rotation", augmentation->rotation);
  if (augmentation->fill) print_pair(out, "fill", fills[augmentation->fill]);
  gradc_buffer_text(out, "\n");
}

void gradc_print_image_recipe(gradc_buffer *out, const gradc_recipe *recipe) {
  const gradc_image_recipe *images = &recipe->images;
  print_source(out, recipe);
  print_items(out, "test_data", images->test_files, images->test_file_count);
  print_items(out, "class_names", images->class_names, images->class_name_count);
  if (images->channels_last) print_line(out, "layout", "channels_last");
  if (images->height) {
    const double size[] = {(double)images->height, (double)images->width};
    gradc_buffer_text(out, "image_size");
    print_numbers(out, size, 2);
    gradc_buffer_text(out, "\n");
  }
  if (images->channels) print_line(out, "color", images->channels == 1 ? "gray" : "rgb");
  if (images->resize) print_line(out, "resize", NULL);
  if (images->scale) print_line(out, "scale", images->scale == GRADC_SCALE_UNIT ? "unit" : "none");
  else if (images->used && recipe->source == GRADC_SOURCE_NPY) print_line(out, "scale", "auto");  /* arrays that are images */
  if (images->standardize) {
    gradc_buffer_text(out, "standardize_channels");
    print_numbers(out, images->mean, images->given_channels);
    print_numbers(out, images->deviation, images->given_channels);
    gradc_buffer_text(out, "\n");
  }
  print_augmentation(out, &images->augmentation);
  if (images->skip_bad) print_line(out, "skip_bad", NULL);
}
