/* log.c: one row an epoch, as CSV or as JSON lines (by the file's extension), flushed. */
#include "train_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool ends_with(const char *text, const char *ending) {
  size_t length = strlen(text), tail = strlen(ending);
  return length >= tail && strcasecmp(text + length - tail, ending) == 0;
}

static int failed(const gradc_log *log, gradc_error *error) {
  return gradc_fail(error, GRADC_EXIT_DATA, "cannot write the log '%s': %s", log->path, strerror(errno));
}

/* The epoch that a row begins with, or -1. */
static long long row_epoch(const char *line, bool json) {
  const char *start = json ? "{\"epoch\":" : "";
  if (strncmp(line, start, strlen(start)) != 0) return -1;
  char *end;
  long long epoch = strtoll(line + strlen(start), &end, 10);
  return end > line + strlen(start) && *end == ',' ? epoch : -1;
}

/* The length of the log up to the last epoch that a resumed training already has; rows after it will be written again. */
static size_t kept_length(const char *bytes, size_t count, bool json, int64_t epochs) {
  size_t offset = 0;
  while (offset < count) {
    const char *end = memchr(bytes + offset, '\n', count - offset);
    bool header = !json && offset == 0;
    if (end == NULL || (!header && (row_epoch(bytes + offset, json) < 1 || row_epoch(bytes + offset, json) > epochs))) break;
    offset = (size_t)(end - bytes) + 1;
  }
  return offset;
}

/* A CSV field: quoted when the name asks for it. */
static void write_field(FILE *file, const char *prefix, const char *name) {
  fputc(',', file);
  bool quoted = strpbrk(name, ",\"\r\n") != NULL;
  if (quoted) fputc('"', file);
  fputs(prefix, file);
  for (; *name != 0; name += 1) {
    if (*name == '"') fputc('"', file);
    fputc(*name, file);
  }
  if (quoted) fputc('"', file);
}

static void write_key(FILE *file, const char *prefix, const char *name) {
  fprintf(file, "\"%s", prefix);
  for (; *name != 0; name += 1) {
    if (*name == '"' || *name == '\\') fputc('\\', file);
    if ((unsigned char)*name < 0x20) fprintf(file, "\\u%04x", (unsigned)*name);
    else fputc(*name, file);
  }
  fputs("\":", file);
}

static void write_number(FILE *file, double value, bool json) {
  char text[40];
  if (!isfinite(value)) {
    if (json) fputs("null", file);
    else if (!isnan(value)) fputs(value > 0 ? "inf" : "-inf", file);
    return;
  }
  gradc_format_number(value, text, sizeof text);
  fputs(text, file);
}

static void write_header(FILE *file, const gradc_history *history, const gradc_model *model, bool health) {
  fputs("epoch,step,lr,loss", file);
  for (int index = 0; index < history->metric_count; index += 1) write_field(file, "", history->metric_names[index]);
  fputs(",val_loss", file);
  for (int index = 0; index < history->metric_count; index += 1) write_field(file, "val_", history->metric_names[index]);
  fputs(",seconds", file);
  for (int index = 0; health && index < model->tensor_count; index += 1)
    if (model->tensors[index].trainable) write_field(file, "gradient_ratio:", model->tensors[index].name);
  fputc('\n', file);
}

int gradc_log_open(gradc_log *log, const char *path, const gradc_history *history, const gradc_model *model, bool health,
                   gradc_error *error) {
  log->path = path;
  log->json = ends_with(path, ".jsonl") || ends_with(path, ".json") || ends_with(path, ".ndjson");
  size_t kept = 0;
  if (history->epoch_count > 0 && access(path, F_OK) == 0) {
    char *bytes = NULL;
    size_t count = 0;
    int code = gradc_read_file(path, 0, &bytes, &count, error);
    if (code != 0) return code;
    kept = kept_length(bytes, count, log->json, history->epochs[history->epoch_count - 1].epoch);
    free(bytes);
  }
  FILE *file = fopen(path, kept > 0 ? "r+e" : "we");
  if (file == NULL) return failed(log, error);
  log->file = file;
  if (kept > 0 && (ftruncate(fileno(file), (off_t)kept) != 0 || fseeko(file, 0, SEEK_END) != 0)) return failed(log, error);
  if (kept == 0 && !log->json) write_header(file, history, model, health);
  return 0;
}

static void write_csv(FILE *file, const gradc_history *history, const gradc_epoch *epoch, const gradc_model *model, const double *ratios) {
  fprintf(file, "%lld,%lld,", (long long)epoch->epoch, (long long)epoch->step);
  write_number(file, epoch->rate, false);
  fputc(',', file);
  write_number(file, epoch->loss, false);
  for (int part = 0; part < 2; part += 1) {
    if (part == 1) {
      fputc(',', file);
      write_number(file, epoch->val_loss, false);
    }
    for (int index = 0; index < history->metric_count; index += 1) {
      fputc(',', file);
      write_number(file, part == 0 ? epoch->metrics[index] : epoch->val_metrics[index], false);
    }
  }
  fputc(',', file);
  write_number(file, epoch->seconds, false);
  for (int index = 0; ratios != NULL && index < model->tensor_count; index += 1) {
    if (!model->tensors[index].trainable) continue;
    fputc(',', file);
    write_number(file, ratios[index], false);
  }
  fputc('\n', file);
}

static void write_json(FILE *file, const gradc_history *history, const gradc_epoch *epoch, const gradc_model *model, const double *ratios) {
  fprintf(file, "{\"epoch\":%lld,\"step\":%lld,\"lr\":", (long long)epoch->epoch, (long long)epoch->step);
  write_number(file, epoch->rate, true);
  for (int part = 0; part < 2; part += 1) {
    if (part == 1 && !history->has_validation) break;
    fputs(part == 0 ? ",\"loss\":" : ",\"val_loss\":", file);
    write_number(file, part == 0 ? epoch->loss : epoch->val_loss, true);
    for (int index = 0; index < history->metric_count; index += 1) {
      fputc(',', file);
      write_key(file, part == 0 ? "" : "val_", history->metric_names[index]);
      write_number(file, part == 0 ? epoch->metrics[index] : epoch->val_metrics[index], true);
    }
  }
  fputs(",\"seconds\":", file);
  write_number(file, epoch->seconds, true);
  if (ratios != NULL) {
    fputs(",\"gradient_ratio\":{", file);
    bool first = true;
    for (int index = 0; index < model->tensor_count; index += 1) {
      if (!model->tensors[index].trainable) continue;
      if (!first) fputc(',', file);
      first = false;
      write_key(file, "", model->tensors[index].name);
      write_number(file, ratios[index], true);
    }
    fputc('}', file);
  }
  fputs("}\n", file);
}

int gradc_log_row(gradc_log *log, const gradc_history *history, const gradc_epoch *epoch, const gradc_model *model, const double *ratios,
                  gradc_error *error) {
  FILE *file = log->file;
  if (file == NULL) return 0;
  if (log->json) write_json(file, history, epoch, model, ratios);
  else write_csv(file, history, epoch, model, ratios);
  return fflush(file) != 0 || ferror(file) ? failed(log, error) : 0;
}

void gradc_log_close(gradc_log *log) {
  if (log->file != NULL) fclose(log->file);
  log->file = NULL;
}
