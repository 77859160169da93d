/* models.c: what a compiler would emit, by hand. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test_models.h"

/* ---- y = w x + b ---- */

typedef struct line {
  gradc_parallel parallel;
  double parameters[2];
} line;

typedef struct line_trainer {
  line model;
  gradc_controls controls;
  double gradients[2];
} line_trainer;

static int line_initialize(void *memory, uint64_t seed) {
  line_trainer *trainer = memory;
  trainer->model.parameters[0] = (double)(gradc_random(seed, 0) >> 11) * 0x1p-53 - 0.5;
  trainer->model.parameters[1] = 0;
  double rate = trainer->controls.rate;
  memset(&trainer->controls, 0, sizeof trainer->controls);
  trainer->controls.rate = rate;
  trainer->controls.seed = seed;
  return GRADC_OK;
}

static int line_run(const void *memory, const void *const *inputs, void *const *outputs, int n, void *scratch) {
  const line *model = memory;
  (void)scratch;
  for (int row = 0; row < n; row += 1)
    ((double *)outputs[0])[row] = model->parameters[0] * ((const double *)inputs[0])[row] + model->parameters[1];
  return GRADC_OK;
}

static int line_evaluate(const void *memory, const void *const *inputs, const void *const *targets, const void *weights, int n,
                         void *const *outputs, double *loss, void *scratch) {
  (void)weights;
  line_run(memory, inputs, outputs, n, scratch);
  double sum = 0;
  for (int row = 0; row < n; row += 1) {
    double error = ((double *)outputs[0])[row] - ((const double *)targets[0])[row];
    sum += error * error;
  }
  *loss = sum / n;
  return isfinite(*loss) ? GRADC_OK : GRADC_NOT_FINITE;
}

static int line_backward(void *memory, const void *const *inputs, const void *const *targets, const void *weights, int n) {
  line_trainer *trainer = memory;
  const double *x = inputs[0], *y = targets[0], *w = trainer->model.parameters;
  (void)weights;
  if (trainer->controls.micro == 0) trainer->gradients[0] = trainer->gradients[1] = 0;
  double loss = 0, weight = 0, bias = 0;
  for (int row = 0; row < n; row += 1) {
    double error = w[0] * x[row] + w[1] - y[row];
    loss += error * error;
    weight += 2 * error * x[row];
    bias += 2 * error;
  }
  trainer->gradients[0] += weight / n;
  trainer->gradients[1] += bias / n;
  trainer->controls.loss = trainer->controls.data_loss = loss / n;
  trainer->controls.micro += 1;
  return isfinite(loss) ? GRADC_OK : GRADC_NOT_FINITE;
}

static int line_update(void *memory) {
  line_trainer *trainer = memory;
  double passes = (double)trainer->controls.micro;
  trainer->controls.norm = hypot(trainer->gradients[0], trainer->gradients[1]) / passes;
  if (!isfinite(trainer->controls.norm)) return GRADC_NOT_FINITE;
  for (int index = 0; index < 2; index += 1)
    trainer->model.parameters[index] -= trainer->controls.rate * (trainer->gradients[index] / passes);
  trainer->controls.step += 1;
  trainer->controls.micro = 0;
  return GRADC_OK;
}

static int line_step(void *memory, const void *const *inputs, const void *const *targets, const void *weights, int n) {
  int status = line_backward(memory, inputs, targets, weights, n);
  return status == GRADC_OK ? line_update(memory) : status;
}

static int line_step_again(void *memory, const void *const *inputs, const void *const *targets, const void *weights, int n) {
  return line_step(memory, inputs, targets, weights, n);
}

static int line_norms(const void *memory, double *norms) {
  const line_trainer *trainer = memory;
  for (int index = 0; index < 2; index += 1) norms[index] = trainer->gradients[index] * trainer->gradients[index];
  return GRADC_OK;
}

