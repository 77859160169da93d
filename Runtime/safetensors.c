/* safetensors.c: the format of huggingface/safetensors: u64 header length, JSON header, one block of data.
 *
 * The JSON that may stand there has a fixed depth (an object of objects of strings and integer lists), so its reader is
 * three nested loops and cannot be driven into recursion.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define MOST_HEADER ((size_t)100 << 20)

static int read_integers(gradc_json *reader, int64_t *values, int most, int *count) {
  *count = 0;
  if (!gradc_json_take(reader, '[')) return gradc_json_bad(reader, "[");
  if (gradc_json_take(reader, ']')) return 0;
  for (;;) {
    if (*count == most) return gradc_json_bad(reader, "fewer numbers in this list");
    const int code = gradc_json_integer(reader, &values[(*count)++]);
    if (code) return code;
    if (gradc_json_take(reader, ',')) continue;
    return gradc_json_take(reader, ']') ? 0 : gradc_json_bad(reader, ", or ]");
  }
}

typedef struct tensor_entry {
  gradc_safetensor tensor;
  size_t begin, end;
} tensor_entry;

static int read_dtype(gradc_json *reader, gradc_dtype *dtype) {
  char *name = NULL;
  const int code = gradc_json_string(reader, &name);
  if (code) return code;
  int found = -1;
  for (int i = GRADC_DTYPE_BOOL; i <= GRADC_DTYPE_F64 && found < 0; i++)
    if (strcmp(name, gradc_dtype_name((gradc_dtype)i)) == 0) found = i;
  char shown[GRADC_SHOWN];
  gradc_shown(name, strlen(name), shown);
  free(name);
  if (found < 0)
    return gradc_fail(reader->error, GRADC_EXIT_DATA,
                      "%s: element type \"%s\" is not supported; expected F64, F32, F16, BF16, I64 … BOOL", reader->name, shown);
  *dtype = (gradc_dtype)found;
  return 0;
}

/* {"dtype": …, "shape": …, "data_offsets": …}, each once. */
static int read_tensor(gradc_json *reader, tensor_entry *entry) {
  bool has_dtype = false, has_shape = false, has_offsets = false;
  int64_t offsets[2] = {0};
  if (!gradc_json_take(reader, '{')) return gradc_json_bad(reader, "{");
  do {
    char *key = NULL;
    int code = gradc_json_string(reader, &key), count = 0;
    if (code) return code;
    if (!gradc_json_take(reader, ':')) code = gradc_json_bad(reader, "a colon");
    else if (strcmp(key, "dtype") == 0 && !has_dtype) {
      has_dtype = true;
      code = read_dtype(reader, &entry->tensor.dtype);
    } else if (strcmp(key, "shape") == 0 && !has_shape) {
      has_shape = true;
      code = read_integers(reader, entry->tensor.dims, GRADC_MAX_RANK, &entry->tensor.rank);
    } else if (strcmp(key, "data_offsets") == 0 && !has_offsets) {
      has_offsets = true;
      code = read_integers(reader, offsets, 2, &count);
      if (!code && count != 2) code = gradc_json_bad(reader, "two offsets");
    } else {
      code = gradc_json_bad(reader, "\"dtype\", \"shape\" and \"data_offsets\", each once");
    }
    free(key);
    if (code) return code;
  } while (gradc_json_take(reader, ','));
  if (!gradc_json_take(reader, '}')) return gradc_json_bad(reader, ", or }");
  if (!has_dtype || !has_shape || !has_offsets) return gradc_json_bad(reader, "\"dtype\", \"shape\" and \"data_offsets\"");
  if (offsets[0] > offsets[1] || (uint64_t)offsets[1] > SIZE_MAX) return gradc_json_bad(reader, "offsets that ascend");
  entry->begin = (size_t)offsets[0];
  entry->end = (size_t)offsets[1];
  return 0;
}

static int read_metadata(gradc_json *reader, gradc_safetensors *file) {
  size_t capacity = 0;
  if (!gradc_json_take(reader, '{')) return gradc_json_bad(reader, "{");
  if (gradc_json_take(reader, '}')) return 0;
  do {
    if (!gradc_grow((void **)&file->metadata, &capacity, file->metadata_count, sizeof *file->metadata, reader->error))
      return GRADC_EXIT_DATA;
    gradc_metadata *pair = &file->metadata[file->metadata_count];
    *pair = (gradc_metadata){0};
    int code = gradc_json_string(reader, &pair->key);
    if (code) return code;
    file->metadata_count++;
    if (!gradc_json_take(reader, ':')) return gradc_json_bad(reader, "a colon");
    code = gradc_json_string(reader, &pair->value);
    if (code) return code;
  } while (gradc_json_take(reader, ','));
  return gradc_json_take(reader, '}') ? 0 : gradc_json_bad(reader, ", or }");
}

