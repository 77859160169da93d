/* gradc_model.h: the descriptor through which a runtime drives a compiled model.
 *
 * Emitted C includes this file and fills one `gradc_model`; the trainer loop, the
 * just-in-time compiler and tests read it. It needs nothing but C11's freestanding
 * headers, compiles as C++, and carries no code. 0BSD.
 */
#ifndef GRADC_MODEL_H
#define GRADC_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GRADC_MODEL_VERSION 3u

/* What a generated function returns. */
enum {
  GRADC_OK = 0,
  GRADC_BATCH_RANGE = 1,    /* n is below 1 or above the model's max_batch */
  GRADC_NOT_FINITE = 2,     /* loss or gradient norm is NaN or infinite: nothing was committed */
  GRADC_BAD_WEIGHTS = 3,    /* not a safetensors file, or it does not fit this model */
  GRADC_MISSING_TENSOR = 4, /* a tensor of the model is not in the file */
  GRADC_WRONG_SHAPE = 5,    /* a tensor has another shape or element type */
  GRADC_NOT_PREPARED = 6,   /* `prepare` was not called since the weights changed */
  GRADC_CONTEXT_END = 7     /* a text has as many tokens as the model can see: nothing was changed */
};

typedef enum gradc_element {
  GRADC_F32 = 0, GRADC_F64 = 1, GRADC_I32 = 2, GRADC_I64 = 3, GRADC_U8 = 4, GRADC_BOOL = 5, GRADC_I8 = 6, GRADC_I16 = 7,
  GRADC_U16 = 8, GRADC_U32 = 9, GRADC_U64 = 10,
  GRADC_F16 = 11, GRADC_BF16 = 12 /* as their bits, in uint16_t */
} gradc_element;

/* Runs `body(context, part)` for every part in 0 ..< parts, in any order, on any threads,
 * and returns when all are done. Null means: a plain loop on the calling thread. */
typedef void gradc_part(void *context, int part);
typedef struct gradc_parallel {
  void (*run)(void *pool, gradc_part *body, void *context, int parts);
  void *pool;
} gradc_parallel;

/* The head of every `NAME_trainer` after its model: read and written by the runtime between steps. */
typedef struct gradc_controls {
  double rate;        /* learning rate of the next update */
  double loss;        /* loss of the last backward, with penalties */
  double data_loss;   /* the same without penalties */
  double norm;        /* global gradient norm of the last update, before clipping */
  uint64_t seed;      /* of dropout masks and other randomness */
  int64_t step;       /* updates committed so far */
  int64_t micro;      /* backward passes since the last update: 0 means that gradients are overwritten */
} gradc_controls;

/* One tensor of the parameter or state block. */
typedef struct gradc_tensor {
  const char *name;   /* "dense1.weight" */
  int rank;
  const int64_t *dims;
  size_t offset;      /* elements from the beginning of its block */
  size_t count;       /* elements */
  int is_state;       /* 0: in the parameter block, 1: in the state block (running statistics) */
  int trainable;      /* 0: frozen or state */
} gradc_tensor;

/* One input, output or target: `batch` rows of dims[1] x dims[2] … elements (dims[0] is -1 for the batch). */
typedef struct gradc_port {
  const char *name;
  gradc_element element;
  int rank;
  const int64_t *dims;
  size_t row_count;   /* elements a row */
} gradc_port;

/* How an output is read by metrics and prediction. */
typedef enum gradc_task {
  GRADC_TASK_REGRESSION = 0,  /* numbers as they are */
  GRADC_TASK_BINARY = 1,      /* a probability a row */
  GRADC_TASK_CLASSES = 2      /* probabilities over classes in the last dimension */
} gradc_task;

typedef struct gradc_model {
  uint32_t version;           /* GRADC_MODEL_VERSION */
  const char *name;
  gradc_element element;      /* GRADC_F32 or GRADC_F64: of parameters and floating point ports */
  int max_batch;
  size_t model_bytes;         /* sizeof(NAME) */
  size_t trainer_bytes;       /* sizeof(NAME_trainer), arena included; 0 when built without training */
  size_t scratch_bytes;       /* for run and evaluate */
  size_t alignment;           /* of all of these */
  /* Offsets in bytes. Parameters, state: from the model's beginning. The rest: from the trainer's; a trainer begins with its model. */
  size_t parallel_offset, parameters_offset, state_offset;
  size_t controls_offset, gradients_offset, moments_offset;
  size_t parameter_count, state_count;   /* elements */
  size_t gradient_count;                 /* elements: trainable parameters come first in the parameter block */
  size_t moment_count;                   /* elements of optimizer state, all moments together */
  int tensor_count;  const gradc_tensor *tensors;
  int input_count;   const gradc_port *inputs;
  int output_count;  const gradc_port *outputs;
  int target_count;  const gradc_port *targets;   /* element GRADC_I32 for class indices */
  gradc_task task;                                /* of output 0 against target 0 */

  /* Fills parameters, state and moments from the seed, and the controls from zero (rate is left alone). */
  int (*initialize)(void *trainer, uint64_t seed);
  /* outputs[i] <- model(inputs). Re-entrant: all it writes is outputs and scratch. */
  int (*run)(const void *model, const void *const *inputs, void *const *outputs, int n, void *scratch);
  /* As run, and *loss <- mean loss of the batch in inference form, without penalties. */
  int (*evaluate)(const void *model, const void *const *inputs, const void *const *targets, const void *weights, int n,
                  void *const *outputs, double *loss, void *scratch);
  /* Adds into the gradients (overwrites them when controls.micro is 0). `weights`: one factor a row in the model's
   * element type, or null for ones. Sets controls.loss and controls.data_loss. */
  int (*backward)(void *trainer, const void *const *inputs, const void *const *targets, const void *weights, int n);
  /* Applies the optimizer to the mean of the gradients of the passes since the last update. */
  int (*update)(void *trainer);
  /* backward, then update. */
  int (*train_step)(void *trainer, const void *const *inputs, const void *const *targets, const void *weights, int n);
  /* Squared gradient norm of each tensor into norms[tensor_count] (0 where it has none), for gradient health. May be null. */
  int (*gradient_norms)(const void *trainer, double *norms);
  /* Computes from parameters and state what `run` needs of them, before the first run and whenever they changed. Null where there is
   * nothing to prepare. */
  int (*prepare)(void *model, void *scratch);

  /* Generation of text. The memory of n texts holds what is known of them, and begins with the number of their tokens, an int64_t; it is all
   * zero before the first token. */
  size_t memory_bytes;        /* at max_batch; 0 where the model cannot generate */
  int64_t context;            /* the most tokens of a text; 0: any number */
  int vocabulary;             /* scores a token */
  /* Takes one token of each text, int32_t in most models, and gives the scores of the one that follows. Re-entrant: all it writes is memory,
   * scores and scratch. Null where the model cannot generate. */
  int (*generate)(const void *model, void *memory, const void *tokens, void *scores, int n, void *scratch);
} gradc_model;

#ifdef __cplusplus
}
#endif
#endif
