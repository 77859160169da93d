/* trainer.c: a model's memory, threads and descriptor. */
#include "train_internal.h"

#include <stdlib.h>
#include <string.h>

/* OpenBLAS must not start threads inside our parts: its own threading changes bits. Present only when it is linked. */
#if defined(__GNUC__) && !defined(__APPLE__)
extern void openblas_set_num_threads(int threads) __attribute__((weak));
static void calm_blas(void) {
  if (openblas_set_num_threads != NULL) openblas_set_num_threads(1);
}
#else
static void calm_blas(void) {}
#endif

static int check_descriptor(const gradc_model *model, gradc_error *error) {
  if (model->version != GRADC_MODEL_VERSION)
    return gradc_fail(error, GRADC_EXIT_BUG, "the model was compiled for version %u of the runtime's interface, this is version %u",
                      model->version, GRADC_MODEL_VERSION);
  if (model->element != GRADC_F32 && model->element != GRADC_F64)
    return gradc_fail(error, GRADC_EXIT_BUG, "the model's element type is neither f32 nor f64");
  if (model->max_batch < 1) return gradc_fail(error, GRADC_EXIT_BUG, "the model was compiled for a batch of %d rows", model->max_batch);
  return 0;
}

static int allocate(gradc_trainer *trainer, gradc_error *error) {
  const gradc_model *model = trainer->model;
  trainer->memory = gradc_arena_allocate(trainer->memory_bytes, model->alignment, error);
  if (trainer->memory == NULL) return GRADC_EXIT_DATA;
  trainer->scratch = gradc_arena_allocate(model->scratch_bytes, model->alignment, error);
  if (trainer->scratch == NULL) return GRADC_EXIT_DATA;
  trainer->inputs = calloc((size_t)model->input_count + 1, sizeof *trainer->inputs);
  trainer->targets = calloc((size_t)model->target_count + 1, sizeof *trainer->targets);
  trainer->outputs = calloc((size_t)model->output_count + 1, sizeof *trainer->outputs);
  if (trainer->inputs == NULL || trainer->targets == NULL || trainer->outputs == NULL)
    return gradc_fail(error, GRADC_EXIT_DATA, "no memory for the model's ports");
  return 0;
}

int gradc_trainer_create(const gradc_model *model, int threads, size_t bytes_per_row, gradc_trainer **result, gradc_error *error) {
  *result = NULL;
  int code = check_descriptor(model, error);
  if (code != 0) return code;
  size_t bytes = model->trainer_bytes > 0 ? model->trainer_bytes : model->model_bytes;
  code = gradc_memory_check((uint64_t)bytes + model->scratch_bytes, bytes_per_row, model->max_batch, error);
  if (code != 0) return code;
  gradc_trainer *trainer = calloc(1, sizeof *trainer);
  if (trainer == NULL) return gradc_fail(error, GRADC_EXIT_DATA, "no memory for a trainer");
  trainer->model = model;
  trainer->memory_bytes = bytes;
  code = allocate(trainer, error);
  if (code != 0) {
    gradc_trainer_free(trainer);
    return code;
  }
  calm_blas();
  trainer->pool = gradc_pool_create(threads);
  gradc_parallel parallel = gradc_pool_parallel(trainer->pool);
  memcpy(trainer->memory + model->parallel_offset, &parallel, sizeof parallel);
  *result = trainer;
  return 0;
}

void gradc_trainer_free(gradc_trainer *trainer) {
  if (trainer == NULL) return;
  gradc_pool_destroy(trainer->pool);
  for (int index = 0; trainer->outputs != NULL && index < trainer->model->output_count; index += 1) free(trainer->outputs[index]);
  free(trainer->outputs);
  free(trainer->inputs);
  free(trainer->targets);
  gradc_arena_free(trainer->scratch, trainer->model->scratch_bytes);
  gradc_arena_free(trainer->memory, trainer->memory_bytes);
  free(trainer);
}

const gradc_model *gradc_trainer_model(const gradc_trainer *trainer) { return trainer->model; }
void *gradc_trainer_memory(gradc_trainer *trainer) { return trainer->memory; }
int gradc_trainer_threads(const gradc_trainer *trainer) { return gradc_pool_threads(trainer->pool); }

gradc_controls *gradc_trainer_controls(gradc_trainer *trainer) {
  if (trainer->model->trainer_bytes == 0) return NULL;
  return (gradc_controls *)(void *)(trainer->memory + trainer->model->controls_offset);
}

