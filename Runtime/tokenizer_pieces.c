/* tokenizer_pieces.c: characters of UTF-8, the pieces and words into which text is cut, and bytes as printable characters. */
#include <string.h>

#include "text_internal.h"

/* ---- UTF-8 ---- */

/* No overlong forms, no surrogates, nothing past U+10FFFF. */
size_t gradc_utf8_read(const char *text, size_t left, uint32_t *c) {
  if (left == 0) return 0;
  const unsigned char *at = (const unsigned char *)text;
  *c = at[0];
  if (at[0] < 0x80) return 1;
  const size_t length = at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : at[0] >= 0xe0 && at[0] < 0xf0 ? 3 : at[0] >= 0xf0 && at[0] < 0xf5 ? 4 : 0;
  if (length == 0 || length > left) return 0;
  uint32_t value = at[0] & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; i++) {
    if ((at[i] & 0xc0u) != 0x80) return 0;
    value = value << 6 | (at[i] & 0x3fu);
  }
  if (value < (length == 3 ? 0x800u : length == 4 ? 0x10000u : 0x80u) || (value >= 0xd800 && value < 0xe000) || value > 0x10ffff) return 0;
  *c = value;
  return length;
}

void gradc_buffer_code_point(gradc_buffer *buffer, uint32_t c) {
  char bytes[4];
  size_t count = 0;
  if (c < 0x80) bytes[count++] = (char)c;
  else if (c < 0x800) bytes[count++] = (char)(unsigned char)(0xc0 | c >> 6);
  else if (c < 0x10000) bytes[count++] = (char)(unsigned char)(0xe0 | c >> 12);
  else {
    bytes[count++] = (char)(unsigned char)(0xf0 | c >> 18);
    bytes[count++] = (char)(unsigned char)(0x80 | (c >> 12 & 63));
  }
  if (c >= 0x800) bytes[count++] = (char)(unsigned char)(0x80 | (c >> 6 & 63));
  if (c >= 0x80) bytes[count++] = (char)(unsigned char)(0x80 | (c & 63));
  gradc_buffer_add(buffer, bytes, count);
}

/* ---- GPT-2's pieces ---- */

static size_t read_class(const char *text, size_t left, gradc_character_class *class) {
  uint32_t c = 0;
  size_t length = left ? gradc_utf8_read(text, left, &c) : 0;
  *class = length ? gradc_classify(c) : GRADC_CLASS_OTHER;
  return length ? length : left ? 1 : 0;
}

/* Bytes of the characters of one class from `at` on. */
static size_t run_of(const char *text, size_t left, gradc_character_class wanted) {
  size_t length = 0;
  while (length < left) {
    gradc_character_class class;
    const size_t step = read_class(text + length, left - length, &class);
    if (class != wanted) break;
    length += step;
  }
  return length;
}

/* 's 't 're 've 'm 'll 'd */
static size_t contraction(const char *text, size_t left) {
  static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
  if (left < 2 || text[0] != '\'') return 0;
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    const size_t length = strlen(endings[i]);
    if (length < left && memcmp(text + 1, endings[i], length) == 0) return length + 1;
  }
  return 0;
}

/* \s+(?!\S)|\s+: all blanks at the end of the text, else all but the last, else the only one. */
static size_t blanks(const char *text, size_t left) {
  size_t length = 0, last = 0;
  while (length < left) {
    gradc_character_class class;
    const size_t step = read_class(text + length, left - length, &class);
    if (class != GRADC_CLASS_SPACE) break;
    last = length;
    length += step;
  }
  return length == left || last == 0 ? length : last;
}

size_t gradc_piece(const char *text, size_t left) {
  const size_t short_one = contraction(text, left);
  if (short_one) return short_one;
  gradc_character_class class;
  const size_t blank = text[0] == ' ' && left > 1 ? 1 : 0;
  read_class(text + blank, left - blank, &class);
  if (class == GRADC_CLASS_SPACE) return blanks(text, left);
  return blank + run_of(text + blank, left - blank, class);
}

/* ---- Words ---- */

bool gradc_next_word(const char *text, size_t length, size_t *at, gradc_buffer *word) {
  word->count = 0;
  for (; *at < length; ++*at) {
    const unsigned char c = (unsigned char)text[*at];
    const bool big = c >= 'A' && c <= 'Z';
    const bool inside = big || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '\'' || c >= 128;
    if (!inside && word->count) return true;
    if (!inside) continue;
    const char small = (char)(unsigned char)(big ? c + 32 : c);
    gradc_buffer_add(word, &small, 1);
  }
  return word->count > 0;
}

/* ---- Bytes as characters ---- */

static bool stands_for_itself(unsigned char byte) { return (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173); }

/* The other bytes are numbered from U+0100 on. */
static int number_of_other(unsigned char byte) {
  return byte <= 32 ? byte : byte == 173 ? 67 : byte - 127 + 33;
}

uint32_t gradc_byte_character(unsigned char byte) { return stands_for_itself(byte) ? byte : 256u + (uint32_t)number_of_other(byte); }

void gradc_buffer_byte_characters(gradc_buffer *buffer, const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) gradc_buffer_code_point(buffer, gradc_byte_character((unsigned char)bytes[i]));
}

bool gradc_read_byte_characters(const char *text, size_t length, gradc_buffer *bytes) {
  for (size_t at = 0, step = 0; at < length; at += step) {
    uint32_t c = 0;
    step = gradc_utf8_read(text + at, length - at, &c);
    if (step == 0 || c >= 256 + 68 || (c < 256 && !stands_for_itself((unsigned char)c))) return false;
    const uint32_t number = c - 256;
    const char byte = (char)(unsigned char)(c < 256 ? c : number <= 32 ? number : number == 67 ? 173 : number - 33 + 127);
    gradc_buffer_add(bytes, &byte, 1);
  }
  return !bytes->failed;
}

void gradc_byte_alphabet(unsigned char order[256]) {
  size_t count = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int byte = 0; byte < 256; byte++)
      if (stands_for_itself((unsigned char)byte) == (pass == 0)) order[count++] = (unsigned char)byte;
}
