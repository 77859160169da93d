/* image_read_records.c: IDX files and CIFAR-10's binary records, plain or compressed by gzip. */
#include "image_read.h"

#ifdef GRADC_IMAGES
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define BUFFER_BYTES ((size_t)1 << 17)

/* A file that may be compressed. */
typedef struct record_file {
  const char *path;
  int descriptor;
  uint64_t most;       /* bytes that it can hold at most, uncompressed */
  uint64_t read;       /* bytes handed out so far */
  bool compressed, inflating, ended;
  z_stream stream;
  uint64_t taken;      /* bytes of the file in the buffer and before */
  unsigned char *buffer;
  const char *trouble; /* why no more can be read: null, or a message */
} record_file;

/* Deflate cannot do better than 1032 bytes for one. */
#define MOST_RATIO 1032

/* Reads the next bytes of the file behind those that are not used up. */
static void fill(record_file *file) {
  z_stream *stream = &file->stream;
  if (stream->avail_in) memmove(file->buffer, stream->next_in, stream->avail_in);
  stream->next_in = file->buffer;
  ssize_t got = 0;
  do got = read(file->descriptor, file->buffer + stream->avail_in, BUFFER_BYTES - stream->avail_in);
  while (got < 0 && errno == EINTR);
  if (got < 0) file->trouble = strerror(errno);
  if (got <= 0) file->ended = true;
  else stream->avail_in += (uInt)got, file->taken += (uint64_t)got;
}

/* Whether a gzip header stands where the buffer begins. */
static bool at_header(record_file *file) {
  while (file->stream.avail_in < 2 && !file->ended) fill(file);
  return file->stream.avail_in >= 2 && file->stream.next_in[0] == 0x1f && file->stream.next_in[1] == 0x8b;
}

static int open_records(const char *path, record_file *file, gradc_error *error) {
  struct stat status;
  *file = (record_file){.path = path};
  file->descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (file->descriptor < 0 || fstat(file->descriptor, &status) != 0)
    return gradc_fail(error, GRADC_EXIT_DATA, "cannot open %s: %s", path, strerror(errno));
  if (S_ISDIR(status.st_mode)) return gradc_fail(error, GRADC_EXIT_DATA, "cannot read %s: it is a folder, expected a file", path);
  file->buffer = gradc_allocate(BUFFER_BYTES, 1, error);
  if (!file->buffer) return GRADC_EXIT_DATA;
  file->compressed = at_header(file);
  if (file->compressed && inflateInit2(&file->stream, 16 + MAX_WBITS) != Z_OK)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s: no memory to decompress it", path);
  file->inflating = file->compressed;
  const uint64_t size = status.st_size > 0 ? (uint64_t)status.st_size : 0;
  file->most = !file->compressed ? size : size > UINT64_MAX / MOST_RATIO ? UINT64_MAX : size * MOST_RATIO;
  if (!S_ISREG(status.st_mode)) file->most = UINT64_MAX;
  return 0;
}

static void close_records(record_file *file) {
  if (file->inflating) inflateEnd(&file->stream);
  if (file->descriptor >= 0) close(file->descriptor);
  free(file->buffer);
}

/* One step of decompression; false at the end and at damage. */
static bool inflate_more(record_file *file) {
  z_stream *stream = &file->stream;
  if (stream->avail_in == 0) fill(file);
  if (stream->avail_in == 0) {
    if (!file->trouble) file->trouble = "";
    return false;
  }
  const int status = inflate(stream, Z_NO_FLUSH);
  if (status == Z_STREAM_END) {
    /* Another member may follow; anything else does not belong to the content. */
    file->inflating = at_header(file) && inflateReset(stream) == Z_OK;
    if (!file->inflating) inflateEnd(stream);
    return file->inflating;
  }
  if (status == Z_OK || status == Z_BUF_ERROR) return true;
  file->trouble = stream->msg ? stream->msg : "it cannot be decompressed";
  return false;
}

/* Fills `to`; fewer bytes at the file's end and at damage. */
static size_t read_records(record_file *file, void *to, size_t count) {
  z_stream *stream = &file->stream;
  size_t got = 0;
  while (got < count && !file->trouble) {
    const size_t wanted = count - got < (1u << 30) ? count - got : 1u << 30;
    if (file->compressed) {
      if (!file->inflating) break;
      stream->next_out = (unsigned char *)to + got;
      stream->avail_out = (uInt)wanted;
      const bool more = inflate_more(file);
      got += wanted - stream->avail_out;
      if (!more) break;
    } else {
      if (stream->avail_in == 0) fill(file);
      const size_t now = stream->avail_in < wanted ? stream->avail_in : wanted;
      if (now == 0) break;
      memcpy((char *)to + got, stream->next_in, now);
      stream->next_in += now;
      stream->avail_in -= (uInt)now;
      got += now;
    }
  }
  file->read += got;
  return got;
}