static const int64_t batch_of_one[] = {-1, 1}, shape_1_1[] = {1, 1}, shape_1[] = {1};
static const gradc_tensor line_tensors[] = {{"line.weight", 2, shape_1_1, 0, 1, 0, 1}, {"line.bias", 1, shape_1, 1, 1, 0, 1}};
static const gradc_port line_input[] = {{"x", GRADC_F64, 2, batch_of_one, 1}}, line_output[] = {{"y", GRADC_F64, 2, batch_of_one, 1}};

#define LINE(step, count)                                                                                                        \
  {                                                                                                                              \
    .version = GRADC_MODEL_VERSION, .name = "line", .element = GRADC_F64, .max_batch = 256, .model_bytes = sizeof(line),         \
    .trainer_bytes = sizeof(line_trainer), .scratch_bytes = 64, .alignment = 64, .parallel_offset = offsetof(line, parallel),   \
    .parameters_offset = offsetof(line, parameters), .state_offset = sizeof(line),                                              \
    .controls_offset = offsetof(line_trainer, controls), .gradients_offset = offsetof(line_trainer, gradients),                 \
    .moments_offset = sizeof(line_trainer), .parameter_count = count, .gradient_count = count, .tensor_count = count,           \
    .tensors = line_tensors, .input_count = 1, .inputs = line_input, .output_count = 1, .outputs = line_output,                 \
    .target_count = 1, .targets = line_output, .task = GRADC_TASK_REGRESSION, .initialize = line_initialize, .run = line_run,   \
    .evaluate = line_evaluate, .backward = line_backward, .update = line_update, .train_step = step, .gradient_norms = line_norms \
  }
const gradc_model test_line = LINE(line_step, 2);
const gradc_model test_line_again = LINE(line_step_again, 2);
const gradc_model test_line_other = LINE(line_step, 1);

/* ---- Logistic regression ---- */

#define INPUTS 4
#define PART_ROWS 8
#define LOGISTIC_BATCH 64

typedef struct logistic {
  gradc_parallel parallel;
  float parameters[INPUTS + 1];
  float mean[INPUTS];
} logistic;

typedef struct logistic_trainer {
  logistic model;
  gradc_controls controls;
  float gradients[INPUTS + 1];
  float moments[INPUTS + 1];
  float partial[LOGISTIC_BATCH / PART_ROWS][INPUTS + 2];
} logistic_trainer;

typedef struct logistic_pass {
  logistic_trainer *trainer;
  const float *x, *y, *weights;
  int n;
} logistic_pass;

static int logistic_initialize(void *memory, uint64_t seed) {
  logistic_trainer *trainer = memory;
  for (uint64_t index = 0; index < INPUTS; index += 1)
    trainer->model.parameters[index] = (float)((double)(gradc_random(seed, index) >> 11) * 0x1p-53 - 0.5);
  trainer->model.parameters[INPUTS] = 0;
  memset(trainer->model.mean, 0, sizeof trainer->model.mean);
  memset(trainer->moments, 0, sizeof trainer->moments);
  memset(&trainer->controls, 0, sizeof trainer->controls);
  trainer->controls.seed = seed;
  return GRADC_OK;
}

static float logit(const logistic *model, const float *row) {
  float sum = model->parameters[INPUTS];
  for (int index = 0; index < INPUTS; index += 1) sum += model->parameters[index] * row[index];
  return sum;
}

static int logistic_run(const void *memory, const void *const *inputs, void *const *outputs, int n, void *scratch) {
  (void)scratch;
  if (n < 1 || n > LOGISTIC_BATCH) return GRADC_BATCH_RANGE;
  for (int row = 0; row < n; row += 1) {
    float z = logit(memory, (const float *)inputs[0] + row * INPUTS);
    ((float *)outputs[0])[row] = 1 / (1 + expf(-z));
  }
  return GRADC_OK;
}

static float cross_entropy(float z, float y) { return fmaxf(z, 0) - z * y + log1pf(expf(-fabsf(z))); }

