/* test_images.h: files of images for tests, written by the libraries that also read them elsewhere. */
#ifndef TEST_IMAGES_H
#define TEST_IMAGES_H

#include <stddef.h>

/* All return 0, or 1 when the file could not be written. */

/* `channels`: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha. `depth`: 8, or 16 with each sample's byte twice. */
int test_write_png(const char *path, const unsigned char *pixels, unsigned height, unsigned width, int channels, int depth, int interlaced);
/* 16 colours a pixel of 4 bits: palette entry i is (i * 10, 255 - i, i). `indices`: one a pixel. */
int test_write_palette_png(const char *path, const unsigned char *indices, unsigned height, unsigned width);
/* `channels`: 1 grey, 3 colour, 4 CMYK. */
int test_write_jpeg(const char *path, const unsigned char *pixels, unsigned height, unsigned width, int channels, int quality,
                    int progressive);
int test_write_gzip(const char *path, const void *bytes, size_t count);

#endif