/* Why nothing more could be read, as "cut off at byte 123". */
static char *trouble(const record_file *file) {
  const unsigned long long at = file->taken - file->stream.avail_in, content = file->read;
  const char *why = file->trouble ? file->trouble : "";
  if (!file->compressed) return gradc_text_format("the file is cut off at byte %llu%s%s", content, *why ? ": " : "", why);
  if (!*why)
    return gradc_text_format("the file is cut off at byte %llu of the compressed file (byte %llu of its content)", at, content);
  return gradc_text_format("damaged near byte %llu of the compressed file (byte %llu of its content): %s", at, content, why);
}

/* Reports `lost` images behind the point at which reading stopped. */
static int report_trouble(gradc_image_intake *intake, const record_file *file, size_t lost) {
  char *why = trouble(file);
  const int code = why ? gradc_intake_bad(intake, lost, "%s: %s", file->path, why) : gradc_fail(intake->error, GRADC_EXIT_DATA,
                                                                                                "out of memory");
  gradc_text_free(why);
  return code;
}

/* ---- IDX ---- */

#define MOST_IDX_RANK 4

typedef struct idx_header {
  int rank;
  size_t dims[MOST_IDX_RANK];
} idx_header;

static int read_idx_header(record_file *file, const char *kind, int least, int most, idx_header *header, gradc_error *error) {
  unsigned char bytes[4 + 4 * MOST_IDX_RANK];
  *header = (idx_header){0};
  if (read_records(file, bytes, 4) < 4) {
    char *why = trouble(file);
    const int code = gradc_fail(error, GRADC_EXIT_DATA, "%s: no IDX file: %s", file->path, why ? why : "it is too short");
    gradc_text_free(why);
    return code;
  }
  if (bytes[0] != 0 || bytes[1] != 0)
    return gradc_fail(error, GRADC_EXIT_DATA,
                      "%s: no IDX file: it begins with bytes %u %u %u %u, expected 0 0 8 and the number of dimensions",
                      file->path, bytes[0], bytes[1], bytes[2], bytes[3]);
  if (bytes[2] != 8)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s: IDX elements of type 0x%02x at byte 2; expected 0x08 (unsigned bytes)", file->path,
                      bytes[2]);
  if (bytes[3] < least || bytes[3] > most)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s: an IDX file of %u dimensions; expected %s of %d%s%s", file->path, bytes[3], kind, least,
                      most > least ? " or " : "", most > least ? "4" : "");
  header->rank = bytes[3];
  if (read_records(file, bytes, (size_t)header->rank * 4) < (size_t)header->rank * 4)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s: the file is cut off in its header at byte %llu", file->path,
                      (unsigned long long)file->read);
  for (int axis = 0; axis < header->rank; axis++) {
    const unsigned char *at = bytes + 4 * axis;
    header->dims[axis] = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | (size_t)at[3];
    if (header->dims[axis] == 0) return gradc_fail(error, GRADC_EXIT_DATA, "%s: dimension %d is 0", file->path, axis + 1);
    if (axis > 0 && header->dims[axis] > GRADC_MOST_IMAGE_SIDE)
      return gradc_fail(error, GRADC_EXIT_DATA, "%s: images with a side of %zu; at most %d is accepted", file->path, header->dims[axis],
                        GRADC_MOST_IMAGE_SIDE);
  }
  return 0;
}

/* Where the labels of "train-images-idx3-ubyte.gz" are: "train-labels-idx1-ubyte.gz". Null: the name does not tell. */
static char *labels_beside(const char *images) {
  const char *name = strrchr(images, '/'), *found = NULL;
  for (const char *at = strstr(name ? name : images, "images"); at; at = strstr(at + 1, "images")) found = at;
  if (!found) return NULL;
  const char *rest = found + strlen("images"), *rank = strstr(rest, "idx3");
  if (!rank) rank = strstr(rest, "idx4");
  if (!rank) return gradc_text_format("%.*slabels%s", (int)(found - images), images, rest);
  return gradc_text_format("%.*slabels%.*sidx1%s", (int)(found - images), images, (int)(rank - rest), rest, rank + 4);
}

