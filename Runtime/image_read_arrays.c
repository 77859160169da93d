/* image_read_arrays.c: NPY and NPZ files. */
#include "image_read.h"

#ifdef GRADC_IMAGES
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The model's own order when it fits, else the colour is where 1 or 3 stands, first looked for at the end. */
static int array_form(const gradc_image_intake *intake, const gradc_array *array, const char *path, gradc_pixel_form *form) {
  const gradc_image_encoding *e = &intake->images->encoding;
  *form = (gradc_pixel_form){.channels = 1, .floats = array->dtype != GRADC_DTYPE_U8};
  if (array->rank < 2 || array->rank > 4 || array->dims[0] < 1)
    return gradc_fail(intake->error, GRADC_EXIT_DATA,
                      "%s: an array of %d dimensions; images are [N, height, width], [N, channels, height, width], "
                      "[N, height, width, channels] or, flattened, [N, pixels]",
                      path, array->rank);
  size_t sides[3] = {1, 1, 1};
  for (int axis = 1; axis < array->rank; axis++) {
    if (array->dims[axis] < 1 || (uint64_t)array->dims[axis] > GRADC_MOST_PIXELS)
      return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s: dimension %d is %lld, expected 1 to %zu", path, axis + 1,
                        (long long)array->dims[axis], GRADC_MOST_PIXELS);
    sides[axis - 1] = (size_t)array->dims[axis];
  }
  if (array->rank == 2) {
    if (e->height * e->width * e->channels != sides[0])
      return gradc_fail(intake->error, GRADC_EXIT_DATA,
                        "%s: rows of %zu values; say their shape with image_size HEIGHT WIDTH (and color)", path,
                        sides[0]);
    *form = (gradc_pixel_form){e->channels, e->height, e->width, !e->channels_last, form->floats};
  } else if (array->rank == 3) {
    form->height = sides[0];
    form->width = sides[1];
  } else {
    const bool first_fits = sides[0] == e->channels && sides[1] == e->height && sides[2] == e->width;
    const bool last_fits = sides[2] == e->channels && sides[0] == e->height && sides[1] == e->width;
    const bool last_is_color = sides[2] == 1 || sides[2] == 3, first_is_color = sides[0] == 1 || sides[0] == 3;
    if (!first_fits && !last_fits && !last_is_color && !first_is_color)
      return gradc_fail(intake->error, GRADC_EXIT_DATA,
                        "%s: images of %zu x %zu x %zu: which dimension is the colour? Expected 1 or 3 there",
                        path, sides[0], sides[1], sides[2]);
    const bool first = first_fits || last_fits ? first_fits && !(last_fits && e->channels_last) : !last_is_color;
    *form = first ? (gradc_pixel_form){sides[0], sides[1], sides[2], true, form->floats}
                  : (gradc_pixel_form){sides[2], sides[0], sides[1], false, form->floats};
  }
  return 0;
}

static int label_width(const gradc_image_intake *intake, const gradc_array *images, const gradc_array *labels, const char *path,
                       size_t *width) {
  if (labels->rank < 1 || labels->dims[0] != images->dims[0])
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s: %lld labels for %lld images", path,
                      labels->rank ? (long long)labels->dims[0] : 1LL,
                      (long long)images->dims[0]);
  *width = labels->count / (size_t)labels->dims[0];
  if (*width == 0) return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s: its rows have no values", path);
  return 0;
}

static int first_not_finite(const gradc_image_intake *intake, const float *pixels, size_t count, size_t image, const char *path) {
  for (size_t i = 0; i < count; i++)
    if (!isfinite(pixels[i]))
      return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s: image %zu, element %zu is not finite", path, image + 1, i + 1);
  return 0;
}

/* `labels` is null without labels. */
static int take_arrays(gradc_image_intake *intake, const gradc_array *images, const gradc_array *labels, const char *path) {
  gradc_pixel_form form;
  size_t width = 1;
  int code = array_form(intake, images, path, &form);
  if (!code && labels) code = label_width(intake, images, labels, path, &width);
  const size_t count = code ? 0 : (size_t)images->dims[0], elements = count ? images->count / count : 0;
  if (!code) code = gradc_intake_reserve(intake, path, &form, count, width);
  float *converted = code || !form.floats ? NULL : gradc_allocate(elements, sizeof *converted, intake->error);
  double *label = code ? NULL : gradc_allocate(width, sizeof *label, intake->error);
  if (!code && (!label || (form.floats && !converted))) code = GRADC_EXIT_DATA;
  const size_t image_bytes = elements * gradc_dtype_bytes(images->dtype);
  for (size_t i = 0; i < count && !code; i++) {
    const char *from = (const char *)images->data + i * image_bytes;
    if (converted) {
      gradc_convert(from, images->dtype, elements, converted, GRADC_DTYPE_F32);
      code = first_not_finite(intake, converted, elements, i, path);
    }
    if (labels)
      gradc_convert((const char *)labels->data + i * width * gradc_dtype_bytes(labels->dtype), labels->dtype, width, label,
                    GRADC_DTYPE_F64);
    if (!code) code = gradc_intake_add(intake, &form, converted ? (const void *)converted : from, labels ? label : NULL);
  }
  free(converted);
  free(label);
  return code;
}