int gradc_trainer_swap(gradc_trainer *trainer, const gradc_model *model, gradc_error *error) {
  const gradc_model *now = trainer->model;
  int code = check_descriptor(model, error);
  if (code != 0) return code;
  bool same = now->element == model->element && now->max_batch == model->max_batch && now->model_bytes == model->model_bytes &&
              now->trainer_bytes == model->trainer_bytes && now->scratch_bytes == model->scratch_bytes &&
              now->alignment == model->alignment && now->parallel_offset == model->parallel_offset &&
              now->parameters_offset == model->parameters_offset && now->state_offset == model->state_offset &&
              now->controls_offset == model->controls_offset && now->gradients_offset == model->gradients_offset &&
              now->moments_offset == model->moments_offset && now->tensor_count == model->tensor_count &&
              now->input_count == model->input_count && now->output_count == model->output_count &&
              now->target_count == model->target_count && now->task == model->task && gradc_model_hash(now) == gradc_model_hash(model);
  if (!same) return gradc_fail(error, GRADC_EXIT_BUG, "two compilations of '%s' do not agree in the layout of their memory", now->name);
  trainer->model = model;
  return 0;
}

int gradc_initialize(gradc_trainer *trainer, uint64_t seed, gradc_error *error) {
  const gradc_model *model = trainer->model;
  if (model->trainer_bytes == 0 || model->initialize == NULL)
    return gradc_fail(error, GRADC_EXIT_USAGE,
                      "'%s' was compiled without training: it has no initial weights of its own, load a weights file", model->name);
  int status = model->initialize(trainer->memory, seed);
  if (status != GRADC_OK) return gradc_fail(error, GRADC_EXIT_BUG, "initialising '%s' failed with status %d", model->name, status);
  return 0;
}

static int check_ports(const char *kind, const gradc_port *ports, int count, const gradc_port_data *data, int data_count,
                       gradc_error *error) {
  if (count != data_count) return gradc_fail(error, GRADC_EXIT_DATA, "the model has %d %ss, the data %d", count, kind, data_count);
  for (int index = 0; index < count; index += 1)
    if (ports[index].row_count != data[index].row_count || ports[index].element != data[index].element)
      return gradc_fail(error, GRADC_EXIT_DATA, "%s '%s' takes %zu elements a row; the data has %zu%s", kind, ports[index].name,
                        ports[index].row_count, data[index].row_count,
                        ports[index].element != data[index].element ? ", of another type" : "");
  return 0;
}

int gradc_check_dataset(const gradc_model *model, const gradc_dataset *dataset, bool with_targets, gradc_error *error) {
  int code = check_ports("input", model->inputs, model->input_count, dataset->inputs, dataset->input_count, error);
  if (code == 0 && with_targets) {
    if (dataset->target_count == 0 && model->target_count > 0) return gradc_fail(error, GRADC_EXIT_DATA, "the data has no target, and '%s' needs one", model->name);
    code = check_ports("target", model->targets, model->target_count, dataset->targets, dataset->target_count, error);
  }
  if (code == 0 && dataset->weights != NULL && dataset->element != model->element)
    code = gradc_fail(error, GRADC_EXIT_BUG, "sample weights have another element type than the model");
  return code;
}

const void *gradc_trainer_batch(gradc_trainer *trainer, const gradc_dataset *dataset, const gradc_batch *batch) {
  for (int port = 0; port < dataset->input_count; port += 1) trainer->inputs[port] = batch->inputs[port];
  for (int port = 0; port < dataset->target_count && port < trainer->model->target_count; port += 1)
    trainer->targets[port] = batch->targets[port];
  return batch->weights;
}

/* Whether rows lie side by side in the data of all ports: windows do when each begins where the one before ends. */
static bool lie_side_by_side(const gradc_dataset *dataset, const uint32_t *rows, size_t count) {
  if (dataset->images != NULL) return false;  /* images are made anew for each batch */
  if (count < 2) return true;
  const size_t step = (size_t)rows[1] - rows[0];
  if (rows[1] <= rows[0] || (step > 1 && dataset->weights != NULL)) return false;
  for (int port = 0; port < dataset->input_count; port += 1)
    if (dataset->inputs[port].row_bytes != step * dataset->inputs[port].step_bytes) return false;
  for (int port = 0; port < dataset->target_count; port += 1)
    if (dataset->targets[port].row_bytes != step * dataset->targets[port].step_bytes) return false;
  for (size_t index = 2; index < count; index += 1)
    if (rows[index] != rows[0] + index * step) return false;
  return true;
}

const void *gradc_trainer_rows(gradc_trainer *trainer, const gradc_dataset *dataset, const uint32_t *rows, size_t count,
                               gradc_batch *batch) {
  if (!lie_side_by_side(dataset, rows, count)) {
    gradc_batch_gather(dataset, rows, count, batch);
    return gradc_trainer_batch(trainer, dataset, batch);
  }
  for (int port = 0; port < dataset->input_count; port += 1) {
    const gradc_port_data *data = &dataset->inputs[port];
    trainer->inputs[port] = (const char *)data->data + rows[0] * data->step_bytes;
  }
  for (int port = 0; port < dataset->target_count && port < trainer->model->target_count; port += 1) {
    const gradc_port_data *data = &dataset->targets[port];
    trainer->targets[port] = (const char *)data->data + rows[0] * data->step_bytes;
  }
  if (dataset->weights == NULL) return NULL;
  return (const char *)dataset->weights + rows[0] * gradc_element_bytes(dataset->element);
}
