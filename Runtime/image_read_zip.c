/* image_read_zip.c: members of zip archives (PKWARE's APPNOTE 6.3.10), stored or deflated, with zip64 sizes: what NPZ files are. */
#include "image_read.h"

#ifdef GRADC_IMAGES
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define END_BYTES 22          /* end of central directory, without its comment */
#define END64_BYTES 56
#define LOCATOR_BYTES 20
#define ENTRY_BYTES 46
#define LOCAL_BYTES 30
#define MOST_COMMENT 65535
#define MOST_DIRECTORY ((uint64_t)1 << 26)
#define MOST_RATIO 1032       /* deflate cannot do better */
#define CHUNK_BYTES ((size_t)1 << 17)

static uint64_t little(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  for (int i = bytes; i-- > 0;) value = value << 8 | at[i];
  return value;
}

static bool read_at(const gradc_zip *zip, uint64_t offset, void *to, size_t count) {
  if (offset > zip->size || count > zip->size - offset) return false;
  for (size_t got = 0; got < count;) {
    const ssize_t now = pread(zip->descriptor, (char *)to + got, count - got, (off_t)(offset + got));
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) return false;
    got += (size_t)now;
  }
  return true;
}

static int damaged(const gradc_zip *zip, uint64_t offset, const char *why, gradc_error *error) {
  return gradc_fail(error, GRADC_EXIT_DATA, "%s: bad NPZ file at byte %llu: %s", zip->path, (unsigned long long)offset, why);
}

/* ---- The directory ---- */

typedef struct directory {
  uint64_t count, bytes, offset;
} directory;

/* The last record that begins like an end of a directory and ends where the file ends. */
static int find_end(const gradc_zip *zip, unsigned char end[END_BYTES], uint64_t *offset, gradc_error *error) {
  const size_t count = zip->size < END_BYTES + MOST_COMMENT ? (size_t)zip->size : END_BYTES + MOST_COMMENT;
  unsigned char *tail = gradc_allocate(count, 1, error);
  if (!tail) return GRADC_EXIT_DATA;
  bool found = false;
  if (read_at(zip, zip->size - count, tail, count))
    for (size_t i = count >= END_BYTES ? count - END_BYTES + 1 : 0; i-- > 0 && !found;) {
      found = memcmp(tail + i, "PK\5\6", 4) == 0 && little(tail + i + 20, 2) == count - i - END_BYTES;
      if (!found) continue;
      memcpy(end, tail + i, END_BYTES);
      *offset = zip->size - count + i;
    }
  free(tail);
  return found ? 0 : damaged(zip, zip->size, "the directory at its end is missing: the file is cut off, or no NPZ file", error);
}

static int find_directory(const gradc_zip *zip, directory *found, gradc_error *error) {
  unsigned char end[END_BYTES], locator[LOCATOR_BYTES], end64[END64_BYTES];
  uint64_t offset = 0;
  const int code = find_end(zip, end, &offset, error);
  if (code) return code;
  *found = (directory){little(end + 10, 2), little(end + 12, 4), little(end + 16, 4)};
  if (found->count == 0xffff || found->bytes == 0xffffffff || found->offset == 0xffffffff) {
    if (offset < LOCATOR_BYTES || !read_at(zip, offset - LOCATOR_BYTES, locator, LOCATOR_BYTES) || memcmp(locator, "PK\6\7", 4) != 0)
      return damaged(zip, offset, "the large directory's place is missing", error);
    offset = little(locator + 8, 8);
    if (!read_at(zip, offset, end64, END64_BYTES) || memcmp(end64, "PK\6\6", 4) != 0)
      return damaged(zip, offset, "the large directory's end is missing", error);
    *found = (directory){little(end64 + 32, 8), little(end64 + 40, 8), little(end64 + 48, 8)};
  }
  if (found->bytes > MOST_DIRECTORY || found->offset > offset || found->bytes > offset - found->offset ||
      found->count > found->bytes / ENTRY_BYTES)
    return damaged(zip, offset, "the directory's size cannot be true", error);
  return 0;
}

/* Sizes and place that did not fit 32 bits, from the extra field 1. */
static bool read_large(const unsigned char *extra, size_t count, gradc_zip_member *member) {
  uint64_t *fields[] = {&member->bytes, &member->packed, &member->offset};
  while (count >= 4) {
    const size_t length = (size_t)little(extra + 2, 2);
    if (length > count - 4) return false;
    const unsigned char *at = extra + 4, *end = at + length;
    for (int i = 0; i < 3 && little(extra, 2) == 1; i++) {
      if (*fields[i] != 0xffffffff) continue;
      if (end - at < 8) return false;
      *fields[i] = little(at, 8);
      at += 8;
    }
    extra += 4 + length;
    count -= 4 + length;
  }
  return true;
}

static int read_entries(gradc_zip *zip, const unsigned char *at, const directory *found, gradc_error *error) {
  const unsigned char *const begin = at, *const end = at + found->bytes;
  zip->members = gradc_allocate((size_t)found->count, sizeof *zip->members, error);
  if (!zip->members) return GRADC_EXIT_DATA;
  while (zip->count < found->count) {
    const uint64_t offset = found->offset + (uint64_t)(at - begin);
    if (end - at < ENTRY_BYTES || memcmp(at, "PK\1\2", 4) != 0) return damaged(zip, offset, "an entry of the directory is missing", error);
    const size_t name = (size_t)little(at + 28, 2), extra = (size_t)little(at + 30, 2), comment = (size_t)little(at + 32, 2);
    if ((size_t)(end - at) - ENTRY_BYTES < name + extra + comment) return damaged(zip, offset, "an entry of the directory is cut off",
                                                                                  error);
    gradc_zip_member *member = &zip->members[zip->count++];
    *member = (gradc_zip_member){.encrypted = (at[8] & 1) != 0, .method = (unsigned)little(at + 10, 2),
                                 .check = (uint32_t)little(at + 16, 4),
                                 .packed = little(at + 20, 4), .bytes = little(at + 24, 4), .offset = little(at + 42, 4)};
    member->name = gradc_copy_text((const char *)at + ENTRY_BYTES, name, error);
    if (!member->name) return GRADC_EXIT_DATA;
    if (!read_large(at + ENTRY_BYTES + name, extra, member)) return damaged(zip, offset, "an entry of the directory is damaged", error);
    at += ENTRY_BYTES + name + extra + comment;
  }
  return 0;
}

