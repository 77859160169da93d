/* text.c: errors, strings, numbers and lines of words. */
#if !defined(_GNU_SOURCE) && !defined(_XOPEN_SOURCE)
#define _XOPEN_SOURCE 700
#endif
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

int gradc_fail(gradc_error *error, int code, const char *format, ...) {
  if (!error) return code;
  error->code = code;
  va_list arguments;
  va_start(arguments, format);
  if (vsnprintf(error->message, sizeof error->message, format, arguments) < 0) error->message[0] = 0;
  va_end(arguments);
  return code;
}

const char *gradc_error_message(const gradc_error *error) { return error->message; }

void *gradc_allocate(size_t count, size_t size, gradc_error *error) {
  size_t bytes = 0;
  void *memory = gradc_multiply(count ? count : 1, size, &bytes) ? calloc(1, bytes) : NULL;
  if (!memory) gradc_fail(error, GRADC_EXIT_DATA, "out of memory: no room for %zu x %zu bytes", count, size);
  return memory;
}

bool gradc_grow(void **items, size_t *capacity, size_t count, size_t size, gradc_error *error) {
  if (count < *capacity) return true;
  size_t wanted = *capacity ? *capacity : 4, bytes = 0;
  void *grown = NULL;
  if (gradc_multiply(wanted, 2, &wanted) && gradc_multiply(wanted, size, &bytes)) grown = realloc(*items, bytes);
  if (!grown) {
    gradc_fail(error, GRADC_EXIT_DATA, "out of memory: no room for %zu x %zu bytes", wanted, size);
    return false;
  }
  *items = grown;
  *capacity = wanted;
  return true;
}

char *gradc_copy_text(const char *text, size_t length, gradc_error *error) {
  char *copy = length == SIZE_MAX ? NULL : gradc_allocate(length + 1, 1, error);
  if (copy && length) memcpy(copy, text, length);
  return copy;
}

void gradc_text_free(char *text) { free(text); }

/* The capacity of a list is the power of two above its count, so that no field is needed for it. */
bool gradc_strings_add(gradc_strings *strings, const char *text, size_t length, gradc_error *error) {
  const size_t count = strings->count;
  if ((count & (count - 1)) == 0) {
    size_t capacity = count ? count * 2 : 1, bytes = 0;
    char **grown = gradc_multiply(capacity, sizeof *grown, &bytes) ? realloc(strings->items, bytes) : NULL;
    if (!grown) {
      gradc_fail(error, GRADC_EXIT_DATA, "out of memory: no room for %zu strings", capacity);
      return false;
    }
    strings->items = grown;
  }
  char *copy = gradc_copy_text(text, length, error);
  if (!copy) return false;
  strings->items[strings->count++] = copy;
  return true;
}

void gradc_strings_free(gradc_strings *strings) {
  for (size_t i = 0; i < strings->count; i++) free(strings->items[i]);
  free(strings->items);
  *strings = (gradc_strings){0};
}

const char *gradc_strings_at(const gradc_strings *strings, size_t index) {
  return index < strings->count ? strings->items[index] : NULL;
}

ptrdiff_t gradc_strings_find(const gradc_strings *strings, const char *text, size_t length) {
  for (size_t i = 0; i < strings->count; i++)
    if (strlen(strings->items[i]) == length && memcmp(strings->items[i], text, length) == 0) return (ptrdiff_t)i;
  return -1;
}

int gradc_compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length) {
  const size_t shorter = a_length < b_length ? a_length : b_length;
  const int order = shorter ? memcmp(a, b, shorter) : 0;
  return order ? order : (a_length > b_length) - (a_length < b_length);
}

/* ---- Numbers ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Whether all of the text has the form [+-] digits [. digits] [e [+-] digits]. Small decimals are collected on the way: when
 * the digits fit 53 bits and the power of ten is exact, one multiplication or division is correctly rounded (Clinger 1990). */
