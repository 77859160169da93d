/* train.c: the loop. Epochs of steps; after each epoch evaluation, best weights, schedule, log, line, callbacks, checkpoint. */
#include "train_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Output ---- */

void gradc_say(const gradc_session *session, const char *text) {
  if (session->options->print != NULL) session->options->print(session->options->print_context, text);
  else {
    fputs(text, stdout);
    fflush(stdout);
  }
}

void gradc_warn(gradc_session *session, const char *text) {
  gradc_bar_erase(&session->bar);
  if (session->options->warn != NULL) session->options->warn(session->options->warn_context, text);
  else fprintf(stderr, "warning: %s\n", text);
}

/* A file that could not be written does not end the training: it is said at once, and the call ends with it. */
static void note_failure(gradc_session *session, const gradc_error *failure) {
  if (session->late.code == 0) {
    session->late = *failure;
    gradc_warn(session, failure->message);
  }
}

/* ---- Callbacks ---- */

typedef enum moment { TRAIN_BEGIN, TRAIN_END, EPOCH_BEGIN, EPOCH_END, STEP_BEGIN, STEP_END } moment;

static gradc_callback *callback_at(const gradc_callbacks *callbacks, moment moment) {
  switch (moment) {
    case TRAIN_BEGIN: return callbacks->train_begin;
    case TRAIN_END: return callbacks->train_end;
    case EPOCH_BEGIN: return callbacks->epoch_begin;
    case EPOCH_END: return callbacks->epoch_end;
    case STEP_BEGIN: return callbacks->step_begin;
    case STEP_END: return callbacks->step_end;
  }
  return NULL;
}

static double next_rate(const gradc_session *session) {
  int64_t step = gradc_trainer_controls(session->trainer)->step;
  return gradc_schedule_rate(&session->schedule, session->state.base_rate, step, session->state.epoch);
}

/* A schedule goes on in proportion; without one the rate is exactly what was written. */
static void change_rate(gradc_session *session, double from, double to) {
  bool plain = session->state.base_rate == from;
  session->state.base_rate = plain || !(from > 0) ? to : session->state.base_rate * (to / from);
}

static int64_t steps_done(const gradc_session *session) {
  uint64_t rows = (uint64_t)session->batch * session->accumulate;
  return (int64_t)((session->state.row + rows - 1) / rows);
}

static void call_back(gradc_session *session, moment moment) {
  for (int index = 0; index < session->options->callback_count; index += 1) {
    const gradc_callbacks *callbacks = &session->options->callbacks[index];
    gradc_callback *callback = callback_at(callbacks, moment);
    if (callback == NULL) continue;
    bool within = moment != EPOCH_END && moment != TRAIN_END;
    double rate = next_rate(session);
    gradc_callback_context context = {
        .user = callbacks->user,
        .trainer = session->trainer,
        .history = session->history,
        .epoch = moment == TRAIN_BEGIN ? session->state.epoch : session->state.epoch + (within ? 1 : 0),
        .epochs = session->recipe->epochs,
        .step = gradc_trainer_controls(session->trainer)->step,
        .epoch_step = steps_done(session),
        .epoch_steps = session->epoch_steps,
        .loss = session->last_loss,
        .rate = rate,
    };
    callback(&context);
    if (context.rate != rate) change_rate(session, rate, context.rate);
    if (context.stop) session->stopped = true;
  }
}

/* ---- Checkpoints ---- */

static void keep_time(gradc_session *session) {
  double now = gradc_clock();
  session->state.epoch_seconds += now - session->epoch_began;
  session->epoch_began = now;
}

static int write_checkpoint(gradc_session *session, gradc_error *error) {
  double began = gradc_clock();
  keep_time(session);
  int code = gradc_checkpoint_write(session, session->checkpoint, error);
  session->checkpoint_cost = gradc_clock() - began;
  session->last_checkpoint = gradc_coarse_clock();
  if (code == 0) session->dirty = false;
  return code;
}

static void checkpoint_when_due(gradc_session *session, bool at_epoch_end) {
  if (session->checkpoint[0] == 0) return;
  double interval = session->options->checkpoint_seconds;
  int64_t every = session->recipe->checkpoint_every > 0 ? session->recipe->checkpoint_every : 1;
  if (at_epoch_end && session->state.epoch % every != 0) return;
  if (!at_epoch_end && interval < 0) return;
  if (interval == 0) interval = 1;
  /* Within an epoch there is no hurry: an epoch's end is the better place. */
  if (!at_epoch_end) interval *= 30;
  if (interval > 0) {
    double cost = 20 * session->checkpoint_cost;
    if (gradc_coarse_clock() - session->last_checkpoint < (interval > cost ? interval : cost)) return;
  }
  gradc_error failure = {0};
  if (write_checkpoint(session, &failure) != 0) note_failure(session, &failure);
}

