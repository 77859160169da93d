/* metrics.c: figures of merit over any number of batches. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dataset_internal.h"

typedef enum metric_kind {
  METRIC_ACCURACY, METRIC_PRECISION, METRIC_RECALL, METRIC_F1, METRIC_AUC, METRIC_MAE, METRIC_MSE, METRIC_RMSE, METRIC_R2,
  METRIC_PERPLEXITY, METRIC_BITS_PER_CHARACTER, METRIC_BITS_PER_BYTE
} metric_kind;

static const struct {
  const char *name;
  metric_kind kind;
} names[] = {
    {"accuracy", METRIC_ACCURACY},
    {"precision", METRIC_PRECISION},
    {"recall", METRIC_RECALL},
    {"f1", METRIC_F1},
    {"auc", METRIC_AUC},
    {"mae", METRIC_MAE},
    {"mse", METRIC_MSE},
    {"rmse", METRIC_RMSE},
    {"r2", METRIC_R2},
    {"perplexity", METRIC_PERPLEXITY},
    {"bits_per_character", METRIC_BITS_PER_CHARACTER},
    {"bits_per_byte", METRIC_BITS_PER_BYTE},
    {"acc", METRIC_ACCURACY},
    {"binary_accuracy", METRIC_ACCURACY},
    {"categorical_accuracy", METRIC_ACCURACY},
    {"sparse_categorical_accuracy", METRIC_ACCURACY},
    {"f1_score", METRIC_F1},
    {"roc_auc", METRIC_AUC},
    {"mean_absolute_error", METRIC_MAE},
    {"mean_squared_error", METRIC_MSE},
    {"root_mean_squared_error", METRIC_RMSE},
    {"r2_score", METRIC_R2},
    {"bpc", METRIC_BITS_PER_CHARACTER},
};

#define NAMES (sizeof names / sizeof *names)

static bool find_metric(const char *name, metric_kind *kind) {
  for (size_t i = 0; i < NAMES; i++)
    if (strcmp(names[i].name, name) == 0) {
      *kind = names[i].kind;
      return true;
    }
  return false;
}

bool gradc_metric_is_known(const char *name) {
  metric_kind kind;
  return find_metric(name, &kind);
}

const char *gradc_metric_nearest(const char *name) {
  const char *list[NAMES];
  for (size_t i = 0; i < NAMES; i++) list[i] = names[i].name;
  const ptrdiff_t nearest = gradc_nearest_name(name, list, NAMES);
  return nearest < 0 ? NULL : list[nearest];
}

bool gradc_metric_is_score(const char *name) {
  metric_kind kind;
  if (strncmp(name, "val_", 4) == 0) name += 4;
  return find_metric(name, &kind) && (kind <= METRIC_AUC || kind == METRIC_R2);
}

/* The largest confusion matrix that is kept. */
#define MOST_CONFUSED ((size_t)4096)

int gradc_metrics_create(gradc_task task, size_t width, double threshold, bool keep_scores, gradc_metrics *metrics, gradc_error *error) {
  *metrics = (gradc_metrics){.task = task, .width = width, .threshold = threshold, .keep_scores = keep_scores};
  if (width == 0) return gradc_fail(error, GRADC_EXIT_BUG, "metrics of an output without elements");
  if (task == GRADC_TASK_BINARY) metrics->class_count = 2;
  if (task == GRADC_TASK_CLASSES) metrics->class_count = width;
  size_t cells = 0;
  if (metrics->class_count <= MOST_CONFUSED) cells = metrics->class_count * metrics->class_count;
  metrics->confusion = cells || !metrics->class_count ? gradc_allocate(cells, sizeof *metrics->confusion, error) : NULL;
  metrics->mean = gradc_allocate(width, sizeof(double), error);
  metrics->spread = gradc_allocate(width, sizeof(double), error);
  metrics->squared = gradc_allocate(width, sizeof(double), error);
  metrics->absolute = gradc_allocate(width, sizeof(double), error);
  const bool counted = metrics->confusion || metrics->class_count > MOST_CONFUSED;
  if (counted && metrics->mean && metrics->spread && metrics->squared && metrics->absolute) return 0;
  gradc_metrics_free(metrics);
  return GRADC_EXIT_DATA;
}

