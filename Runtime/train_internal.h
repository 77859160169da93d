/* train_internal.h: what the files of the training side share. */
#ifndef GRADC_TRAIN_INTERNAL_H
#define GRADC_TRAIN_INTERNAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <limits.h>
#include <signal.h>

#include "gradc_train.h"
#include "image_internal.h"

struct gradc_trainer {
  const gradc_model *model;
  unsigned char *memory;      /* NAME_trainer, or NAME without training */
  size_t memory_bytes;
  void *scratch;
  gradc_pool *pool;           /* null: one thread */
  void **outputs;             /* max_batch rows of each output, for evaluation */
  const void **inputs, **targets; /* room for one pointer a port */
};

/* ---- arena.c ---- */

/* Zeroed memory from the kernel, page-aligned. Null with an error when there is none. */
void *gradc_arena_allocate(size_t bytes, size_t alignment, gradc_error *error);
void gradc_arena_free(void *arena, size_t bytes);

/* ---- trainer.c ---- */

/* An error unless inputs (and targets) of the dataset are what the model's ports take. */
int gradc_check_dataset(const gradc_model *model, const gradc_dataset *dataset, bool with_targets, gradc_error *error);
/* Points trainer->inputs and targets at the rows: straight into the dataset when they lie side by side, else at a copy in `batch`.
 * Returns the sample weights of the rows, or null. */
const void *gradc_trainer_rows(gradc_trainer *trainer, const gradc_dataset *dataset, const uint32_t *rows, size_t count,
                               gradc_batch *batch);
/* Points them at a batch that was gathered. */
const void *gradc_trainer_batch(gradc_trainer *trainer, const gradc_dataset *dataset, const gradc_batch *batch);

/* ---- history.c ---- */

bool gradc_history_reserve(gradc_history *history, int count);

/* ---- evaluate.c ---- */

/* One part of a dataset with room to evaluate it again every epoch. */
typedef struct gradc_evaluator {
  gradc_trainer *trainer;
  const gradc_dataset *dataset;
  const gradc_strings *names;
  gradc_metrics metrics;
  size_t chunk;          /* rows a call of evaluate */
  gradc_batch batch;
  gradc_feed *feed;      /* of images, else null */
  size_t positions;      /* predictions a row: 1, or the positions of a sequence */
  size_t width;          /* elements a prediction */
  bool ready;
} gradc_evaluator;

int gradc_evaluator_create(gradc_trainer *trainer, const gradc_recipe *recipe, const gradc_dataset *dataset, const gradc_encoder *encoder,
                           gradc_evaluator *evaluator, gradc_error *error);
/* values[names->count] and *loss over the rows. */
int gradc_evaluator_run(gradc_evaluator *evaluator, const uint32_t *rows, size_t count, double *loss, double *values, gradc_error *error);
void gradc_evaluator_free(gradc_evaluator *evaluator);
/* The same, with the confusion matrix, as a result to keep. */
int gradc_evaluator_report(gradc_evaluator *evaluator, const uint32_t *rows, size_t count, gradc_evaluation *evaluation,
                           gradc_error *error);

/* ---- schedule.c ---- */

typedef enum gradc_schedule_kind {
  GRADC_SCHEDULE_CONSTANT, GRADC_SCHEDULE_STEP, GRADC_SCHEDULE_EXPONENTIAL, GRADC_SCHEDULE_COSINE, GRADC_SCHEDULE_PLATEAU
} gradc_schedule_kind;

/* The rate as a function of time, in steps or epochs. */
typedef struct gradc_schedule {
  gradc_schedule_kind kind;
  bool per_step;
  double base;             /* the rate that the recipe gives */
  double every, factor;    /* step, exponential: base * factor ^ (time / every), for step rounded down */
  double total, minimum;   /* cosine; minimum is plateau's too */
  double patience, min_delta, cooldown; /* plateau */
  int64_t warmup;          /* steps of linear rise before all that */
  int64_t epoch_steps;     /* updates an epoch */
} gradc_schedule;

/* Everything that a checkpoint holds besides the model's blocks, the controls and the history. */
typedef struct gradc_loop_state {
  uint64_t seed, rows, batch, accumulate, shuffle; /* of the run that wrote it: a resumed one must have the same */
  int64_t epoch;            /* epochs finished */
  uint64_t row;             /* rows of the current epoch that are done */
  double loss_sum;          /* of those rows */
  double given_rate;        /* the recipe's: when a resumed run gives another, that one holds */
  double base_rate;         /* before the schedule: plateau and callbacks change it */
  double best;              /* of the monitor; NaN: none yet */
  int64_t best_epoch;
  double stopping_best;     /* early stopping's own: counts only what improves by min_delta */
  int64_t stopping_wait;
  double plateau_best;
  int64_t plateau_wait, plateau_cooldown;
  double seconds, epoch_seconds;
} gradc_loop_state;

