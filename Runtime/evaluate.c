/* evaluate.c: loss and metrics over the rows of a dataset, and prediction. */
#include "train_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Rows that one call of run or evaluate takes: the model's maximum, but no more than keeps the copy in cache. */
static size_t chunk_rows(const gradc_model *model, size_t count) {
  size_t rows = (size_t)model->max_batch;
  return count > 0 && count < rows ? count : rows;
}

static int reserve_outputs(gradc_trainer *trainer, gradc_error *error) {
  const gradc_model *model = trainer->model;
  for (int port = 0; port < model->output_count; port += 1) {
    if (trainer->outputs[port] != NULL) continue;
    size_t row_bytes = model->outputs[port].row_count * gradc_element_bytes(model->outputs[port].element);
    size_t bytes = row_bytes * (size_t)model->max_batch;
    trainer->outputs[port] = aligned_alloc(64, bytes / 64 * 64 + 64);
    if (trainer->outputs[port] == NULL)
      return gradc_fail(error, GRADC_EXIT_DATA, "no memory for %d rows of output '%s'", model->max_batch, model->outputs[port].name);
  }
  return 0;
}

static int check_status(const gradc_model *model, int status, const char *what, gradc_error *error) {
  if (status == GRADC_OK) return 0;
  if (status == GRADC_NOT_FINITE) return gradc_fail(error, GRADC_EXIT_NUMERIC, "%s '%s': the result is not finite", what, model->name);
  return gradc_fail(error, GRADC_EXIT_BUG, "%s '%s' failed with status %d", what, model->name, status);
}

/* Whether a metric needs the differences of predictions and targets: for every class of every token they take long. */
static bool is_of_errors(const char *name) {
  static const char *const others[] = {"accuracy", "precision", "recall", "f1", "auc", "perplexity", "bits_per_character", "bits_per_byte"};
  for (size_t index = 0; index < sizeof others / sizeof others[0]; index += 1)
    if (strcmp(name, others[index]) == 0) return false;
  return true;
}

int gradc_evaluator_create(gradc_trainer *trainer, const gradc_recipe *recipe, const gradc_dataset *dataset, const gradc_encoder *encoder,
                           gradc_evaluator *evaluator, gradc_error *error) {
  const gradc_model *model = trainer->model;
  memset(evaluator, 0, sizeof *evaluator);
  evaluator->trainer = trainer;
  evaluator->dataset = dataset;
  evaluator->names = &recipe->metrics;
  int code = gradc_check_dataset(model, dataset, true, error);
  if (code != 0) return code;
  if (recipe->metrics.count > GRADC_METRIC_LIMIT)
    return gradc_fail(error, GRADC_EXIT_DATA, "%zu metrics are asked for; %d is the most", recipe->metrics.count, GRADC_METRIC_LIMIT);
  bool scores = false, errors = false;
  for (size_t index = 0; index < recipe->metrics.count; index += 1) {
    const char *name = recipe->metrics.items[index];
    if (!gradc_metric_is_known(name) || strlen(name) >= GRADC_METRIC_NAME)
      return gradc_fail(error, GRADC_EXIT_DATA, "unknown metric '%s'; the nearest is '%s'", name,
                        gradc_metric_nearest(name) != NULL ? gradc_metric_nearest(name) : "accuracy");
    scores = scores || strcasecmp(name, "auc") == 0;
    errors = errors || is_of_errors(name);
  }
  const gradc_port *output = &model->outputs[0];
  evaluator->width = model->task == GRADC_TASK_CLASSES && output->rank > 1 ? (size_t)output->dims[output->rank - 1] : output->row_count;
  evaluator->positions = evaluator->width > 0 ? output->row_count / evaluator->width : 1;
  code = reserve_outputs(trainer, error);
  evaluator->chunk = chunk_rows(model, dataset->row_count);
  if (code == 0 && dataset->images != NULL) code = gradc_feed_create(dataset, evaluator->chunk, NULL, true, &evaluator->feed, error);
  else if (code == 0) code = gradc_batch_create(dataset, evaluator->chunk, &evaluator->batch, error);
  if (code == 0) code = gradc_metrics_create(model->task, evaluator->width, recipe->threshold, scores, &evaluator->metrics, error);
  if (code == 0 && encoder != NULL && encoder->target_count > 0) code = gradc_metrics_set_unit(&evaluator->metrics, encoder, error);
  evaluator->metrics.skip_errors = !errors;
  evaluator->metrics.characters = dataset->windows.characters;
  evaluator->metrics.bytes = dataset->windows.bytes;
  evaluator->ready = code == 0;
  if (code != 0) gradc_evaluator_free(evaluator);
  return code;
}

/* The next rows, ready for the model; images are made ahead. */
static const void *next_rows(gradc_evaluator *evaluator, const uint32_t *rows, size_t left, size_t *count) {
  if (evaluator->feed != NULL)
    return gradc_trainer_batch(evaluator->trainer, evaluator->dataset, gradc_feed_next(evaluator->feed, count));
  *count = left < evaluator->chunk ? left : evaluator->chunk;
  return gradc_trainer_rows(evaluator->trainer, evaluator->dataset, rows, *count, &evaluator->batch);
}