/* All labels of a file. `*count` is smaller than announced when the file is damaged and that is to be skipped. */
static int read_idx_labels(gradc_image_intake *intake, const char *path, size_t images, const char *images_path, unsigned char **labels,
                           size_t *count) {
  record_file file;
  idx_header header;
  int code = open_records(path, &file, intake->error);
  if (!code) code = read_idx_header(&file, "labels", 1, 1, &header, intake->error);
  if (!code && header.dims[0] != images)
    code = gradc_fail(intake->error, GRADC_EXIT_DATA, "%s has %zu labels, %s has %zu images", path, header.dims[0], images_path, images);
  if (!code && images > file.most)
    code = gradc_fail(intake->error, GRADC_EXIT_DATA, "%s announces %zu labels, more than a file of its size can hold", path, images);
  if (!code && !(*labels = gradc_allocate(images, 1, intake->error))) code = GRADC_EXIT_DATA;
  if (!code) {
    *count = read_records(&file, *labels, images);
    if (*count < images) code = report_trouble(intake, &file, images - *count);
  }
  close_records(&file);
  return code;
}

static int idx_form(const gradc_image_intake *intake, const char *path, const idx_header *header, gradc_pixel_form *form) {
  *form = (gradc_pixel_form){.channels = 1, .height = header->dims[1], .width = header->dims[2]};
  if (header->rank == 4) {
    const size_t second = header->dims[1], last = header->dims[3];
    form->channels_first = last != 1 && last != 3 && (second == 1 || second == 3);
    if (form->channels_first) *form = (gradc_pixel_form){.channels = second, .height = header->dims[2], .width = last,
                                                         .channels_first = true};
    else form->channels = last;
    if (form->channels > 4)
      return gradc_fail(intake->error, GRADC_EXIT_DATA,
                        "%s: images of %zu x %zu x %zu: which dimension is the colour? Expected 1 or 3 there",
                        path, header->dims[1], header->dims[2], header->dims[3]);
  }
  if (form->height * form->width > GRADC_MOST_PIXELS)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s: images of %zu x %zu pixels; at most %zu million are accepted", path,
                      form->height,
                      form->width, GRADC_MOST_PIXELS / 1000000);
  return 0;
}

/* The next `count` images of an open file, `labels` (or null) beside them. */
static int take_idx(gradc_image_intake *intake, record_file *file, size_t count, const gradc_pixel_form *form,
                    const unsigned char *labels) {
  const size_t bytes = form->channels * form->height * form->width;
  unsigned char *image = gradc_allocate(bytes, 1, intake->error);
  if (!image) return GRADC_EXIT_DATA;
  bool complete = true;
  int code = 0;
  for (size_t i = 0; i < count && !code; i++) {
    if (read_records(file, image, bytes) < bytes) {
      code = report_trouble(intake, file, count - i);
      complete = false;
      break;
    }
    const double label = labels ? labels[i] : 0;
    code = gradc_intake_add(intake, form, image, labels ? &label : NULL);
  }
  free(image);
  /* The check sum stands behind the last image. */
  unsigned char more = 0;
  const bool whole = !code && file->compressed && complete;
  if (whole) read_records(file, &more, 1);
  if (whole && file->trouble) code = report_trouble(intake, file, 0);
  return code;
}

/* A damaged header or a number of images that cannot be true is an error even with skip_bad: there is nothing to keep. */
static int plausible_count(const gradc_image_intake *intake, const record_file *file, const idx_header *header, size_t bytes,
                           size_t *count) {
  const uint64_t most = file->most / bytes;
  *count = header->dims[0];
  if (*count <= most) return 0;
  if (file->compressed || most == 0 || !intake->recipe->images.skip_bad)
    return gradc_fail(intake->error, GRADC_EXIT_DATA,
                      "%s: the header announces %zu images of %zu bytes, the file holds %llu at most: cut off at byte %llu, or damaged",
                      file->path, *count, bytes, (unsigned long long)most, (unsigned long long)file->most);
  *count = (size_t)most;
  return 0;
}

