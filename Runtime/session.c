/* session.c: opening and closing one training: checks, memory, files, signals. */
#include "train_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The one global: a signal handler has no other way to tell. */
static atomic_int interrupted;

bool gradc_interrupted(void) { return atomic_load_explicit(&interrupted, memory_order_relaxed) != 0; }

/* The first signal asks; after it the default action is back, so that a second one kills. */
static void on_signal(int number) {
  (void)number;
  atomic_store_explicit(&interrupted, 1, memory_order_relaxed);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
}

static void take_signal(gradc_session *session, int number, struct sigaction *before) {
  struct sigaction action;
  if (sigaction(number, NULL, before) != 0 || before->sa_handler == SIG_IGN) return; /* as under nohup */
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (sigaction(number, &action, NULL) == 0) session->signals_taken |= number == SIGINT ? 1 : 2;
}

static void take_signals(gradc_session *session) {
  atomic_store_explicit(&interrupted, 0, memory_order_relaxed);
  if (session->options->leave_signals) return;
  take_signal(session, SIGINT, &session->before[0]);
  take_signal(session, SIGTERM, &session->before[1]);
}

static void give_signals_back(gradc_session *session) {
  if ((session->signals_taken & 1) != 0) sigaction(SIGINT, &session->before[0], NULL);
  if ((session->signals_taken & 2) != 0) sigaction(SIGTERM, &session->before[1], NULL);
  session->signals_taken = 0;
}

/* Better now than after an hour: the file beside which the result will be written can be made. */
static int check_writable(const char *path, const char *what, gradc_error *error) {
  struct stat status;
  char beside[PATH_MAX];
  if (path == NULL || (stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))) return 0;
  if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
    return gradc_fail(error, GRADC_EXIT_DATA, "cannot write %s '%s': it is a folder", what, path);
  if (snprintf(beside, sizeof beside, "%s.%ld.try", path, (long)getpid()) >= (int)sizeof beside) return 0;
  int descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return gradc_fail(error, GRADC_EXIT_DATA, "cannot write %s '%s': %s", what, path, strerror(errno));
  close(descriptor);
  unlink(beside);
  return 0;
}

static int read_batching(gradc_session *session, gradc_error *error) {
  const gradc_recipe *recipe = session->recipe;
  const gradc_model *model = session->trainer->model;
  size_t rows = session->row_counts[GRADC_PART_TRAIN];
  int64_t accumulate = recipe->accumulate > 0 ? recipe->accumulate : 1;
  if (rows == 0) return gradc_fail(error, GRADC_EXIT_DATA, "there are no rows to train on: look at the data file and at split");
  if (recipe->batch < 0) return gradc_fail(error, GRADC_EXIT_DATA, "a batch of %lld rows was asked for", (long long)recipe->batch);
  if (recipe->epochs < 0) return gradc_fail(error, GRADC_EXIT_DATA, "%lld epochs were asked for", (long long)recipe->epochs);
  const bool fewer = recipe->steps == 0 && (uint64_t)recipe->batch > rows;  /* rows that are drawn may be drawn again */
  session->batch = recipe->batch == 0 || fewer ? rows : (size_t)recipe->batch;
  if (session->batch > (size_t)model->max_batch)
    return gradc_fail(
        error, GRADC_EXIT_DATA,
        "a batch of %zu rows is larger than the %d for which '%s' was compiled: use a smaller batch, or compile with --max-batch %zu",
        session->batch, model->max_batch, model->name, session->batch);
  size_t most = 0;
  session->accumulate = (size_t)accumulate;
  if (recipe->steps > 0 && (!gradc_multiply((size_t)recipe->steps, session->batch, &most) ||
                            !gradc_multiply(most, session->accumulate, &most) || most > (size_t)1 << 40))
    return gradc_fail(error, GRADC_EXIT_DATA, "%lld steps of %zu rows are too many for an epoch", (long long)recipe->steps, session->batch);
  session->order_rows = gradc_order_rows(session);
  size_t batches = gradc_batch_count(session->order_rows, session->batch);
  if (session->accumulate > batches) session->accumulate = batches;
  session->epoch_steps = (int64_t)((batches + session->accumulate - 1) / session->accumulate);
  return 0;
}

