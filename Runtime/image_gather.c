/* image_gather.c: from decoded images to a batch: augmented, scaled, standardised, laid out. */
#include <math.h>
#include <string.h>

#include "image_internal.h"

/* ---- The draw ---- */

static double uniform(uint64_t key, uint64_t counter) { return (double)(gradc_random(key, counter) >> 11) * 0x1p-53; }

/* -most ... most, each equally likely. */
static int64_t draw_pixels(uint64_t key, uint64_t counter, int64_t most) {
  return (int64_t)floor(uniform(key, counter) * (double)(2 * most + 1)) - most;
}

gradc_image_move gradc_image_draw(const gradc_augmentation *augmentation, uint64_t seed, uint64_t epoch, uint32_t row) {
  const uint64_t stream = gradc_random(seed, UINT64_C(0x6175676d656e74));  /* "augment" keeps it apart */
  const uint64_t key = gradc_random(gradc_random(stream, epoch), row);
  gradc_image_move move = {.cosine = 1};
  move.flip = augmentation->flip && uniform(key, 0) >= 0.5;
  move.down = draw_pixels(key, 1, augmentation->shift) + draw_pixels(key, 3, augmentation->crop);
  move.right = draw_pixels(key, 2, augmentation->shift) + draw_pixels(key, 4, augmentation->crop);
  if (augmentation->rotation > 0) {
    const double angle = (2 * uniform(key, 5) - 1) * augmentation->rotation * (3.14159265358979323846 / 180);
    move.sine = sin(angle);
    move.cosine = cos(angle);
  }
  return move;
}

/* ---- Where a pixel comes from ---- */

/* The index within 0 ..< size that stands for `index`, or -1 for black. */
static inline int64_t inside(int64_t index, int64_t size, gradc_image_fill fill) {
  if (index >= 0 && index < size) return index;
  if (fill == GRADC_FILL_BLACK) return -1;
  if (fill == GRADC_FILL_EDGE || size == 1) return index < 0 ? 0 : size - 1;
  const int64_t period = 2 * (size - 1);
  index %= period;
  if (index < 0) index += period;
  return index < size ? index : period - index;
}

/* What is the same for all images of a batch. */
typedef struct gathering {
  const gradc_images *images;
  int64_t height, width;
  size_t channels;
  size_t row_stride, pixel_stride, channel_stride; /* of the result, in elements */
  gradc_image_fill fill;
} gathering;

/* Elements from the image's beginning to pixel (y, x) of the moved image, or -1 for black. */
static inline ptrdiff_t source_offset(const gathering *g, const gradc_image_move *move, int64_t y, int64_t x) {
  const int64_t row = inside(y, g->height, g->fill), column = inside(x, g->width, g->fill);
  if (row < 0 || column < 0) return -1;
  return (ptrdiff_t)((row * g->width + (move->flip ? g->width - 1 - column : column)) * (int64_t)g->channels);
}

/* The four pixels around a point, and their shares. A black pixel has the share 0 of some other. */
typedef struct taps {
  ptrdiff_t offsets[4];
  double shares[4];
} taps;

/* Rounds down; a plain call of floor costs more than all the rest of a pixel. */
static inline int64_t round_down(double value) {
  const int64_t whole = (int64_t)value;
  return whole - ((double)whole > value ? 1 : 0);
}

static inline void find_taps(const gathering *g, const gradc_image_move *move, double from_y, double from_x, taps *t) {
  const int64_t floor_y = round_down(from_y), floor_x = round_down(from_x);
  const double share_y = from_y - (double)floor_y, share_x = from_x - (double)floor_x;
  const int64_t top = floor_y + move->down, left = floor_x + move->right, channels = (int64_t)g->channels;
  t->shares[0] = (1 - share_y) * (1 - share_x);
  t->shares[1] = (1 - share_y) * share_x;
  t->shares[2] = share_y * (1 - share_x);
  t->shares[3] = share_y * share_x;
  if (top >= 0 && left >= 0 && top + 1 < g->height && left + 1 < g->width) {
    const int64_t first = (top * g->width + (move->flip ? g->width - 1 - left : left)) * channels;
    const int64_t along = move->flip ? -channels : channels, down = g->width * channels;
    t->offsets[0] = (ptrdiff_t)first;
    t->offsets[1] = (ptrdiff_t)(first + along);
    t->offsets[2] = (ptrdiff_t)(first + down);
    t->offsets[3] = (ptrdiff_t)(first + down + along);
    return;
  }
  for (int tap = 0; tap < 4; tap++) {
    t->offsets[tap] = source_offset(g, move, top + tap / 2, left + tap % 2);
    if (t->offsets[tap] >= 0) continue;
    t->offsets[tap] = 0;
    t->shares[tap] = 0;
  }
}

