/* image_read_files.c: folders of PNG and JPEG files, decoded by several threads. */
#include "image_read.h"

#ifdef GRADC_IMAGES
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

int gradc_picture_create(size_t height, size_t width, size_t channels, const char *name, gradc_picture *picture, gradc_error *error) {
  *picture = (gradc_picture){.height = height, .width = width, .channels = channels};
  if (height == 0 || width == 0 || height > GRADC_MOST_IMAGE_SIDE || width > GRADC_MOST_IMAGE_SIDE || height * width > GRADC_MOST_PIXELS)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s: an image of %zu x %zu pixels; 1 to %zu million are accepted", name, height, width,
                      GRADC_MOST_PIXELS / 1000000);
  picture->pixels = gradc_allocate(height * width, channels, error);
  return picture->pixels ? 0 : GRADC_EXIT_DATA;
}

int gradc_decode_picture(const unsigned char *bytes, size_t byte_count, const char *name, gradc_picture *picture, gradc_error *error) {
  *picture = (gradc_picture){0};
  if (byte_count >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) return gradc_decode_png(bytes, byte_count, name, picture, error);
  if (byte_count >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0) return gradc_decode_jpeg(bytes, byte_count, name, picture, error);
  if (byte_count == 0) return gradc_fail(error, GRADC_EXIT_DATA, "%s: bad image file at byte 0: the file is empty", name);
  return gradc_fail(error, GRADC_EXIT_DATA, "%s: bad image file at byte 0: it begins neither as a PNG nor as a JPEG file", name);
}

/* ---- Finding files ---- */

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The entries of a folder, sorted: image files, or sub-folders. Hidden ones are left out. */
static int list_folder(const char *path, bool folders, gradc_strings *names, gradc_error *error) {
  DIR *folder = opendir(path);
  if (!folder) return gradc_fail(error, GRADC_EXIT_DATA, "cannot open the folder %s: %s", path, strerror(errno));
  int code = 0;
  for (struct dirent *entry = readdir(folder); entry && !code; entry = readdir(folder)) {
    if (entry->d_name[0] == '.' || (!folders && !gradc_is_image_file(entry->d_name))) continue;
    char *full = gradc_text_format("%s/%s", path, entry->d_name);
    struct stat status;
    const bool there = full && stat(full, &status) == 0;
    if (there && (folders ? S_ISDIR(status.st_mode) : S_ISREG(status.st_mode)) &&
        !gradc_strings_add(names, entry->d_name, strlen(entry->d_name), error))
      code = GRADC_EXIT_DATA;
    gradc_text_free(full);
  }
  closedir(folder);
  if (!code && names->count) qsort(names->items, names->count, sizeof *names->items, compare_names);
  return code;
}

typedef struct file_list {
  gradc_strings paths;
  double *labels;
  size_t capacity;
} file_list;

static void free_list(file_list *list) {
  gradc_strings_free(&list->paths);
  free(list->labels);
}

static int add_file(file_list *list, const char *folder, const char *name, double label, gradc_error *error) {
  char *path = folder ? gradc_text_format("%s/%s", folder, name) : gradc_text_format("%s", name);
  int code = path ? 0 : gradc_fail(error, GRADC_EXIT_DATA, "out of memory");
  if (!code && !gradc_grow((void **)&list->labels, &list->capacity, list->paths.count, sizeof *list->labels, error)) code = GRADC_EXIT_DATA;
  if (!code) list->labels[list->paths.count] = label;
  if (!code && !gradc_strings_add(&list->paths, path, strlen(path), error)) code = GRADC_EXIT_DATA;
  gradc_text_free(path);
  return code;
}

static int add_folder(file_list *list, const char *folder, double label, size_t *found, gradc_error *error) {
  gradc_strings names = {0};
  int code = list_folder(folder, false, &names, error);
  for (size_t i = 0; i < names.count && !code; i++) code = add_file(list, folder, names.items[i], label, error);
  *found = names.count;
  gradc_strings_free(&names);
  return code;
}

/* ---- Decoding ---- */

/* Files decoded side by side, each into its own place, so that neither order nor number of threads shows. */
typedef struct decoding {
  gradc_image_intake *intake;
  const file_list *list;
  size_t base;                  /* images before the first file */
  gradc_error *failures;        /* one a file */
  atomic_size_t next, first_bad;/* without skip_bad: nothing behind the first bad file need be read */
} decoding;