/* The monitor's name and direction; it must be something that every epoch computes. */
static int read_monitor(gradc_session *session, gradc_error *error) {
  const gradc_recipe *recipe = session->recipe;
  gradc_history *history = session->history;
  const char *name = recipe->monitor != NULL ? recipe->monitor : history->has_validation ? "val_loss" : "loss";
  bool on_validation = strncmp(name, "val_", 4) == 0;
  const char *bare = on_validation ? name + 4 : name;
  bool known = strcmp(bare, "loss") == 0;
  for (int index = 0; index < history->metric_count && !known; index += 1) known = strcmp(bare, history->metric_names[index]) == 0;
  if (!known)
    return gradc_fail(error, GRADC_EXIT_DATA,
                      "the monitor '%s' is neither a loss nor one of the metrics of this training; add '%s' to metrics", name, bare);
  if (on_validation && !history->has_validation)
    return gradc_fail(error, GRADC_EXIT_DATA,
                      "the monitor '%s' needs validation rows: give split a validation share (--validation-split 0.2)", name);
  if (!on_validation && strcmp(bare, "loss") != 0 && session->options->skip_training_metrics)
    return gradc_fail(error, GRADC_EXIT_DATA,
                      "the monitor '%s' is a metric over the training rows, and --no-training-metrics leaves those out", name);
  snprintf(history->monitor, sizeof history->monitor, "%s", name);
  session->monitor_larger = recipe->monitor_mode == GRADC_MODE_AUTO ? strcmp(bare, "loss") != 0 && gradc_metric_is_score(bare)
                                                                    : recipe->monitor_mode == GRADC_MODE_MAX;
  history->monitor_is_score = session->monitor_larger;
  return 0;
}

static int allocate(gradc_session *session, gradc_error *error) {
  const gradc_model *model = session->trainer->model;
  size_t element = gradc_element_bytes(model->element), tensors = (size_t)model->tensor_count;
  session->order = malloc(session->order_rows * sizeof *session->order);
  session->best_weights = malloc((model->parameter_count + model->state_count) * element + 1);
  session->norms = calloc(2 * tensors + 1, sizeof *session->norms);
  session->ratios = calloc(tensors + 1, sizeof *session->ratios);
  if (session->order == NULL || session->best_weights == NULL || session->norms == NULL || session->ratios == NULL)
    return gradc_fail(error, GRADC_EXIT_DATA, "no memory to train '%s'", model->name);
  int code = gradc_order_choose(session, error);
  if (code != 0) return code;
  if (session->dataset->images != NULL)
    return gradc_feed_create(session->dataset, session->batch, &session->recipe->seed, !session->options->no_worker, &session->feed, error);
  return gradc_batch_create(session->dataset, session->batch, &session->room, error);
}

static void begin_state(gradc_session *session) {
  gradc_loop_state fresh = {
      .seed = session->recipe->seed,
      .rows = session->order_rows,
      .batch = session->batch,
      .accumulate = session->accumulate,
      .shuffle = (session->recipe->shuffle ? 1u : 0u) | (session->recipe->contiguous ? 2u : 0u) |
                 (session->recipe->steps > 0 ? 4u : 0u),  /* as order_name reads it */
      .given_rate = session->schedule.base,
      .base_rate = session->schedule.base,
      .best = (double)NAN,
      .stopping_best = (double)NAN,
      .plateau_best = (double)NAN,
  };
  session->state = fresh;
}

/* The order of rows that a loop state names. */
static const char *order_name(uint64_t order) {
  return (order & 4) != 0 ? "drawn at random" : (order & 2) != 0 ? "contiguous" : (order & 1) != 0 ? "shuffled" : "not shuffled";
}

/* Goes on from a checkpoint. What decides which rows a step sees must be as it was. */
static int resume(gradc_session *session, const char *path, gradc_error *error) {
  gradc_loop_state now = session->state;
  int code = gradc_checkpoint_read(session, path, error);
  if (code != 0) return code;
  gradc_loop_state *state = &session->state;
  if (state->rows != now.rows)
    return gradc_fail(error, GRADC_EXIT_DATA,
                      "'%s' was written with %llu training rows, there are %llu now: the same data and split are needed", path,
                      (unsigned long long)state->rows, (unsigned long long)now.rows);
  if (state->seed != now.seed || state->shuffle != now.shuffle)
    return gradc_fail(error, GRADC_EXIT_DATA, "'%s' was written with seed %llu, %s; the recipe says seed %llu, %s: they must agree", path,
                      (unsigned long long)state->seed, order_name(state->shuffle), (unsigned long long)now.seed, order_name(now.shuffle));
  if (state->row > 0 && (state->batch != now.batch || state->accumulate != now.accumulate))
    return gradc_fail(error, GRADC_EXIT_DATA,
                      "'%s' was written within an epoch at batch %llu; within an epoch the batch cannot change (%llu now)", path,
                      (unsigned long long)(state->batch * state->accumulate), (unsigned long long)(now.batch * now.accumulate));
  if (state->epoch < 0 || state->row > state->rows) return gradc_fail(error, GRADC_EXIT_DATA, "'%s' is a damaged checkpoint", path);
  state->batch = now.batch;
  state->accumulate = now.accumulate;
  if (state->given_rate != now.given_rate) {
    state->given_rate = now.given_rate;
    state->base_rate = now.given_rate;
  }
  session->history->best_epoch = state->best_epoch;
  session->history->best_value = state->best;
  return 0;
}

