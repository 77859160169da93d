/* history.c: what a training did, epoch by epoch. */
#include "train_internal.h"

#include <math.h>
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
