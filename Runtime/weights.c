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
    gradc_convert(found->data, found->dtype, found->count, trainer->memory + block_offset(model, tensor),
                  gradc_element_dtype(model->element));
  }
  gradc_safetensors_free(&file);
  return code;
}

/* ---- By name and shape ---- */

/* Where a tensor of the model finds its first values. */
typedef enum origin { TAKEN, MISSING, UNFITTING, FRESH } origin;

static bool is_below(const char *name, const char *layer) {
  size_t length = strlen(layer);
  return strncmp(name, layer, length) == 0 && (name[length] == 0 || name[length] == '.');
}

static origin origin_of(const gradc_tensor *tensor, const gradc_safetensors *file, const char *fresh, const char *path,
                        gradc_error *why) {
  if (fresh != NULL && is_below(tensor->name, fresh)) return FRESH;
  const gradc_safetensor *found = gradc_safetensors_find(file, tensor->name);
  if (found == NULL) return MISSING;
  return check_tensor(tensor, found, path, why) == 0 ? TAKEN : UNFITTING;
}

/* Appends ", name" to a list that is cut after a few names. */
static void list_name(char *list, size_t size, size_t *count, const char *name) {
  enum { SHOWN = 8 };
  size_t used = strlen(list);
  *count += 1;
  if (*count <= SHOWN) snprintf(list + used, size - used, "%s%.80s", used > 0 ? ", " : "", name);
  else if (*count == SHOWN + 1) snprintf(list + used, size - used, " …");
}

static bool model_has(const gradc_model *model, const char *name) {
  for (int index = 0; index < model->tensor_count; index += 1)
    if (strcmp(model->tensors[index].name, name) == 0) return true;
  return false;
}

/* What became of a file's tensors. */
typedef struct transfer {
  size_t taken, missing, unfitting, fresh, unused;
  char missing_names[1024], fresh_names[1024], unused_names[1024];
  char *misfits; /* a line each; null when memory is short */
  gradc_error first;
} transfer;

static void note_misfit(transfer *transfer, const gradc_error *why) {
  transfer->unfitting += 1;
  if (transfer->unfitting == 1) transfer->first = *why;
  enum { SHOWN = 8 };
  if (transfer->unfitting > SHOWN + 1 || transfer->misfits == NULL) return;
  char *longer = transfer->unfitting <= SHOWN ? gradc_text_format("%s  does not fit: %s\n", transfer->misfits, why->message)
                                              : gradc_text_format("%s  …\n", transfer->misfits);
  gradc_text_free(transfer->misfits);
  transfer->misfits = longer;
}

static int nothing_fits(const gradc_model *model, const gradc_safetensors *file, const char *path, const transfer *transfer,
                        gradc_error *error) {
  if (transfer->unfitting > 0)
    return gradc_fail(error, GRADC_EXIT_DATA, "no tensor of '%s' fits '%s': %.700s", path, model->name, transfer->first.message);
  if (file->tensor_count == 0) return gradc_fail(error, GRADC_EXIT_DATA, "'%s' holds no tensors", path);
  return gradc_fail(error, GRADC_EXIT_DATA, "no tensor of '%s' has a name that '%s' has: the file holds %.300s; the model has %.300s", path,
                    model->name, transfer->unused_names, transfer->missing_names);
}

static char *describe_transfer(const gradc_model *model, const char *path, const transfer *transfer) {
  size_t count = (size_t)model->tensor_count;
  bool all = transfer->taken == count;
  char *text = all ? gradc_text_format("%s: all %zu tensors taken\n", path, count)
                   : gradc_text_format("%s: %zu of %zu tensors taken\n", path, transfer->taken, count);
  const struct { size_t count; const char *what, *names; } lines[] = {{transfer->fresh, "replaced, fresh", transfer->fresh_names},
                                                                      {transfer->missing, "not in the file, fresh", transfer->missing_names},
                                                                      {transfer->unused, "not in the model, left out", transfer->unused_names}};
  for (size_t index = 0; index < sizeof lines / sizeof lines[0]; index += 1) {
    if (lines[index].count == 0 || text == NULL) continue;
    char *longer = gradc_text_format("%s  %s: %s\n", text, lines[index].what, lines[index].names);
    gradc_text_free(text);
    text = longer;
  }
  if (transfer->unfitting > 0 && text != NULL) {
    char *longer = gradc_text_format("%s%s", text, transfer->misfits != NULL ? transfer->misfits : "");
    gradc_text_free(text);
    text = longer;
  }
  return text;
}

int gradc_transfer_weights(gradc_trainer *trainer, const char *path, const char *fresh, char **words, gradc_error *error) {
  const gradc_model *model = trainer->model;
  gradc_safetensors file = {0};
  if (words != NULL) *words = NULL;
  int code = gradc_safetensors_read(path, &file, error);
  if (code != 0) return code;
  transfer transfer = {.misfits = gradc_text_format("%s", "")};
  for (int index = 0; code == 0 && index < model->tensor_count; index += 1) {
    const gradc_tensor *tensor = &model->tensors[index];
    gradc_error why = {0};
    switch (origin_of(tensor, &file, fresh, path, &why)) {
      case FRESH: list_name(transfer.fresh_names, sizeof transfer.fresh_names, &transfer.fresh, tensor->name); break;
      case MISSING: list_name(transfer.missing_names, sizeof transfer.missing_names, &transfer.missing, tensor->name); break;
      case UNFITTING: note_misfit(&transfer, &why); break;
      case TAKEN: {
        const gradc_safetensor *found = gradc_safetensors_find(&file, tensor->name);
        transfer.taken += 1;
        gradc_convert(found->data, found->dtype, found->count, trainer->memory + block_offset(model, tensor),
                      gradc_element_dtype(model->element));
        break;
      }
    }
  }
  for (size_t index = 0; index < file.tensor_count; index += 1)
    if (!model_has(model, file.tensors[index].name))
      list_name(transfer.unused_names, sizeof transfer.unused_names, &transfer.unused, file.tensors[index].name);
  if (code == 0 && transfer.taken == 0) code = nothing_fits(model, &file, path, &transfer, error);
  if (code == 0 && words != NULL) *words = describe_transfer(model, path, &transfer);
  gradc_text_free(transfer.misfits);
  gradc_safetensors_free(&file);
  return code;
}

int gradc_save_weights(const gradc_trainer *trainer, const gradc_encoder *encoder, const char *path, gradc_error *error) {
  const gradc_model *model = trainer->model;
  size_t count = (size_t)model->tensor_count, element = gradc_element_bytes(model->element);
  gradc_safetensor *tensors = calloc(count + 1, sizeof *tensors);
  char *encoder_text = NULL, *name = gradc_text_format("%s", model->name);
  int code = tensors == NULL || name == NULL ? gradc_fail(error, GRADC_EXIT_DATA, "no memory to write '%s'", path) : 0;
  if (code == 0 && encoder != NULL && gradc_encoder_is_fitted(encoder)) code = gradc_encoder_print(encoder, &encoder_text, error);
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