static bool scan_number(const char *text, size_t length, uint64_t *digits, int *exponent, bool *exact) {
  size_t i = 0, count = 0;
  uint64_t value = 0;
  int scale = 0;
  *exact = true;
  if (i < length && (text[i] == '+' || text[i] == '-')) i++;
  for (bool fraction = false; i < length; i++) {
    if (text[i] == '.' && !fraction) {
      fraction = true;
      continue;
    }
    if (!is_digit(text[i])) break;
    count++;
    if (value > (UINT64_C(1) << 53) / 10 - 1) *exact = false;
    else value = value * 10 + (uint64_t)(text[i] - '0');
    if (fraction && scale > -1000) scale--;
  }
  if (count == 0) return false;
  if (i < length && (text[i] == 'e' || text[i] == 'E')) {
    i++;
    const bool negative = i < length && text[i] == '-';
    if (i < length && (text[i] == '+' || text[i] == '-')) i++;
    if (i == length) return false;
    int power = 0;
    for (; i < length && is_digit(text[i]); i++)
      if (power < 10000) power = power * 10 + (text[i] - '0');
    scale += negative ? -power : power;
  }
  *digits = value;
  *exponent = scale;
  if (scale < -22 || scale > 22) *exact = false;
  return i == length;
}

static bool convert_in_c_locale(const char *text, size_t length, double *value) {
  char copy[1024];
  if (length >= sizeof copy) return false;
  memcpy(copy, text, length);
  copy[length] = 0;
  const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (plain == (locale_t)0) return false;
  const locale_t before = uselocale(plain);
  char *end = NULL;
  *value = strtod(copy, &end);
  uselocale(before);
  freelocale(plain);
  return end == copy + length && isfinite(*value);
}

bool gradc_parse_number(const char *text, size_t length, double *value) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  while (length && is_blank(text[0])) text++, length--;
  while (length && is_blank(text[length - 1])) length--;
  uint64_t digits = 0;
  int exponent = 0;
  bool exact = false;
  if (!scan_number(text, length, &digits, &exponent, &exact)) return false;
  double result = 0;
  if (exact) {
    result = exponent < 0 ? (double)digits / powers[-exponent] : (double)digits * powers[exponent];
    if (text[0] == '-') result = -result;
  } else if (!convert_in_c_locale(text, length, &result)) {
    return false;
  }
  *value = result;
  return true;
}

void gradc_format_number(double value, char *buffer, size_t size) {
  char text[64];
  for (int precision = 15; precision <= 17; precision++) {
    snprintf(text, sizeof text, "%.*g", precision, value);
    size_t count = 0;
    for (size_t i = 0; text[i]; i++) {
      const char c = text[i];
      const bool plain = is_digit(c) || c == '-' || c == '+' || (c >= 'a' && c <= 'z');
      if (plain) text[count++] = c;
      else if (count == 0 || text[count - 1] != '.') text[count++] = '.';  /* a locale's point may be several bytes */
    }
    text[count] = 0;
    double back = 0;
    if (!isfinite(value) || (gradc_parse_number(text, count, &back) && back == value)) break;
  }
  snprintf(buffer, size, "%s", text);
}

/* ---- Nearest name ---- */

#define NAME_LIMIT 64

/* Insertions, deletions, replacements and swaps of neighbours between two names of at most NAME_LIMIT bytes (optimal string alignment). */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length) {
  size_t rows[3][NAME_LIMIT + 1];
  size_t *before = rows[0], *last = rows[1], *row = rows[2];
  for (size_t j = 0; j <= b_length; j++) last[j] = j;
  for (size_t i = 1; i <= a_length; i++) {
    row[0] = i;
    for (size_t j = 1; j <= b_length; j++) {
      size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
      if (last[j] + 1 < best) best = last[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped && before[j - 2] + 1 < best) best = before[j - 2] + 1;
      row[j] = best;
    }
    size_t *const free_row = before;
    before = last;
    last = row;
    row = free_row;
  }
  return last[b_length];
}

ptrdiff_t gradc_nearest_name(const char *name, const char *const *names, size_t count) {
  const size_t length = strlen(name);
  if (length < 2 || length > NAME_LIMIT) return -1;  /* a name of one letter is near to any other */
  size_t limit = length / 3 ? length / 3 : 1;
  ptrdiff_t nearest = -1;
  for (size_t i = 0; i < count; i++) {
    const size_t other = strlen(names[i]);
    if (other > NAME_LIMIT) continue;
    const size_t distance = edit_distance(name, length, names[i], other);
    if (distance > limit || (nearest >= 0 && distance == limit)) continue;
    limit = distance;
    nearest = (ptrdiff_t)i;
  }
  return nearest;
}

/* ---- Growing text ---- */

