/* image_internal.h: what the sources of images share.
 *
 * Files image_*.c need nothing but the C library, except image_read*.c: those need zlib, libpng and libjpeg and are compiled only
 * where GRADC_IMAGES is defined, so that a native trainer of tables needs none of them.
 */
#ifndef GRADC_IMAGE_INTERNAL_H
#define GRADC_IMAGE_INTERNAL_H

#include "dataset_internal.h"

/* ---- image_gather.c ---- */

/* How one training image is changed: pixel (y, x) of the result is pixel (y, x) turned about the centre, then moved by (down, right), of
 * the image, mirrored when `flip` is set. */
typedef struct gradc_image_move {
  bool flip;
  int64_t down, right;
  double sine, cosine;  /* 0 and 1: not turned */
} gradc_image_move;

/* The draw of a row: uniform numbers number 0 ... 5 of the stream (seed, epoch, row) decide flip, shift down, shift right, crop down, crop
 * right, angle. */
gradc_image_move gradc_image_draw(const gradc_augmentation *augmentation, uint64_t seed, uint64_t epoch, uint32_t row);

/* ---- image_feed.c: batches made ahead ---- */

/* Batches of one epoch after another, each made by a worker thread while the one before is in use. Without a worker (no thread could be
 * started, or none is wanted) they are made when asked for; the bytes are the same. */
typedef struct gradc_feed gradc_feed;

/* `seed` of the augmentation; null: images as they are. */
int gradc_feed_create(const gradc_dataset *dataset, size_t capacity, const uint64_t *seed, bool worker, gradc_feed **feed,
                      gradc_error *error);
/* Begins an epoch: batches of `capacity` rows of order[0 ..< count], from row `first` on. `order` must stay as it is until the epoch's last
 * batch was taken or gradc_feed_stop returned. */
void gradc_feed_begin(gradc_feed *feed, const uint32_t *order, size_t count, size_t first, uint64_t epoch);
/* The next batch and its rows, valid until the next call; null after the last. */
const gradc_batch *gradc_feed_next(gradc_feed *feed, size_t *rows);
/* Ends the epoch early: nothing is read after it. */
void gradc_feed_stop(gradc_feed *feed);
void gradc_feed_free(gradc_feed *feed);

/* ---- image_resize.c ---- */

/* Resizes height x width x channels bytes (or floats) as gradc_images.h says. */
int gradc_image_resize(const void *from, size_t height, size_t width, size_t channels, bool floats, size_t to_height, size_t to_width,
                       void *to, gradc_error *error);
/* Grey to colour or back, in place of `count` pixels: from 1 or 3 channels to 1 or 3. */
void gradc_image_recolor(const unsigned char *from, size_t channels, size_t count, size_t to_channels, unsigned char *to);

/* ---- image_set.c ---- */

/* Bytes of one decoded image. */
size_t gradc_images_row_bytes(const gradc_images *images);
/* Mean and deviation a channel over the given rows, after scaling. */
int gradc_images_fit(const gradc_images *images, const uint32_t *rows, size_t count, double *mean, double *deviation, gradc_error *error);
/* A copy with room of its own. */
int gradc_image_encoding_copy(const gradc_image_encoding *encoding, gradc_image_encoding *copy, gradc_error *error);
/* Counts a file or record that was left out, and keeps what the first of them were. */
void gradc_images_skip(gradc_images *images, size_t count, const char *reason);

/* ---- image_read.c ---- */

/* Images of any recipe whose source they are. */
int gradc_images_load(const gradc_recipe *recipe, const gradc_model *model, const gradc_load_options *options, gradc_dataset *dataset,
                      gradc_encoder *encoder, gradc_error *error);

#endif
