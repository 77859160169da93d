/* table.c: CSV as RFC 4180 describes it, from hostile files.
 *
 * A table keeps the file's bytes and where each row begins; cells are found again when a row is read. That costs eight
 * bytes a row, whatever the number of columns, and a table is read three or four times in all.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

#define MOST_COLUMNS ((size_t)1 << 20)

static bool is_blank(char c, char separator) { return (c == ' ' || c == '\t') && c != separator; }
static bool ends_line(const char *at, const char *end) { return at == end || *at == '\n' || *at == '\r'; }

static const char *after_line_end(const char *at, const char *end) {
  if (at < end && *at == '\r') at++;
  else if (at < end) return at + 1;
  return at < end && *at == '\n' ? at + 1 : at;
}

typedef enum scan_result { SCAN_OK, SCAN_OPEN_QUOTE, SCAN_AFTER_QUOTE } scan_result;

/* Reads one field at *cursor and leaves *cursor on the separator or line end after it. The text of a field with doubled quotes is
 * made in *scratch, which moves on; a null scratch only measures. */
static scan_result scan_field(const char **cursor, const char *end, char separator, char **scratch, gradc_cell *cell) {
  const char *at = *cursor;
  if (at < end && *at == '"') {
    const char *start = ++at;
    char *out = scratch ? *scratch : NULL;
    bool doubled = false;
    for (;; at++) {
      if (at == end) return SCAN_OPEN_QUOTE;
      if (*at == '"') {
        if (at + 1 == end || at[1] != '"') break;
        if (!doubled && out) {
          memcpy(out, start, (size_t)(at - start));
          out += at - start;
        }
        doubled = true;
        at++;
      }
      if (doubled && out) *out++ = *at;
    }
    *cell = doubled && scratch ? (gradc_cell){*scratch, (size_t)(out - *scratch)} : (gradc_cell){start, (size_t)(at - start)};
    if (doubled && scratch) *scratch = out;
    at++;
    while (at < end && is_blank(*at, separator)) at++;
    *cursor = at;
    return ends_line(at, end) || *at == separator ? SCAN_OK : SCAN_AFTER_QUOTE;
  }
  const char *start = at;
  while (!ends_line(at, end) && *at != separator) at++;
  *cursor = at;
  const char *stop = at;
  while (start < stop && is_blank(*start, separator)) start++;
  while (stop > start && is_blank(stop[-1], separator)) stop--;
  *cell = (gradc_cell){start, (size_t)(stop - start)};
  return SCAN_OK;
}

static size_t line_at(const gradc_table *table, const char *at) {
  size_t line = 1;
  for (const char *c = table->bytes; c < at; c++)
    line += *c == '\n' || (*c == '\r' && !(c + 1 < table->bytes + table->byte_count && c[1] == '\n'));
  return line;
}

/* Walks over one row; *fields gets their number, `cells` their text when not null. */
static scan_result scan_row(const gradc_table *table, const char **cursor, gradc_cell *cells, char *scratch, size_t *fields) {
  const char *end = table->bytes + table->byte_count;
  size_t count = 0;
  for (;;) {
    gradc_cell cell;
    const scan_result result = scan_field(cursor, end, table->separator, cells ? &scratch : NULL, &cell);
    if (cells) cells[count] = cell;
    count++;
    *fields = count;
    if (result != SCAN_OK) return result;
    if (ends_line(*cursor, end)) return SCAN_OK;
    ++*cursor;  /* the separator */
  }
}

static int fail_scan(gradc_error *error, const gradc_table *table, const char *row, const char *at, scan_result result, size_t field) {
  if (result == SCAN_OPEN_QUOTE)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s:%zu: column %zu: a quote is opened and never closed", table->path,
                      line_at(table, row), field);
  return gradc_fail(error, GRADC_EXIT_DATA, "%s:%zu: column %zu: text after a closing quote; a quote inside a quoted cell is written twice",
                    table->path, line_at(table, at), field);
}

/* The candidate that is most frequent in the first line, outside quotes. */
static char sniff_separator(const gradc_table *table) {
  static const char candidates[] = {',', ';', '\t'};
  size_t counts[3] = {0}, best = 0;
  bool quoted = false;
  for (const char *c = table->bytes, *end = c + table->byte_count; c < end && (quoted || !ends_line(c, end)); c++) {
    if (*c == '"') quoted = !quoted;
    for (size_t i = 0; i < 3 && !quoted; i++) counts[i] += *c == candidates[i];
  }
  for (size_t i = 1; i < 3; i++)
    if (counts[i] > counts[best]) best = i;
  return candidates[best];
}

