/* gradc_images.h: images as training data: what a recipe says of them, what a weights file remembers, and images in memory.
 *
 * Images are decoded once into bytes (or floats, for arrays of floats), channels last, and kept so. A batch is made from them as it is
 * needed: augmented (training rows of a training only), scaled, standardised by channel and laid out as the model's input wants it.
 * Part of gradc_data.h, whose conventions hold. 0BSD.
 *
 * How a model's input gets its images. The input's own dimensions say height, width and channels: [N, C, H, W] (with channels_last
 * [N, H, W, C]); [N, H, W] is one channel; [N, K] takes the images flattened in that order, their size being that of the files or of
 * `image_size`. Files of another size are an error, except in a folder, and with `resize`.
 *
 * Values. Bytes are divided by 255 unless `scale none`; floats are taken as they are unless `scale unit`. With standardize_channels the
 * value becomes (value - mean) / deviation with mean and population deviation of its channel over all pixels of the training rows, after
 * scaling; a constant channel is divided by 1. All of it is computed in double and rounded once to the input's type.
 *
 * Resizing is bilinear as PyTorch's and Pillow's with anti-aliasing: weights fall off as a triangle around the centre of the target pixel
 * (pixel centres at half coordinates), as wide as one source pixel when enlarging and as the ratio when shrinking, and add up to 1; both
 * directions in double, rounded once to the nearest byte. The aspect ratio follows the model.
 *
 * Grey from colour is (299 R + 587 G + 114 B) / 1000, rounded; colour from grey repeats it. Transparency and metadata (orientation, colour
 * profile) are ignored.
 */
#ifndef GRADC_IMAGES_H
#define GRADC_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gradc_model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct gradc_dataset;
struct gradc_encoder;
struct gradc_error;
struct gradc_recipe;

/* ---- What a recipe says ------------------------------------------------------------------------------------------- */

/* What lies outside an image that is moved or turned. */
typedef enum gradc_image_fill {
  GRADC_FILL_BLACK = 0,   /* zeros, before standardisation */
  GRADC_FILL_EDGE = 1,    /* the nearest pixel */
  GRADC_FILL_REFLECT = 2  /* mirrored without repeating the edge: 2 1 | 0 1 2 */
} gradc_image_fill;

/* Random changes of training images. Each row draws anew in every epoch, keyed by (seed, epoch, row): the same with any number of threads
 * and after any resume. The result is the image turned by an angle in -rotation ... rotation about its centre (bilinear), of the image moved
 * by whole pixels, of the image mirrored. */
typedef struct gradc_augmentation {
  bool flip;              /* left and right swapped for half of the rows */
  int64_t shift;          /* moved by -shift ... shift pixels in each direction */
  int64_t crop;           /* so many pixels are added on each side, then a window of the old size is cut out at random */
  double rotation;        /* degrees, 0 ... 180 */
  gradc_image_fill fill;
} gradc_augmentation;

typedef enum gradc_image_scale {
  GRADC_SCALE_AUTO = 0,   /* unit for bytes, none for floats */
  GRADC_SCALE_UNIT = 1,   /* divided by 255 */
  GRADC_SCALE_NONE = 2
} gradc_image_scale;

#define GRADC_GIVEN_CHANNELS 16

/* The image directives of a recipe (gradc_data.h lists their text form). The files are recipe->path (IDX images, first CIFAR file, NPZ,
 * folder, NPY features) and recipe->targets_path (IDX and NPY labels). Zeroed is: no image directive was given. */
