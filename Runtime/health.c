/* health.c: norms of gradients relative to weights, and what is not finite first. */
#include "train_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define EXPLODING 1e3
#define VANISHING 1e-7

static double element_at(const void *data, gradc_element element, size_t index) {
  switch (element) {
    case GRADC_F32: return (double)((const float *)data)[index];
    case GRADC_F64: return ((const double *)data)[index];
    default: return 0;
  }
}

static double weight_norm(const gradc_trainer *trainer, const gradc_tensor *tensor) {
  const unsigned char *block = trainer->memory + trainer->model->parameters_offset;
  double sum = 0;
  for (size_t index = 0; index < tensor->count; index += 1) {
    double value = element_at(block, trainer->model->element, tensor->offset + index);
    sum += value * value;
  }
  return sqrt(sum);
}

static bool is_judged(const gradc_tensor *tensor) { return tensor->trainable && !tensor->is_state && tensor->rank >= 2; }

gradc_health gradc_judge_gradients(const gradc_model *model, const double *gradient_norms, const double *weight_norms, int *worst) {
  double largest = 0, smallest = (double)INFINITY;
  int largest_index = -1, smallest_index = -1;
  for (int index = 0; index < model->tensor_count; index += 1) {
    if (!is_judged(&model->tensors[index]) || !(weight_norms[index] > 0)) continue;
    double ratio = gradient_norms[index] / weight_norms[index];
    if (!(ratio <= largest)) {
      largest = isfinite(ratio) ? ratio : (double)INFINITY;
      largest_index = index;
    }
    if (ratio < smallest) {
      smallest = ratio;
      smallest_index = index;
    }
  }
  gradc_health health = largest > EXPLODING ? GRADC_HEALTH_EXPLODING : smallest < VANISHING ? GRADC_HEALTH_VANISHING : GRADC_HEALTH_GOOD;
  if (worst != NULL) *worst = health == GRADC_HEALTH_EXPLODING ? largest_index : health == GRADC_HEALTH_VANISHING ? smallest_index : -1;
  return health;
}

int gradc_measure_gradients(gradc_session *session, int64_t passes, gradc_error *error) {
  const gradc_model *model = session->trainer->model;
  int status = model->gradient_norms(session->trainer->memory, session->norms);
  if (status != GRADC_OK && status != GRADC_NOT_FINITE)
    return gradc_fail(error, GRADC_EXIT_BUG, "measuring the gradients of '%s' failed with status %d", model->name, status);
  double *weights = session->norms + model->tensor_count;
  for (int index = 0; index < model->tensor_count; index += 1) {
    const gradc_tensor *tensor = &model->tensors[index];
    bool measured = tensor->trainable && !tensor->is_state;
    session->norms[index] = measured ? sqrt(session->norms[index]) / (double)passes : 0;
    weights[index] = measured ? weight_norm(session->trainer, tensor) : 0;
    session->ratios[index] = weights[index] > 0 ? session->norms[index] / weights[index] : (double)NAN;
  }
  return 0;
}

void gradc_report_health(gradc_session *session) {
  const gradc_model *model = session->trainer->model;
  if (session->history->health[0] != 0) return;
  int worst;
  gradc_health health = gradc_judge_gradients(model, session->norms, session->norms + model->tensor_count, &worst);
  /* A trained network's gradients are small because there is little left to learn: only the first epoch's can vanish. */
  if (health == GRADC_HEALTH_GOOD || (health == GRADC_HEALTH_VANISHING && session->state.epoch > 0)) return;
  const char *words = health == GRADC_HEALTH_EXPLODING ? "explode" : "vanish";
  const char *advice =
      health == GRADC_HEALTH_EXPLODING
          ? "smaller initial weights (he with relu, xavier with tanh or sigmoid), a smaller rate, clipping or normalisation help"
          : "relu with he initial weights instead of sigmoid or tanh, batch normalisation, or fewer layers help";
  snprintf(session->history->health, sizeof session->history->health,
           "gradients %s: the gradient of '%s' has a norm of %.2g times the weights' (step %lld); %s", words, model->tensors[worst].name,
           session->ratios[worst], (long long)gradc_trainer_controls(session->trainer)->step + 1, advice);
  gradc_warn(session, session->history->health);
}