static int compare_texts(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static int check_names(const gradc_table *table, gradc_error *error) {
  const size_t count = table->columns.count;
  char **sorted = gradc_allocate(count, sizeof *sorted, error);
  if (!sorted) return GRADC_EXIT_DATA;
  memcpy(sorted, table->columns.items, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, compare_texts);
  int code = 0;
  for (size_t i = 1; i < count && !code; i++)
    if (strcmp(sorted[i - 1], sorted[i]) == 0) {
      char shown[GRADC_SHOWN];
      code = gradc_fail(error, GRADC_EXIT_DATA, "%s: two columns are named \"%s\"; rename one in the header line", table->path,
                        gradc_shown(sorted[i], strlen(sorted[i]), shown));
    }
  free(sorted);
  return code;
}

/* Column names from the first row at *cursor, or c0, c1 … of as many columns as it has. */
static int read_names(gradc_table *table, const char **cursor, bool header, gradc_error *error) {
  const char *row = *cursor, *at = row;
  size_t count = 0;
  const scan_result result = scan_row(table, &at, NULL, NULL, &count);
  if (result != SCAN_OK) return fail_scan(error, table, row, at, result, count);
  if (count > MOST_COLUMNS)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s: %zu columns; at most %zu are read", table->path, count, MOST_COLUMNS);
  gradc_cell *cells = gradc_allocate(count, sizeof *cells, error);
  char *scratch = gradc_allocate((size_t)(at - row) + 1, 1, error);
  int code = cells && scratch ? 0 : GRADC_EXIT_DATA;
  if (!code) {
    const char *again = row;
    scan_row(table, &again, cells, scratch, &count);
  }
  for (size_t i = 0; i < count && !code; i++) {
    char name[32];
    if (!header || cells[i].length == 0) {
      const int length = snprintf(name, sizeof name, "c%zu", i);
      cells[i] = (gradc_cell){name, (size_t)length};
    }
    if (!gradc_strings_add(&table->columns, cells[i].text, cells[i].length, error)) code = GRADC_EXIT_DATA;
  }
  free(cells);
  free(scratch);
  if (!code) code = check_names(table, error);
  if (!code && header) *cursor = after_line_end(at, table->bytes + table->byte_count);
  return code;
}

static int index_rows(gradc_table *table, const char *at, gradc_error *error) {
  const char *end = table->bytes + table->byte_count;
  size_t capacity = 0;
  while (at < end) {
    if (ends_line(at, end)) {  /* an empty line is no row */
      at = after_line_end(at, end);
      continue;
    }
    const char *row = at;
    size_t fields = 0;
    const scan_result result = scan_row(table, &at, NULL, NULL, &fields);
    if (result != SCAN_OK) return fail_scan(error, table, row, at, result, fields);
    if (fields != table->columns.count) {
      const char *column = fields < table->columns.count ? table->columns.items[fields] : table->columns.items[table->columns.count - 1];
      char shown[GRADC_SHOWN];
      return gradc_fail(error, GRADC_EXIT_DATA, "%s:%zu: row %zu has %zu cells, expected %zu; the row %s column \"%s\"", table->path,
                        line_at(table, row), table->row_count + 1, fields, table->columns.count,
                        fields < table->columns.count ? "ends before" : "goes on after", gradc_shown(column, strlen(column), shown));
    }
    if (table->row_count >= UINT32_MAX - 1)
      return gradc_fail(error, GRADC_EXIT_DATA, "%s: more than %u rows", table->path, UINT32_MAX - 1);
    if (!gradc_grow((void **)&table->row_offsets, &capacity, table->row_count, sizeof *table->row_offsets, error)) return GRADC_EXIT_DATA;
    table->row_offsets[table->row_count++] = (size_t)(row - table->bytes);
    if ((size_t)(at - row) > table->longest_row) table->longest_row = (size_t)(at - row);
    at = after_line_end(at, end);
  }
  if (table->row_count == 0)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s: no rows after the header line", table->path);
  return 0;
}

/* Takes over `bytes`. */
static int parse_owned(char *bytes, size_t byte_count, const char *name, char separator, bool header, gradc_table *table,
                       gradc_error *error) {
  *table = (gradc_table){.bytes = bytes, .byte_count = byte_count, .separator = separator};
  table->path = gradc_copy_text(name, strlen(name), error);
  int code = table->path ? 0 : GRADC_EXIT_DATA;
  const char *cursor = bytes, *end = bytes + byte_count;
  if (byte_count >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) cursor += 3;
  const char *zero = memchr(bytes, 0, byte_count);
  if (!code && zero)
    code = gradc_fail(error, GRADC_EXIT_DATA, "%s:%zu: a zero byte: this is no UTF-8 text (UTF-16 perhaps); save it as UTF-8", name,
                      line_at(table, zero));
  while (cursor < end && ends_line(cursor, end)) cursor = after_line_end(cursor, end);
  if (!code && cursor == end) code = gradc_fail(error, GRADC_EXIT_DATA, "%s: the file is empty, expected rows of a table", name);
  if (!code && !separator) table->separator = sniff_separator(table);
  if (!code) code = read_names(table, &cursor, header, error);
  if (!code) code = index_rows(table, cursor, error);
  if (code) gradc_table_free(table);
  return code;
}

int gradc_table_parse(const char *bytes, size_t byte_count, const char *name, char separator, bool header, gradc_table *table,
                      gradc_error *error) {
  *table = (gradc_table){0};
  char *copy = gradc_copy_text(bytes, byte_count, error);
  return copy ? parse_owned(copy, byte_count, name, separator, header, table, error) : GRADC_EXIT_DATA;
}

int gradc_table_read(const char *path, char separator, bool header, gradc_table *table, gradc_error *error) {
  *table = (gradc_table){0};
  char *bytes = NULL;
  size_t byte_count = 0;
  const int code = gradc_read_file(path, 0, &bytes, &byte_count, error);
  return code ? code : parse_owned(bytes, byte_count, path, separator, header, table, error);
}

void gradc_table_free(gradc_table *table) {
  free(table->path);
  free(table->bytes);
  free(table->row_offsets);
  gradc_strings_free(&table->columns);
  *table = (gradc_table){0};
}

int gradc_table_column(const gradc_table *table, const char *name, size_t *index, gradc_error *error) {
  const ptrdiff_t found = gradc_strings_find(&table->columns, name, strlen(name));
  if (found >= 0) {
    *index = (size_t)found;
    return 0;
  }
  const ptrdiff_t nearest = gradc_nearest_name(name, (const char *const *)table->columns.items, table->columns.count);
  if (nearest >= 0)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s: no column \"%s\"; did you mean \"%s\"?", table->path, name,
                      table->columns.items[nearest]);
  char list[512] = "";
  size_t used = 0;
  for (size_t i = 0; i < table->columns.count && used < 400; i++) {
    char shown[GRADC_SHOWN];
    const int wrote = snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                               gradc_shown(table->columns.items[i], strlen(table->columns.items[i]), shown));
    if (wrote > 0) used += (size_t)wrote;
  }
  return gradc_fail(error, GRADC_EXIT_DATA, "%s: no column \"%s\"; there are %s%s", table->path, name, list, used < 400 ? "" : " …");
}