int gradc_zip_open(const char *path, gradc_zip *zip, gradc_error *error) {
  struct stat status;
  directory found = {0};
  *zip = (gradc_zip){.path = path};
  zip->descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (zip->descriptor < 0 || fstat(zip->descriptor, &status) != 0)
    return gradc_fail(error, GRADC_EXIT_DATA, "cannot open %s: %s", path, strerror(errno));
  if (!S_ISREG(status.st_mode)) return gradc_fail(error, GRADC_EXIT_DATA, "cannot read %s: expected a file", path);
  zip->size = (uint64_t)status.st_size;
  int code = find_directory(zip, &found, error);
  unsigned char *entries = code ? NULL : gradc_allocate((size_t)found.bytes, 1, error);
  if (!code && !entries) code = GRADC_EXIT_DATA;
  if (!code && !read_at(zip, found.offset, entries, (size_t)found.bytes)) code = damaged(zip, found.offset,
                                                                                         "the directory cannot be read", error);
  if (!code) code = read_entries(zip, entries, &found, error);
  free(entries);
  return code;
}

void gradc_zip_close(gradc_zip *zip) {
  for (size_t i = 0; i < zip->count; i++) free(zip->members[i].name);
  free(zip->members);
  if (zip->descriptor >= 0) close(zip->descriptor);
}

/* ---- A member ---- */

/* Decompresses `packed` bytes from `offset` on into exactly `count` bytes. Null, or what is wrong; *offset is then where. */
static const char *unpack(const gradc_zip *zip, uint64_t *offset, uint64_t packed, unsigned char *to, size_t count, unsigned char *chunk) {
  z_stream stream = {0};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return "no memory to decompress it";
  const char *trouble = NULL;
  size_t made = 0;
  int status = Z_OK;
  while (status != Z_STREAM_END && !trouble) {
    if (stream.avail_in == 0 && packed > 0) {
      const size_t now = packed < CHUNK_BYTES ? (size_t)packed : CHUNK_BYTES;
      if (!read_at(zip, *offset, chunk, now)) trouble = "the file is cut off";
      stream.next_in = chunk;
      stream.avail_in = (uInt)now;
      *offset += now;
      packed -= now;
    }
    const size_t room = count - made < (1u << 30) ? count - made : 1u << 30;
    unsigned char spare;
    stream.next_out = room ? to + made : &spare;
    stream.avail_out = room ? (uInt)room : 1;
    if (!trouble) status = inflate(&stream, Z_NO_FLUSH);
    const size_t got = (room ? room : 1) - stream.avail_out;
    if (room) made += got;
    if (!trouble && status != Z_OK && status != Z_STREAM_END) trouble = stream.msg ? stream.msg : "the compressed data end too early";
    if (!trouble && !room && got) trouble = "there are more data than the directory says";
  }
  if (!trouble && made != count) trouble = "there are fewer data than the directory says";
  *offset -= stream.avail_in;
  inflateEnd(&stream);
  return trouble;
}

int gradc_zip_read(const gradc_zip *zip, size_t index, unsigned char **bytes, size_t *byte_count, gradc_error *error) {
  const gradc_zip_member *member = &zip->members[index];
  unsigned char local[LOCAL_BYTES];
  uint64_t offset = member->offset;
  *bytes = NULL;
  if (member->encrypted || (member->method != 0 && member->method != 8))
    return damaged(zip, offset, member->encrypted ? "an array is encrypted" : "an array is not compressed by deflate", error);
  if (!read_at(zip, offset, local, LOCAL_BYTES) || memcmp(local, "PK\3\4", 4) != 0)
    return damaged(zip, offset, "an array's header is missing", error);
  offset += LOCAL_BYTES + little(local + 26, 2) + little(local + 28, 2);
  if (offset > zip->size || member->packed > zip->size - offset) return damaged(zip, offset, "an array is cut off", error);
  if (member->bytes > SIZE_MAX - 1 || member->bytes / MOST_RATIO > member->packed ||
      (member->method == 0 && member->bytes != member->packed))
    return damaged(zip, offset, "an array's size cannot be true", error);
  *byte_count = (size_t)member->bytes;
  *bytes = gradc_allocate(*byte_count, 1, error);
  unsigned char *chunk = gradc_allocate(CHUNK_BYTES, 1, error);
  const char *trouble = NULL;
  int code = *bytes && chunk ? 0 : GRADC_EXIT_DATA;
  if (!code && member->method == 0 && !read_at(zip, offset, *bytes, *byte_count)) trouble = "the file is cut off";
  if (!code && member->method == 8) trouble = unpack(zip, &offset, member->packed, *bytes, *byte_count, chunk);
  if (!code && !trouble && crc32_z(crc32_z(0, NULL, 0), *bytes, *byte_count) != member->check) trouble = "an array's check sum is wrong";
  if (trouble) code = damaged(zip, offset, trouble, error);
  free(chunk);
  if (!code) return 0;
  free(*bytes);
  *bytes = NULL;
  return code;
}
#else
typedef int gradc_no_zip;
#endif