static int logistic_evaluate(const void *memory, const void *const *inputs, const void *const *targets, const void *weights, int n,
                             void *const *outputs, double *loss, void *scratch) {
  int status = logistic_run(memory, inputs, outputs, n, scratch);
  if (status != GRADC_OK) return status;
  double sum = 0;
  for (int row = 0; row < n; row += 1) {
    float factor = weights != NULL ? ((const float *)weights)[row] : 1;
    sum += (double)(factor * cross_entropy(logit(memory, (const float *)inputs[0] + row * INPUTS), ((const float *)targets[0])[row]));
  }
  *loss = sum / n;
  return GRADC_OK;
}

static void logistic_part(void *context, int part) {
  const logistic_pass *pass = context;
  logistic_trainer *trainer = pass->trainer;
  float *partial = trainer->partial[part];
  uint64_t key = trainer->controls.seed ^ (uint64_t)trainer->controls.step << 20 ^ (uint64_t)trainer->controls.micro << 50;
  memset(partial, 0, sizeof trainer->partial[part]);
  for (int row = part * PART_ROWS; row < pass->n && row < (part + 1) * PART_ROWS; row += 1) {
    float masked[INPUTS], factor = pass->weights != NULL ? pass->weights[row] : 1;
    for (int index = 0; index < INPUTS; index += 1)
      masked[index] = (gradc_random(key, (uint64_t)(row * INPUTS + index)) & 7u) == 0 ? 0 : pass->x[row * INPUTS + index] * (8.0f / 7.0f);
    float z = logit(&trainer->model, masked), error = factor * (1 / (1 + expf(-z)) - pass->y[row]);
    for (int index = 0; index < INPUTS; index += 1) partial[index] += error * masked[index];
    partial[INPUTS] += error;
    partial[INPUTS + 1] += factor * cross_entropy(z, pass->y[row]);
  }
}

static int logistic_backward(void *memory, const void *const *inputs, const void *const *targets, const void *weights, int n) {
  logistic_trainer *trainer = memory;
  if (n < 1 || n > LOGISTIC_BATCH) return GRADC_BATCH_RANGE;
  logistic_pass pass = {trainer, inputs[0], targets[0], weights, n};
  int parts = (n + PART_ROWS - 1) / PART_ROWS;
  const gradc_parallel *parallel = &trainer->model.parallel;
  if (parallel->run != NULL) parallel->run(parallel->pool, logistic_part, &pass, parts);
  else
    for (int part = 0; part < parts; part += 1) logistic_part(&pass, part);
  if (trainer->controls.micro == 0) memset(trainer->gradients, 0, sizeof trainer->gradients);
  float loss = 0;
  for (int part = 0; part < parts; part += 1) {
    for (int index = 0; index <= INPUTS; index += 1) trainer->gradients[index] += trainer->partial[part][index] / (float)n;
    loss += trainer->partial[part][INPUTS + 1] / (float)n;
  }
  for (int index = 0; index < INPUTS; index += 1)
    trainer->model.mean[index] = 0.9f * trainer->model.mean[index] + 0.1f * ((const float *)inputs[0])[index];
  trainer->controls.loss = trainer->controls.data_loss = (double)loss;
  trainer->controls.micro += 1;
  return isfinite(loss) ? GRADC_OK : GRADC_NOT_FINITE;
}

static int logistic_update(void *memory) {
  logistic_trainer *trainer = memory;
  for (int index = 0; index <= INPUTS; index += 1) {
    trainer->moments[index] = 0.9f * trainer->moments[index] + trainer->gradients[index] / (float)trainer->controls.micro;
    trainer->model.parameters[index] -= (float)trainer->controls.rate * trainer->moments[index];
  }
  trainer->controls.step += 1;
  trainer->controls.micro = 0;
  return GRADC_OK;
}

static int logistic_step(void *memory, const void *const *inputs, const void *const *targets, const void *weights, int n) {
  int status = logistic_backward(memory, inputs, targets, weights, n);
  return status == GRADC_OK ? logistic_update(memory) : status;
}

