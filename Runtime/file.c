/* file.c: whole files in, whole files out. */
#if !defined(_GNU_SOURCE) && !defined(_XOPEN_SOURCE)
#define _XOPEN_SOURCE 700
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_internal.h"

/* Reads until the end of the file: its size is a hint only, since pipes have none. */
static int read_all(int descriptor, const char *path, size_t hint, size_t limit, char **bytes, size_t *byte_count, gradc_error *error) {
  size_t capacity = hint < SIZE_MAX - 2 ? hint + 2 : hint, count = 0;
  char *buffer = gradc_allocate(capacity, 1, error);
  if (!buffer) return GRADC_EXIT_DATA;
  for (;;) {
    if (count + 1 == capacity) {
      char *grown = capacity < SIZE_MAX / 2 ? realloc(buffer, capacity * 2) : NULL;
      if (!grown) {
        free(buffer);
        return gradc_fail(error, GRADC_EXIT_DATA, "%s: out of memory after %zu bytes", path, count);
      }
      buffer = grown;
      capacity *= 2;
    }
    const ssize_t got = read(descriptor, buffer + count, capacity - 1 - count);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      free(buffer);
      return gradc_fail(error, GRADC_EXIT_DATA, "cannot read %s: %s", path, strerror(errno));
    }
    if (got == 0) break;
    count += (size_t)got;
    if (limit && count > limit) {
      free(buffer);
      return gradc_fail(error, GRADC_EXIT_DATA, "%s is larger than the %zu bytes that are accepted here", path, limit);
    }
  }
  buffer[count] = 0;
  *bytes = buffer;
  *byte_count = count;
  return 0;
}

int gradc_read_file(const char *path, size_t limit, char **bytes, size_t *byte_count, gradc_error *error) {
  *bytes = NULL;
  *byte_count = 0;
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return gradc_fail(error, GRADC_EXIT_DATA, "cannot open %s: %s", path, strerror(errno));
  struct stat status;
  int code = 0;
  if (fstat(descriptor, &status) != 0)
    code = gradc_fail(error, GRADC_EXIT_DATA, "cannot read %s: %s", path, strerror(errno));
  else if (S_ISDIR(status.st_mode))
    code = gradc_fail(error, GRADC_EXIT_DATA, "cannot read %s: it is a folder, expected a file", path);
  else if (limit && S_ISREG(status.st_mode) && (uint64_t)status.st_size > limit)
    code = gradc_fail(error, GRADC_EXIT_DATA, "%s has %lld bytes, at most %zu are accepted here", path, (long long)status.st_size, limit);
  else
    code = read_all(descriptor, path, S_ISREG(status.st_mode) ? (size_t)status.st_size : 4096, limit, bytes, byte_count, error);
  close(descriptor);
  return code;
}

static bool write_all(int descriptor, const gradc_span *spans, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const char *data = spans[i].data;
    for (size_t left = spans[i].bytes; left;) {
      const ssize_t wrote = write(descriptor, data, left < ((size_t)1 << 30) ? left : (size_t)1 << 30);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return false;
      data += wrote;
      left -= (size_t)wrote;
    }
  }
  return true;
}

static int write_directly(const char *path, const gradc_span *spans, size_t count, gradc_error *error) {
  const int descriptor = open(path, O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return gradc_fail(error, GRADC_EXIT_DATA, "cannot write %s: %s", path, strerror(errno));
  const bool written = write_all(descriptor, spans, count);
  const int reason = errno;
  if (close(descriptor) != 0 && written) return gradc_fail(error, GRADC_EXIT_DATA, "cannot write %s: %s", path, strerror(errno));
  return written ? 0 : gradc_fail(error, GRADC_EXIT_DATA, "cannot write %s: %s", path, strerror(reason));
}

/* Opens a new file beside `path`, its name in *beside. */
static int open_beside(const char *path, char **beside, gradc_error *error) {
  for (unsigned attempt = 0; attempt < 100; attempt++) {
    *beside = gradc_text_format("%s.%ld-%u.partial", path, (long)getpid(), attempt);
    if (!*beside) break;
    const int descriptor = open(*beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0) return descriptor;
    const int reason = errno;
    free(*beside);
    *beside = NULL;
    if (reason != EEXIST) {
      gradc_fail(error, GRADC_EXIT_DATA, "cannot write %s: %s", path, strerror(reason));
      return -1;
    }
  }
  gradc_fail(error, GRADC_EXIT_DATA, "cannot write %s: no free name beside it", path);
  return -1;
}

/* Makes the renaming itself last. Some file systems cannot sync a folder; the file is whole either way. */
static void sync_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash ? gradc_text_format("%.*s", (int)(slash - path + 1), path) : gradc_text_format(".");
  const int descriptor = folder ? open(folder, O_RDONLY | O_CLOEXEC) : -1;
  if (descriptor >= 0) {
    fsync(descriptor);
    close(descriptor);
  }
  free(folder);
}

static int replace_file(const char *path, const gradc_span *spans, size_t count, gradc_error *error) {
  char *beside = NULL;
  const int descriptor = open_beside(path, &beside, error);
  if (descriptor < 0) return GRADC_EXIT_DATA;
  bool done = write_all(descriptor, spans, count) && fsync(descriptor) == 0;
  int reason = errno;
  if (close(descriptor) != 0 && done) {
    done = false;
    reason = errno;
  }
  if (done && rename(beside, path) != 0) {
    done = false;
    reason = errno;
  }
  if (done) sync_folder(path);
  else unlink(beside);
  free(beside);
  return done ? 0 : gradc_fail(error, GRADC_EXIT_DATA, "cannot write %s: %s", path, strerror(reason));
}

int gradc_write_file(const char *path, const gradc_span *spans, size_t count, gradc_error *error) {
  struct stat status;
  if (stat(path, &status) != 0) return replace_file(path, spans, count, error);
  if (S_ISDIR(status.st_mode)) return gradc_fail(error, GRADC_EXIT_DATA, "cannot write %s: it is a folder", path);
  if (!S_ISREG(status.st_mode)) return write_directly(path, spans, count, error);
  char *real = realpath(path, NULL);  /* a link stays, what it points to is replaced */
  const int code = replace_file(real ? real : path, spans, count, error);
  free(real);
  return code;
}
