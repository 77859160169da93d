/* image_read_png.c: PNG files by libpng. */
#include "image_read.h"

#ifdef GRADC_IMAGES
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct png_reading {
  const unsigned char *bytes;
  size_t count, offset;
  gradc_picture *picture;
  png_bytep *rows;
  jmp_buf failed;
  char message[160];
} png_reading;

static void on_error(png_structp png, png_const_charp message) {
  png_reading *reading = png_get_error_ptr(png);
  snprintf(reading->message, sizeof reading->message, "%s", message);
  longjmp(reading->failed, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

static void take_bytes(png_structp png, png_bytep to, size_t count) {
  png_reading *reading = png_get_io_ptr(png);
  if (count > reading->count - reading->offset) {
    reading->offset = reading->count;
    png_error(png, "the file is cut off");
  }
  memcpy(to, reading->bytes + reading->offset, count);
  reading->offset += count;
}

/* Everything becomes 8 bits of grey or of red, green and blue. */
static void choose_form(png_structp png, png_infop info) {
  const int type = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
  if (depth == 16) png_set_scale_16(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

/* Runs within the setjmp of its caller: what it allocates is reached through `reading`. */
static void decode(png_structp png, png_infop info, png_reading *reading, const char *name, gradc_error *error) {
  png_read_info(png, info);
  const size_t height = png_get_image_height(png, info), width = png_get_image_width(png, info);
  choose_form(png, info);
  const size_t channels = png_get_channels(png, info);
  if ((channels != 1 && channels != 3) || png_get_rowbytes(png, info) != width * channels) png_error(png, "an unexpected kind of pixels");
  if (gradc_picture_create(height, width, channels, name, reading->picture, error)) longjmp(reading->failed, 2);
  reading->rows = gradc_allocate(height, sizeof *reading->rows, error);
  if (!reading->rows) longjmp(reading->failed, 2);
  for (size_t y = 0; y < height; y++) reading->rows[y] = reading->picture->pixels + y * width * channels;
  png_read_image(png, reading->rows);
  png_read_end(png, NULL);
}

int gradc_decode_png(const unsigned char *bytes, size_t byte_count, const char *name, gradc_picture *picture, gradc_error *error) {
  *picture = (gradc_picture){0};
  png_reading *reading = gradc_allocate(1, sizeof *reading, error);
  if (!reading) return GRADC_EXIT_DATA;
  reading->bytes = bytes;
  reading->count = byte_count;
  reading->picture = picture;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reading, on_error, on_warning);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  int code = info ? 0 : gradc_fail(error, GRADC_EXIT_DATA, "%s: no memory to decode it", name);
  if (info) {
    const int jumped = setjmp(reading->failed);
    if (jumped == 0) {
      png_set_read_fn(png, reading, take_bytes);
      png_set_user_limits(png, GRADC_MOST_IMAGE_SIDE, GRADC_MOST_IMAGE_SIDE);
      png_set_chunk_malloc_max(png, (png_alloc_size_t)1 << 23);
      decode(png, info, reading, name, error);
    } else {
      code = GRADC_EXIT_DATA;
      if (jumped == 1)
        gradc_fail(error, GRADC_EXIT_DATA, "%s: bad PNG file at byte %zu: %s", name, reading->offset, reading->message);
      free(picture->pixels);
      *picture = (gradc_picture){0};
    }
  }
  png_destroy_read_struct(&png, &info, NULL);
  free(reading->rows);
  free(reading);
  return code;
}
#else
typedef int gradc_no_png;
#endif
