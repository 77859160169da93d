/* image_read_jpeg.c: JPEG files by libjpeg. */
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

/* Runs within the setjmp of its caller. */
static void decode(jpeg_reading *reading, const unsigned char *bytes, const char *name, gradc_picture *picture, gradc_error *error) {
  struct jpeg_decompress_struct *jpeg = &reading->jpeg;
  jpeg_create_decompress(jpeg);
  jpeg_mem_src(jpeg, bytes, (unsigned long)reading->count);
  reading->progress.progress_monitor = on_progress;
  jpeg->progress = &reading->progress;
  jpeg_read_header(jpeg, TRUE);
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
