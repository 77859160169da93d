/* gradc_train.h: training, evaluation and prediction with a compiled model.
 *
 * One loop serves `gradc train` (code compiled in memory) and the stand-alone native trainer: both hand it a descriptor
 * (gradc_model.h), a recipe and a dataset (gradc_data.h). The order is
 *
 *   gradc_trainer_create → gradc_initialize or gradc_load_weights → gradc_train → gradc_evaluate, gradc_predict,
 *   gradc_save_weights → gradc_trainer_free
 *
 * Every function that can fail returns 0 or one of gradc's exit codes, with a message in its last argument (which may be
 * null). Zeroed option structs are the defaults. Nothing here is global but the flag that SIGINT and SIGTERM raise. 0BSD.
 */
#ifndef GRADC_TRAIN_H
#define GRADC_TRAIN_H

#include "gradc_data.h"
#include "gradc_model.h"
#include "gradc_pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The trainer: a model in memory ------------------------------------------------------------------------------ */

/* A compiled model with its memory (model, gradients, moments, arena: one block of exactly the descriptor's bytes),
 * scratch for inference and a pool of threads. A model compiled without training can be loaded, run and evaluated. */
typedef struct gradc_trainer gradc_trainer;

/* Allocates. `threads`: 0 and 1 mean the calling thread alone. `bytes_per_row`: what one row of the largest batch adds to
 * trainer_bytes, used to say which batch fits when the memory of the machine is too small (0: not known).
 * Parameters are zero until gradc_initialize or gradc_load_weights. */
int gradc_trainer_create(const gradc_model *model, int threads, size_t bytes_per_row, gradc_trainer **trainer, gradc_error *error);
void gradc_trainer_free(gradc_trainer *trainer);

/* Physical memory in bytes, or the limit of the control group where that is less; 0 when neither is known. */
uint64_t gradc_physical_memory(void);
/* Refuses (code 1, with the bytes and the batch that would fit) what is larger than the machine's memory. */
int gradc_memory_check(uint64_t bytes, uint64_t bytes_per_row, int max_batch, gradc_error *error);

/* The descriptor in use: another one after a hot swap. */
const gradc_model *gradc_trainer_model(const gradc_trainer *trainer);
/* The model's own struct: NAME_trainer, or NAME when the model was compiled without training. */
void *gradc_trainer_memory(gradc_trainer *trainer);
/* The controls, or null when the model was compiled without training. */
gradc_controls *gradc_trainer_controls(gradc_trainer *trainer);
int gradc_trainer_threads(const gradc_trainer *trainer);
/* Goes on with another compilation of the same model: every size and offset of the two descriptors must be equal (else code 70). */
int gradc_trainer_swap(gradc_trainer *trainer, const gradc_model *model, gradc_error *error);

/* Fresh parameters, state and moments from the seed. */
int gradc_initialize(gradc_trainer *trainer, uint64_t seed, gradc_error *error);

/* Reads parameters and state by tensor name from a safetensors file, converting F16, BF16, F32 and F64. On any error (a tensor that is
 * missing, or has another shape: both are named) the trainer is as it was. Tensors that the model does not have are an error too. */
int gradc_load_weights(gradc_trainer *trainer, const char *path, gradc_error *error);
/* Takes from a safetensors file the tensors that the model has under the same name with the same shape; the others keep their values.
 * `fresh` (or null): the path of a layer whose tensors are not taken. `*words` (or null) says what was taken, what is missing, what did
 * not fit and what the model does not have; free it with gradc_text_free. A file of which nothing fits is an error. */
int gradc_transfer_weights(gradc_trainer *trainer, const char *path, const char *fresh, char **words, gradc_error *error);
/* Writes parameters and state by tensor name, with the metadata gradc.model and, when `encoder` is not null, gradc.encoder. */
int gradc_save_weights(const gradc_trainer *trainer, const gradc_encoder *encoder, const char *path, gradc_error *error);

/* ---- Evaluation and prediction ------------------------------------------------------------------------------------ */

#define GRADC_METRIC_LIMIT 16
#define GRADC_METRIC_NAME 32

typedef struct gradc_evaluation {
  size_t rows;                 /* 0: there was nothing to evaluate */
  double loss;                 /* mean over rows of the data loss, inference form, without penalties */
  int metric_count;
  char metric_names[GRADC_METRIC_LIMIT][GRADC_METRIC_NAME];
  double metrics[GRADC_METRIC_LIMIT];
  size_t class_count;          /* side of the confusion matrix; 0: none */
  uint64_t *confusion;         /* [actual][predicted] */
} gradc_evaluation;

/* Loss, metrics and confusion matrix over dataset rows rows[0 ..< count]. The metrics are those of the recipe; `encoder` (or null)
 * gives errors of regression in the target's own unit. */