int gradc_read_npy_images(gradc_image_intake *intake, const char *path, const char *labels_path) {
  gradc_array images = {0}, labels = {0};
  const bool labelled = intake->with_labels && labels_path;
  int code = gradc_npy_read(path, &images, intake->error);
  if (!code && labelled) code = gradc_npy_read(labels_path, &labels, intake->error);
  if (!code) code = take_arrays(intake, &images, labelled ? &labels : NULL, path);
  gradc_array_free(&images);
  gradc_array_free(&labels);
  return code;
}

/* ---- NPZ ---- */

static int read_member(const gradc_zip *zip, size_t index, gradc_array *array, gradc_error *error) {
  unsigned char *bytes = NULL;
  size_t byte_count = 0;
  char *name = gradc_text_format("%s, array %s", zip->path, zip->members[index].name);
  int code = name ? gradc_zip_read(zip, index, &bytes, &byte_count, error) : gradc_fail(error, GRADC_EXIT_DATA, "out of memory");
  if (!code) code = gradc_npy_parse(bytes, byte_count, name, array, error);
  free(bytes);
  gradc_text_free(name);
  return code;
}

/* "x" and "x.npy" are the same array. */
static size_t name_length(const char *member) {
  const size_t length = strlen(member);
  return length > 4 && strcmp(member + length - 4, ".npy") == 0 ? length - 4 : length;
}

static ptrdiff_t find_name(const gradc_zip *zip, const char *name) {
  for (size_t i = 0; i < zip->count; i++)
    if (name_length(zip->members[i].name) == strlen(name) && memcmp(zip->members[i].name, name, strlen(name)) == 0) return (ptrdiff_t)i;
  return -1;
}

/* The array of that name; without one, the first of the usual names that is there. */
static int find_member(const gradc_zip *zip, const char *given, const char *const *usual, const char *what, size_t *index,
                       gradc_error *error) {
  ptrdiff_t found = given ? find_name(zip, given) : -1;
  for (size_t i = 0; !given && usual[i] && found < 0; i++) found = find_name(zip, usual[i]);
  if (found >= 0) {
    *index = (size_t)found;
    return 0;
  }
  gradc_buffer names = {0};
  for (size_t i = 0; i < zip->count && i < 10; i++) {
    char shown[GRADC_SHOWN];
    if (i) gradc_buffer_text(&names, ", ");
    gradc_buffer_text(&names, gradc_shown(zip->members[i].name, name_length(zip->members[i].name), shown));
  }
  char *list = NULL;
  const int code = gradc_buffer_take(&names, &list, error);
  if (code) return code;
  gradc_fail(error, GRADC_EXIT_DATA, "%s has no array \"%s\" of %s; it has %s: say which with npz FILE x=NAME y=NAME", zip->path,
             given ? given : usual[0], what, *list ? list : "none");
  free(list);
  return GRADC_EXIT_DATA;
}

int gradc_read_npz_images(gradc_image_intake *intake, const char *path) {
  static const char *const inputs[] = {"x", "X", "x_train", "images", "data", "arr_0", NULL};
  static const char *const targets[] = {"y", "Y", "y_train", "labels", "label", "target", "arr_1", NULL};
  const gradc_image_recipe *recipe = &intake->recipe->images;
  gradc_array images = {0}, labels = {0};
  gradc_zip zip;
  size_t index = 0;
  int code = gradc_zip_open(path, &zip, intake->error);
  if (!code) code = find_member(&zip, recipe->input_name, inputs, "images", &index, intake->error);
  if (!code) code = read_member(&zip, index, &images, intake->error);
  if (!code && intake->with_labels) {
    code = find_member(&zip, recipe->target_name, targets, "labels", &index, intake->error);
    if (!code) code = read_member(&zip, index, &labels, intake->error);
  }
  gradc_zip_close(&zip);
  if (!code) code = take_arrays(intake, &images, intake->with_labels ? &labels : NULL, path);
  gradc_array_free(&images);
  gradc_array_free(&labels);
  return code;
}
#else
typedef int gradc_no_image_arrays;
#endif
