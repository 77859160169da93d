/* steps.c: runs every function of a compiled model's descriptor on memory of exactly the stated sizes, for sanitizers to watch.
 * Compile with -DMODEL=NAME_model beside NAME.c. */
#include "gradc_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const gradc_model MODEL;

static const size_t sizes[] = {4, 8, 4, 8, 1, 1};

static void *block(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 127) / 64 * 64);
  memset(memory, 0, bytes);
  return memory;
}

/* Rows of a port: small numbers, labels of 0 and 1. */
static void *rows(const gradc_port *port, int n, int is_target) {
  const size_t count = port->row_count * (size_t)n;
  unsigned char *memory = malloc(count * sizes[port->element] + !count);
  for (size_t i = 0; i < count; ++i) {
    const double value = is_target ? (double)(i % 2) : (double)(i * 7 % 13) * 0.25 - 1.5;
    switch (port->element) {
      case GRADC_F32: ((float *)(void *)memory)[i] = (float)value; break;
      case GRADC_F64: ((double *)(void *)memory)[i] = value; break;
      case GRADC_I32: ((int32_t *)(void *)memory)[i] = (int32_t)(i % 2); break;
      case GRADC_I64: ((int64_t *)(void *)memory)[i] = (int64_t)(i % 2); break;
      default: memory[i] = (unsigned char)(i % 2);
    }
  }
  return memory;
}

static void expect(int status, const char *what, int n) {
  if (status == GRADC_OK || status == GRADC_NOT_FINITE) return;
  fprintf(stderr, "%s: %s of %d rows gives %d\n", MODEL.name, what, n, status);
  exit(1);
}

static void play(void *trainer, int n) {
  void *inputs[64], *targets[64], *outputs[64];
  void *scratch = block(MODEL.scratch_bytes);
  double loss = 0;
  for (int i = 0; i < MODEL.input_count; ++i) inputs[i] = rows(&MODEL.inputs[i], n, 0);
  for (int i = 0; i < MODEL.target_count; ++i) targets[i] = rows(&MODEL.targets[i], n, 1);
  for (int i = 0; i < MODEL.output_count; ++i) outputs[i] = rows(&MODEL.outputs[i], n, 0);
  const void *const *x = (const void *const *)inputs;
  const void *const *t = (const void *const *)targets;
  for (int step = 0; step < 3 && MODEL.train_step; ++step) expect(MODEL.train_step(trainer, x, t, 0, n), "train_step", n);
  if (MODEL.backward && MODEL.update) {
    expect(MODEL.backward(trainer, x, t, 0, n), "backward", n);
    expect(MODEL.backward(trainer, x, t, 0, n), "backward", n);
    expect(MODEL.update(trainer), "update", n);
  }
  if (MODEL.run) expect(MODEL.run(trainer, x, outputs, n, scratch), "run", n);
  if (MODEL.evaluate) expect(MODEL.evaluate(trainer, x, t, 0, n, outputs, &loss, scratch), "evaluate", n);
  if (MODEL.generate) {
    void *memory = block(MODEL.memory_bytes);
    /* Past the end of the context: the last calls change nothing. */
    const int64_t count = MODEL.context ? MODEL.context + 2 : 5;
    for (int64_t i = 0; i < count; ++i) {
      const int status = MODEL.generate(trainer, memory, inputs[0], outputs[0], n, scratch);
      if (!MODEL.context || i < MODEL.context || status != GRADC_CONTEXT_END) expect(status, "generate", n);
    }
    free(memory);
  }
  for (int i = 0; i < MODEL.input_count; ++i) free(inputs[i]);
  for (int i = 0; i < MODEL.target_count; ++i) free(targets[i]);
  for (int i = 0; i < MODEL.output_count; ++i) free(outputs[i]);
  free(scratch);
}

int main(void) {
  void *trainer = block(MODEL.trainer_bytes > MODEL.model_bytes ? MODEL.trainer_bytes : MODEL.model_bytes);
  if (MODEL.controls_offset) ((gradc_controls *)(void *)((unsigned char *)trainer + MODEL.controls_offset))->rate = 0.01;
  if (MODEL.initialize) expect(MODEL.initialize(trainer, 1), "initialize", 0);
  const int counts[] = {MODEL.max_batch, 1, (MODEL.max_batch + 1) / 2};
  for (int i = 0; i < 3; ++i) play(trainer, counts[i]);
  if (MODEL.gradient_norms && MODEL.trainer_bytes) {
    double *norms = malloc((size_t)MODEL.tensor_count * sizeof *norms + 1);
    expect(MODEL.gradient_norms(trainer, norms), "gradient_norms", 0);
    free(norms);
  }
  free(trainer);
  return 0;
}