int gradc_schedule_read(const gradc_recipe *recipe, int64_t epoch_steps, gradc_schedule *schedule, gradc_error *error);
/* The rate of the update after `step` committed ones, in 0-based epoch `epoch`, when the base rate is `base`. */
double gradc_schedule_rate(const gradc_schedule *schedule, double base, int64_t step, int64_t epoch);
/* Keras's ReduceLROnPlateau at the end of an epoch. True when the rate went down. */
bool gradc_plateau_update(const gradc_schedule *schedule, gradc_loop_state *state, double value, bool larger_is_better);
/* Keras's EarlyStopping at the end of an epoch. */
void gradc_stopping_update(const gradc_recipe *recipe, gradc_loop_state *state, double value, bool larger_is_better);
bool gradc_stopping_due(const gradc_recipe *recipe, const gradc_loop_state *state);
/* Strictly better than `best` by more than min_delta. Nothing is better than NaN was, everything finite is. */
bool gradc_is_better(double value, double best, double min_delta, bool larger_is_better);

/* ---- log.c ---- */

typedef struct gradc_log {
  void *file;              /* FILE, null: no log */
  bool json;
  const char *path;
} gradc_log;

/* Creates the log, or, after a resume, cuts it back to the epochs that the history holds. */
int gradc_log_open(gradc_log *log, const char *path, const gradc_history *history, const gradc_model *model, bool health,
                   gradc_error *error);
/* One row, flushed. `ratios`: a gradient norm relative to the weight norm for each tensor, or null. */
int gradc_log_row(gradc_log *log, const gradc_history *history, const gradc_epoch *epoch, const gradc_model *model, const double *ratios,
                  gradc_error *error);
void gradc_log_close(gradc_log *log);

/* ---- progress.c ---- */

typedef struct gradc_bar {
  bool active, color, drawn;
  double last;             /* when it was drawn */
} gradc_bar;

void gradc_bar_start(gradc_bar *bar, gradc_progress progress);
void gradc_bar_draw(gradc_bar *bar, int64_t epoch, int64_t epochs, int64_t step, int64_t steps, double loss);
void gradc_bar_erase(gradc_bar *bar);
/* "epoch 3/300  loss 0.5432  accuracy 0.81  val_loss 0.5  val_accuracy 0.83  lr 0.001\n" */
void gradc_epoch_line(char *text, size_t size, const gradc_history *history, const gradc_epoch *epoch, int64_t epochs);
/* Seconds of a clock that only goes forward: exact, and cheap (a few milliseconds coarse). */
double gradc_clock(void);
double gradc_coarse_clock(void);

/* ---- session: one call of gradc_train ---- */

typedef struct gradc_session {
  gradc_trainer *trainer;
  const gradc_recipe *recipe;
  const gradc_dataset *dataset;
  const gradc_encoder *encoder;
  const gradc_train_options *options;
  gradc_history *history;
  gradc_schedule schedule;
  gradc_loop_state state;
  const uint32_t *rows[3];
  size_t row_counts[3];
  const uint32_t *judged[3];   /* the rows that figures after an epoch are of */
  size_t judged_counts[3];
  uint32_t *chosen[3];         /* room for them where they are not all */
  size_t order_rows;           /* rows an epoch */
  uint32_t *order;             /* the rows of this epoch, in order */
  size_t batch, accumulate;
  int64_t epoch_steps;
  gradc_batch room;
  gradc_feed *feed;            /* of images, else null */
  gradc_evaluator evaluator;
  unsigned char *best_weights; /* parameters, then state */
  bool has_best;
  bool monitor_larger;
  char checkpoint[PATH_MAX];   /* where it goes; empty: nowhere */
  gradc_log log;
  gradc_bar bar;
  double *norms, *ratios;      /* gradient health: one a tensor */
  double last_checkpoint, checkpoint_cost;
  bool dirty;                  /* something to checkpoint since the last */
  bool stopped;                /* by a callback */
  double last_loss, rate;
  double epoch_began;          /* clock */
  int signals_taken;           /* 1: SIGINT, 2: SIGTERM */
  struct sigaction before[2];
  gradc_error late;            /* the first failed write: training goes on, the call ends with it */
} gradc_session;

/* ---- order.c ---- */

/* Rows an epoch. */
size_t gradc_order_rows(const gradc_session *session);
/* Fills session->order for the epoch of its state. */
void gradc_order_make(gradc_session *session);
/* Chooses the rows that figures after an epoch are of. */
int gradc_order_choose(gradc_session *session, gradc_error *error);

/* ---- checkpoint.c ---- */

uint64_t gradc_model_hash(const gradc_model *model);
int gradc_checkpoint_write(gradc_session *session, const char *path, gradc_error *error);
/* Verifies the whole file before it changes anything. */
int gradc_checkpoint_read(gradc_session *session, const char *path, gradc_error *error);

/* ---- health.c ---- */

/* Norms of the gradients (per tensor, of the mean over `passes`) and of the weights; fills session->ratios. */
int gradc_measure_gradients(gradc_session *session, int64_t passes, gradc_error *error);
/* Says in words, once, when gradients vanish or explode. */
void gradc_report_health(gradc_session *session);
/* Fails with code 4, naming step, epoch and what is not finite first: the batch, a parameter, a gradient. */
int gradc_report_not_finite(gradc_session *session, size_t count, gradc_error *error);

/* ---- session.c ---- */

int gradc_session_open(gradc_session *session, gradc_history *history, gradc_error *error);
void gradc_session_close(gradc_session *session);
/* Raised by SIGINT and SIGTERM while a session is open. */
bool gradc_interrupted(void);

void gradc_say(const gradc_session *session, const char *text);
void gradc_warn(gradc_session *session, const char *text);

#endif