/* ---- One step ---- */

static bool is_finite_step(const gradc_session *session, int status) {
  return status != GRADC_NOT_FINITE && isfinite(gradc_trainer_controls(session->trainer)->loss);
}

static int check_step(gradc_session *session, int status, size_t count, gradc_error *error) {
  if (!is_finite_step(session, status)) return gradc_report_not_finite(session, count, error);
  if (status != GRADC_OK)
    return gradc_fail(error, GRADC_EXIT_BUG, "a step of '%s' with %zu rows failed with status %d", session->trainer->model->name, count,
                      status);
  return 0;
}

/* The rows of the next backward pass: the last of an epoch may be smaller. */
static size_t next_rows(gradc_session *session, const void **weights) {
  if (session->feed != NULL) {
    size_t rows = 0;
    const gradc_batch *batch = gradc_feed_next(session->feed, &rows);
    *weights = gradc_trainer_batch(session->trainer, session->dataset, batch);
    return rows;
  }
  size_t left = session->order_rows - (size_t)session->state.row;
  size_t count = left < session->batch ? left : session->batch;
  *weights = gradc_trainer_rows(session->trainer, session->dataset, session->order + session->state.row, count, &session->room);
  return count;
}

static void count_rows(gradc_session *session, size_t count) {
  session->last_loss = gradc_trainer_controls(session->trainer)->loss;
  session->state.loss_sum += session->last_loss * (double)count;
  session->state.row += count;
}

/* Several backward passes, or one whose gradients are looked at, then the update. */
static int step_in_passes(gradc_session *session, bool measure, gradc_error *error) {
  gradc_trainer *trainer = session->trainer;
  size_t rows = session->order_rows, count = 0;
  int64_t passes = 0;
  for (; passes < (int64_t)session->accumulate && session->state.row < rows; passes += 1) {
    const void *weights;
    count = next_rows(session, &weights);
    int status = trainer->model->backward(trainer->memory, trainer->inputs, trainer->targets, weights, (int)count);
    int code = check_step(session, status, count, error);
    if (code != 0) return code;
    count_rows(session, count);
  }
  if (measure) {
    int code = gradc_measure_gradients(session, passes, error);
    if (code != 0) return code;
    gradc_report_health(session);
  }
  return check_step(session, trainer->model->update(trainer->memory), count, error);
}

static int train_step(gradc_session *session, gradc_error *error) {
  gradc_trainer *trainer = session->trainer;
  gradc_controls *controls = gradc_trainer_controls(trainer);
  if (session->options->poll != NULL) {
    const gradc_model *model = session->options->poll(session->options->poll_context);
    int code = model != NULL ? gradc_trainer_swap(trainer, model, error) : 0;
    if (code != 0) return code;
  }
  if (session->options->callback_count > 0) call_back(session, STEP_BEGIN);
  controls->rate = session->rate = next_rate(session);
  bool last = steps_done(session) + 1 == session->epoch_steps;
  bool measure = session->options->gradient_health && (last || controls->step == 0);
  session->dirty = true;
  int code;
  if (measure || session->accumulate > 1) code = step_in_passes(session, measure, error);
  else {
    const void *weights;
    size_t count = next_rows(session, &weights);
    int status = trainer->model->train_step(trainer->memory, trainer->inputs, trainer->targets, weights, (int)count);
    code = check_step(session, status, count, error);
    if (code == 0) count_rows(session, count);
  }
  if (code != 0) return code;
  session->history->steps_run += 1;
  if (session->options->callback_count > 0) call_back(session, STEP_END);
  return 0;
}

/* ---- One epoch ---- */

static bool must_end(const gradc_session *session) { return session->stopped || gradc_interrupted(); }

static int run_steps(gradc_session *session, gradc_error *error) {
  size_t rows = session->order_rows;
  gradc_order_make(session);
  if (session->feed != NULL)
    gradc_feed_begin(session->feed, session->order, rows, (size_t)session->state.row, (uint64_t)session->state.epoch);
  double began = gradc_clock();
  int code = 0;
  while (session->state.row < rows && !must_end(session)) {
    code = train_step(session, error);
    if (code != 0) break;
    if (session->bar.active)
      gradc_bar_draw(&session->bar, session->state.epoch + 1, session->recipe->epochs, steps_done(session), session->epoch_steps,
                     session->state.loss_sum / (double)session->state.row);
    if (session->checkpoint[0] != 0 && session->state.row < rows) checkpoint_when_due(session, false);
  }
  session->history->step_seconds += gradc_clock() - began;
  if (session->feed != NULL) gradc_feed_stop(session->feed);
  gradc_bar_erase(&session->bar);
  return code;
}