static int decode_file(const decoding *work, size_t index, gradc_error *error) {
  const char *path = work->list->paths.items[index];
  const gradc_image_encoding *e = &work->intake->images->encoding;
  unsigned char *to = (unsigned char *)work->intake->images->pixels + (work->base + index) * gradc_images_row_bytes(work->intake->images);
  char *bytes = NULL;
  size_t byte_count = 0;
  gradc_picture picture = {0};
  int code = gradc_read_file(path, GRADC_MOST_IMAGE_FILE, &bytes, &byte_count, error);
  if (!code) code = gradc_decode_picture((const unsigned char *)bytes, byte_count, path, &picture, error);
  free(bytes);
  if (!code && picture.channels != e->channels && e->channels == 1) {
    gradc_image_recolor(picture.pixels, picture.channels, picture.height * picture.width, 1, picture.pixels);
    picture.channels = 1;
  }
  /* Grey stays grey until it is small. */
  if (!code) code = gradc_image_resize(picture.pixels, picture.height, picture.width, picture.channels, false, e->height, e->width, to,
                                       error);
  if (!code && picture.channels != e->channels) gradc_image_recolor(to, picture.channels, e->height * e->width, e->channels, to);
  free(picture.pixels);
  return code;
}

static void *decode_files(void *context) {
  decoding *work = context;
  for (;;) {
    const size_t index = atomic_fetch_add(&work->next, 1);
    if (index >= work->list->paths.count || index > atomic_load(&work->first_bad)) return NULL;
    if (decode_file(work, index, &work->failures[index]) == 0 || work->intake->recipe->images.skip_bad) continue;
    size_t before = atomic_load(&work->first_bad);
    while (index < before && !atomic_compare_exchange_weak(&work->first_bad, &before, index)) {}
  }
}

#define MOST_DECODERS 16

static void decode_in_threads(decoding *work) {
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  size_t wanted = processors > MOST_DECODERS ? MOST_DECODERS : processors > 1 ? (size_t)processors : 1, started = 0;
  if (wanted > work->list->paths.count / 8) wanted = work->list->paths.count / 8;
  pthread_t threads[MOST_DECODERS];
  while (started + 1 < wanted && pthread_create(&threads[started], NULL, decode_files, work) == 0) started++;
  decode_files(work);
  for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
}

/* Moves what could be read together and says what could not. */
static int keep_good(decoding *work) {
  gradc_image_intake *intake = work->intake;
  gradc_images *images = intake->images;
  const size_t row_bytes = gradc_images_row_bytes(images);
  unsigned char *pixels = images->pixels;
  for (size_t i = 0; i < work->list->paths.count; i++) {
    if (work->failures[i].code) {
      const int code = gradc_intake_bad(intake, 1, "%s", work->failures[i].message);
      if (code) return code;
      continue;
    }
    const char *path = work->list->paths.items[i];
    if (images->count != work->base + i) memmove(pixels + images->count * row_bytes, pixels + (work->base + i) * row_bytes, row_bytes);
    if (intake->with_labels) intake->labels[images->count] = work->list->labels[i];
    if (!gradc_strings_add(&intake->names, path, strlen(path), intake->error)) return GRADC_EXIT_DATA;
    images->count++;
  }
  return 0;
}

static int read_list(gradc_image_intake *intake, const char *place, const file_list *list) {
  gradc_image_encoding *e = &intake->images->encoding;
  if (e->height == 0 || e->width == 0)
    return gradc_fail(intake->error, GRADC_EXIT_DATA,
                      "%s: to which size are its images to be brought? The model's input does not say it; add image_size HEIGHT WIDTH",
                          place);
  if (e->channels == 0) e->channels = 3;
  if (e->channels != 1 && e->channels != 3)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s: PNG and JPEG files have 1 or 3 channels, the model's input takes %zu", place,
                      e->channels);
  const gradc_pixel_form form = {.channels = e->channels, .height = e->height, .width = e->width};
  int code = gradc_intake_reserve(intake, place, &form, list->paths.count, 1);
  if (code) return code;
  decoding work = {.intake = intake, .list = list, .base = intake->images->count};
  atomic_init(&work.next, 0);
  atomic_init(&work.first_bad, SIZE_MAX);
  work.failures = gradc_allocate(list->paths.count, sizeof *work.failures, intake->error);
  if (!work.failures) return GRADC_EXIT_DATA;
  decode_in_threads(&work);
  code = keep_good(&work);
  free(work.failures);
  return code;
}

