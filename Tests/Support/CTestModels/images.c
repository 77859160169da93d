/* images.c: writers of image files. */
#include "test_images.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <zlib.h>

static void write_rows(png_structp png, png_infop info, const unsigned char *rows, unsigned height, size_t row_bytes) {
  png_write_info(png, info);
  if (png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE) png_set_packing(png);
  const int passes = png_set_interlace_handling(png);
  for (int pass = 0; pass < passes; pass += 1)
    for (unsigned y = 0; y < height; y += 1) png_write_row(png, rows + y * row_bytes);
  png_write_end(png, info);
}

int test_write_png(const char *path, const unsigned char *pixels, unsigned height, unsigned width, int channels, int depth,
                   int interlaced) {
  static const int types[] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
  size_t samples = (size_t)height * width * (size_t)channels, bytes = samples * (size_t)(depth / 8);
  unsigned char *rows = malloc(bytes);
  FILE *file = fopen(path, "wb");
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
  if (rows == NULL || file == NULL || info == NULL || setjmp(png_jmpbuf(png)) != 0) return 1;
  for (size_t index = 0; index < bytes; index += 1) rows[index] = pixels[index * samples / bytes];
  png_init_io(png, file);
  png_set_IHDR(png, info, width, height, depth, types[channels], interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  write_rows(png, info, rows, height, bytes / height);
  png_destroy_write_struct(&png, &info);
  free(rows);
  return fclose(file) != 0;
}

int test_write_palette_png(const char *path, const unsigned char *indices, unsigned height, unsigned width) {
  png_color palette[16];
  unsigned char *rows = malloc((size_t)height * width);
  FILE *file = fopen(path, "wb");
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
  if (rows == NULL || file == NULL || info == NULL || setjmp(png_jmpbuf(png)) != 0) return 1;
  for (int index = 0; index < 16; index += 1)
    palette[index] = (png_color){(png_byte)(index * 10), (png_byte)(255 - index), (png_byte)index};
  memcpy(rows, indices, (size_t)height * width);
  png_init_io(png, file);
  png_set_IHDR(png, info, width, height, 4, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_set_PLTE(png, info, palette, 16);
  write_rows(png, info, rows, height, width);
  png_destroy_write_struct(&png, &info);
  free(rows);
  return fclose(file) != 0;
}

int test_write_jpeg(const char *path, const unsigned char *pixels, unsigned height, unsigned width, int channels, int quality,
                    int progressive) {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  FILE *file = fopen(path, "wb");
  unsigned char *row = malloc((size_t)width * (size_t)channels);
  if (file == NULL || row == NULL) return 1;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_stdio_dest(&jpeg, file);
  jpeg.image_width = width;
  jpeg.image_height = height;
  jpeg.input_components = channels;
  jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, quality, TRUE);
  if (progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < height) {
    JSAMPROW at = row;
    memcpy(row, pixels + (size_t)jpeg.next_scanline * width * (size_t)channels, (size_t)width * (size_t)channels);
    jpeg_write_scanlines(&jpeg, &at, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  free(row);
  return fclose(file) != 0;
}

int test_write_gzip(const char *path, const void *bytes, size_t count) {
  gzFile file = gzopen(path, "wb");
  if (file == NULL) return 1;
  int written = gzwrite(file, bytes, (unsigned)count);
  return gzclose(file) != Z_OK || written != (int)count;
}