/* ---- The loops, for each type of pixel and of element ---- */

#define MOST_TABLE_CHANNELS 4

/* NUMBER is the input's element type, PIXEL that of the decoded image. VALUE(c, pixel) is the encoded value of an untouched pixel. */
#define DEFINE_PLACE(NAME, NUMBER, PIXEL, CONTEXT, VALUE)                                                                         \
  static void NAME(const gathering *g, const PIXEL *from, const gradc_image_move *move, CONTEXT, NUMBER *to) {                    \
    for (int64_t y = 0; y < g->height; y++)                                                                                       \
      for (int64_t x = 0; x < g->width; x++) {                                                                                    \
        const ptrdiff_t offset = source_offset(g, move, y + move->down, x + move->right);                                         \
        NUMBER *at = to + (size_t)y * g->row_stride + (size_t)x * g->pixel_stride;                                                \
        for (size_t c = 0; c < g->channels; c++) {                                                                                \
          const PIXEL pixel = offset < 0 ? (PIXEL)0 : from[(size_t)offset + c];                                                   \
          at[c * g->channel_stride] = VALUE(c, pixel);                                                                            \
        }                                                                                                                         \
      }                                                                                                                           \
  }

#define DEFINE_COPY(NAME, NUMBER, PIXEL, CONTEXT, VALUE)                                                                          \
  static void NAME(const gathering *g, const PIXEL *from, CONTEXT, NUMBER *to) {                                                  \
    const size_t pixels = (size_t)g->height * (size_t)g->width;                                                                   \
    for (size_t c = 0; c < g->channels; c++)                                                                                      \
      for (size_t i = 0; i < pixels; i++) to[i * g->pixel_stride + c * g->channel_stride] = VALUE(c, from[i * g->channels + c]);  \
  }

#define DEFINE_TURN(NAME, NUMBER, PIXEL)                                                                                          \
  static void NAME(const gathering *g, const PIXEL *from, const gradc_image_move *move, NUMBER *to) {                             \
    const gradc_image_encoding *e = &g->images->encoding;                                                                         \
    const double middle_y = (double)(g->height - 1) / 2, middle_x = (double)(g->width - 1) / 2;                                   \
    taps t;                                                                                                                       \
    for (int64_t y = 0; y < g->height; y++)                                                                                       \
      for (int64_t x = 0; x < g->width; x++) {                                                                                    \
        const double up = (double)y - middle_y, along = (double)x - middle_x;                                                     \
        find_taps(g, move, move->sine * along + move->cosine * up + middle_y, move->cosine * along - move->sine * up + middle_x, &t); \
        NUMBER *at = to + (size_t)y * g->row_stride + (size_t)x * g->pixel_stride;                                                \
        const PIXEL *pixels[4] = {from + t.offsets[0], from + t.offsets[1], from + t.offsets[2], from + t.offsets[3]};            \
        for (size_t c = 0; c < g->channels; c++) {                                                                                \
          const double sum = t.shares[0] * (double)pixels[0][c] + t.shares[1] * (double)pixels[1][c] +                            \
                             t.shares[2] * (double)pixels[2][c] + t.shares[3] * (double)pixels[3][c];                             \
          at[c * g->channel_stride] = (NUMBER)((sum * e->scale - e->mean[c]) / e->deviation[c]);                                  \
        }                                                                                                                         \
      }                                                                                                                           \
  }

/* Bytes have only 256 values a channel. */
#define FROM_TABLE(c, pixel) table[(c) * 256 + (pixel)]
#define COMPUTED_F32(c, pixel) (float)(((double)(pixel) * e->scale - e->mean[c]) / e->deviation[c])
#define COMPUTED_F64(c, pixel) (((double)(pixel) * e->scale - e->mean[c]) / e->deviation[c])

