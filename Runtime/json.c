/* json.c: the pieces of JSON that files of weights and of tokenizers are read by. Nothing recurses. */
#include <stdlib.h>
#include <string.h>

#include "json.h"

int gradc_json_bad(const gradc_json *reader, const char *expected) {
  char shown[GRADC_SHOWN];
  const size_t left = (size_t)(reader->end - reader->at);
  return gradc_fail(reader->error, GRADC_EXIT_DATA, "%s: %s is malformed at byte %zu (\"%s\"), expected %s", reader->name, reader->what,
                    (size_t)(reader->at - reader->start), gradc_shown(reader->at, left < 20 ? left : 20, shown), expected);
}

void gradc_json_skip_blanks(gradc_json *reader) {
  while (reader->at < reader->end && memchr(" \n\t\r", *reader->at, 4)) reader->at++;
}

bool gradc_json_take(gradc_json *reader, char c) {
  gradc_json_skip_blanks(reader);
  if (reader->at == reader->end || *reader->at != c) return false;
  reader->at++;
  return true;
}

static bool read_hex(gradc_json *reader, uint32_t *value) {
  if (reader->end - reader->at < 4) return false;
  *value = 0;
  for (int i = 0; i < 4; i++) {
    const char c = *reader->at++;
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return false;
    *value = *value << 4 | (uint32_t)digit;
  }
  return true;
}

/* After a backslash. */
static bool read_escape(gradc_json *reader, gradc_buffer *text) {
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  if (reader->at == reader->end) return false;
  const char c = *reader->at++;
  if (c != 'u') {
    const char *letter = c ? strchr(letters, c) : NULL;
    if (letter) gradc_buffer_add(text, meanings + (letter - letters), 1);
    return letter != NULL;
  }
  uint32_t value = 0, low = 0;
  if (!read_hex(reader, &value) || value == 0 || (value >= 0xdc00 && value < 0xe000)) return false;
  if (value >= 0xd800 && value < 0xdc00) {
    if (reader->end - reader->at < 2 || reader->at[0] != '\\' || reader->at[1] != 'u') return false;
    reader->at += 2;
    if (!read_hex(reader, &low) || low < 0xdc00 || low >= 0xe000) return false;
    value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
  }
  gradc_buffer_code_point(text, value);
  return true;
}

int gradc_json_string(gradc_json *reader, char **string) {
  *string = NULL;
  if (!gradc_json_take(reader, '"')) return gradc_json_bad(reader, "a string");
  gradc_buffer text = {0};
  while (reader->at < reader->end && *reader->at != '"') {
    if (*reader->at == '\\') {
      reader->at++;
      if (read_escape(reader, &text)) continue;
      free(text.bytes);
      return gradc_json_bad(reader, "a JSON escape (and no zero character)");
    }
    uint32_t c = 0;
    const size_t length = (unsigned char)*reader->at < 32 ? 0 : gradc_utf8_read(reader->at, (size_t)(reader->end - reader->at), &c);
    if (length == 0) {
      free(text.bytes);
      return gradc_json_bad(reader, "UTF-8 text without control characters");
    }
    gradc_buffer_add(&text, reader->at, length);
    reader->at += length;
  }
  if (!gradc_json_take(reader, '"')) {
    free(text.bytes);
    return gradc_json_bad(reader, "a closing quote");
  }
  return gradc_buffer_take(&text, string, reader->error);
}

int gradc_json_integer(gradc_json *reader, int64_t *value) {
  gradc_json_skip_blanks(reader);
  const char *start = reader->at;
  *value = 0;
  for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
    if (*value > (INT64_MAX - 9) / 10) return gradc_json_bad(reader, "a smaller number");
    *value = *value * 10 + (*reader->at - '0');
  }
  if (reader->at == start || (*start == '0' && reader->at - start > 1)) return gradc_json_bad(reader, "a whole number without sign");
  return 0;
}

int gradc_json_skip(gradc_json *reader) {
  size_t depth = 0;
  do {
    gradc_json_skip_blanks(reader);
    if (reader->at == reader->end) return gradc_json_bad(reader, "a value");
    const char c = *reader->at;
    if (c == '"') {
      char *text = NULL;
      const int code = gradc_json_string(reader, &text);
      free(text);
      if (code) return code;
      continue;
    }
    if (c == '{' || c == '[') depth++;
    else if ((c == '}' || c == ']') && depth) depth--;
    else if (c == '}' || c == ']') return gradc_json_bad(reader, "a value");
    else if ((c == ',' || c == ':') && !depth) return gradc_json_bad(reader, "a value");
    reader->at++;
    /* The rest of a number or word. */
    if (!strchr("{}[],:", c))
      while (reader->at < reader->end && !memchr(" \n\t\r{}[],:\"", *reader->at, 11)) reader->at++;
  } while (depth);
  return 0;
}

bool gradc_json_word(gradc_json *reader, const char *word) {
  gradc_json_skip_blanks(reader);
  const size_t length = strlen(word);
  if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0) return false;
  reader->at += length;
  return true;
}
