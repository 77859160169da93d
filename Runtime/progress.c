/* progress.c: the line an epoch on stdout, the bar on stderr, and clocks. */
#include "train_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double read_clock(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double gradc_clock(void) { return read_clock(CLOCK_MONOTONIC); }

double gradc_coarse_clock(void) {
#ifdef CLOCK_MONOTONIC_COARSE
  return read_clock(CLOCK_MONOTONIC_COARSE);
#else
  return read_clock(CLOCK_MONOTONIC);
#endif
}

void gradc_bar_start(gradc_bar *bar, gradc_progress progress) {
  const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
  bool is_terminal = isatty(STDERR_FILENO) != 0;
  bar->active = progress == GRADC_PROGRESS_ALWAYS || (progress == GRADC_PROGRESS_AUTO && is_terminal);
  bar->color = bar->active && is_terminal && (no_color == NULL || no_color[0] == 0) && (terminal == NULL || strcmp(terminal, "dumb") != 0);
  bar->drawn = false;
  bar->last = gradc_coarse_clock();
}

#define BAR_CELLS 24
#define BAR_LINE 79

void gradc_bar_draw(gradc_bar *bar, int64_t epoch, int64_t epochs, int64_t step, int64_t steps, double loss) {
  double now = gradc_coarse_clock();
  if (now - bar->last < 0.1) return;
  bar->last = now;
  bar->drawn = true;
  char cells[BAR_CELLS + 1], line[160];
  int64_t full = steps > 0 ? step * BAR_CELLS / steps : 0;
  for (int64_t cell = 0; cell < BAR_CELLS; cell += 1) cells[cell] = cell < full ? '=' : cell == full ? '>' : '.';
  cells[BAR_CELLS] = 0;
  snprintf(line, sizeof line, "epoch %lld/%lld [%s] %lld/%lld  loss %.4g", (long long)epoch, (long long)epochs, cells, (long long)step,
           (long long)steps, loss);
  fprintf(stderr, bar->color ? "\r\033[36m%-*.*s\033[0m" : "\r%-*.*s", BAR_LINE, BAR_LINE, line);
  fflush(stderr);
}

void gradc_bar_erase(gradc_bar *bar) {
  if (!bar->drawn) return;
  fprintf(stderr, "\r%*s\r", BAR_LINE, "");
  fflush(stderr);
  bar->drawn = false;
}

static void append_figure(char *text, size_t size, const char *prefix, const char *name, double value) {
  size_t used = strlen(text);
  if (!isnan(value)) snprintf(text + used, size - used, "  %s%s %.4g", prefix, name, value);
}

void gradc_epoch_line(char *text, size_t size, const gradc_history *history, const gradc_epoch *epoch, int64_t epochs) {
  snprintf(text, size, "epoch %lld/%lld", (long long)epoch->epoch, (long long)epochs);
  append_figure(text, size, "", "loss", epoch->loss);
  for (int index = 0; index < history->metric_count; index += 1)
    append_figure(text, size, "", history->metric_names[index], epoch->metrics[index]);
  append_figure(text, size, "", "val_loss", epoch->val_loss);
  for (int index = 0; index < history->metric_count; index += 1)
    append_figure(text, size, "val_", history->metric_names[index], epoch->val_metrics[index]);
  append_figure(text, size, "", "lr", epoch->rate);
  size_t used = strlen(text);
  snprintf(text + used, size - used, "\n");
}