int gradc_evaluate(gradc_trainer *trainer, const gradc_recipe *recipe, const gradc_dataset *dataset, const gradc_encoder *encoder,
                   const uint32_t *rows, size_t count, gradc_evaluation *evaluation, gradc_error *error);
void gradc_evaluation_free(gradc_evaluation *evaluation);
const char *gradc_evaluation_name(const gradc_evaluation *evaluation, int metric);
double gradc_evaluation_value(const gradc_evaluation *evaluation, int metric);
/* The confusion matrix as text, a line a class; `encoder` (or null) gives the labels. Free with gradc_text_free. */
char *gradc_evaluation_matrix(const gradc_evaluation *evaluation, const gradc_encoder *encoder);

/* Runs the model over dataset rows rows[0 ..< count] in batches of at most max_batch. outputs[i] takes count rows of output i. */
int gradc_predict(gradc_trainer *trainer, const gradc_dataset *dataset, const uint32_t *rows, size_t count, void *const *outputs,
                  gradc_error *error);

/* ---- Training ----------------------------------------------------------------------------------------------------- */

typedef enum gradc_stop {
  GRADC_STOP_EPOCHS = 0,      /* all epochs were trained */
  GRADC_STOP_EARLY = 1,       /* early stopping */
  GRADC_STOP_CALLBACK = 2,    /* a callback asked for it */
  GRADC_STOP_INTERRUPTED = 3, /* SIGINT or SIGTERM */
  GRADC_STOP_NOT_FINITE = 4   /* NaN or infinity */
} gradc_stop;

typedef struct gradc_epoch {
  int64_t epoch;       /* from 1 */
  int64_t step;        /* updates committed when it ended */
  double loss;         /* mean over rows, with penalties, as seen during the epoch */
  double val_loss;     /* without penalties; NaN without validation rows */
  double rate;         /* of the epoch's last update */
  double seconds;
  double metrics[GRADC_METRIC_LIMIT];     /* over the training rows, inference form, after the epoch; NaN when not computed */
  double val_metrics[GRADC_METRIC_LIMIT]; /* NaN without validation rows */
} gradc_epoch;

/* What a training did. Survives resuming: epochs trained before are in it. */
typedef struct gradc_history {
  int epoch_count, epoch_capacity;
  gradc_epoch *epochs;
  int metric_count;
  char metric_names[GRADC_METRIC_LIMIT][GRADC_METRIC_NAME];
  bool has_validation;
  char monitor[GRADC_METRIC_NAME + 4];  /* what "best" means: "val_loss" … */
  bool monitor_is_score;                /* larger is better */
  int64_t best_epoch;                   /* from 1; 0: none yet. Its weights are in the trainer at the end */
  double best_value;
  gradc_stop stop;
  char reason[256];                     /* why it stopped, a sentence */
  char health[512];                     /* what was said of the gradients; empty: nothing to say, or not asked */
  double seconds;                       /* of all epochs, evaluation included */
  int64_t steps_run;                    /* updates committed by this call */
  double step_seconds;                  /* of this call: time in training steps alone, batching included */
  gradc_evaluation validation, test;    /* with the best weights */
} gradc_history;

void gradc_history_free(gradc_history *history);
/* Row `index` of the epochs, or null. */
const gradc_epoch *gradc_history_epoch(const gradc_history *history, int index);
const char *gradc_history_metric_name(const gradc_history *history, int metric);
/* A metric of an epoch (by index): over the training rows, or over the validation rows. NaN when it is not known. */
double gradc_history_metric(const gradc_history *history, int index, int metric, bool validation);
/* The end of a training in words: why it stopped, the best epoch, final figures, the confusion matrix. Free with gradc_text_free. */
char *gradc_history_summary(const gradc_history *history, const gradc_encoder *encoder);
const char *gradc_history_reason(const gradc_history *history);
const char *gradc_history_monitor(const gradc_history *history);
const char *gradc_history_health(const gradc_history *history);

/* What a callback sees. It may write `rate` and `stop`, and read and write the trainer's memory. */
typedef struct gradc_callback_context {
  void *user;
  gradc_trainer *trainer;
  const gradc_history *history;  /* epochs that have ended */
  int64_t epoch, epochs;         /* from 1; 0 before the first */
  int64_t step;                  /* updates committed in all */
  int64_t epoch_step, epoch_steps; /* updates committed in this epoch, and their number */
  double loss;                   /* of the last step, with penalties */
  double rate;                   /* of the next step. Writing it holds from then on; a schedule goes on in proportion */
  bool stop;                     /* set: training ends here, in good order */
} gradc_callback_context;

typedef void gradc_callback(gradc_callback_context *context);

/* Any of them may be null. They are called on the thread that trains, in the order of the array. */
typedef struct gradc_callbacks {
  gradc_callback *train_begin, *train_end, *epoch_begin, *epoch_end, *step_begin, *step_end;
  void *user;
} gradc_callbacks;