static int compare_names(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static int check_duplicates(const char **names, size_t count, const char *what, const char *path, gradc_error *error) {
  qsort(names, count, sizeof *names, compare_names);
  for (size_t i = 1; i < count; i++)
    if (strcmp(names[i - 1], names[i]) == 0) {
      char shown[GRADC_SHOWN];
      return gradc_fail(error, GRADC_EXIT_DATA, "%s: %s \"%s\" is there twice", path, what, gradc_shown(names[i], strlen(names[i]), shown));
    }
  return 0;
}

static int check_names(const gradc_safetensors *file, const tensor_entry *entries, size_t count, const char *path, gradc_error *error) {
  const size_t most = count > file->metadata_count ? count : file->metadata_count;
  const char **names = gradc_allocate(most, sizeof *names, error);
  if (!names) return GRADC_EXIT_DATA;
  for (size_t i = 0; i < count; i++) names[i] = entries[i].tensor.name;
  int code = check_duplicates(names, count, "tensor", path, error);
  for (size_t i = 0; i < file->metadata_count; i++) names[i] = file->metadata[i].key;
  if (!code) code = check_duplicates(names, file->metadata_count, "metadata key", path, error);
  free(names);
  return code;
}

static int compare_entries(const void *a, const void *b) {
  const tensor_entry *left = a, *right = b;
  if (left->begin != right->begin) return left->begin < right->begin ? -1 : 1;
  return (left->end > right->end) - (left->end < right->end);
}

/* Tensors lie one after another from the first to the last byte of the data, and each has the size of its shape and type. */
static int check_layout(tensor_entry *entries, size_t count, const char *data, size_t data_bytes, const char *path, gradc_error *error) {
  size_t expected = 0;
  if (count) qsort(entries, count, sizeof *entries, compare_entries);
  for (size_t i = 0; i < count; i++) {
    gradc_safetensor *tensor = &entries[i].tensor;
    char shown[GRADC_SHOWN];
    gradc_shown(tensor->name, strlen(tensor->name), shown);
    tensor->count = 1;
    for (int axis = 0; axis < tensor->rank; axis++)
      if (!gradc_multiply(tensor->count, (size_t)tensor->dims[axis], &tensor->count))
        return gradc_fail(error, GRADC_EXIT_DATA, "%s: the shape of tensor \"%s\" is larger than the address space", path, shown);
    if (!gradc_multiply(tensor->count, gradc_dtype_bytes(tensor->dtype), &tensor->bytes) ||
        tensor->bytes != entries[i].end - entries[i].begin)
      return gradc_fail(error, GRADC_EXIT_DATA, "%s: tensor \"%s\" has %zu bytes of data, its shape and type ask for %zu", path, shown,
                        entries[i].end - entries[i].begin, tensor->bytes);
    if (entries[i].begin != expected)
      return gradc_fail(error, GRADC_EXIT_DATA, "%s: tensor \"%s\" begins at byte %zu, expected %zu: %s", path, shown, entries[i].begin,
                        expected, entries[i].begin < expected ? "tensors overlap" : "there is a gap");
    expected = entries[i].end;
    if (expected > data_bytes)
      return gradc_fail(error, GRADC_EXIT_DATA, "%s: tensor \"%s\" ends at byte %zu of the data, the file has %zu; it was cut off", path,
                        shown, expected, data_bytes);
    tensor->data = data + entries[i].begin;
  }
  if (expected != data_bytes)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s: %zu bytes after the last tensor", path, data_bytes - expected);
  return 0;
}

static int read_entries(gradc_json *reader, gradc_safetensors *file, tensor_entry **entries, size_t *count) {
  size_t capacity = 0;
  bool has_metadata = false;
  if (reader->at == reader->end || *reader->at != '{') return gradc_json_bad(reader, "{");
  reader->at++;
  if (!gradc_json_take(reader, '}')) {
    do {
      char *key = NULL;
      int code = gradc_json_string(reader, &key);
      if (code) return code;
      const bool is_metadata = strcmp(key, "__metadata__") == 0;
      if (!gradc_json_take(reader, ':') || (is_metadata && has_metadata)) code = gradc_json_bad(reader, "a colon, and __metadata__ once");
      if (is_metadata || code) free(key);
      if (code) return code;
      if (is_metadata) {
        has_metadata = true;
        code = read_metadata(reader, file);
      } else if (!gradc_grow((void **)entries, &capacity, *count, sizeof **entries, reader->error)) {
        free(key);
        code = GRADC_EXIT_DATA;
      } else {
        (*entries)[*count] = (tensor_entry){.tensor = {.name = key}};
        code = read_tensor(reader, &(*entries)[(*count)++]);
      }
      if (code) return code;
    } while (gradc_json_take(reader, ','));
    if (!gradc_json_take(reader, '}')) return gradc_json_bad(reader, ", or }");
  }
  gradc_json_skip_blanks(reader);
  return reader->at == reader->end ? 0 : gradc_json_bad(reader, "the end of the header");
}

int gradc_safetensors_parse(const void *bytes, size_t byte_count, const char *name, gradc_safetensors *file, gradc_error *error) {
  *file = (gradc_safetensors){0};
  const unsigned char *head = bytes;
  uint64_t length = 0;
  if (byte_count < 10) return gradc_fail(error, GRADC_EXIT_DATA, "%s is no safetensors file: it has %zu bytes only", name, byte_count);
  for (int i = 7; i >= 0; i--) length = length << 8 | head[i];
  if (length > MOST_HEADER || length > byte_count - 8)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s is no safetensors file, or cut off: a header of %llu bytes is announced, %zu follow",
                      name, (unsigned long long)length, byte_count - 8);
  const char *start = (const char *)bytes + 8;
  gradc_json reader = {start, start, start + length, name, "the header", error};
  tensor_entry *entries = NULL;
  size_t count = 0;
  int code = read_entries(&reader, file, &entries, &count);
  if (!code) code = check_names(file, entries, count, name, error);
  if (!code) code = check_layout(entries, count, start + length, byte_count - 8 - (size_t)length, name, error);
  if (!code) {
    file->tensors = gradc_allocate(count, sizeof *file->tensors, error);
    if (!file->tensors) code = GRADC_EXIT_DATA;
  }
  for (size_t i = 0; i < count; i++) {
    if (code) free(entries[i].tensor.name);
    else file->tensors[i] = entries[i].tensor;
  }
  if (!code) file->tensor_count = count;
  free(entries);
  if (code) gradc_safetensors_free(file);
  return code;
}