int gradc_metrics_set_unit(gradc_metrics *metrics, const gradc_encoder *encoder, gradc_error *error) {
  if (metrics->task != GRADC_TASK_REGRESSION || encoder->target_count == 0 || metrics->width % encoder->target_count != 0) return 0;
  if (!metrics->offset) metrics->offset = gradc_allocate(metrics->width, sizeof(double), error);
  if (!metrics->scale) metrics->scale = gradc_allocate(metrics->width, sizeof(double), error);
  if (!metrics->offset || !metrics->scale) return GRADC_EXIT_DATA;
  for (size_t i = 0; i < metrics->width; i++) {
    const gradc_encoded_target *target = &encoder->targets[i % encoder->target_count];  /* of windows: a line ahead after the other */
    metrics->offset[i] = target->offset;
    metrics->scale[i] = target->scale;
  }
  return 0;
}

void gradc_metrics_reset(gradc_metrics *metrics) {
  metrics->rows = metrics->score_count = 0;
  metrics->right = metrics->judged = 0;
  if (metrics->confusion) memset(metrics->confusion, 0, metrics->class_count * metrics->class_count * sizeof *metrics->confusion);
  memset(metrics->mean, 0, metrics->width * sizeof(double));
  memset(metrics->spread, 0, metrics->width * sizeof(double));
  memset(metrics->squared, 0, metrics->width * sizeof(double));
  memset(metrics->absolute, 0, metrics->width * sizeof(double));
}

void gradc_metrics_free(gradc_metrics *metrics) {
  free(metrics->confusion);
  free(metrics->mean);
  free(metrics->spread);
  free(metrics->squared);
  free(metrics->absolute);
  free(metrics->offset);
  free(metrics->scale);
  free(metrics->scores);
  free(metrics->labels);
  *metrics = (gradc_metrics){0};
}

/* ---- Adding rows ---- */

static size_t largest_float(const float *values, size_t count) {
  size_t best = 0;
  for (size_t i = 1; i < count; i++)
    if (values[i] > values[best]) best = i;
  return best;
}

static size_t largest(const char *values, gradc_element element, size_t count) {
  size_t best = 0;
  if (element == GRADC_F32) return largest_float((const float *)(const void *)values, count);
  const size_t size = gradc_element_bytes(element);
  for (size_t i = 1; i < count; i++)
    if (gradc_load_number(values + i * size, element) > gradc_load_number(values + best * size, element)) best = i;
  return best;
}

/* The class of one row: an index, a label 0/1, or the largest of as many elements as there are classes. */
static int actual_class(const gradc_metrics *metrics, const char *target, gradc_element element, size_t target_width, size_t *class_index,
                        gradc_error *error) {
  if (target_width > 1) {
    *class_index = largest(target, element, target_width);
    return 0;
  }
  const double value = gradc_load_number(target, element);
  if (metrics->task == GRADC_TASK_BINARY) {
    *class_index = value >= 0.5;
    return 0;
  }
  if (!(value >= 0 && value < (double)metrics->class_count && floor(value) == value))
    return gradc_fail(error, GRADC_EXIT_DATA, "row %zu: the class %g is out of range, expected 0 to %zu", metrics->rows + 1, value,
                      metrics->class_count - 1);
  *class_index = (size_t)value;
  return 0;
}

/* Scores a row: one for binary tasks, where each element counts as a row, else one a class. */
static size_t score_width(const gradc_metrics *metrics) { return metrics->task == GRADC_TASK_BINARY ? 1 : metrics->width; }

