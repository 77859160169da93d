/* json.h: reading JSON piece by piece. */
#ifndef GRADC_JSON_H
#define GRADC_JSON_H

#include "text_internal.h"

typedef struct gradc_json {
  const char *start, *at, *end;
  const char *name, *what;  /* for messages: the file, and what of it is read */
  gradc_error *error;
} gradc_json;

/* Fails with what stands at this place. */
int gradc_json_bad(const gradc_json *reader, const char *expected);
void gradc_json_skip_blanks(gradc_json *reader);
/* Whether the next character, blanks aside, is this one; it is then passed. */
bool gradc_json_take(gradc_json *reader, char c);
/* The same of a word: null, true, false. */
bool gradc_json_word(gradc_json *reader, const char *word);
/* A string; zero characters are refused. */
int gradc_json_string(gradc_json *reader, char **string);
/* A whole number without sign. */
int gradc_json_integer(gradc_json *reader, int64_t *value);
/* Passes any value. */
int gradc_json_skip(gradc_json *reader);

#endif