int gradc_safetensors_read(const char *path, gradc_safetensors *file, gradc_error *error) {
  *file = (gradc_safetensors){0};
  char *bytes = NULL;
  size_t byte_count = 0;
  int code = gradc_read_file(path, 0, &bytes, &byte_count, error);
  if (!code) code = gradc_safetensors_parse(bytes, byte_count, path, file, error);
  if (code) free(bytes);
  else file->file = bytes;
  return code;
}

void gradc_safetensors_free(gradc_safetensors *file) {
  for (size_t i = 0; i < file->tensor_count; i++) free(file->tensors[i].name);
  for (size_t i = 0; i < file->metadata_count; i++) {
    free(file->metadata[i].key);
    free(file->metadata[i].value);
  }
  free(file->tensors);
  free(file->metadata);
  free(file->file);
  *file = (gradc_safetensors){0};
}

const gradc_safetensor *gradc_safetensors_find(const gradc_safetensors *file, const char *name) {
  for (size_t i = 0; i < file->tensor_count; i++)
    if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
  return NULL;
}

const char *gradc_safetensors_metadata(const gradc_safetensors *file, const char *key) {
  for (size_t i = 0; i < file->metadata_count; i++)
    if (strcmp(file->metadata[i].key, key) == 0) return file->metadata[i].value;
  return NULL;
}

/* ---- Writing ---- */

/* The text as a JSON string; false when it is no UTF-8. */
static bool add_string(gradc_buffer *out, const char *text) {
  gradc_buffer_text(out, "\"");
  for (size_t left = strlen(text); left;) {
    uint32_t code_point = 0;
    const size_t length = gradc_utf8_read(text, left, &code_point);
    if (length == 0) return false;
    const unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') {
      gradc_buffer_text(out, "\\");
      gradc_buffer_add(out, text, 1);
    } else if (c < 32) {
      char escape[8];
      snprintf(escape, sizeof escape, "\\u%04x", c);
      gradc_buffer_text(out, escape);
    } else {
      gradc_buffer_add(out, text, length);
    }
    text += length;
    left -= length;
  }
  gradc_buffer_text(out, "\"");
  return true;
}

