/* npy.c: NumPy's array files, versions 1.0 to 3.0 (numpy.lib.format). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

#define MOST_HEADER ((size_t)1 << 20)

typedef struct npy_header {
  gradc_dtype dtype;
  bool swapped, fortran;
  int rank;
  int64_t dims[GRADC_MAX_RANK];
  bool has_descr, has_order, has_shape;
} npy_header;

/* A reader of the header's Python literal. */
typedef struct npy_reader {
  const char *at, *end;
  const char *name;
  gradc_error *error;
} npy_reader;

static void skip_blanks(npy_reader *reader) {
  while (reader->at < reader->end && memchr(" \n\t\r", *reader->at, 4)) reader->at++;
}

static bool take(npy_reader *reader, char c) {
  skip_blanks(reader);
  if (reader->at == reader->end || *reader->at != c) return false;
  reader->at++;
  return true;
}

static int bad_header(npy_reader *reader, const char *expected) {
  char shown[GRADC_SHOWN];
  return gradc_fail(reader->error, GRADC_EXIT_DATA, "%s: the array header is malformed at \"%s\", expected %s", reader->name,
                    gradc_shown(reader->at, (size_t)(reader->end - reader->at), shown), expected);
}

static bool read_quoted(npy_reader *reader, gradc_cell *text) {
  skip_blanks(reader);
  if (reader->at == reader->end || (*reader->at != '\'' && *reader->at != '"')) return false;
  const char quote = *reader->at++;
  const char *close = memchr(reader->at, quote, (size_t)(reader->end - reader->at));
  if (!close) return false;
  *text = (gradc_cell){reader->at, (size_t)(close - reader->at)};
  reader->at = close + 1;
  return true;
}

static bool is_text(gradc_cell cell, const char *text) { return cell.length == strlen(text) && memcmp(cell.text, text, cell.length) == 0; }

static int read_descr(npy_reader *reader, npy_header *header) {
  static const struct {
    char code[3];
    gradc_dtype dtype;
  } kinds[] = {{"b1", GRADC_DTYPE_BOOL}, {"u1", GRADC_DTYPE_U8},  {"i1", GRADC_DTYPE_I8},  {"u2", GRADC_DTYPE_U16},
               {"i2", GRADC_DTYPE_I16},  {"f2", GRADC_DTYPE_F16}, {"u4", GRADC_DTYPE_U32}, {"i4", GRADC_DTYPE_I32},
               {"f4", GRADC_DTYPE_F32},  {"u8", GRADC_DTYPE_U64}, {"i8", GRADC_DTYPE_I64}, {"f8", GRADC_DTYPE_F64}};
  gradc_cell descr;
  if (!read_quoted(reader, &descr)) return bad_header(reader, "a plain element type such as '<f4' (records are not supported)");
  gradc_cell code = descr;
  const bool has_order = code.length == 3 && memchr("<>|=", code.text[0], 4);
  if (has_order) code.text++, code.length--;
  header->swapped = has_order && descr.text[0] == '>';
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (is_text(code, kinds[i].code)) {
      header->dtype = kinds[i].dtype;
      return 0;
    }
  char shown[GRADC_SHOWN];
  return gradc_fail(reader->error, GRADC_EXIT_DATA,
                    "%s: element type '%s' is not supported; expected f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 or b1", reader->name,
                    gradc_shown(descr.text, descr.length, shown));
}

static int read_order(npy_reader *reader, npy_header *header) {
  skip_blanks(reader);
  const size_t left = (size_t)(reader->end - reader->at);
  if (left >= 4 && memcmp(reader->at, "True", 4) == 0) {
    header->fortran = true;
    reader->at += 4;
    return 0;
  }
  if (left < 5 || memcmp(reader->at, "False", 5) != 0) return bad_header(reader, "True or False");
  reader->at += 5;
  return 0;
}

