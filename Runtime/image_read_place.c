/* image_read_place.c: a recipe's files of images in another folder. */
#include "image_read.h"

#ifdef GRADC_IMAGES
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* The file of that name in a folder, packed or unpacked; null when there is none. Free with gradc_text_free. */
static char *file_in(const char *folder, const char *path) {
  const char *name = last_part(path);
  const size_t length = strlen(name);
  char *place = gradc_text_format("%s/%s", folder, name);
  if (place && access(place, F_OK) == 0) return place;
  gradc_text_free(place);
  if (length > 3 && strcmp(name + length - 3, ".gz") == 0) place = gradc_text_format("%s/%.*s", folder, (int)length - 3, name);
  else place = gradc_text_format("%s/%s.gz", folder, name);
  if (place && access(place, F_OK) == 0) return place;
  gradc_text_free(place);
  return NULL;
}

/* ---- CIFAR-10 by the beginnings of names ---- */

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int list_records(const char *path, const char *beginning, gradc_strings *files, gradc_error *error) {
  DIR *folder = opendir(path);
  int code = 0;
  if (!folder) return 0;
  for (struct dirent *entry = readdir(folder); entry && !code; entry = readdir(folder)) {
    const size_t length = strlen(entry->d_name);
    if (strncmp(entry->d_name, beginning, strlen(beginning)) != 0 || length < 4 || strcmp(entry->d_name + length - 4, ".bin") != 0)
      continue;
    char *full = gradc_text_format("%s/%s", path, entry->d_name);
    if (!full || !gradc_strings_add(files, full, strlen(full), error)) code = GRADC_EXIT_DATA;
    gradc_text_free(full);
  }
  closedir(folder);
  if (!code && files->count) qsort(files->items, files->count, sizeof *files->items, compare_names);
  return code;
}

/* ---- The recipe there ---- */

static bool is_folder(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool gradc_images_in_folder(const gradc_recipe *recipe, const char *path) {
  if (recipe->source < GRADC_SOURCE_NPY || recipe->source == GRADC_SOURCE_FOLDER || !is_folder(path)) return false;
  char *first = file_in(path, recipe->path);
  const bool is_there = first != NULL;
  gradc_text_free(first);
  if (is_there || recipe->source != GRADC_SOURCE_CIFAR) return is_there;
  gradc_strings files = {0};
  const bool found = list_records(path, "data_batch", &files, NULL) == 0 && files.count > 0;
  gradc_strings_free(&files);
  return found;
}

/* The place of a file that must be there; one that is missing is named all the same, and reading it says so. */
static char *place_of(const char *folder, const char *path) {
  char *there = file_in(folder, path);
  return there ? there : gradc_text_format("%s/%s", folder, last_part(path));
}

static int move_list(const char *folder, char *const *from, size_t count, char ***to, size_t *moved, gradc_error *error) {
  *to = gradc_allocate(count, sizeof **to, error);
  if (!*to) return GRADC_EXIT_DATA;
  for (; *moved < count; ++*moved)
    if (!((*to)[*moved] = place_of(folder, from[*moved]))) return gradc_fail(error, GRADC_EXIT_DATA, "out of memory");
  return 0;
}

/* All records of the folder: the first training file, the others, the test files. */
static int move_records(const char *folder, gradc_recipe *moved, gradc_error *error) {
  gradc_strings training = {0}, test = {0};
  int code = list_records(folder, "data_batch", &training, error);
  if (!code) code = list_records(folder, "test_batch", &test, error);
  if (!code && training.count == 0) code = gradc_fail(error, GRADC_EXIT_DATA, "%s has no data_batch*.bin", folder);
  if (!code && !(moved->path = place_of(folder, training.items[0]))) code = gradc_fail(error, GRADC_EXIT_DATA, "out of memory");
  gradc_image_recipe *images = &moved->images;
  if (!code) code = move_list(folder, training.items + 1, training.count - 1, &images->more_files, &images->more_file_count, error);
  if (!code) code = move_list(folder, test.items, test.count, &images->test_files, &images->test_file_count, error);
  gradc_strings_free(&training);
  gradc_strings_free(&test);
  return code;
}

int gradc_recipe_in_folder(const gradc_recipe *recipe, const char *folder, gradc_recipe *moved, gradc_error *error) {
  *moved = *recipe;
  gradc_image_recipe *images = &moved->images;
  moved->path = moved->targets_path = NULL;
  images->more_files = images->test_files = NULL;
  images->more_file_count = images->test_file_count = 0;
  moved->path = file_in(folder, recipe->path);
  if (!moved->path) return move_records(folder, moved, error);
  if (recipe->targets_path && !(moved->targets_path = place_of(folder, recipe->targets_path)))
    return gradc_fail(error, GRADC_EXIT_DATA, "out of memory");
  const gradc_image_recipe *from = &recipe->images;
  int code = move_list(folder, from->more_files, from->more_file_count, &images->more_files, &images->more_file_count, error);
  if (!code) code = move_list(folder, from->test_files, from->test_file_count, &images->test_files, &images->test_file_count, error);
  return code;
}

void gradc_recipe_in_folder_free(gradc_recipe *moved) {
  gradc_text_free(moved->path);
  gradc_text_free(moved->targets_path);
  for (size_t i = 0; i < moved->images.more_file_count; i++) gradc_text_free(moved->images.more_files[i]);
  for (size_t i = 0; i < moved->images.test_file_count; i++) gradc_text_free(moved->images.test_files[i]);
  free(moved->images.more_files);
  free(moved->images.test_files);
}
#else
typedef int gradc_no_image_places;
#endif
