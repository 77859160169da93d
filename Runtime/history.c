/* history.c: what a training did, epoch by epoch. */
#include "train_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool gradc_history_reserve(gradc_history *history, int count) {
  if (count <= history->epoch_capacity) return true;
  int capacity = history->epoch_capacity > 0 ? history->epoch_capacity : 16;
  while (capacity < count) capacity = capacity > count / 2 ? count : capacity * 2;
  gradc_epoch *epochs = realloc(history->epochs, (size_t)capacity * sizeof *epochs);
  if (epochs == NULL) return false;
  history->epochs = epochs;
  history->epoch_capacity = capacity;
  return true;
}

void gradc_history_free(gradc_history *history) {
  free(history->epochs);
  gradc_evaluation_free(&history->validation);
  gradc_evaluation_free(&history->test);
  memset(history, 0, sizeof *history);
}

const gradc_epoch *gradc_history_epoch(const gradc_history *history, int index) {
  return index >= 0 && index < history->epoch_count ? &history->epochs[index] : NULL;
}

const char *gradc_history_metric_name(const gradc_history *history, int metric) {
  return metric >= 0 && metric < history->metric_count ? history->metric_names[metric] : NULL;
}

double gradc_history_metric(const gradc_history *history, int index, int metric, bool validation) {
  const gradc_epoch *epoch = gradc_history_epoch(history, index);
  if (epoch == NULL || metric < 0 || metric >= history->metric_count) return (double)NAN;
  return validation ? epoch->val_metrics[metric] : epoch->metrics[metric];
}

const char *gradc_history_reason(const gradc_history *history) { return history->reason; }
const char *gradc_history_monitor(const gradc_history *history) { return history->monitor; }
const char *gradc_history_health(const gradc_history *history) { return history->health; }

/* Adds formatted text to `text`, which is freed; null once memory is short. */
static char *extend(char *text, char *tail) {
  char *longer = text != NULL && tail != NULL ? gradc_text_format("%s%s", text, tail) : NULL;
  gradc_text_free(text);
  gradc_text_free(tail);
  return longer;
}

static char *add_evaluation(char *text, const char *part, const gradc_evaluation *evaluation) {
  text = extend(text, gradc_text_format("%s (%zu rows)  loss %.4g", part, evaluation->rows, evaluation->loss));
  for (int index = 0; index < evaluation->metric_count; index += 1)
    text = extend(text, gradc_text_format("  %s %.4g", evaluation->metric_names[index], evaluation->metrics[index]));
  return extend(text, gradc_text_format("\n"));
}

char *gradc_history_summary(const gradc_history *history, const gradc_encoder *encoder) {
  char *text = gradc_text_format("stopped: %s\n", history->reason);
  if (history->best_epoch > 0)
    text = extend(text, gradc_text_format("best: epoch %lld, %s %.4g; its weights are kept\n", (long long)history->best_epoch,
                                          history->monitor, history->best_value));
  if (history->validation.rows > 0) text = add_evaluation(text, "validation", &history->validation);
  if (history->test.rows > 0) text = add_evaluation(text, "test", &history->test);
  const gradc_evaluation *last = history->test.rows > 0 ? &history->test : &history->validation;
  /* A table wider than a screen is not read. */
  if (last->class_count > 0 && last->class_count <= 20) text = extend(text, gradc_evaluation_matrix(last, encoder));
  return text;
}