static int evaluate_rows(gradc_evaluator *evaluator, const uint32_t *rows, size_t count, double *loss, gradc_error *error) {
  gradc_trainer *trainer = evaluator->trainer;
  const gradc_model *model = trainer->model;
  /* A model that learns its own input is judged by it; one whose targets are something else again has a loss, but no metrics. */
  const bool own_input = model->target_count == 0;
  const gradc_port *target = own_input ? &model->inputs[0] : &model->targets[0];
  const bool judged = !own_input || target->row_count == model->outputs[0].row_count;
  gradc_metrics_reset(&evaluator->metrics);
  double sum = 0;
  if (evaluator->feed != NULL) gradc_feed_begin(evaluator->feed, rows, count, 0, 0);
  for (size_t begin = 0, n = 0; begin < count; begin += n) {
    const void *weights = next_rows(evaluator, rows + begin, count - begin, &n);
    double batch_loss = 0;
    int status = model->evaluate(trainer->memory, trainer->inputs, trainer->targets, weights, (int)n, trainer->outputs, &batch_loss,
                                 trainer->scratch);
    /* A loss that is not finite is a figure to report here; training itself stops on it. */
    if (status != GRADC_NOT_FINITE) {
      int code = check_status(model, status, "evaluating", error);
      if (code != 0) return code;
    }
    sum += batch_loss * (double)n;
    if (!judged) continue;
    const void *expected = own_input ? trainer->inputs[0] : trainer->targets[0];
    int code = gradc_metrics_add(&evaluator->metrics, trainer->outputs[0], model->outputs[0].element, expected, target->element,
                                 target->row_count / evaluator->positions, n * evaluator->positions, error);
    if (code != 0) return code;
  }
  *loss = evaluator->metrics.loss = sum / (double)count;
  return 0;
}

int gradc_evaluator_run(gradc_evaluator *evaluator, const uint32_t *rows, size_t count, double *loss, double *values, gradc_error *error) {
  *loss = (double)NAN;
  for (size_t index = 0; index < evaluator->names->count; index += 1) values[index] = (double)NAN;
  if (count == 0) return 0;
  int code = evaluate_rows(evaluator, rows, count, loss, error);
  for (size_t index = 0; code == 0 && index < evaluator->names->count; index += 1)
    code = gradc_metrics_value(&evaluator->metrics, evaluator->names->items[index], &values[index], error);
  return code;
}

void gradc_evaluator_free(gradc_evaluator *evaluator) {
  gradc_feed_free(evaluator->feed);
  evaluator->feed = NULL;
  gradc_batch_free(&evaluator->batch);
  gradc_metrics_free(&evaluator->metrics);
  evaluator->ready = false;
}

int gradc_evaluator_report(gradc_evaluator *evaluator, const uint32_t *rows, size_t count, gradc_evaluation *evaluation,
                           gradc_error *error) {
  gradc_evaluation_free(evaluation);
  int code = gradc_evaluator_run(evaluator, rows, count, &evaluation->loss, evaluation->metrics, error);
  if (code != 0) return code;
  evaluation->rows = count;
  evaluation->metric_count = (int)evaluator->names->count;
  for (int index = 0; index < evaluation->metric_count; index += 1)
    snprintf(evaluation->metric_names[index], GRADC_METRIC_NAME, "%s", evaluator->names->items[index]);
  /* Of the tokens of a text, and past this side, a matrix is a picture, not a table. */
  size_t classes = count > 0 && evaluator->positions == 1 ? evaluator->metrics.class_count : 0;
  if (classes > 4096) classes = 0;
  if (classes > 0) {
    evaluation->confusion = malloc(classes * classes * sizeof *evaluation->confusion);
    if (evaluation->confusion == NULL)
      return gradc_fail(error, GRADC_EXIT_DATA, "no memory for a confusion matrix of %zu classes", classes);
    for (size_t cell = 0; cell < classes * classes; cell += 1)
      evaluation->confusion[cell] = gradc_metrics_confusion(&evaluator->metrics, cell / classes, cell % classes);
    evaluation->class_count = classes;
  }
  return 0;
}

int gradc_evaluate(gradc_trainer *trainer, const gradc_recipe *recipe, const gradc_dataset *dataset, const gradc_encoder *encoder,
                   const uint32_t *rows, size_t count, gradc_evaluation *evaluation, gradc_error *error) {
  gradc_evaluator evaluator;
  memset(evaluation, 0, sizeof *evaluation);
  if (trainer->model->evaluate == NULL)
    return gradc_fail(error, GRADC_EXIT_USAGE, "'%s' was compiled without a loss: it can be run, not evaluated", trainer->model->name);
  int code = gradc_evaluator_create(trainer, recipe, dataset, encoder, &evaluator, error);
  if (code != 0) return code;
  code = gradc_evaluator_report(&evaluator, rows, count, evaluation, error);
  gradc_evaluator_free(&evaluator);
  return code;
}