typedef enum gradc_progress {
  GRADC_PROGRESS_AUTO = 0,  /* a bar on stderr when that is a terminal */
  GRADC_PROGRESS_NEVER = 1,
  GRADC_PROGRESS_ALWAYS = 2
} gradc_progress;

typedef struct gradc_train_options {
  const char *data;          /* --data: not used by gradc_train itself, which takes a dataset */
  const char *weights;       /* --weights: start from what fits of this safetensors file (gradc_transfer_weights) */
  const char *fresh;         /* a layer that takes nothing of it, or null */
  const char *resume;        /* --resume: go on from this checkpoint */
  const char *save;          /* --save: write the best weights here at the end */
  int threads;               /* --threads: for gradc_trainer_create */
  bool quiet;                /* --quiet: no line an epoch */
  bool gradient_health;      /* --gradient-health: gradient norms in the log, a warning when they vanish or explode */
  bool skip_training_metrics;/* --no-training-metrics: metrics over the validation rows alone */
  gradc_progress progress;   /* --progress auto|never|always */
  bool no_worker;            /* batches of images are made by the thread that trains, not ahead of it: the same bytes, later */
  bool leave_signals;        /* SIGINT and SIGTERM keep the caller's handlers */
  /* A checkpoint is written at an epoch's end (every recipe->checkpoint_every epochs) and between two steps of a long epoch, once this
   * many seconds and twenty times the last one's writing time have passed since the last. 0: 1 second; negative: at
   * every epoch. Always at the end. */
  double checkpoint_seconds;
  void (*print)(void *context, const char *text); /* takes what goes to stdout; null: stdout */
  void *print_context;
  void (*warn)(void *context, const char *text);  /* takes notices and warnings; null: stderr */
  void *warn_context;
  const gradc_callbacks *callbacks;
  int callback_count;
  /* Asked between two steps: null, or another compilation of the same model with which to go on. */
  const gradc_model *(*poll)(void *context);
  void *poll_context;
} gradc_train_options;

/* Trains as the recipe says, starting from the trainer's parameters (or options->weights, or options->resume), and leaves the best weights
 * (by monitor) in the trainer. Paths of checkpoint and log are the recipe's; without a checkpoint a resumed run goes on writing the file
 * that it came from, and an interrupted one writes NAME.checkpoint. Fresh parameters are the caller's business: gradc_initialize. Returns
 * 0; GRADC_EXIT_INTERRUPTED after a signal and a checkpoint; GRADC_EXIT_NUMERIC when loss or gradients are no longer finite (the message
 * names step, epoch and tensor); or another code. `history` holds what happened in every case. */
int gradc_train(gradc_trainer *trainer, const gradc_recipe *recipe, const gradc_dataset *dataset, const gradc_encoder *encoder,
                const gradc_train_options *options, gradc_history *history, gradc_error *error);

/* ---- Gradient health ---------------------------------------------------------------------------------------------- */

typedef enum gradc_health { GRADC_HEALTH_GOOD = 0, GRADC_HEALTH_VANISHING = 1, GRADC_HEALTH_EXPLODING = 2 } gradc_health;

/* Judges gradient norms relative to weight norms, tensor by tensor (matrices only: a fresh bias has no norm to compare with).
 * Exploding: a ratio above 1e3 or not finite. Vanishing: one below 1e-7. A first-to-last ratio is not looked at: it misses
 * networks in which all layers vanish or explode alike. `worst` (or null) gets the index of the tensor. */
gradc_health gradc_judge_gradients(const gradc_model *model, const double *gradient_norms, const double *weight_norms, int *worst);

/* ---- Flags -------------------------------------------------------------------------------------------------------- */

typedef struct gradc_flag {
  const char *name;     /* "epochs": written --epochs */
  const char *values;   /* what follows: "N", "FILE"; null: nothing */
  const char *meaning;  /* a line for --help */
} gradc_flag;

/* The flags of training that `gradc train` and every native trainer share. */
extern const gradc_flag gradc_train_flags[];
extern const size_t gradc_train_flag_count;
/* Flag `index` of the list, or null past its end: for languages that see no arrays without a size. */
const gradc_flag *gradc_train_flag_at(size_t index);

/* The flag of that name (without dashes; "-" and "_" are the same), or null. */
const gradc_flag *gradc_train_flag_find(const char *name);
/* Applies one flag to recipe or options. `value` is null for a flag without one; options keep the pointer. Code 2 for an
 * unknown flag (the nearest is named) and for a value that does not fit. */
int gradc_train_flag(const char *name, const char *value, gradc_recipe *recipe, gradc_train_options *options, gradc_error *error);

/* The whole of a native trainer: `int main(int argc, char **argv) { return gradc_trainer_main(&heart_model, recipe, argc, argv); }`. */
int gradc_trainer_main(const gradc_model *model, const char *recipe, int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
