/* weights.c: parameters and state to and from a safetensors file, by tensor name. */
#include "train_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t block_offset(const gradc_model *model, const gradc_tensor *tensor) {
  return (tensor->is_state ? model->state_offset : model->parameters_offset) + tensor->offset * gradc_element_bytes(model->element);
}

static void describe_shape(const int64_t *dims, int rank, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "[");
  for (int axis = 0; axis < rank && used < size; axis += 1)
    used += (size_t)snprintf(text + used, size - used, axis > 0 ? ", %lld" : "%lld", (long long)dims[axis]);
  if (used < size) snprintf(text + used, size - used, "]");
}

static int check_tensor(const gradc_tensor *tensor, const gradc_safetensor *found, const char *path, gradc_error *error) {
  if (found == NULL)
    return gradc_fail(error, GRADC_EXIT_DATA, "'%s' has no tensor '%s': it holds the weights of another model", path, tensor->name);
  bool same = tensor->rank == found->rank;
  for (int axis = 0; same && axis < tensor->rank; axis += 1) same = tensor->dims[axis] == found->dims[axis];
  if (!same) {
    char have[160], want[160];
    describe_shape(found->dims, found->rank, have, sizeof have);
    describe_shape(tensor->dims, tensor->rank, want, sizeof want);
    return gradc_fail(error, GRADC_EXIT_DATA, "tensor '%s' of '%s' has shape %s, the model expects %s", tensor->name, path, have, want);
  }
  switch (found->dtype) {
    case GRADC_DTYPE_F16:
    case GRADC_DTYPE_BF16:
    case GRADC_DTYPE_F32:
    case GRADC_DTYPE_F64: return 0;
    default:
      return gradc_fail(error, GRADC_EXIT_DATA, "tensor '%s' of '%s' has element type %s, the model expects floating point", tensor->name,
                        path, gradc_dtype_name(found->dtype));
  }
}

/* All tensors are checked before the first is copied. */
static int check_all(const gradc_model *model, const gradc_safetensors *file, const char *path, gradc_error *error) {
  for (int index = 0; index < model->tensor_count; index += 1) {
    const gradc_tensor *tensor = &model->tensors[index];
    int code = check_tensor(tensor, gradc_safetensors_find(file, tensor->name), path, error);
    if (code != 0) return code;
  }
  for (size_t index = 0; index < file->tensor_count; index += 1) {
    bool known = false;
    for (int other = 0; other < model->tensor_count && !known; other += 1)
      known = strcmp(file->tensors[index].name, model->tensors[other].name) == 0;
    if (!known)
      return gradc_fail(error, GRADC_EXIT_DATA, "'%s' holds a tensor '%s' that '%s' does not have: it holds the weights of another model",
                        path, file->tensors[index].name, model->name);
  }
  return 0;
}

int gradc_load_weights(gradc_trainer *trainer, const char *path, gradc_error *error) {
  const gradc_model *model = trainer->model;
  gradc_safetensors file = {0};
  int code = gradc_safetensors_read(path, &file, error);
  if (code != 0) return code;
  code = check_all(model, &file, path, error);
  for (int index = 0; code == 0 && index < model->tensor_count; index += 1) {
    const gradc_tensor *tensor = &model->tensors[index];
    const gradc_safetensor *found = gradc_safetensors_find(&file, tensor->name);
    if (!gradc_convert(found->data, found->dtype, found->count, trainer->memory + block_offset(model, tensor),
                       gradc_element_dtype(model->element)))
      code = gradc_fail(error, GRADC_EXIT_BUG, "tensor '%s' of '%s' could not be converted", tensor->name, path);
  }
  gradc_safetensors_free(&file);
  return code;
}

int gradc_save_weights(const gradc_trainer *trainer, const gradc_encoder *encoder, const char *path, gradc_error *error) {
  const gradc_model *model = trainer->model;
  size_t count = (size_t)model->tensor_count, element = gradc_element_bytes(model->element);
  gradc_safetensor *tensors = calloc(count + 1, sizeof *tensors);
  char *encoder_text = NULL, *name = gradc_text_format("%s", model->name);
  int code = tensors == NULL || name == NULL ? gradc_fail(error, GRADC_EXIT_DATA, "no memory to write '%s'", path) : 0;
  if (code == 0 && encoder != NULL && encoder->column_count > 0) code = gradc_encoder_print(encoder, &encoder_text, error);
  for (size_t index = 0; code == 0 && index < count; index += 1) {
    const gradc_tensor *tensor = &model->tensors[index];
    gradc_safetensor *written = &tensors[index];
    if (tensor->rank > GRADC_MAX_RANK)
      code = gradc_fail(error, GRADC_EXIT_UNSUPPORTED, "tensor '%s' has more than 16 dimensions", tensor->name);
    /* The name is only read; the field is not const because readers own theirs. */
    union { const char *in; char *out; } borrowed = {.in = tensor->name};
    written->name = borrowed.out;
    written->dtype = gradc_element_dtype(model->element);
    written->rank = tensor->rank;
    for (int axis = 0; code == 0 && axis < tensor->rank; axis += 1) written->dims[axis] = tensor->dims[axis];
    written->count = tensor->count;
    written->bytes = tensor->count * element;
    written->data = trainer->memory + block_offset(model, tensor);
  }
  if (code == 0) {
    char model_key[] = "gradc.model", encoder_key[] = GRADC_ENCODER_KEY;
    gradc_metadata metadata[] = {{model_key, name}, {encoder_key, encoder_text}};
    code = gradc_safetensors_write(path, tensors, count, metadata, encoder_text != NULL ? 2 : 1, error);
  }
  gradc_text_free(encoder_text);
  gradc_text_free(name);
  free(tensors);
  return code;
}