void gradc_evaluation_free(gradc_evaluation *evaluation) {
  free(evaluation->confusion);
  memset(evaluation, 0, sizeof *evaluation);
}

const char *gradc_evaluation_name(const gradc_evaluation *evaluation, int metric) {
  return metric >= 0 && metric < evaluation->metric_count ? evaluation->metric_names[metric] : NULL;
}

double gradc_evaluation_value(const gradc_evaluation *evaluation, int metric) {
  return metric >= 0 && metric < evaluation->metric_count ? evaluation->metrics[metric] : (double)NAN;
}

/* A label, cut to 16 bytes at a character's boundary, or the class's number. */
static void class_label(const gradc_encoder *encoder, size_t index, char *text, size_t size) {
  const char *label = encoder != NULL ? gradc_encoder_label(encoder, index) : NULL;
  if (label == NULL) {
    snprintf(text, size, "%zu", index);
    return;
  }
  size_t length = strlen(label) < 16 ? strlen(label) : 16;
  while (length > 0 && ((unsigned char)label[length] & 0xC0u) == 0x80u) length -= 1;
  snprintf(text, size, "%.*s", (int)length, label);
}

/* The cell of row and column, heads being row and column 0. */
static void matrix_cell(const gradc_evaluation *evaluation, const gradc_encoder *encoder, size_t row, size_t column, char *cell, size_t size) {
  if (row == 0 || column == 0) class_label(encoder, row + column - 1, cell, size);
  else
    snprintf(cell, size, "%llu", (unsigned long long)evaluation->confusion[(row - 1) * evaluation->class_count + column - 1]);
}

/* Characters of UTF-8 text: all bytes but those that continue one. */
static size_t character_count(const char *text) {
  size_t count = 0;
  for (; *text != 0; text += 1) count += ((unsigned char)*text & 0xC0u) != 0x80u;
  return count;
}

char *gradc_evaluation_matrix(const gradc_evaluation *evaluation, const gradc_encoder *encoder) {
  enum { HEAD = 18, WIDTH = 8, SCREEN = 80 };
  size_t classes = evaluation->class_count, width = WIDTH;
  char cell[32];
  /* Columns are as narrow as their contents allow where they would not fit on a screen. */
  if (HEAD + classes * (WIDTH + 1) > SCREEN) {
    width = 1;
    for (size_t row = 0; row <= classes; row += 1)
      for (size_t column = 1; column <= classes; column += 1) {
        matrix_cell(evaluation, encoder, row, column, cell, sizeof cell);
        size_t length = character_count(cell);
        if (length > width) width = length < WIDTH ? length : WIDTH;
      }
  }
  char *text = gradc_text_format("%18s", "actual \\ predicted");
  for (size_t row = 0; text != NULL && row <= classes; row += 1) {
    for (size_t column = 0; text != NULL && column <= classes; column += 1) {
      if (row == 0 && column == 0) continue;
      matrix_cell(evaluation, encoder, row, column, cell, sizeof cell);
      size_t length = character_count(cell), wanted = column == 0 ? HEAD : width;
      char *longer = gradc_text_format("%s%s%*s%s", text, column == 0 ? "\n" : " ", length < wanted ? (int)(wanted - length) : 0, "", cell);
      gradc_text_free(text);
      text = longer;
    }
  }
  char *ended = text != NULL ? gradc_text_format("%s\n", text) : NULL;
  gradc_text_free(text);
  return ended;
}

int gradc_predict(gradc_trainer *trainer, const gradc_dataset *dataset, const uint32_t *rows, size_t count, void *const *outputs,
                  gradc_error *error) {
  const gradc_model *model = trainer->model;
  int code = gradc_check_dataset(model, dataset, false, error);
  if (code != 0) return code;
  gradc_batch batch = {0};
  code = gradc_batch_create(dataset, chunk_rows(model, count), &batch, error);
  void **places = calloc((size_t)model->output_count + 1, sizeof *places);
  if (code == 0 && places == NULL) code = gradc_fail(error, GRADC_EXIT_DATA, "no memory to predict");
  for (size_t begin = 0; code == 0 && begin < count; begin += batch.capacity) {
    size_t n = count - begin < batch.capacity ? count - begin : batch.capacity;
    gradc_trainer_rows(trainer, dataset, rows + begin, n, &batch);
    for (int port = 0; port < model->output_count; port += 1)
      places[port] = (char *)outputs[port] + begin * model->outputs[port].row_count * gradc_element_bytes(model->outputs[port].element);
    code = check_status(model, model->run(trainer->memory, trainer->inputs, places, (int)n, trainer->scratch), "running", error);
  }
  free(places);
  gradc_batch_free(&batch);
  return code;
}
