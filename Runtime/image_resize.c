/* image_resize.c: another size, another number of channels. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image_internal.h"

/* For each pixel of a line of the result the source pixels that it is made of. */
typedef struct resampling {
  size_t count, most;  /* pixels of the result; shares a pixel at most */
  size_t *first, *used;
  double *shares;      /* count x most */
} resampling;

static void free_resampling(resampling *r) {
  free(r->first);
  free(r->used);
  free(r->shares);
}

/* A triangle around the centre of each target pixel, as wide as the ratio when shrinking and one pixel when enlarging. */
static int make_resampling(size_t from, size_t to, resampling *r, gradc_error *error) {
  const double ratio = (double)from / (double)to, reach = ratio > 1 ? ratio : 1;
  size_t cells = 0;
  *r = (resampling){.count = to, .most = (size_t)ceil(reach) * 2 + 1};
  if (!gradc_multiply(to, r->most, &cells)) return gradc_fail(error, GRADC_EXIT_DATA, "an image of %zu pixels a line is too large", to);
  r->first = gradc_allocate(to, sizeof *r->first, error);
  r->used = gradc_allocate(to, sizeof *r->used, error);
  r->shares = gradc_allocate(cells, sizeof *r->shares, error);
  if (!r->first || !r->used || !r->shares) {
    free_resampling(r);
    return GRADC_EXIT_DATA;
  }
  for (size_t i = 0; i < to; i++) {
    const double centre = ((double)i + 0.5) * ratio, low = centre - reach, high = centre + reach;
    size_t begin = low > 0 ? (size_t)low : 0, end = (size_t)ceil(high);
    if (end > from) end = from;
    if (end - begin > r->most) end = begin + r->most;
    double sum = 0, *shares = r->shares + i * r->most;
    for (size_t j = begin; j < end; j++) {
      const double share = 1 - fabs((double)j + 0.5 - centre) / reach;
      shares[j - begin] = share > 0 ? share : 0;
      sum += shares[j - begin];
    }
    for (size_t j = 0; j < end - begin; j++) shares[j] /= sum;
    r->first[i] = begin;
    r->used[i] = end - begin;
  }
  return 0;
}

/* One source row, made as wide as the result. */
static void resample_row(const void *from, size_t row, size_t width, size_t channels, bool floats, const resampling *r, double *to) {
  for (size_t x = 0; x < r->count; x++)
    for (size_t c = 0; c < channels; c++) {
      double sum = 0;
      for (size_t j = 0; j < r->used[x]; j++) {
        const size_t at = (row * width + r->first[x] + j) * channels + c;
        sum += r->shares[x * r->most + j] * (floats ? (double)((const float *)from)[at] : (double)((const unsigned char *)from)[at]);
      }
      to[x * channels + c] = sum;
    }
}

static void store_row(const double *values, size_t count, bool floats, size_t offset, void *to) {
  if (floats) {
    for (size_t i = 0; i < count; i++) ((float *)to)[offset + i] = (float)values[i];
    return;
  }
  for (size_t i = 0; i < count; i++) {
    const double rounded = floor(values[i] + 0.5);
    ((unsigned char *)to)[offset + i] = (unsigned char)(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
  }
}

/* Columns from the rows that `lines` holds, all rows of the source made narrow. */
static void resample_columns(const double *lines, const resampling *down, size_t line, bool floats, double *sums, void *to) {
  for (size_t y = 0; y < down->count; y++) {
    memset(sums, 0, line * sizeof *sums);
    for (size_t j = 0; j < down->used[y]; j++) {
      const double share = down->shares[y * down->most + j], *from = lines + (down->first[y] + j) * line;
      for (size_t i = 0; i < line; i++) sums[i] += share * from[i];
    }
    store_row(sums, line, floats, y * line, to);
  }
}

int gradc_image_resize(const void *from, size_t height, size_t width, size_t channels, bool floats, size_t to_height, size_t to_width,
                       void *to, gradc_error *error) {
  if (height == to_height && width == to_width) {
    memcpy(to, from, height * width * channels * (floats ? sizeof(float) : 1));
    return 0;
  }
  resampling across, down;
  int code = make_resampling(width, to_width, &across, error);
  if (code) return code;
  code = make_resampling(height, to_height, &down, error);
  if (code) {
    free_resampling(&across);
    return code;
  }
  const size_t line = to_width * channels;
  size_t cells = 0;
  double *lines = gradc_multiply(height + 1, line, &cells) ? gradc_allocate(cells, sizeof *lines, error) : NULL;
  if (lines) {
    for (size_t y = 0; y < height; y++) resample_row(from, y, width, channels, floats, &across, lines + y * line);
    resample_columns(lines, &down, line, floats, lines + height * line, to);
  } else {
    code = gradc_fail(error, GRADC_EXIT_DATA, "no memory to resize an image of %zu x %zu pixels", height, width);
  }
  free(lines);
  free_resampling(&across);
  free_resampling(&down);
  return code;
}

void gradc_image_recolor(const unsigned char *from, size_t channels, size_t count, size_t to_channels, unsigned char *to) {
  if (channels == to_channels) {
    memmove(to, from, count * channels);
  } else if (to_channels == 1) {
    for (size_t i = 0; i < count; i++)
      to[i] = (unsigned char)((299u * from[3 * i] + 587u * from[3 * i + 1] + 114u * from[3 * i + 2] + 500u) / 1000u);
  } else {
    for (size_t i = count; i-- > 0;) to[3 * i] = to[3 * i + 1] = to[3 * i + 2] = from[i];
  }
}