static int logistic_norms(const void *memory, double *norms) {
  const logistic_trainer *trainer = memory;
  norms[0] = norms[1] = norms[2] = 0;
  for (int index = 0; index <= INPUTS; index += 1)
    norms[index / INPUTS] += (double)trainer->gradients[index] * (double)trainer->gradients[index];
  return GRADC_OK;
}

static const int64_t batch_of_inputs[] = {-1, INPUTS}, shape_weight[] = {INPUTS, 1}, shape_mean[] = {INPUTS};
static const gradc_tensor logistic_tensors[] = {{"dense1.weight", 2, shape_weight, 0, INPUTS, 0, 1},
                                                {"dense1.bias", 1, shape_1, INPUTS, 1, 0, 1},
                                                {"norm.mean", 1, shape_mean, 0, INPUTS, 1, 0}};
static const gradc_port logistic_input[] = {{"features", GRADC_F32, 2, batch_of_inputs, INPUTS}},
                        logistic_output[] = {{"risk", GRADC_F32, 2, batch_of_one, 1}};

const gradc_model test_logistic = {
    .version = GRADC_MODEL_VERSION, .name = "logistic", .element = GRADC_F32, .max_batch = LOGISTIC_BATCH,
    .model_bytes = sizeof(logistic), .trainer_bytes = sizeof(logistic_trainer), .scratch_bytes = 64, .alignment = 64,
    .parallel_offset = offsetof(logistic, parallel), .parameters_offset = offsetof(logistic, parameters),
    .state_offset = offsetof(logistic, mean), .controls_offset = offsetof(logistic_trainer, controls),
    .gradients_offset = offsetof(logistic_trainer, gradients), .moments_offset = offsetof(logistic_trainer, moments),
    .parameter_count = INPUTS + 1, .state_count = INPUTS, .gradient_count = INPUTS + 1, .moment_count = INPUTS + 1, .tensor_count = 3,
    .tensors = logistic_tensors, .input_count = 1, .inputs = logistic_input, .output_count = 1, .outputs = logistic_output,
    .target_count = 1, .targets = logistic_output, .task = GRADC_TASK_BINARY, .initialize = logistic_initialize, .run = logistic_run,
    .evaluate = logistic_evaluate, .backward = logistic_backward, .update = logistic_update, .train_step = logistic_step,
    .gradient_norms = logistic_norms};

/* ---- A script of losses ---- */

static int script_initialize(void *memory, uint64_t seed) {
  line_initialize(memory, seed);
  ((line *)memory)->parameters[0] = 0;
  return GRADC_OK;
}

static int script_evaluate(const void *memory, const void *const *inputs, const void *const *targets, const void *weights, int n,
                           void *const *outputs, double *loss, void *scratch) {
  const line *model = memory;
  (void)targets;
  (void)weights;
  (void)n;
  (void)scratch;
  *(double *)outputs[0] = 0;
  *loss = ((const double *)inputs[0])[(int)model->parameters[0] - 1];
  return GRADC_OK;
}

static int script_backward(void *memory, const void *const *inputs, const void *const *targets, const void *weights, int n) {
  line_trainer *trainer = memory;
  (void)inputs;
  (void)targets;
  (void)weights;
  (void)n;
  trainer->controls.loss = trainer->controls.data_loss = 1;
  trainer->controls.micro += 1;
  return GRADC_OK;
}

static int script_update(void *memory) {
  line_trainer *trainer = memory;
  trainer->model.parameters[0] += 1;
  trainer->controls.step += 1;
  trainer->controls.micro = 0;
  return GRADC_OK;
}

static int script_step(void *memory, const void *const *inputs, const void *const *targets, const void *weights, int n) {
  script_backward(memory, inputs, targets, weights, n);
  return script_update(memory);
}

static const int64_t batch_of_script[] = {-1, TEST_SCRIPT_LENGTH};
static const gradc_port script_input[] = {{"script", GRADC_F64, 2, batch_of_script, TEST_SCRIPT_LENGTH}};