static int keep_score(gradc_metrics *metrics, const char *output, gradc_element element, size_t label, gradc_error *error) {
  const size_t width = score_width(metrics);
  if (metrics->score_count == metrics->score_capacity) {
    const size_t capacity = metrics->score_capacity ? metrics->score_capacity * 2 : 64;
    size_t count = 0, bytes = 0;
    double *scores = NULL;
    int32_t *labels = NULL;
    if (gradc_multiply(capacity, width, &count) && gradc_multiply(count, sizeof *scores, &bytes))
      scores = realloc(metrics->scores, bytes);
    if (scores) metrics->scores = scores;
    if (scores) labels = realloc(metrics->labels, capacity * sizeof *labels);
    if (labels) metrics->labels = labels;
    if (!scores || !labels) return gradc_fail(error, GRADC_EXIT_DATA, "out of memory: no room for the scores of %zu rows", capacity);
    metrics->score_capacity = capacity;
  }
  for (size_t i = 0; i < width; i++)
    metrics->scores[metrics->score_count * width + i] = gradc_load_number(output + i * gradc_element_bytes(element), element);
  metrics->labels[metrics->score_count++] = (int32_t)label;
  return 0;
}

/* A binary model with several outputs is judged element by element. */
static int add_classes(gradc_metrics *metrics, const char *output, gradc_element element, const char *target, gradc_element target_element,
                       size_t target_width, gradc_error *error) {
  const bool binary = metrics->task == GRADC_TASK_BINARY;
  size_t actual = 0;
  const int code = actual_class(metrics, target, target_element, binary ? 1 : target_width, &actual, error);
  if (code) return code;
  const size_t predicted = binary ? gradc_load_number(output, element) >= metrics->threshold : largest(output, element, metrics->width);
  metrics->judged++;
  metrics->right += actual == predicted;
  if (metrics->confusion) metrics->confusion[actual * metrics->class_count + predicted]++;
  return metrics->keep_scores ? keep_score(metrics, output, element, actual, error) : 0;
}

/* Errors of one row; `index`, when not negative, stands for a row with a single one at that place. */
static void add_errors(gradc_metrics *metrics, const char *output, gradc_element element, const char *target, gradc_element target_element,
                       ptrdiff_t index) {
  for (size_t i = 0; i < metrics->width; i++) {
    double predicted = gradc_load_number(output + i * gradc_element_bytes(element), element);
    double actual = index >= 0 ? (double)((size_t)index == i)
                               : gradc_load_number(target + i * gradc_element_bytes(target_element), target_element);
    if (metrics->scale) {
      predicted = predicted * metrics->scale[i] + metrics->offset[i];
      actual = actual * metrics->scale[i] + metrics->offset[i];
    }
    const double error = predicted - actual, delta = actual - metrics->mean[i];
    metrics->squared[i] += error * error;
    metrics->absolute[i] += fabs(error);
    metrics->mean[i] += delta / (double)(metrics->rows + 1);
    metrics->spread[i] += delta * (actual - metrics->mean[i]);
  }
}

int gradc_metrics_add(gradc_metrics *metrics, const void *outputs, gradc_element element, const void *targets,
                      gradc_element target_element, size_t target_width, size_t n, gradc_error *error) {
  const bool one_index = target_width == 1 && metrics->width > 1;
  if (!one_index && target_width != metrics->width)
    return gradc_fail(error, GRADC_EXIT_DATA, "targets have %zu elements a row, outputs %zu", target_width, metrics->width);
  if (one_index && metrics->task != GRADC_TASK_CLASSES)
    return gradc_fail(error, GRADC_EXIT_DATA, "targets have one element a row, outputs %zu", metrics->width);
  const size_t output_bytes = metrics->width * gradc_element_bytes(element);
  const size_t target_bytes = target_width * gradc_element_bytes(target_element);
  for (size_t row = 0; row < n; row++) {
    const char *output = (const char *)outputs + row * output_bytes, *target = (const char *)targets + row * target_bytes;
    int code = 0;
    if (metrics->task == GRADC_TASK_CLASSES) {
      code = add_classes(metrics, output, element, target, target_element, target_width, error);
    } else if (metrics->task == GRADC_TASK_BINARY) {
      for (size_t i = 0; i < metrics->width && !code; i++)
        code = add_classes(metrics, output + i * gradc_element_bytes(element), element, target + i * gradc_element_bytes(target_element),
                           target_element, 1, error);
    }
    if (code) return code;
    if (!metrics->skip_errors)
      add_errors(metrics, output, element, target, target_element, one_index ? (ptrdiff_t)gradc_load_number(target, target_element) : -1);
    metrics->rows++;
  }
  return 0;
}

