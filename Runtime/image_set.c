/* image_set.c: decoded images in memory, and what is known of all of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "image_internal.h"

void gradc_image_encoding_free(gradc_image_encoding *encoding) {
  free(encoding->mean);
  free(encoding->deviation);
  *encoding = (gradc_image_encoding){0};
}

int gradc_image_encoding_copy(const gradc_image_encoding *encoding, gradc_image_encoding *copy, gradc_error *error) {
  *copy = *encoding;
  copy->mean = gradc_allocate(encoding->channels, sizeof *copy->mean, error);
  copy->deviation = gradc_allocate(encoding->channels, sizeof *copy->deviation, error);
  if (!copy->mean || !copy->deviation) {
    gradc_image_encoding_free(copy);
    return GRADC_EXIT_DATA;
  }
  memcpy(copy->mean, encoding->mean, encoding->channels * sizeof *copy->mean);
  memcpy(copy->deviation, encoding->deviation, encoding->channels * sizeof *copy->deviation);
  return 0;
}

void gradc_images_free(gradc_images *images) {
  free(images->pixels);
  free(images->skipped_text);
  gradc_image_encoding_free(&images->encoding);
  *images = (gradc_images){0};
}

size_t gradc_images_row_bytes(const gradc_images *images) {
  const gradc_image_encoding *e = &images->encoding;
  return e->height * e->width * e->channels * (images->floats ? sizeof(float) : 1);
}

const void *gradc_images_row(const gradc_images *images, size_t row) {
  return (const char *)images->pixels + row * gradc_images_row_bytes(images);
}

void gradc_images_picture(const gradc_images *images, size_t row, unsigned char *picture) {
  const gradc_image_encoding *e = &images->encoding;
  const size_t count = e->height * e->width * e->channels;
  const void *from = gradc_images_row(images, row);
  if (!images->floats) {
    memcpy(picture, from, count);
    return;
  }
  const float *values = from;
  float low = values[0], high = values[0];
  for (size_t i = 1; i < count; i++) {
    if (values[i] < low) low = values[i];
    if (values[i] > high) high = values[i];
  }
  for (size_t i = 0; i < count; i++)
    picture[i] = (unsigned char)(high > low ? lrint(255 * ((double)values[i] - (double)low) / ((double)high - (double)low)) : 0);
}

/* ---- Statistics ---- */

/* Sums of one channel. Bytes are summed as whole numbers, so that the result does not depend on the order. */
typedef struct channel_sums {
  uint64_t sum, squares;
  double mean, spread;  /* of floats: Welford's */
  double count;
} channel_sums;

static void add_bytes(const unsigned char *pixels, size_t count, size_t channels, channel_sums *sums) {
  /* A row of partial sums short enough for 32 bits. */
  for (size_t begin = 0; begin < count; begin += 32768) {
    const size_t end = count - begin < 32768 ? count : begin + 32768;
    for (size_t c = 0; c < channels; c++) {
      uint32_t sum = 0, squares = 0;
      for (size_t i = begin; i < end; i++) {
        const uint32_t value = pixels[i * channels + c];
        sum += value;
        squares += value * value;
      }
      sums[c].sum += sum;
      sums[c].squares += squares;
    }
  }
}

static void add_floats(const float *pixels, size_t count, size_t channels, channel_sums *sums) {
  for (size_t i = 0; i < count; i++)
    for (size_t c = 0; c < channels; c++) {
      channel_sums *s = &sums[c];
      const double value = (double)pixels[i * channels + c], before = value - s->mean;
      s->count += 1;
      s->mean += before / s->count;
      s->spread += before * (value - s->mean);
    }
}

int gradc_images_fit(const gradc_images *images, const uint32_t *rows, size_t count, double *mean, double *deviation, gradc_error *error) {
  const gradc_image_encoding *e = &images->encoding;
  const size_t pixels = e->height * e->width;
  channel_sums *sums = gradc_allocate(e->channels, sizeof *sums, error);
  if (!sums) return GRADC_EXIT_DATA;
  for (size_t i = 0; i < count; i++) {
    if (images->floats) add_floats(gradc_images_row(images, rows[i]), pixels, e->channels, sums);
    else add_bytes(gradc_images_row(images, rows[i]), pixels, e->channels, sums);
  }
  for (size_t c = 0; c < e->channels; c++) {
    const double number = (double)count * (double)pixels;
    double middle = sums[c].mean, variance = number > 0 ? sums[c].spread / number : 0;
    if (!images->floats && number > 0) {
      middle = (double)sums[c].sum / number;
      variance = (double)sums[c].squares / number - middle * middle;
    }
    mean[c] = middle * e->scale;
    /* A constant channel's variance may come out as a rounding error of its square. */
    deviation[c] = variance > 1e-12 * middle * middle ? sqrt(variance) * e->scale : 1;
  }
  free(sums);
  return 0;
}

/* ---- What was left out ---- */

#define MOST_TOLD 4096

void gradc_images_skip(gradc_images *images, size_t count, const char *reason) {
  images->skipped += count;
  const size_t length = images->skipped_text ? strlen(images->skipped_text) : 0;
  if (length > MOST_TOLD) return;
  char *longer = gradc_text_format("%s  %s\n", images->skipped_text ? images->skipped_text : "", reason);
  if (!longer) return;
  free(images->skipped_text);
  images->skipped_text = longer;
}

char *gradc_images_skipped(const gradc_images *images) {
  const char *told = images->skipped_text ? images->skipped_text : "";
  if (!images->skipped) return *told ? gradc_text_format("damage without which all images could still be read:\n%s", told) : NULL;
  return gradc_text_format("%zu image%s could not be read and %s left out:\n%s%s", images->skipped, images->skipped == 1 ? "" : "s",
                           images->skipped == 1 ? "was" : "were", told, strlen(told) > MOST_TOLD ? "  and more\n" : "");
}

bool gradc_is_image_file(const char *path) {
  static const char *const endings[] = {".png", ".jpg", ".jpeg"};
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
    if (strcasecmp(dot, endings[i]) == 0) return true;
  return false;
}