DEFINE_PLACE(place_bytes_f32, float, unsigned char, const float *table, FROM_TABLE)
DEFINE_PLACE(place_bytes_f64, double, unsigned char, const double *table, FROM_TABLE)
DEFINE_PLACE(place_wide_bytes_f32, float, unsigned char, const gradc_image_encoding *e, COMPUTED_F32)
DEFINE_PLACE(place_wide_bytes_f64, double, unsigned char, const gradc_image_encoding *e, COMPUTED_F64)
DEFINE_PLACE(place_floats_f32, float, float, const gradc_image_encoding *e, COMPUTED_F32)
DEFINE_PLACE(place_floats_f64, double, float, const gradc_image_encoding *e, COMPUTED_F64)
DEFINE_COPY(copy_bytes_f32, float, unsigned char, const float *table, FROM_TABLE)
DEFINE_COPY(copy_bytes_f64, double, unsigned char, const double *table, FROM_TABLE)
DEFINE_TURN(turn_bytes_f32, float, unsigned char)
DEFINE_TURN(turn_bytes_f64, double, unsigned char)
DEFINE_TURN(turn_floats_f32, float, float)
DEFINE_TURN(turn_floats_f64, double, float)

static bool is_turned(const gradc_image_move *move) { return move->sine < 0 || move->sine > 0 || move->cosine < 1; }
static bool is_moved(const gradc_image_move *move) { return move->flip || move->down != 0 || move->right != 0; }

#define DEFINE_GATHER(NAME, NUMBER, SUFFIX)                                                                                         \
  static void NAME(const gathering *g, const uint32_t *rows, const gradc_image_move *move, size_t i, const NUMBER *table, NUMBER *to) { \
    const gradc_image_encoding *e = &g->images->encoding;                                                                           \
    const void *from = gradc_images_row(g->images, rows[i]);                                                                        \
    if (is_turned(move)) {                                                                                                          \
      if (g->images->floats) turn_floats_##SUFFIX(g, from, move, to);                                                               \
      else turn_bytes_##SUFFIX(g, from, move, to);                                                                                  \
    } else if (g->images->floats) place_floats_##SUFFIX(g, from, move, e, to);                                                      \
    else if (g->channels > MOST_TABLE_CHANNELS) place_wide_bytes_##SUFFIX(g, from, move, e, to);                                    \
    else if (is_moved(move)) place_bytes_##SUFFIX(g, from, move, table, to);                                                        \
    else copy_bytes_##SUFFIX(g, from, table, to);                                                                                   \
  }

DEFINE_GATHER(gather_f32, float, f32)
DEFINE_GATHER(gather_f64, double, f64)

void gradc_images_gather(const gradc_images *images, const uint32_t *rows, size_t count, bool augment, uint64_t seed, uint64_t epoch,
                         gradc_element element, void *to) {
  const gradc_image_encoding *e = &images->encoding;
  const bool last = e->channels_last;
  const size_t pixels = e->height * e->width, elements = pixels * e->channels;
  const gathering g = {.images = images, .height = (int64_t)e->height, .width = (int64_t)e->width, .channels = e->channels,
                       .row_stride = last ? e->width * e->channels : e->width, .pixel_stride = last ? e->channels : 1,
                       .channel_stride = last ? 1 : pixels, .fill = images->augmentation.fill};
  float table_f32[MOST_TABLE_CHANNELS * 256];
  double table_f64[MOST_TABLE_CHANNELS * 256];
  for (size_t c = 0; c < e->channels && c < MOST_TABLE_CHANNELS; c++)
    for (size_t pixel = 0; pixel < 256; pixel++) {
      table_f64[c * 256 + pixel] = COMPUTED_F64(c, pixel);
      table_f32[c * 256 + pixel] = (float)table_f64[c * 256 + pixel];
    }
  augment = augment && gradc_augments(&images->augmentation);
  for (size_t i = 0; i < count; i++) {
    gradc_image_move move = {.cosine = 1};
    if (augment) move = gradc_image_draw(&images->augmentation, seed, epoch, rows[i]);
    if (element == GRADC_F64) gather_f64(&g, rows, &move, i, table_f64, (double *)to + i * elements);
    else gather_f32(&g, rows, &move, i, table_f32, (float *)to + i * elements);
  }
}