/* Index of the first element that is not finite, or `count`. */
static size_t first_not_finite(const void *data, gradc_element element, size_t count) {
  if (element != GRADC_F32 && element != GRADC_F64) return count;
  size_t index = 0;
  while (index < count && isfinite(element_at(data, element, index))) index += 1;
  return index;
}

static bool find_in_ports(const gradc_port *ports, int port_count, const void *const *data, size_t rows, const char *kind, char *text,
                          size_t size) {
  for (int port = 0; port < port_count; port += 1) {
    size_t count = rows * ports[port].row_count, index = first_not_finite(data[port], ports[port].element, count);
    if (index == count) continue;
    snprintf(text, size, "%s '%s' is not finite in row %zu of the batch; look at the data", kind, ports[port].name,
             index / ports[port].row_count + 1);
    return true;
  }
  return false;
}

static bool find_in_tensors(const gradc_trainer *trainer, bool gradients, char *text, size_t size) {
  const gradc_model *model = trainer->model;
  for (int number = 0; number < model->tensor_count; number += 1) {
    const gradc_tensor *tensor = &model->tensors[number];
    if (gradients && (!tensor->trainable || tensor->is_state || tensor->offset + tensor->count > model->gradient_count)) continue;
    size_t block = gradients ? model->gradients_offset : tensor->is_state ? model->state_offset : model->parameters_offset;
    const unsigned char *data = trainer->memory + block + tensor->offset * gradc_element_bytes(model->element);
    if (first_not_finite(data, model->element, tensor->count) == tensor->count) continue;
    snprintf(text, size,
             gradients ? "the gradient of '%s' is the first that is not finite; a smaller rate, clipping or other initial weights help"
                       : "'%s' itself is not finite",
             tensor->name);
    return true;
  }
  return false;
}

/* The trainable tensor with the largest element of its gradient, or of itself: what a loss that has run away points to while all
 * elements are still finite. */
static const char *largest_tensor(const gradc_trainer *trainer, bool gradients, double *largest) {
  const gradc_model *model = trainer->model;
  const unsigned char *block = trainer->memory + (gradients ? model->gradients_offset : model->parameters_offset);
  const char *name = "";
  *largest = -1;
  for (int number = 0; number < model->tensor_count; number += 1) {
    const gradc_tensor *tensor = &model->tensors[number];
    if (!tensor->trainable || tensor->is_state || (gradients && tensor->offset + tensor->count > model->gradient_count)) continue;
    for (size_t index = 0; index < tensor->count; index += 1) {
      double value = fabs(element_at(block, model->element, tensor->offset + index));
      if (!(value > *largest)) continue;
      *largest = value;
      name = tensor->name;
    }
  }
  return name;
}

int gradc_report_not_finite(gradc_session *session, size_t count, gradc_error *error) {
  gradc_trainer *trainer = session->trainer;
  const gradc_model *model = trainer->model;
  const gradc_controls *controls = gradc_trainer_controls(trainer);
  /* A step whose loss is not finite ends before its gradients: those in memory are of the step before. */
  const bool has_gradients = isfinite(controls->loss);
  char cause[320];
  /* Causes before effects: a row with NaN makes every gradient NaN. */
  if (!find_in_ports(model->inputs, model->input_count, trainer->inputs, count, "input", cause, sizeof cause) &&
      !find_in_ports(model->targets, model->target_count, trainer->targets, count, "target", cause, sizeof cause) &&
      !find_in_tensors(trainer, false, cause, sizeof cause) &&
      !(has_gradients && find_in_tensors(trainer, true, cause, sizeof cause))) {
    double largest;
    const char *name = largest_tensor(trainer, has_gradients, &largest);
    snprintf(cause, sizeof cause,
             "every single %s is finite, the largest (%.3g) is in '%s'; a smaller rate, clipping or other initial weights help",
             has_gradients ? "gradient" : "parameter", largest, name);
  }
  const double loss = isnan(controls->loss) ? fabs(controls->loss) : controls->loss;  /* no "-nan" */
  return gradc_fail(error, GRADC_EXIT_NUMERIC, "the loss or a gradient is not finite (loss %g) at step %lld, epoch %lld: %s", loss,
                    (long long)controls->step + 1, (long long)session->state.epoch + 1, cause);
}