/* ---- Reading figures ---- */

uint64_t gradc_metrics_confusion(const gradc_metrics *metrics, size_t actual, size_t predicted) {
  if (!metrics->confusion || actual >= metrics->class_count || predicted >= metrics->class_count) return 0;
  return metrics->confusion[actual * metrics->class_count + predicted];
}

static double ratio(double above, double below) { return below > 0 ? above / below : 0; }

static double accuracy(const gradc_metrics *metrics) {
  return ratio((double)metrics->right, (double)metrics->judged);
}

/* Precision, recall or F1 of one class; `present`: whether it occurs among labels or predictions. */
static double of_class(const gradc_metrics *metrics, metric_kind kind, size_t class_index, bool *present) {
  double labelled = 0, predicted = 0;
  for (size_t i = 0; i < metrics->class_count; i++) {
    labelled += (double)gradc_metrics_confusion(metrics, class_index, i);
    predicted += (double)gradc_metrics_confusion(metrics, i, class_index);
  }
  const double right = (double)gradc_metrics_confusion(metrics, class_index, class_index);
  *present = labelled + predicted > 0;
  if (kind == METRIC_PRECISION) return ratio(right, predicted);
  if (kind == METRIC_RECALL) return ratio(right, labelled);
  return ratio(2 * right, labelled + predicted);
}

/* Of class 1 for two classes of a binary task, else the mean over the classes that occur. */
static double over_classes(const gradc_metrics *metrics, metric_kind kind) {
  bool present = false;
  if (metrics->task == GRADC_TASK_BINARY) return of_class(metrics, kind, 1, &present);
  double sum = 0, count = 0;
  for (size_t i = 0; i < metrics->class_count; i++) {
    const double value = of_class(metrics, kind, i, &present);
    if (present) sum += value;
    if (present) count += 1;
  }
  return ratio(sum, count);
}

typedef struct scored {
  double score;
  bool positive;
} scored;

static int compare_scores(const void *a, const void *b) {
  const double left = ((const scored *)a)->score, right = ((const scored *)b)->score;
  return (left > right) - (left < right);
}

/* Mann and Whitney's statistic: the share of (positive, negative) pairs in the right order, ties counted half. All sums are whole
 * numbers or halves, so it is exact as long as there are fewer than 2^52 pairs. */
static double area(const scored *sorted, size_t count) {
  double below = 0, positives = 0, sum = 0;
  for (size_t begin = 0, at = 0; begin < count; begin = at) {
    double tied_positives = 0, tied_negatives = 0;
    for (; at < count && sorted[at].score == sorted[begin].score; at++) {
      if (sorted[at].positive) tied_positives += 1;
      else tied_negatives += 1;
    }
    sum += tied_positives * (below + tied_negatives / 2);
    below += tied_negatives;
    positives += tied_positives;
  }
  return positives > 0 && below > 0 ? sum / (positives * below) : (double)NAN;
}

static int area_under_curve(const gradc_metrics *metrics, double *value, gradc_error *error) {
  const bool binary = metrics->task == GRADC_TASK_BINARY;
  const size_t width = score_width(metrics), count = metrics->score_count;
  *value = (double)NAN;
  for (size_t i = 0; i < count * width; i++)
    if (isnan(metrics->scores[i])) return 0;
  scored *sorted = gradc_allocate(count, sizeof *sorted, error);
  if (!sorted) return GRADC_EXIT_DATA;
  double sum = 0, classes = 0;
  for (size_t c = 0; c < width; c++) {
    for (size_t i = 0; i < count; i++)
      sorted[i] = (scored){metrics->scores[i * width + c], binary ? metrics->labels[i] == 1 : metrics->labels[i] == (int32_t)c};
    if (count) qsort(sorted, count, sizeof *sorted, compare_scores);
    const double one = area(sorted, count);
    if (isnan(one)) continue;  /* a class that does not occur, or no other */
    sum += one;
    classes += 1;
  }
  free(sorted);
  if (classes > 0) *value = sum / classes;
  return 0;
}