static int open_files(gradc_session *session, gradc_error *error) {
  const gradc_recipe *recipe = session->recipe;
  const char *checkpoint = recipe->checkpoint != NULL ? recipe->checkpoint : session->options->resume;
  if (checkpoint != NULL && snprintf(session->checkpoint, sizeof session->checkpoint, "%s", checkpoint) >= (int)sizeof session->checkpoint)
    return gradc_fail(error, GRADC_EXIT_DATA, "the checkpoint's path is longer than %zu bytes", sizeof session->checkpoint);
  int code = check_writable(checkpoint, "the checkpoint", error);
  if (code == 0) code = check_writable(session->options->save, "the weights", error);
  if (code == 0 && recipe->log != NULL)
    code = gradc_log_open(&session->log, recipe->log, session->history, session->trainer->model, session->options->gradient_health, error);
  return code;
}

/* Says what became of the file's tensors: a training that begins elsewhere than was meant is no error, but must be seen. */
static int begin_with_weights(gradc_session *session, gradc_error *error) {
  const gradc_train_options *options = session->options;
  char *words = NULL;
  int code = gradc_transfer_weights(session->trainer, options->weights, options->fresh, &words, error);
  if (code == 0 && words != NULL && !options->quiet) gradc_say(session, words);
  gradc_text_free(words);
  return code;
}

int gradc_session_open(gradc_session *session, gradc_history *history, gradc_error *error) {
  gradc_trainer *trainer = session->trainer;
  const gradc_train_options *options = session->options;
  session->history = history;
  if (trainer->model->trainer_bytes == 0 || trainer->model->train_step == NULL)
    return gradc_fail(error, GRADC_EXIT_USAGE, "'%s' was compiled without training", trainer->model->name);
  if (options->gradient_health && trainer->model->gradient_norms == NULL)
    return gradc_fail(error, GRADC_EXIT_USAGE, "'%s' was compiled without gradient norms: --gradient-health has nothing to read",
                      trainer->model->name);
  for (int part = 0; part < 3; part += 1)
    session->rows[part] = gradc_dataset_part(session->dataset, (gradc_part_kind)part, &session->row_counts[part]);
  int code = read_batching(session, error);
  if (code == 0) code = gradc_schedule_read(session->recipe, session->epoch_steps, &session->schedule, error);
  if (code == 0) code = gradc_evaluator_create(trainer, session->recipe, session->dataset, session->encoder, &session->evaluator, error);
  if (code != 0) return code;
  history->has_validation = session->row_counts[GRADC_PART_VALIDATION] > 0;
  history->metric_count = (int)session->recipe->metrics.count;
  for (int index = 0; index < history->metric_count; index += 1)
    snprintf(history->metric_names[index], GRADC_METRIC_NAME, "%s", session->recipe->metrics.items[index]);
  code = read_monitor(session, error);
  if (code == 0) code = allocate(session, error);
  if (code != 0) return code;
  begin_state(session);
  if (options->weights != NULL && options->resume == NULL) code = begin_with_weights(session, error);
  if (code == 0 && options->resume != NULL) code = resume(session, options->resume, error);
  if (code == 0) code = open_files(session, error);
  if (code != 0) return code;
  gradc_controls *controls = gradc_trainer_controls(trainer);
  controls->seed = session->state.seed;
  controls->micro = 0;
  gradc_bar_start(&session->bar, options->progress);
  session->last_checkpoint = gradc_coarse_clock();
  take_signals(session);
  return 0;
}

void gradc_session_close(gradc_session *session) {
  give_signals_back(session);
  gradc_log_close(&session->log);
  gradc_evaluator_free(&session->evaluator);
  gradc_batch_free(&session->room);
  gradc_feed_free(session->feed);
  free(session->order);
  for (int part = 0; part < 3; part += 1) free(session->chosen[part]);
  free(session->best_weights);
  free(session->norms);
  free(session->ratios);
}