static int read_idx_file(gradc_image_intake *intake, const char *path, const char *labels_path) {
  record_file file;
  idx_header header;
  gradc_pixel_form form;
  unsigned char *labels = NULL;
  size_t label_count = 0, room = 0;
  int code = open_records(path, &file, intake->error);
  if (!code) code = read_idx_header(&file, "images", 3, MOST_IDX_RANK, &header, intake->error);
  if (!code) code = idx_form(intake, path, &header, &form);
  if (!code) code = plausible_count(intake, &file, &header, form.channels * form.height * form.width, &room);
  if (!code && labels_path) code = read_idx_labels(intake, labels_path, header.dims[0], path, &labels, &label_count);
  if (!code) code = gradc_intake_reserve(intake, path, &form, room, 1);
  const size_t count = labels && label_count < header.dims[0] ? label_count : header.dims[0];
  if (!code) code = take_idx(intake, &file, count, &form, labels);
  free(labels);
  close_records(&file);
  return code;
}

int gradc_read_idx_images(gradc_image_intake *intake, const char *path, const char *labels_path) {
  if (!intake->with_labels) return read_idx_file(intake, path, NULL);
  char *beside = labels_path ? NULL : labels_beside(path);
  if (!labels_path && !beside)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s: where are its labels? Name their file after it: idx IMAGES LABELS", path);
  const int code = read_idx_file(intake, path, labels_path ? labels_path : beside);
  gradc_text_free(beside);
  return code;
}

/* ---- CIFAR-10 ---- */

#define CIFAR_SIDE 32
#define CIFAR_RECORD (1 + 3 * CIFAR_SIDE * CIFAR_SIDE)
#define CIFAR_CLASSES 10

/* The class names that the data set brings along. */
static void read_cifar_names(gradc_image_intake *intake, const char *path) {
  if (intake->classes_given || intake->classes.labels.count) return;
  const char *slash = strrchr(path, '/');
  char *beside = gradc_text_format("%.*sbatches.meta.txt", slash ? (int)(slash - path + 1) : 0, path), *text = NULL;
  size_t count = 0;
  gradc_categories *classes = &intake->classes;
  bool good = beside && gradc_read_file(beside, 4096, &text, &count, NULL) == 0;
  for (const char *at = text; good && *at;) {
    const size_t length = strcspn(at, "\r\n");
    if (length) good = gradc_strings_add(&classes->labels, at, length, NULL);
    at += length;
    at += strspn(at, "\r\n");
  }
  good = good && classes->labels.count == CIFAR_CLASSES;
  if (!good) gradc_categories_free(classes);
  classes->named = true;
  free(text);
  gradc_text_free(beside);
}

static int take_cifar(gradc_image_intake *intake, record_file *file, const gradc_pixel_form *form) {
  unsigned char record[CIFAR_RECORD];
  for (;;) {
    const size_t got = read_records(file, record, CIFAR_RECORD);
    int code = 0;
    if (got < CIFAR_RECORD) return got == 0 && !file->trouble ? 0 : report_trouble(intake, file, 1);
    const double label = record[0];
    if (record[0] >= CIFAR_CLASSES && intake->with_labels) {
      code = gradc_intake_bad(intake, 1, "%s: the label at byte %llu is %u, expected 0 to 9", file->path,
                              (unsigned long long)(file->read - CIFAR_RECORD), record[0]);
    } else {
      if (intake->images->count == intake->capacity) code = gradc_intake_reserve(intake, file->path, form, 10000, 1);
      if (!code) code = gradc_intake_add(intake, form, record + 1, &label);
    }
    if (code) return code;
  }
}

int gradc_read_cifar_images(gradc_image_intake *intake, const char *path) {
  const gradc_pixel_form form = {.channels = 3, .height = CIFAR_SIDE, .width = CIFAR_SIDE, .channels_first = true};
  record_file file;
  int code = open_records(path, &file, intake->error);
  if (code) {
    close_records(&file);
    return code;
  }
  const uint64_t records = file.most / CIFAR_RECORD;
  if (!file.compressed && file.most % CIFAR_RECORD != 0 && file.most % (CIFAR_RECORD + 1) == 0)
    code = gradc_fail(intake->error, GRADC_EXIT_DATA, "%s: records of %d bytes are CIFAR-100's; expected CIFAR-10's of %d", path,
                      CIFAR_RECORD + 1, CIFAR_RECORD);
  else if (file.most == 0)
    code = gradc_fail(intake->error, GRADC_EXIT_DATA, "%s: the file is empty, expected records of %d bytes", path, CIFAR_RECORD);
  read_cifar_names(intake, path);
  if (!code) code = gradc_intake_reserve(intake, path, &form, file.compressed || records > 10000 ? 10000 : (size_t)records, 1);
  if (!code) code = take_cifar(intake, &file, &form);
  close_records(&file);
  return code;
}
#else
typedef int gradc_no_image_records;
#endif
