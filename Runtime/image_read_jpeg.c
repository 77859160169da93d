/* image_read_jpeg.c: JPEG files by libjpeg, turned upright as their EXIF orientation says. */
#include "image_read.h"

#ifdef GRADC_IMAGES
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

/* A progressive file of more scans is made to waste time. */
#define MOST_SCANS 500

typedef struct jpeg_reading {
  struct jpeg_error_mgr errors;  /* first: the library knows only this part */
  struct jpeg_decompress_struct jpeg;
  struct jpeg_progress_mgr progress;
  jmp_buf failed;
  size_t count;
  unsigned orientation;
  char message[JMSG_LENGTH_MAX];
} jpeg_reading;

static void on_error(j_common_ptr jpeg) {
  jpeg_reading *reading = (jpeg_reading *)(void *)jpeg->err;
  jpeg->err->format_message(jpeg, reading->message);
  longjmp(reading->failed, 1);
}

/* Warnings are about data that were lost, but for a few. */
static void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (jpeg->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR: return;
    default: on_error(jpeg);
  }
}

static void on_output(j_common_ptr jpeg) { (void)jpeg; }

static void on_progress(j_common_ptr jpeg) {
  jpeg_reading *reading = (jpeg_reading *)(void *)jpeg->err;
  if (reading->jpeg.input_scan_number <= MOST_SCANS) return;
  snprintf(reading->message, sizeof reading->message, "more than %d scans", MOST_SCANS);
  longjmp(reading->failed, 1);
}

/* ---- Orientation: cameras store what the sensor saw, and beside it how to turn that ---- */

static unsigned number_at(const unsigned char *bytes, size_t count, bool little) {
  unsigned value = 0;
  for (size_t index = 0; index < count; index += 1) value = value << 8 | bytes[little ? count - 1 - index : index];
  return value;
}

/* EXIF's tag 0x0112 in the first directory of a TIFF file: 1 upright, 2 ... 8 mirrored or turned. 1 where it is missing or nonsense. */
static unsigned orientation_in(const unsigned char *bytes, size_t count) {
  if (count < 14 || memcmp(bytes, "Exif\0\0", 6) != 0) return 1;
  bytes += 6;
  count -= 6;
  const bool little = memcmp(bytes, "II*\0", 4) == 0;
  if (!little && memcmp(bytes, "MM\0*", 4) != 0) return 1;
  const size_t directory = number_at(bytes + 4, 4, little);
  if (directory > count - 2) return 1;
  const size_t entries = number_at(bytes + directory, 2, little);
  for (size_t index = 0; index < entries; index += 1) {
    const size_t at = directory + 2 + 12 * index;
    if (at + 12 > count) return 1;
    if (number_at(bytes + at, 2, little) != 0x0112 || number_at(bytes + at + 2, 2, little) != 3) continue;
    const unsigned value = number_at(bytes + at + 8, 2, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

static unsigned orientation_of(const struct jpeg_decompress_struct *jpeg) {
  for (const struct jpeg_marker_struct *marker = jpeg->marker_list; marker; marker = marker->next) {
    const unsigned found = orientation_in(marker->data, marker->data_length);
    if (found != 1) return found;
  }
  return 1;
}

/* Replaces the picture by the upright one. */
static int turn_upright(unsigned orientation, const char *name, gradc_picture *picture, gradc_error *error) {
  if (orientation == 1) return 0;
  const gradc_picture stored = *picture;
  const bool turned = orientation >= 5;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const int code = gradc_picture_create(turned ? stored.width : stored.height, turned ? stored.height : stored.width, stored.channels, name,
                                        picture, error);
  if (code) {
    free(stored.pixels);
    return code;
  }
  unsigned char *to = picture->pixels;
  for (size_t y = 0; y < picture->height; y += 1) {
    for (size_t x = 0; x < picture->width; x += 1, to += stored.channels) {
      const size_t down = turned ? x : y, right = turned ? y : x;
      const size_t row = from_below ? stored.height - 1 - down : down, column = from_right ? stored.width - 1 - right : right;
      memcpy(to, stored.pixels + (row * stored.width + column) * stored.channels, stored.channels);
    }
  }
  free(stored.pixels);
  return 0;
}

/* Runs within the setjmp of its caller. */
static void decode(jpeg_reading *reading, const unsigned char *bytes, const char *name, gradc_picture *picture, gradc_error *error) {
  struct jpeg_decompress_struct *jpeg = &reading->jpeg;
  jpeg_create_decompress(jpeg);
  jpeg_mem_src(jpeg, bytes, (unsigned long)reading->count);
  reading->progress.progress_monitor = on_progress;
  jpeg->progress = &reading->progress;
  jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(jpeg, TRUE);
  /* Asked now: the markers are gone when decoding is finished. */
  reading->orientation = orientation_of(jpeg);
  if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK) {
    snprintf(reading->message, sizeof reading->message, "its colours are CMYK, expected grey or RGB; convert the file");
    longjmp(reading->failed, 1);
  }
  jpeg->out_color_space = jpeg->jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
  if (gradc_picture_create(jpeg->image_height, jpeg->image_width, jpeg->out_color_space == JCS_GRAYSCALE ? 1 : 3, name, picture, error))
    longjmp(reading->failed, 2);
  jpeg_start_decompress(jpeg);
  while (jpeg->output_scanline < jpeg->output_height) {
    JSAMPROW row = picture->pixels + (size_t)jpeg->output_scanline * picture->width * picture->channels;
    jpeg_read_scanlines(jpeg, &row, 1);
  }
  jpeg_finish_decompress(jpeg);
}

int gradc_decode_jpeg(const unsigned char *bytes, size_t byte_count, const char *name, gradc_picture *picture, gradc_error *error) {
  *picture = (gradc_picture){0};
  jpeg_reading *reading = gradc_allocate(1, sizeof *reading, error);
  if (!reading) return GRADC_EXIT_DATA;
  reading->count = byte_count;
  reading->jpeg.err = jpeg_std_error(&reading->errors);
  reading->errors.error_exit = on_error;
  reading->errors.emit_message = on_message;
  reading->errors.output_message = on_output;
  int code = 0;
  const int jumped = setjmp(reading->failed);
  if (jumped == 0) {
    decode(reading, bytes, name, picture, error);
    code = turn_upright(reading->orientation, name, picture, error);
  } else {
    code = GRADC_EXIT_DATA;
    const size_t left = reading->jpeg.src ? reading->jpeg.src->bytes_in_buffer : 0;
    /* The library puts an end mark of its own behind a file that is cut off. */
    const size_t offset = left <= byte_count && reading->errors.msg_code != JWRN_JPEG_EOF ? byte_count - left : byte_count;
    if (jumped == 1) gradc_fail(error, GRADC_EXIT_DATA, "%s: bad JPEG file at byte %zu: %s", name, offset, reading->message);
    free(picture->pixels);
    *picture = (gradc_picture){0};
  }
  jpeg_destroy_decompress(&reading->jpeg);
  free(reading);
  return code;
}
#else
typedef int gradc_no_jpeg;
#endif