static int read_shape(npy_reader *reader, npy_header *header) {
  if (!take(reader, '(')) return bad_header(reader, "( and the shape");
  while (!take(reader, ')')) {
    if (header->rank == GRADC_MAX_RANK)
      return gradc_fail(reader->error, GRADC_EXIT_DATA, "%s: more than %d dimensions", reader->name, GRADC_MAX_RANK);
    skip_blanks(reader);
    int64_t value = 0;
    const char *start = reader->at;
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
      if (value > (INT64_MAX - 9) / 10) return bad_header(reader, "a smaller dimension");
      value = value * 10 + (*reader->at - '0');
    }
    if (reader->at == start) return bad_header(reader, "a dimension");
    header->dims[header->rank++] = value;
    if (take(reader, ',')) continue;
    if (take(reader, ')')) return 0;
    return bad_header(reader, ", or )");
  }
  return 0;
}

static int read_header(npy_reader *reader, npy_header *header) {
  if (!take(reader, '{')) return bad_header(reader, "{");
  while (!take(reader, '}')) {
    gradc_cell key;
    if (!read_quoted(reader, &key) || !take(reader, ':')) return bad_header(reader, "'descr', 'fortran_order' or 'shape', and a colon");
    int code = 0;
    bool *seen = NULL;
    if (is_text(key, "descr")) seen = &header->has_descr;
    else if (is_text(key, "fortran_order")) seen = &header->has_order;
    else if (is_text(key, "shape")) seen = &header->has_shape;
    if (!seen || *seen) return bad_header(reader, "each of 'descr', 'fortran_order' and 'shape' once");
    *seen = true;
    if (seen == &header->has_descr) code = read_descr(reader, header);
    else if (seen == &header->has_order) code = read_order(reader, header);
    else code = read_shape(reader, header);
    if (code) return code;
    if (take(reader, ',')) continue;
    if (take(reader, '}')) break;
    return bad_header(reader, ", or }");
  }
  skip_blanks(reader);
  if (reader->at != reader->end) return bad_header(reader, "the end of the header");
  if (!header->has_descr || !header->has_order || !header->has_shape)
    return bad_header(reader, "all of 'descr', 'fortran_order' and 'shape'");
  return 0;
}

static void swap_bytes(unsigned char *data, size_t count, size_t size) {
  for (size_t i = 0; i < count; i++, data += size)
    for (size_t low = 0, high = size - 1; low < high; low++, high--) {
      const unsigned char kept = data[low];
      data[low] = data[high];
      data[high] = kept;
    }
}

/* Copies elements from Fortran order (first index fastest) into C order. */
static void copy_transposed(const unsigned char *from, const gradc_array *array) {
  const size_t size = gradc_dtype_bytes(array->dtype);
  int64_t index[GRADC_MAX_RANK] = {0};
  size_t strides[GRADC_MAX_RANK], stride = 1;
  for (int axis = 0; axis < array->rank; axis++) {
    strides[axis] = stride;
    stride *= (size_t)array->dims[axis];
  }
  unsigned char *to = array->data;
  for (size_t i = 0; i < array->count; i++, to += size) {
    size_t offset = 0;
    for (int axis = 0; axis < array->rank; axis++) offset += (size_t)index[axis] * strides[axis];
    memcpy(to, from + offset * size, size);
    for (int axis = array->rank - 1; axis >= 0 && ++index[axis] == array->dims[axis]; axis--) index[axis] = 0;
  }
}

/* Where the header's text begins and ends; 0 or an error. */
static int find_header(const unsigned char *bytes, size_t byte_count, const char *name, size_t *begin, size_t *length, gradc_error *error) {
  if (byte_count < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s is no .npy file: it does not begin with \\x93NUMPY", name);
  const unsigned version = bytes[6];
  if (version < 1 || version > 3) return gradc_fail(error, GRADC_EXIT_DATA, "%s: .npy version %u, expected 1 to 3", name, version);
  *begin = version == 1 ? 10 : 12;
  if (byte_count < *begin) return gradc_fail(error, GRADC_EXIT_DATA, "%s: the file is cut off in its header", name);
  *length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
  if (version > 1) *length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  if (*length > MOST_HEADER || *length > byte_count - *begin)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s: a header of %zu bytes is announced, %zu follow (at most %zu are accepted)", name,
                      *length, byte_count - *begin, MOST_HEADER);
  return 0;
}