static double mean_of(const double *sums, size_t width, size_t rows) {
  double sum = 0;
  for (size_t i = 0; i < width; i++) sum += sums[i];
  return rows ? sum / ((double)rows * (double)width) : 0;
}

/* 1 - residual / total, averaged over outputs; a constant target scores 1 when it is met exactly, else 0. */
static double determination(const gradc_metrics *metrics) {
  double sum = 0;
  for (size_t i = 0; i < metrics->width; i++) {
    if (metrics->spread[i] > 0) sum += 1 - metrics->squared[i] / metrics->spread[i];
    else sum += metrics->squared[i] > 0 ? 0 : 1;
  }
  return sum / (double)metrics->width;
}

/* Figures of the cross-entropy a token. */
static int of_tokens(const gradc_metrics *metrics, const char *name, metric_kind kind, double *value, gradc_error *error) {
  const double parts = kind == METRIC_BITS_PER_BYTE ? metrics->bytes : metrics->characters;
  if (metrics->task != GRADC_TASK_CLASSES)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s is a figure of models that tell classes apart by a cross-entropy", name);
  if (kind != METRIC_PERPLEXITY && !(parts > 0))
    return gradc_fail(error, GRADC_EXIT_DATA, "%s needs a text as data; perplexity needs none", name);
  *value = kind == METRIC_PERPLEXITY ? exp(metrics->loss) : metrics->loss / (0.693147180559945309 * parts);
  return 0;
}

int gradc_metrics_value(const gradc_metrics *metrics, const char *name, double *value, gradc_error *error) {
  metric_kind kind;
  *value = (double)NAN;
  if (!find_metric(name, &kind)) {
    const char *nearest = gradc_metric_nearest(name);
    return gradc_fail(error, GRADC_EXIT_DATA, "unknown metric \"%s\"; %s%s", name,
                      nearest ? "did you mean " : "there are accuracy, auc, mae …", nearest ? nearest : "");
  }
  if (kind <= METRIC_AUC && metrics->class_count == 0)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s is a figure of classifiers, but the model's output is a number; use mae, mse, rmse or r2 "
                      "(--metrics names others than the file does)",
                      name);
  if (kind == METRIC_AUC && !metrics->keep_scores) return gradc_fail(error, GRADC_EXIT_BUG, "auc was asked for, but scores were not kept");
  if (kind > METRIC_ACCURACY && kind < METRIC_AUC && !metrics->confusion)
    return gradc_fail(error, GRADC_EXIT_DATA, "%s is not computed for more than %zu classes; accuracy is", name, MOST_CONFUSED);
  if (kind >= METRIC_PERPLEXITY) return of_tokens(metrics, name, kind, value, error);
  switch (kind) {
    case METRIC_ACCURACY: *value = accuracy(metrics); break;
    case METRIC_PRECISION:
    case METRIC_RECALL:
    case METRIC_F1: *value = over_classes(metrics, kind); break;
    case METRIC_AUC: return area_under_curve(metrics, value, error);
    case METRIC_MAE: *value = mean_of(metrics->absolute, metrics->width, metrics->rows); break;
    case METRIC_MSE: *value = mean_of(metrics->squared, metrics->width, metrics->rows); break;
    case METRIC_RMSE: *value = sqrt(mean_of(metrics->squared, metrics->width, metrics->rows)); break;
    case METRIC_R2: *value = determination(metrics); break;
    case METRIC_PERPLEXITY:
    case METRIC_BITS_PER_CHARACTER:
    case METRIC_BITS_PER_BYTE: break;
  }
  return 0;
}
