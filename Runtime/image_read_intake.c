/* image_read_intake.c: where readers of images put what they read: of one form, of the size that is wanted, in one block. */
#include "image_read.h"

#ifdef GRADC_IMAGES
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int gradc_intake_bad(gradc_image_intake *intake, size_t count, const char *format, ...) {
  char message[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  if (!intake->recipe->images.skip_bad)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s; --skip-bad goes on without it", message);
  gradc_images_skip(intake->images, count, message);
  return 0;
}

static int check_form(gradc_image_intake *intake, const char *path, const gradc_pixel_form *form) {
  gradc_image_encoding *e = &intake->images->encoding;
  if (e->channels == 0) e->channels = form->channels;
  if (e->height == 0) {
    e->height = form->height;
    e->width = form->width;
  }
  if (!intake->has_form) {
    intake->images->floats = form->floats;
    intake->has_form = true;
  }
  if (form->floats != intake->images->floats)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s has %s pixels, the files before it %s", path, form->floats ? "float" : "byte",
                      form->floats ? "bytes" : "floats");
  if ((form->height != e->height || form->width != e->width) && !intake->resize)
    return gradc_fail(intake->error, GRADC_EXIT_DATA,
                      "%s has images of %zu x %zu pixels, expected %zu x %zu; the word resize in the data block brings them to that size",
                          path,
                      form->height, form->width, e->height, e->width);
  const bool recolors = intake->recolor && !form->floats && (form->channels == 1 || form->channels == 3) && (e->channels == 1 ||
                                                                                                             e->channels == 3);
  if (form->channels != e->channels && !recolors)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s has images of %zu channels, expected %zu%s", path, form->channels, e->channels,
                      form->floats ? "" : "; color gray or color rgb in the data block converts them");
  return 0;
}

/* Refused before the machine runs out of it. */
static int check_memory(const char *path, size_t bytes, gradc_error *error) {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page <= 0 || bytes / (size_t)page < (size_t)pages) return 0;
  return gradc_fail(error, GRADC_EXIT_DATA, "%s: its images take %zu bytes in memory, this machine has %zu", path, bytes,
                    (size_t)pages * (size_t)page);
}

static int grow(void **block, size_t bytes, const char *path, gradc_error *error) {
  const int code = check_memory(path, bytes, error);
  if (code) return code;
  void *grown = realloc(*block, bytes ? bytes : 1);
  if (!grown) return gradc_fail(error, GRADC_EXIT_DATA, "%s: no memory for its images (%zu bytes)", path, bytes);
  *block = grown;
  return 0;
}

int gradc_intake_reserve(gradc_image_intake *intake, const char *path, const gradc_pixel_form *form, size_t count, size_t label_width) {
  int code = check_form(intake, path, form);
  if (code) return code;
  gradc_images *images = intake->images;
  const size_t side = form->channels * form->height * form->width * (form->floats ? sizeof(float) : 1);
  if (intake->with_labels && intake->label_width && intake->label_width != label_width)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s has labels of %zu values, the files before it of %zu", path, label_width,
                      intake->label_width);
  intake->label_width = label_width;
  size_t bytes = 0, labels = 0;
  if (images->count > UINT32_MAX - 1 - count || !gradc_multiply(images->count + count, gradc_images_row_bytes(images), &bytes) ||
      !gradc_multiply((images->count + count) * sizeof(double), label_width, &labels))
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s: %zu images are more than can be held", path, count);
  code = grow(&images->pixels, bytes, path, intake->error);
  if (!code && intake->with_labels) code = grow((void **)&intake->labels, labels, path, intake->error);
  if (!code && side > intake->scratch_bytes) {
    code = grow(&intake->scratch, side, path, intake->error);
    if (!code) intake->scratch_bytes = side;
  }
  if (!code) intake->capacity = images->count + count;
  images->bytes = bytes;
  return code;
}

static void put_channels_last(const gradc_pixel_form *form, const void *from, void *to) {
  const size_t pixels = form->height * form->width, channels = form->channels;
  const unsigned char *bytes = from;
  unsigned char *to_bytes = to;
  if (form->floats) {
    for (size_t c = 0; c < channels; c++)
      for (size_t i = 0; i < pixels; i++) ((float *)to)[i * channels + c] = ((const float *)from)[c * pixels + i];
  } else if (channels == 3) {
    for (size_t i = 0; i < pixels; i++) {
      to_bytes[3 * i] = bytes[i];
      to_bytes[3 * i + 1] = bytes[pixels + i];
      to_bytes[3 * i + 2] = bytes[2 * pixels + i];
    }
  } else {
    for (size_t c = 0; c < channels; c++)
      for (size_t i = 0; i < pixels; i++) to_bytes[i * channels + c] = bytes[c * pixels + i];
  }
}

int gradc_intake_add(gradc_image_intake *intake, const gradc_pixel_form *form, const void *pixels, const double *label) {
  gradc_images *images = intake->images;
  const gradc_image_encoding *e = &images->encoding;
  if (images->count == intake->capacity) return gradc_fail(intake->error, GRADC_EXIT_BUG, "more images than were announced");
  unsigned char *to = (unsigned char *)images->pixels + images->count * gradc_images_row_bytes(images);
  const bool same = form->height == e->height && form->width == e->width && form->channels == e->channels;
  const bool last = !form->channels_first || form->channels == 1;
  if (!last) put_channels_last(form, pixels, same ? (void *)to : intake->scratch);
  if (same && last) memcpy(to, pixels, gradc_images_row_bytes(images));
  if (!same) {
    const void *from = last ? pixels : intake->scratch;
    size_t channels = form->channels;
    if (channels != e->channels && e->channels == 1) {
      gradc_image_recolor(from, channels, form->height * form->width, 1, intake->scratch);
      from = intake->scratch;
      channels = 1;
    }
    const int code =
        gradc_image_resize(from, form->height, form->width, channels, form->floats, e->height, e->width, to, intake->error);
    if (code) return code;
    if (channels != e->channels) gradc_image_recolor(to, channels, e->height * e->width, e->channels, to);
  }
  if (intake->with_labels && label)
    memcpy(intake->labels + images->count * intake->label_width, label, intake->label_width * sizeof *label);
  images->count++;
  return 0;
}

void gradc_intake_free(gradc_image_intake *intake) {
  free(intake->labels);
  free(intake->scratch);
  gradc_strings_free(&intake->names);
  gradc_categories_free(&intake->classes);
}
#else
typedef int gradc_no_image_intake;
#endif