/* ---- A class a sub-folder ---- */

/* The classes of the first folder, or a check that this one has no others. */
static int take_classes(gradc_image_intake *intake, const char *path, gradc_strings *folders) {
  if (folders->count == 0)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s has no sub-folders; expected one for each class, with its images in it", path);
  if (!intake->classes_given) {
    intake->classes.named = false;
    if (folders->count == 1)
      return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s has one class only, \"%s\"; there must be at least two sub-folders with images",
                        path, folders->items[0]);
    for (size_t i = 0; i < folders->count; i++)
      if (!gradc_strings_add(&intake->classes.labels, folders->items[i], strlen(folders->items[i]), intake->error)) return GRADC_EXIT_DATA;
    const int code = gradc_categories_sort(&intake->classes, NULL, intake->error);
    if (code) return code;
    if (intake->classes.labels.count != folders->count)
      return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s has two sub-folders of the same number, such as 1 and 01", path);
    intake->classes_given = true;
  }
  const bool complete = intake->recipe->images.class_name_count > 0 && intake->images->count == 0;
  for (size_t i = 0; i < intake->classes.labels.count && complete; i++) {
    const char *name = intake->classes.labels.items[i];
    if (gradc_strings_find(folders, name, strlen(name)) < 0)
      return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s has no sub-folder for the class \"%s\"", path, name);
  }
  return 0;
}

static int list_class(gradc_image_intake *intake, const char *path, const char *name, file_list *list) {
  char known[400];
  const ptrdiff_t label = gradc_category_find(&intake->classes, name, strlen(name));
  if (label < 0)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s/%s: this class is not known; known are %s", path, name,
                      gradc_categories_shown(&intake->classes, known, sizeof known));
  char *folder = gradc_text_format("%s/%s", path, name);
  if (!folder) return gradc_fail(intake->error, GRADC_EXIT_DATA, "out of memory");
  size_t found = 0;
  int code = add_folder(list, folder, (double)label, &found, intake->error);
  if (!code && found == 0)
    code = gradc_fail(intake->error, GRADC_EXIT_DATA, "%s has no image files (.png, .jpg, .jpeg); remove it or add some", folder);
  gradc_text_free(folder);
  return code;
}

int gradc_read_folder_images(gradc_image_intake *intake, const char *path) {
  if (!intake->with_labels) return gradc_read_image_files(intake, &path, 1);
  gradc_strings folders = {0};
  file_list list = {0};
  int code = list_folder(path, true, &folders, intake->error);
  if (!code) code = take_classes(intake, path, &folders);
  for (size_t i = 0; i < folders.count && !code; i++) code = list_class(intake, path, folders.items[i], &list);
  if (!code) code = read_list(intake, path, &list);
  gradc_strings_free(&folders);
  free_list(&list);
  return code;
}

/* The image files of a folder and of its sub-folders, one level deep. */
static int add_path(gradc_image_intake *intake, const char *path, file_list *list) {
  struct stat status;
  if (stat(path, &status) != 0) return gradc_fail(intake->error, GRADC_EXIT_DATA, "cannot open %s: %s", path, strerror(errno));
  if (!S_ISDIR(status.st_mode)) return add_file(list, NULL, path, 0, intake->error);
  gradc_strings folders = {0};
  size_t found = 0, all = 0;
  int code = add_folder(list, path, 0, &all, intake->error);
  if (!code) code = list_folder(path, true, &folders, intake->error);
  for (size_t i = 0; i < folders.count && !code; i++) {
    char *folder = gradc_text_format("%s/%s", path, folders.items[i]);
    code = folder ? add_folder(list, folder, 0, &found, intake->error) : gradc_fail(intake->error, GRADC_EXIT_DATA, "out of memory");
    all += found;
    gradc_text_free(folder);
  }
  gradc_strings_free(&folders);
  if (!code && all == 0) code = gradc_fail(intake->error, GRADC_EXIT_DATA, "%s has no image files (.png, .jpg, .jpeg)", path);
  return code;
}

int gradc_read_image_files(gradc_image_intake *intake, const char *const *paths, size_t count) {
  file_list list = {0};
  int code = 0;
  for (size_t i = 0; i < count && !code; i++) code = add_path(intake, paths[i], &list);
  if (!code) code = read_list(intake, paths[0], &list);
  free_list(&list);
  return code;
}
#else
typedef int gradc_no_image_files;
#endif