void gradc_buffer_add(gradc_buffer *buffer, const char *bytes, size_t count) {
  if (buffer->failed || count == 0) return;
  if (count >= SIZE_MAX / 4 || buffer->count >= SIZE_MAX / 4) {
    buffer->failed = true;
    return;
  }
  if (buffer->count + count + 1 > buffer->capacity) {
    const size_t capacity = (buffer->count + count + 1) * 2;
    char *grown = realloc(buffer->bytes, capacity);
    if (!grown) {
      buffer->failed = true;
      return;
    }
    buffer->bytes = grown;
    buffer->capacity = capacity;
  }
  memcpy(buffer->bytes + buffer->count, bytes, count);
  buffer->count += count;
  buffer->bytes[buffer->count] = 0;
}

void gradc_buffer_text(gradc_buffer *buffer, const char *text) { gradc_buffer_add(buffer, text, strlen(text)); }

void gradc_buffer_number(gradc_buffer *buffer, double value) {
  char text[32];
  gradc_format_number(value, text, sizeof text);
  gradc_buffer_text(buffer, text);
}

void gradc_buffer_integer(gradc_buffer *buffer, uint64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  gradc_buffer_text(buffer, text);
}

void gradc_buffer_word(gradc_buffer *buffer, const char *word) {
  gradc_buffer_text(buffer, "\t");
  for (; *word; word++) {
    if (*word == '\t') gradc_buffer_text(buffer, "\\t");
    else if (*word == '\n') gradc_buffer_text(buffer, "\\n");
    else if (*word == '\r') gradc_buffer_text(buffer, "\\r");
    else if (*word == '\\') gradc_buffer_text(buffer, "\\\\");
    else gradc_buffer_add(buffer, word, 1);
  }
}

int gradc_buffer_take(gradc_buffer *buffer, char **text, gradc_error *error) {
  *text = NULL;
  if (!buffer->failed && !buffer->bytes) buffer->bytes = calloc(1, 1);
  if (buffer->failed || !buffer->bytes) {
    free(buffer->bytes);
    *buffer = (gradc_buffer){0};
    return gradc_fail(error, GRADC_EXIT_DATA, "out of memory while writing text");
  }
  *text = buffer->bytes;
  *buffer = (gradc_buffer){0};
  return 0;
}

char *gradc_text_format(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length < 0) return NULL;
  char *text = malloc((size_t)length + 1);
  if (!text) return NULL;
  va_start(arguments, format);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  va_end(arguments);
  return text;
}

/* ---- Lines of words ---- */

/* Replaces the escapes of one word in place; false for an unknown one. */
static bool unescape(char *word, size_t *length) {
  size_t out = 0;
  for (size_t i = 0; i < *length; i++) {
    char c = word[i];
    if (c == '\\') {
      i++;
      if (i == *length) return false;
      if (word[i] == 't') c = '\t';
      else if (word[i] == 'n') c = '\n';
      else if (word[i] == 'r') c = '\r';
      else if (word[i] != '\\') return false;
    }
    word[out++] = c;
  }
  word[out] = 0;
  *length = out;
  return true;
}

static int split_line(const char *start, const char *end, size_t line, gradc_strings *words, gradc_error *error) {
  while (start <= end) {
    const char *tab = start < end ? memchr(start, '\t', (size_t)(end - start)) : NULL;
    const char *stop = tab ? tab : end;
    if (!gradc_strings_add(words, start, (size_t)(stop - start), error)) return -1;
    size_t length = (size_t)(stop - start);
    if (!unescape(words->items[words->count - 1], &length)) {
      gradc_fail(error, GRADC_EXIT_DATA, "line %zu: unknown escape; there are \\t, \\n, \\r and \\\\", line);
      return -1;
    }
    start = stop + 1;
  }
  return 1;
}

int gradc_next_line(const char **cursor, size_t *line, gradc_strings *words, gradc_error *error) {
  gradc_strings_free(words);
  while (**cursor) {
    const char *start = *cursor, *end = strchr(start, '\n');
    if (!end) end = start + strlen(start);
    *cursor = *end ? end + 1 : end;
    ++*line;
    if (end > start && end[-1] == '\r') end--;
    if (end == start || *start == '#') continue;
    return split_line(start, end, *line, words, error);
  }
  return 0;
}

const char *gradc_shown(const char *text, size_t length, char buffer[GRADC_SHOWN]) {
  size_t count = length < 40 ? length : 40;
  if (count < length)
    while (count && ((unsigned char)text[count] & 0xc0) == 0x80) count--;  /* not through the middle of a character */
  for (size_t i = 0; i < count; i++) {
    const unsigned char c = (unsigned char)text[i];
    buffer[i] = c < 32 || c == 127 ? '?' : text[i];
  }
  snprintf(buffer + count, GRADC_SHOWN - count, "%s", count < length ? "…" : "");
  return buffer;
}