const gradc_model test_script = {
    .version = GRADC_MODEL_VERSION, .name = "script", .element = GRADC_F64, .max_batch = 1, .model_bytes = sizeof(line),
    .trainer_bytes = sizeof(line_trainer), .scratch_bytes = 64, .alignment = 64, .parallel_offset = offsetof(line, parallel),
    .parameters_offset = offsetof(line, parameters), .state_offset = sizeof(line), .controls_offset = offsetof(line_trainer, controls),
    .gradients_offset = offsetof(line_trainer, gradients), .moments_offset = sizeof(line_trainer), .parameter_count = 1,
    .gradient_count = 1, .tensor_count = 1, .tensors = line_tensors, .input_count = 1, .inputs = script_input, .output_count = 1,
    .outputs = line_output, .target_count = 1, .targets = line_output, .task = GRADC_TASK_REGRESSION,
    .initialize = script_initialize, .run = line_run, .evaluate = script_evaluate, .backward = script_backward,
    .update = script_update, .train_step = script_step};

/* ---- Datasets ---- */

static int make_port(const gradc_port *port, size_t rows, gradc_port_data *data) {
  data->name = strdup(port->name);
  data->element = port->element;
  data->row_count = port->row_count;
  data->row_bytes = port->row_count * gradc_element_bytes(port->element);
  data->step_bytes = data->row_bytes;
  data->data = calloc(rows, data->row_bytes);
  return data->name != NULL && data->data != NULL ? 0 : 1;
}

static int make_dataset(const gradc_model *model, const size_t counts[3], gradc_dataset *dataset) {
  size_t rows = counts[0] + counts[1] + counts[2];
  memset(dataset, 0, sizeof *dataset);
  dataset->row_count = rows;
  dataset->element = model->element;
  dataset->input_count = dataset->target_count = 1;
  dataset->inputs = calloc(1, sizeof *dataset->inputs);
  dataset->targets = calloc(1, sizeof *dataset->targets);
  dataset->split.rows = calloc(rows, sizeof *dataset->split.rows);
  if (dataset->inputs == NULL || dataset->targets == NULL || dataset->split.rows == NULL) return 1;
  for (size_t row = 0; row < rows; row += 1) dataset->split.rows[row] = (uint32_t)row;
  memcpy(dataset->split.counts, counts, sizeof dataset->split.counts);
  return make_port(model->inputs, rows, dataset->inputs) || make_port(model->targets, rows, dataset->targets);
}

/* A line with slope 2 and intercept 1 on x in -1 ... 1, or two overlapping clouds. */
int test_dataset(const gradc_model *model, size_t train, size_t validation, size_t test, gradc_dataset *dataset) {
  const size_t counts[3] = {train, validation, test};
  if (make_dataset(model, counts, dataset) != 0) return 1;
  for (size_t row = 0; row < dataset->row_count; row += 1) {
    if (model->element == GRADC_F64) {
      double x = (double)(gradc_random(1, row) >> 11) * 0x1p-52 - 1;
      ((double *)dataset->inputs[0].data)[row] = x;
      ((double *)dataset->targets[0].data)[row] = 2 * x + 1;
      continue;
    }
    float label = (float)(gradc_random(2, row) & 1u);
    ((float *)dataset->targets[0].data)[row] = label;
    for (size_t index = 0; index < INPUTS; index += 1)
      ((float *)dataset->inputs[0].data)[row * INPUTS + index] =
          (float)((double)(gradc_random(3, row * INPUTS + index) >> 11) * 0x1p-52 - 1) + 0.5f * (label - 0.5f) * (float)(index + 1);
  }
  return 0;
}

int test_script_dataset(const double *losses, size_t count, gradc_dataset *dataset) {
  const size_t counts[3] = {1, 1, 0};
  if (count > TEST_SCRIPT_LENGTH || make_dataset(&test_script, counts, dataset) != 0) return 1;
  for (int row = 0; row < 2; row += 1) memcpy((double *)dataset->inputs[0].data + row * TEST_SCRIPT_LENGTH, losses, count * sizeof *losses);
  return 0;
}

void test_dataset_free(gradc_dataset *dataset) { gradc_dataset_free(dataset); }