typedef struct gradc_image_recipe {
  bool used;              /* any of the directives below was there: npy arrays are then images too */
  char **more_files;      /* CIFAR: files after the first */
  size_t more_file_count;
  char **test_files;      /* of the same kind as the training files, in their order: their rows are the test part */
  size_t test_file_count;
  char *input_name, *target_name; /* NPZ: names of the arrays, null: "x" and "y" (else the first names that fit) */
  char **class_names;     /* names of the labels 0, 1 ...; of a folder's sub-folders, the labels are then in this order. Null: none given */
  size_t class_name_count;
  bool channels_last;     /* the model's input is [N, H, W, C] */
  int64_t height, width;  /* image_size; 0: the model's, or the files' */
  int channels;           /* color: 1 gray, 3 rgb, 0: the model's */
  bool resize;
  gradc_image_scale scale;
  bool standardize;
  size_t given_channels;  /* of standardize_channels with constants; 0: fitted */
  double mean[GRADC_GIVEN_CHANNELS], deviation[GRADC_GIVEN_CHANNELS];
  gradc_augmentation augmentation;
  bool skip_bad;          /* files and records that cannot be read are left out and counted */
} gradc_image_recipe;

/* ---- What a weights file remembers --------------------------------------------------------------------------------- */

/* How images become numbers; the part of an encoder that is not about columns. */
typedef struct gradc_image_encoding {
  size_t channels, height, width;
  bool channels_last;
  double scale;           /* 1 / 255 or 1 */
  bool standardized;
  double *mean, *deviation; /* one a channel, after scaling; 0 and 1 when not standardised */
} gradc_image_encoding;

void gradc_image_encoding_free(gradc_image_encoding *encoding);

/* ---- Images in memory ---------------------------------------------------------------------------------------------- */

/* The images of a dataset, one a row. The dataset's input port `input` has no data of its own. */
typedef struct gradc_images {
  int input;              /* the model's input that they feed */
  size_t count;
  bool floats;            /* pixels are float, else unsigned char */
  void *pixels;           /* count x height x width x channels */
  size_t bytes;           /* of all pixels */
  gradc_image_encoding encoding;
  gradc_augmentation augmentation; /* of training rows in a training */
  size_t skipped;         /* files and records that could not be read, with skip_bad */
  char *skipped_text;     /* the first of them, a line each: file, offset, why; null: none */
} gradc_images;

void gradc_images_free(gradc_images *images);
/* The image of a row as it was decoded: height x width x channels bytes or floats. */
const void *gradc_images_row(const gradc_images *images, size_t row);
/* The image of a row as bytes for a picture, height x width x channels: floats are stretched so that the smallest is 0 and the largest 255. */
void gradc_images_picture(const gradc_images *images, size_t row, unsigned char *picture);

/* Rows rows[0 ..< count] as the model's input wants them, into `to` (count x channels x height x width elements of `element`, F32 or F64).
 * `augment`: apply the augmentation, keyed by seed, epoch and row. */
void gradc_images_gather(const gradc_images *images, const uint32_t *rows, size_t count, bool augment, uint64_t seed, uint64_t epoch,
                         gradc_element element, void *to);

/* Whether `path` is a folder that holds the files which the recipe names, or, for CIFAR-10's records, any data_batch*.bin (with
 * test_batch*.bin): given instead of the recipe's data it means these, for training and test. */
bool gradc_images_in_folder(const struct gradc_recipe *recipe, const char *path);

/* A sentence for whoever trains: "3 images could not be read and were left out", then a line a file; null when none was left out. Free with
 * gradc_text_free. */
char *gradc_images_skipped(const gradc_images *images);

/* ---- Image files by name (prediction) ------------------------------------------------------------------------------ */

/* Whether gradc_dataset_load_files reads a file of this name: .png, .jpg, .jpeg in any case. */
bool gradc_is_image_file(const char *path);

/* Reads single PNG and JPEG files (a folder stands for the image files in it, sorted) as rows without targets, resized and encoded as
 * `encoder` says, for a model's first input. The dataset's ids are the files' paths, its split has all rows in the first part. A file
 * that cannot be read is an error, or left out with `skip_bad`. */
int gradc_dataset_load_files(const char *const *paths, size_t path_count, const struct gradc_encoder *encoder, const gradc_model *model,
                             bool skip_bad, struct gradc_dataset *dataset, struct gradc_error *error);

#ifdef __cplusplus
}
#endif
#endif