size_t gradc_table_line(const gradc_table *table, size_t row) { return line_at(table, table->bytes + table->row_offsets[row]); }

int gradc_row_open(const gradc_table *table, gradc_row *row, gradc_error *error) {
  *row = (gradc_row){.table = table};
  row->cells = gradc_allocate(table->columns.count, sizeof *row->cells, error);
  row->scratch = gradc_allocate(table->longest_row + 1, 1, error);
  if (row->cells && row->scratch) return 0;
  gradc_row_close(row);
  return GRADC_EXIT_DATA;
}

void gradc_row_read(gradc_row *row, size_t index) {
  const char *cursor = row->table->bytes + row->table->row_offsets[index];
  size_t fields = 0;
  scan_row(row->table, &cursor, row->cells, row->scratch, &fields);
}

void gradc_row_close(gradc_row *row) {
  free(row->cells);
  free(row->scratch);
  *row = (gradc_row){0};
}

int gradc_fail_cell(gradc_error *error, const gradc_table *table, size_t row, const char *column, const char *format, ...) {
  char message[640], shown[GRADC_SHOWN];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return gradc_fail(error, GRADC_EXIT_DATA, "%s: row %zu (line %zu), column \"%s\": %s", table->path, row + 1,
                    gradc_table_line(table, row), gradc_shown(column, strlen(column), shown), message);
}
