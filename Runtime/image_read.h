/* image_read.h: what the readers of image files share. */
#ifndef GRADC_IMAGE_READ_H
#define GRADC_IMAGE_READ_H

#include "image_internal.h"

/* No single image may have more pixels, and no image file more bytes. */
#define GRADC_MOST_PIXELS ((size_t)1 << 27)
#define GRADC_MOST_IMAGE_FILE ((size_t)1 << 29)
#define GRADC_MOST_IMAGE_SIDE 65535

/* One decoded picture: height x width x channels bytes. */
typedef struct gradc_picture {
  size_t height, width, channels;  /* 1 or 3 channels */
  unsigned char *pixels;
} gradc_picture;

/* Decodes a PNG or JPEG file in memory. Errors name `name`, the byte at which decoding stopped, and why. */
int gradc_decode_picture(const unsigned char *bytes, size_t byte_count, const char *name, gradc_picture *picture, gradc_error *error);
int gradc_decode_png(const unsigned char *bytes, size_t byte_count, const char *name, gradc_picture *picture, gradc_error *error);
int gradc_decode_jpeg(const unsigned char *bytes, size_t byte_count, const char *name, gradc_picture *picture, gradc_error *error);
/* Room for a picture of this size, or an error that names the file. */
int gradc_picture_create(size_t height, size_t width, size_t channels, const char *name, gradc_picture *picture, gradc_error *error);

/* ---- image_read_zip.c ---- */

typedef struct gradc_zip_member {
  char *name;
  bool encrypted;
  unsigned method;               /* 0 stored, 8 deflated */
  uint32_t check;
  uint64_t packed, bytes, offset;/* of its header in the file */
} gradc_zip_member;

typedef struct gradc_zip {
  const char *path;
  int descriptor;
  uint64_t size;
  size_t count;
  gradc_zip_member *members;
} gradc_zip;

/* Reads the directory of an archive. Close it after an error too. */
int gradc_zip_open(const char *path, gradc_zip *zip, gradc_error *error);
/* Reads and checks member `index`; free *bytes with free(). */
int gradc_zip_read(const gradc_zip *zip, size_t index, unsigned char **bytes, size_t *byte_count, gradc_error *error);
void gradc_zip_close(gradc_zip *zip);

/* ---- image_read_place.c ---- */

/* The recipe with its files in a folder that gradc_images_in_folder knows; everything else is shared with `recipe`. Free it with
 * gradc_recipe_in_folder_free, after a failure too. */
int gradc_recipe_in_folder(const gradc_recipe *recipe, const char *folder, gradc_recipe *moved, gradc_error *error);
void gradc_recipe_in_folder_free(gradc_recipe *moved);

/* How the pixels of a source lie. */
typedef struct gradc_pixel_form {
  size_t channels, height, width;
  bool channels_first;
  bool floats;
} gradc_pixel_form;

/* Where all readers put their images and labels. */
typedef struct gradc_image_intake {
  const gradc_recipe *recipe;
  gradc_images *images;     /* encoding.channels, height, width: 0 while nothing says them */
  bool resize, recolor;     /* allowed */
  bool with_labels;
  bool has_form;            /* images->floats is decided */
  size_t capacity;          /* images for which there is room */
  size_t label_width;       /* values a label */
  double *labels;           /* capacity x label_width */
  gradc_strings names;      /* of files, one an image; empty: they have none */
  gradc_categories classes; /* names of the classes, when the source has them */
  bool classes_given;       /* by an encoder: others are unknown */
  void *scratch;            /* one image of the source, channels last */
  size_t scratch_bytes;
  gradc_error *error;
} gradc_image_intake;

/* Declares `count` more images of this form from `path`: decides what is not yet decided, checks the rest, makes room. */
int gradc_intake_reserve(gradc_image_intake *intake, const char *path, const gradc_pixel_form *form, size_t count, size_t label_width);
/* Adds one image and its label. */
int gradc_intake_add(gradc_image_intake *intake, const gradc_pixel_form *form, const void *pixels, const double *label);
/* Fails with the message, or, with skip_bad, counts `count` lost images and returns 0. */
int gradc_intake_bad(gradc_image_intake *intake, size_t count, const char *format, ...) GRADC_PRINTF(3, 4);
void gradc_intake_free(gradc_image_intake *intake);

int gradc_read_idx_images(gradc_image_intake *intake, const char *path, const char *labels_path);
int gradc_read_cifar_images(gradc_image_intake *intake, const char *path);
int gradc_read_npy_images(gradc_image_intake *intake, const char *path, const char *labels_path);
int gradc_read_npz_images(gradc_image_intake *intake, const char *path);
/* A class a sub-folder; without labels also the files in the folder itself. */
int gradc_read_folder_images(gradc_image_intake *intake, const char *path);
/* Files by name, and the files in folders. */
int gradc_read_image_files(gradc_image_intake *intake, const char *const *paths, size_t count);

#endif