static double monitored(const gradc_session *session, const gradc_epoch *epoch) {
  const gradc_history *history = session->history;
  const char *name = history->monitor;
  bool on_validation = strncmp(name, "val_", 4) == 0;
  const char *bare = on_validation ? name + 4 : name;
  if (strcmp(bare, "loss") == 0) return on_validation ? epoch->val_loss : epoch->loss;
  for (int index = 0; index < history->metric_count; index += 1)
    if (strcmp(bare, history->metric_names[index]) == 0) return on_validation ? epoch->val_metrics[index] : epoch->metrics[index];
  return (double)NAN;
}

static void keep_best(gradc_session *session, double value) {
  gradc_loop_state *state = &session->state;
  if (!gradc_is_better(value, state->best, 0, session->monitor_larger)) return;
  const gradc_model *model = session->trainer->model;
  size_t element = gradc_element_bytes(model->element), parameters = model->parameter_count * element;
  memcpy(session->best_weights, session->trainer->memory + model->parameters_offset, parameters);
  memcpy(session->best_weights + parameters, session->trainer->memory + model->state_offset, model->state_count * element);
  session->has_best = true;
  state->best = value;
  state->best_epoch = state->epoch;
  session->history->best_epoch = state->best_epoch;
  session->history->best_value = value;
}

static int evaluate_epoch(gradc_session *session, gradc_epoch *epoch, gradc_error *error) {
  double ignored;
  for (int index = 0; index < GRADC_METRIC_LIMIT; index += 1) epoch->metrics[index] = epoch->val_metrics[index] = (double)NAN;
  int code = 0;
  if (session->history->metric_count > 0 && !session->options->skip_training_metrics)
    code = gradc_evaluator_run(&session->evaluator, session->judged[GRADC_PART_TRAIN], session->judged_counts[GRADC_PART_TRAIN], &ignored,
                               epoch->metrics, error);
  if (code == 0)
    code = gradc_evaluator_run(&session->evaluator, session->judged[GRADC_PART_VALIDATION], session->judged_counts[GRADC_PART_VALIDATION],
                               &epoch->val_loss, epoch->val_metrics, error);
  return code;
}

static void publish_epoch(gradc_session *session, const gradc_epoch *epoch) {
  gradc_error failure = {0};
  const double *ratios = session->options->gradient_health ? session->ratios : NULL;
  if (gradc_log_row(&session->log, session->history, epoch, session->trainer->model, ratios, &failure) != 0)
    note_failure(session, &failure);
  if (session->options->quiet) return;
  char line[2048];
  gradc_epoch_line(line, sizeof line, session->history, epoch, session->recipe->epochs);
  gradc_say(session, line);
}

static int end_epoch(gradc_session *session, gradc_error *error) {
  gradc_loop_state *state = &session->state;
  gradc_epoch epoch = {.epoch = state->epoch + 1, .step = gradc_trainer_controls(session->trainer)->step, .rate = session->rate};
  epoch.loss = state->loss_sum / (double)session->order_rows;
  int code = evaluate_epoch(session, &epoch, error);
  if (code != 0) return code;
  if (!gradc_history_reserve(session->history, session->history->epoch_count + 1))
    return gradc_fail(error, GRADC_EXIT_DATA, "no memory for the history of %lld epochs", (long long)epoch.epoch);
  keep_time(session);
  epoch.seconds = state->epoch_seconds;
  state->seconds += state->epoch_seconds;
  state->epoch_seconds = 0;
  state->epoch += 1;
  state->row = 0;
  state->loss_sum = 0;
  session->history->epochs[session->history->epoch_count++] = epoch;
  double value = monitored(session, &epoch);
  keep_best(session, value);
  gradc_stopping_update(session->recipe, state, value, session->monitor_larger);
  gradc_plateau_update(&session->schedule, state, value, session->monitor_larger);
  publish_epoch(session, &epoch);
  if (session->options->callback_count > 0) call_back(session, EPOCH_END);
  checkpoint_when_due(session, true);
  return 0;
}

static int run_epochs(gradc_session *session, gradc_error *error) {
  gradc_loop_state *state = &session->state;
  call_back(session, TRAIN_BEGIN);
  session->epoch_began = gradc_clock();
  /* An epoch whose last step was done when the signal came still ends: its row is not lost. */
  while (state->epoch < session->recipe->epochs && !gradc_stopping_due(session->recipe, state) && !must_end(session)) {
    if (state->row == 0) call_back(session, EPOCH_BEGIN);
    int code = run_steps(session, error);
    if (code == 0 && state->row == session->order_rows) code = end_epoch(session, error);
    if (code != 0) return code;
  }
  return 0;
}

/* ---- The end ---- */