int gradc_npy_parse(const void *data, size_t byte_count, const char *name, gradc_array *array, gradc_error *error) {
  *array = (gradc_array){0};
  const unsigned char *bytes = data;
  size_t begin = 0, length = 0;
  int code = find_header(bytes, byte_count, name, &begin, &length, error);
  if (code) return code;
  npy_header header = {0};
  npy_reader reader = {(const char *)bytes + begin, (const char *)bytes + begin + length, name, error};
  code = read_header(&reader, &header);
  if (code) return code;
  const unsigned char *payload = bytes + begin + length;
  const size_t available = byte_count - begin - length;
  size_t wanted = gradc_dtype_bytes(header.dtype);
  for (int axis = 0; axis < header.rank; axis++)
    if ((uint64_t)header.dims[axis] > SIZE_MAX || !gradc_multiply(wanted, (size_t)header.dims[axis], &wanted))
      return gradc_fail(error, GRADC_EXIT_DATA, "%s: the shape is larger than the address space", name);
  if (wanted != available)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s: shape and type ask for %zu bytes of data, the file has %zu", name, wanted, available);
  code = gradc_array_create(header.dtype, header.dims, header.rank, array, error);
  if (code) {
    gradc_array_free(array);
    return code;
  }
  if (header.fortran && header.rank > 1) copy_transposed(payload, array);
  else if (array->bytes) memcpy(array->data, payload, array->bytes);
  if (header.swapped) swap_bytes(array->data, array->count, gradc_dtype_bytes(header.dtype));
  return 0;
}

int gradc_npy_read(const char *path, gradc_array *array, gradc_error *error) {
  *array = (gradc_array){0};
  char *bytes = NULL;
  size_t byte_count = 0;
  int code = gradc_read_file(path, 0, &bytes, &byte_count, error);
  if (!code) code = gradc_npy_parse(bytes, byte_count, path, array, error);
  free(bytes);
  return code;
}

int gradc_npy_write(const char *path, const gradc_array *array, gradc_error *error) {
  static const char *const codes[] = {
      [GRADC_DTYPE_BOOL] = "|b1", [GRADC_DTYPE_U8] = "|u1",  [GRADC_DTYPE_I8] = "|i1",  [GRADC_DTYPE_U16] = "<u2",
      [GRADC_DTYPE_I16] = "<i2",  [GRADC_DTYPE_F16] = "<f2", [GRADC_DTYPE_U32] = "<u4", [GRADC_DTYPE_I32] = "<i4",
      [GRADC_DTYPE_F32] = "<f4",  [GRADC_DTYPE_U64] = "<u8", [GRADC_DTYPE_I64] = "<i8", [GRADC_DTYPE_F64] = "<f8"};
  if (array->dtype == GRADC_DTYPE_BF16)
    return gradc_fail(error, GRADC_EXIT_DATA, "cannot write %s: NumPy has no bfloat16; convert to f32 first", path);
  gradc_buffer text = {0};
  gradc_buffer_add(&text, "\x93NUMPY\x01\x00\x00\x00", 10);
  gradc_buffer_text(&text, "{'descr': '");
  gradc_buffer_text(&text, codes[array->dtype]);
  gradc_buffer_text(&text, "', 'fortran_order': False, 'shape': (");
  for (int axis = 0; axis < array->rank; axis++) {
    gradc_buffer_integer(&text, (uint64_t)array->dims[axis]);
    gradc_buffer_text(&text, axis + 1 < array->rank ? ", " : array->rank == 1 ? "," : "");
  }
  gradc_buffer_text(&text, "), }");
  while (!text.failed && (text.count + 1) % 64 != 0) gradc_buffer_text(&text, " ");  /* so that a map of the file is aligned */
  gradc_buffer_text(&text, "\n");
  const size_t count = text.count;
  char *head = NULL;
  int code = gradc_buffer_take(&text, &head, error);
  if (code) return code;
  head[8] = (char)(unsigned char)((count - 10) & 255);
  head[9] = (char)(unsigned char)((count - 10) >> 8);
  const gradc_span spans[] = {{head, count}, {array->data, array->bytes}};
  code = gradc_write_file(path, spans, 2, error);
  free(head);
  return code;
}