static void add_tensor(gradc_buffer *out, const gradc_safetensor *tensor, size_t begin, size_t end) {
  gradc_buffer_text(out, ":{\"dtype\":\"");
  gradc_buffer_text(out, gradc_dtype_name(tensor->dtype));
  gradc_buffer_text(out, "\",\"shape\":[");
  for (int axis = 0; axis < tensor->rank; axis++) {
    if (axis) gradc_buffer_text(out, ",");
    gradc_buffer_integer(out, (uint64_t)tensor->dims[axis]);
  }
  gradc_buffer_text(out, "],\"data_offsets\":[");
  gradc_buffer_integer(out, begin);
  gradc_buffer_text(out, ",");
  gradc_buffer_integer(out, end);
  gradc_buffer_text(out, "]}");
}

static int check_tensor(const gradc_safetensor *tensor, const char *path, gradc_error *error) {
  size_t count = 1, bytes = 0;
  bool fits = tensor->rank >= 0 && tensor->rank <= GRADC_MAX_RANK;
  for (int axis = 0; fits && axis < tensor->rank; axis++)
    fits = tensor->dims[axis] >= 0 && gradc_multiply(count, (size_t)tensor->dims[axis], &count);
  if (fits) fits = gradc_multiply(count, gradc_dtype_bytes(tensor->dtype), &bytes) && bytes == tensor->bytes;
  if (fits && (strcmp(tensor->name, "__metadata__") != 0)) return 0;
  return gradc_fail(error, GRADC_EXIT_BUG, "cannot write %s: tensor \"%s\" has %zu bytes, which do not fit its shape and type", path,
                    tensor->name, tensor->bytes);
}

static int write_header(gradc_buffer *out, const char *path, const gradc_safetensor *tensors, size_t tensor_count,
                        const gradc_metadata *metadata, size_t metadata_count, gradc_error *error) {
  size_t begin = 0;
  bool valid = true;
  gradc_buffer_add(out, "\0\0\0\0\0\0\0\0{", 9);
  if (metadata_count) {
    gradc_buffer_text(out, "\"__metadata__\":{");
    for (size_t i = 0; i < metadata_count; i++) {
      if (i) gradc_buffer_text(out, ",");
      valid = valid && add_string(out, metadata[i].key);
      gradc_buffer_text(out, ":");
      valid = valid && add_string(out, metadata[i].value);
    }
    gradc_buffer_text(out, tensor_count ? "}," : "}");
  }
  for (size_t i = 0; i < tensor_count; i++) {
    const int code = check_tensor(&tensors[i], path, error);
    if (code) return code;
    if (i) gradc_buffer_text(out, ",");
    valid = valid && add_string(out, tensors[i].name);
    add_tensor(out, &tensors[i], begin, begin + tensors[i].bytes);
    begin += tensors[i].bytes;
  }
  gradc_buffer_text(out, "}");
  while (!out->failed && out->count % 8 != 0) gradc_buffer_text(out, " ");  /* data aligned to 8 bytes in the file */
  if (!valid) return gradc_fail(error, GRADC_EXIT_DATA, "cannot write %s: a name or metadata text is no UTF-8", path);
  if (out->count - 8 > MOST_HEADER) return gradc_fail(error, GRADC_EXIT_DATA, "cannot write %s: its header passes 100 MB", path);
  return 0;
}

int gradc_safetensors_write(const char *path, const gradc_safetensor *tensors, size_t tensor_count, const gradc_metadata *metadata,
                            size_t metadata_count, gradc_error *error) {
  gradc_buffer out = {0};
  int code = write_header(&out, path, tensors, tensor_count, metadata, metadata_count, error);
  const size_t count = out.count;
  char *head = NULL;
  if (code) free(out.bytes);
  else code = gradc_buffer_take(&out, &head, error);
  if (code) return code;
  for (int i = 0; i < 8; i++) head[i] = (char)(unsigned char)((uint64_t)(count - 8) >> (8 * i) & 255);
  gradc_span *spans = gradc_allocate(tensor_count + 1, sizeof *spans, error);
  if (spans) {
    spans[0] = (gradc_span){head, count};
    for (size_t i = 0; i < tensor_count; i++) spans[i + 1] = (gradc_span){tensors[i].data, tensors[i].bytes};
    code = gradc_write_file(path, spans, tensor_count + 1, error);
  } else {
    code = GRADC_EXIT_DATA;
  }
  free(spans);
  free(head);
  return code;
}