static void restore_best(gradc_session *session) {
  if (!session->has_best) return;
  const gradc_model *model = session->trainer->model;
  size_t element = gradc_element_bytes(model->element), parameters = model->parameter_count * element;
  memcpy(session->trainer->memory + model->parameters_offset, session->best_weights, parameters);
  memcpy(session->trainer->memory + model->state_offset, session->best_weights + parameters, model->state_count * element);
}

static void explain(gradc_session *session, int code, const gradc_error *error) {
  gradc_history *history = session->history;
  gradc_loop_state *state = &session->state;
  char *reason = history->reason;
  size_t size = sizeof history->reason;
  history->seconds = state->seconds + state->epoch_seconds;
  if (code == GRADC_EXIT_NUMERIC) {
    history->stop = GRADC_STOP_NOT_FINITE;
    snprintf(reason, size, "%.*s", (int)size - 1, error->message);
  } else if (code != 0) {
    snprintf(reason, size, "%.*s", (int)size - 1, error->message);
  } else if (gradc_interrupted()) {
    history->stop = GRADC_STOP_INTERRUPTED;
    snprintf(reason, size, "interrupted after %lld steps", (long long)gradc_trainer_controls(session->trainer)->step);
  } else if (session->stopped) {
    history->stop = GRADC_STOP_CALLBACK;
    snprintf(reason, size, "a callback asked to stop");
  } else if (state->epoch >= session->recipe->epochs) {
    history->stop = GRADC_STOP_EPOCHS;
    if (session->recipe->epochs == 0) snprintf(reason, size, "no epochs were asked for");
    else snprintf(reason, size, "all %lld epochs were trained", (long long)session->recipe->epochs);
  } else {
    history->stop = GRADC_STOP_EARLY;
    snprintf(reason, size, "%s has not improved for %lld epochs (best %.4g at epoch %lld)", history->monitor,
             (long long)state->stopping_wait, state->best, (long long)state->best_epoch);
  }
}

static int final_figures(gradc_session *session, gradc_error *error) {
  gradc_history *history = session->history;
  int code = gradc_evaluator_report(&session->evaluator, session->rows[GRADC_PART_VALIDATION], session->row_counts[GRADC_PART_VALIDATION],
                                    &history->validation, error);
  if (code == 0)
    code = gradc_evaluator_report(&session->evaluator, session->rows[GRADC_PART_TEST], session->row_counts[GRADC_PART_TEST], &history->test,
                                  error);
  return code;
}

/* The checkpoint holds the last weights, so it comes before the best are put back. */
static int finish(gradc_session *session, int code, gradc_error *error) {
  gradc_error failure = {0};
  explain(session, code, error);
  bool interrupted = code == 0 && session->history->stop == GRADC_STOP_INTERRUPTED, saved = false;
  if (interrupted && session->checkpoint[0] == 0)
    snprintf(session->checkpoint, sizeof session->checkpoint, "%s.checkpoint", session->trainer->model->name);
  if (code == 0 && session->checkpoint[0] != 0 && (session->dirty || session->options->resume == NULL)) {
    saved = write_checkpoint(session, &failure) == 0;
    if (!saved) note_failure(session, &failure);
  }
  restore_best(session);
  call_back(session, TRAIN_END);
  if (code == 0 && !interrupted) code = final_figures(session, error);
  if ((code == 0 || code == GRADC_EXIT_NUMERIC) && session->options->save != NULL && (code == 0 || session->has_best) &&
      gradc_save_weights(session->trainer, session->encoder, session->options->save, &failure) != 0)
    note_failure(session, &failure);
  if (interrupted)
    code = saved || session->late.code == 0
               ? gradc_fail(error, GRADC_EXIT_INTERRUPTED, "%s; go on with --resume %s", session->history->reason, session->checkpoint)
               : gradc_fail(error, GRADC_EXIT_INTERRUPTED, "%s; %s", session->history->reason, session->late.message);
  if (code == 0 && session->late.code != 0) {
    if (error != NULL) *error = session->late;
    return session->late.code;
  }
  return code;
}

int gradc_train(gradc_trainer *trainer, const gradc_recipe *recipe, const gradc_dataset *dataset, const gradc_encoder *encoder,
                const gradc_train_options *options, gradc_history *history, gradc_error *error) {
  static const gradc_train_options defaults;
  gradc_error local = {0};
  gradc_session session = {.trainer = trainer, .recipe = recipe, .dataset = dataset, .encoder = encoder};
  session.options = options != NULL ? options : &defaults;
  memset(history, 0, sizeof *history);
  history->best_value = (double)NAN;
  int code = gradc_session_open(&session, history, &local);
  if (code == 0) {
    code = run_epochs(&session, &local);
    code = finish(&session, code, &local);
  }
  gradc_session_close(&session);
  if (code != 0 && error != NULL) *error = local;
  return code;
}
