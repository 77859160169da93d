/* The loop itself: what is learnt, how often, at which rate, and when it stops. */
#include "scenario_support.h"

static bool close_to(double value, double expected, double tolerance) { return fabs(value - expected) <= tolerance * (1 + fabs(expected)); }

const char *play_line(const char *folder) {
  static run run;
  (void)folder;
  CHECK(begin(&run, &test_line, "batch|10\nepochs|100\nrate|0.1\nmetrics|mae|r2", 100, 20, 20) == 0 && train(&run) == 0, "%s",
        run.error.message);
  CHECK(close_to(parameter(&run, 0), 2, 1e-9) && close_to(parameter(&run, 1), 1, 1e-9), "y = 2x + 1 became y = %g x + %g",
        parameter(&run, 0), parameter(&run, 1));
  CHECK(run.history.test.rows == 20 && run.history.test.loss < 1e-17 && run.history.test.metric_count == 2 &&
            close_to(run.history.test.metrics[1], 1, 1e-12), "test loss %g, r2 %g", run.history.test.loss, run.history.test.metrics[1]);
  CHECK(run.history.stop == GRADC_STOP_EPOCHS && strcmp(run.history.reason, "all 100 epochs were trained") == 0, "%s", run.history.reason);
  CHECK(strncmp(run.printed, "epoch 1/100  loss ", 18) == 0 && strstr(run.printed, "  mae ") != NULL &&
            strstr(run.printed, "  val_loss ") != NULL && strstr(run.printed, "  val_r2 ") != NULL &&
            strstr(run.printed, "  lr 0.1\nepoch 2/100  loss ") != NULL,
        "lines: %.300s", run.printed);
  end(&run);
  return NULL;
}

/* The same training by hand: the same calls in the same order give the same bits. */
const char *play_by_hand(const char *folder) {
  static run run, hand;
  (void)folder;
  const char *recipe = "batch|16\nepochs|7\nrate|0.05\nseed|7";
  CHECK(begin(&run, &test_logistic, recipe, 100, 0, 0) == 0 && train(&run) == 0, "%s", run.error.message);
  CHECK(begin(&hand, &test_logistic, recipe, 100, 0, 0) == 0, "%s", hand.error.message);
  void *memory = gradc_trainer_memory(hand.trainer);
  gradc_controls *controls = gradc_trainer_controls(hand.trainer);
  gradc_batch batch = {0};
  CHECK(gradc_batch_create(&hand.data, 16, &batch, NULL) == 0, "no batch");
  double parameters[7][5];
  for (uint64_t epoch = 0; epoch < 7; epoch += 1) {
    uint32_t rows[100];
    double sum = 0;
    for (uint32_t row = 0; row < 100; row += 1) rows[row] = row;
    gradc_shuffle(rows, 100, 7, epoch);
    for (size_t begin = 0; begin < 100; begin += 16) {
      size_t count = begin + 16 <= 100 ? 16 : 100 - begin;
      gradc_batch_gather(&hand.data, rows + begin, count, &batch);
      controls->rate = 0.05;
      int status =
          test_logistic.train_step(memory, (const void *const *)batch.inputs, (const void *const *)batch.targets, NULL, (int)count);
      CHECK(status == GRADC_OK, "status %d", status);
      sum += controls->loss * (double)count;
    }
    CHECK(run.history.epochs[epoch].loss == sum / 100, "loss of epoch %d: %.17g, by hand %.17g", (int)epoch + 1,
          run.history.epochs[epoch].loss, sum / 100);
    for (size_t index = 0; index < 5; index += 1) parameters[epoch][index] = parameter(&hand, index);
  }
  gradc_batch_free(&batch);
  int64_t best = run.history.best_epoch;
  CHECK(best >= 1 && best <= 7, "best epoch %lld", (long long)best);
  for (size_t index = 0; index < 5; index += 1)
    CHECK(parameter(&run, index) == parameters[best - 1][index], "parameter %zu is not that of the best epoch", index);
  end(&run);
  end(&hand);
  return NULL;
}

static void count_rows(gradc_callback_context *context) {
  int64_t *counts = context->user;
  counts[0] += 1;
  counts[1] = context->epoch_step;
  counts[2] = context->epoch_steps;
}

const char *play_steps(const char *folder) {
  static run run;
  (void)folder;
  const struct { const char *recipe; size_t rows; int64_t steps, epoch_steps; } cases[] = {
      {"batch|100\nepochs|5", 1000, 50, 10}, {"batch|32\nepochs|1", 10000, 313, 313}, {"batch|1\nepochs|2", 7, 14, 7},
      {"batch|all\nepochs|3", 200, 3, 1},    {"batch|250\nepochs|2", 40, 2, 1},
  };
  for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index += 1) {
    int64_t counts[3] = {0};
    gradc_callbacks callbacks = {.step_end = count_rows, .user = counts};
    CHECK(begin(&run, &test_line, cases[index].recipe, cases[index].rows, 0, 0) == 0, "%s", run.error.message);
    run.options.callbacks = &callbacks;
    run.options.callback_count = 1;
    CHECK(train(&run) == 0, "%s", run.error.message);
    CHECK(counts[0] == cases[index].steps && counts[1] == cases[index].epoch_steps && counts[2] == cases[index].epoch_steps &&
              run.history.steps_run == cases[index].steps,
          "%zu: %lld steps, %lld of %lld an epoch", index, (long long)counts[0], (long long)counts[1], (long long)counts[2]);
    end(&run);
  }
  return NULL;
}

const char *play_early_stopping(const char *folder) {
  static run run;
  (void)folder;
  /* Keras 3's EarlyStopping, by hand: with min_delta 0.1 the improvement of epoch 4 (0.45 from 0.5) does not count. */
  const double losses[] = {1.0, 0.7, 0.5, 0.45, 0.47, 0.48, 0.30, 0.31, 0.30, 0.29, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5};
  const struct { const char *recipe; int epochs; int64_t best; gradc_stop stop; } cases[] = {
      {"epochs|16\nearly_stopping|patience=2", 6, 4, GRADC_STOP_EARLY},
      {"epochs|16\nearly_stopping|patience=3", 13, 10, GRADC_STOP_EARLY},
      {"epochs|16\nearly_stopping|patience=3|min_delta=0.1", 6, 4, GRADC_STOP_EARLY},
      {"epochs|16\nearly_stopping|patience=0", 5, 4, GRADC_STOP_EARLY},
      {"epochs|16\nearly_stopping|patience=2|mode=max", 3, 1, GRADC_STOP_EARLY},
      {"epochs|16\nearly_stopping|patience=2|monitor=loss", 3, 1, GRADC_STOP_EARLY},
      {"epochs|16", 16, 10, GRADC_STOP_EPOCHS},
  };
  for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index += 1) {
    CHECK(begin_script(&run, cases[index].recipe, losses, sizeof losses / sizeof losses[0]) == 0 && train(&run) == 0, "%s",
          run.error.message);
    CHECK(run.history.epoch_count == cases[index].epochs && run.history.best_epoch == cases[index].best &&
              run.history.stop == cases[index].stop,
          "%s: %d epochs, best %lld, stop %d", cases[index].recipe, run.history.epoch_count, (long long)run.history.best_epoch,
          (int)run.history.stop);
    CHECK(parameter(&run, 0) == (double)cases[index].best, "%s: the weights are those of epoch %g", cases[index].recipe,
          parameter(&run, 0));
    end(&run);
  }
  return NULL;
}

const char *play_plateau(const char *folder) {
  static run run;
  (void)folder;
  /* Keras 3's ReduceLROnPlateau, by hand: patience 2, cooldown 2, factor 0.5. Down after epochs 4 and 7; then the cooldown ends in epoch 9,
   * which waits, and epoch 10 makes it two. */
  const double losses[] = {1, 0.9, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95};
  const double rates[] = {1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2};
  CHECK(begin_script(&run, "epochs|12\nrate|1\nschedule|plateau|patience=2|cooldown=2|factor=0.5|min_rate=0.2", losses, 12) == 0 &&
            train(&run) == 0,
        "%s", run.error.message);
  for (int epoch = 0; epoch < 12; epoch += 1)
    CHECK(run.history.epochs[epoch].rate == rates[epoch], "rate of epoch %d: %g, expected %g", epoch + 1, run.history.epochs[epoch].rate,
          rates[epoch]);
  end(&run);
  return NULL;
}

const char *play_schedules(const char *folder) {
  static run run;
  (void)folder;
  const struct { const char *recipe; double rates[6];
  } cases[] = {
      {"rate|0.5", {0.5, 0.5, 0.5, 0.5, 0.5, 0.5}},
      {"rate|0.8\nschedule|step|every=2|factor=0.5", {0.8, 0.8, 0.4, 0.4, 0.2, 0.2}},
      {"rate|1\nschedule|exponential|decay=0.9", {1, 0.9, 0.81, 0.729, 0.6561, 0.59049}},
      {"rate|1\nschedule|exponential|decay=0.5|every=2|per=step",
       {0.7071067811865476, 0.35355339059327379, 0.17677669529663689, 0.088388347648318447, 0.044194173824159223, 0.022097086912079612}},
      {"rate|1\nschedule|cosine|total=4|minimum=0.2", {1, 0.88284271247461903, 0.6, 0.31715728752538098, 0.2, 0.2}},
      /* Two steps an epoch; the rate seen is that of an epoch's second step. */
      {"rate|1\nwarmup|6", {2.0 / 6, 4.0 / 6, 1, 1, 1, 1}},
      {"rate|1\nwarmup|4\nschedule|step|every=1|factor=0.5", {0.5, 1, 1, 0.5, 0.25, 0.125}},
      {"rate|1\nwarmup|4\nschedule|step|every=2|factor=0.5|per=step", {0.5, 1, 1, 0.5, 0.25, 0.125}},
  };
  for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index += 1) {
    CHECK(begin(&run, &test_logistic, cases[index].recipe, 64, 0, 0) == 0, "%s", run.error.message);
    run.recipe.epochs = 6;
    CHECK(train(&run) == 0, "%s", run.error.message);
    for (int epoch = 0; epoch < 6; epoch += 1)
      CHECK(close_to(run.history.epochs[epoch].rate, cases[index].rates[epoch], 1e-15), "%s: rate of epoch %d: %.17g, expected %.17g",
            cases[index].recipe, epoch + 1, run.history.epochs[epoch].rate, cases[index].rates[epoch]);
    end(&run);
  }
  const struct { const char *recipe, *words; } wrong[] = {{"schedule|step|evry=2", "did you mean 'every'"},
                                                          {"schedule|cosine|total=0", "total"},
                                                          {"schedule|plateau|factor=1.5", "factor"},
                                                          {"schedule|step|per=batch", "epoch or step"}};
  for (size_t index = 0; index < sizeof wrong / sizeof wrong[0]; index += 1) {
    CHECK(begin(&run, &test_logistic, wrong[index].recipe, 64, 0, 0) == 0, "%s", run.error.message);
    CHECK(train(&run) == 1 && strstr(run.error.message, wrong[index].words) != NULL, "%s: %d, %s", wrong[index].recipe, run.code,
          run.error.message);
    end(&run);
  }
  return NULL;
}

typedef struct witness {
  char order[256];
  double rate_at, stop_at;
} witness;

static void note(gradc_callback_context *context, const char *letter) {
  witness *witness = context->user;
  if (strlen(witness->order) + 2 < sizeof witness->order) strcat(witness->order, letter);
}
static void on_begin(gradc_callback_context *context) { note(context, "("); }
static void on_end(gradc_callback_context *context) { note(context, ")"); }
static void on_epoch_begin(gradc_callback_context *context) { note(context, "["); }
static void on_step_begin(gradc_callback_context *context) { note(context, "<"); }
static void on_epoch_end(gradc_callback_context *context) {
  note(context, "]");
  if (context->epoch == 2) context->rate = 0.03;
}
static void on_step_end(gradc_callback_context *context) {
  note(context, ">");
  if (context->epoch == 4 && context->epoch_step == 1) context->stop = true;
}

const char *play_callbacks(const char *folder) {
  static run run;
  (void)folder;
  witness witness = {{0}, 0, 0};
  gradc_callbacks callbacks = {on_begin, on_end, on_epoch_begin, on_epoch_end, on_step_begin, on_step_end, &witness};
  CHECK(begin(&run, &test_logistic, "batch|20\nepochs|9\nrate|0.1", 40, 0, 0) == 0, "%s", run.error.message);
  run.options.callbacks = &callbacks;
  run.options.callback_count = 1;
  CHECK(train(&run) == 0, "%s", run.error.message);
  CHECK(strcmp(witness.order, "([<><>][<><>][<><>][<>)") == 0, "order of the calls: %s", witness.order);
  CHECK(run.history.stop == GRADC_STOP_CALLBACK && run.history.epoch_count == 3, "stop %d after %d epochs", (int)run.history.stop,
        run.history.epoch_count);
  CHECK(run.history.epochs[1].rate == 0.1 && run.history.epochs[2].rate == 0.03, "rates %g, %g", run.history.epochs[1].rate,
        run.history.epochs[2].rate);
  end(&run);
  return NULL;
}

const char *play_accumulate(const char *folder) {
  static run two, one;
  (void)folder;
  CHECK(begin(&one, &test_line, "batch|20\nepochs|4\nrate|0.1\nshuffle|no", 100, 0, 0) == 0 && train(&one) == 0, "%s", one.error.message);
  CHECK(begin(&two, &test_line, "batch|5\naccumulate|4\nepochs|4\nrate|0.1\nshuffle|no", 100, 0, 0) == 0, "%s", two.error.message);
  CHECK(train(&two) == 0, "%s", two.error.message);
  CHECK(two.history.steps_run == 20 && close_to(parameter(&one, 0), parameter(&two, 0), 1e-13) &&
            close_to(parameter(&one, 1), parameter(&two, 1), 1e-13),
        "4 x 5 rows: %lld steps to %.17g, 20 rows to %.17g", (long long)two.history.steps_run, parameter(&two, 0), parameter(&one, 0));
  CHECK(close_to(one.history.epochs[0].loss, two.history.epochs[0].loss, 1e-13), "losses differ");
  end(&one);
  end(&two);
  /* The last update of an epoch takes the passes that are left: 7 passes by 3 are 3 updates. */
  CHECK(begin(&two, &test_line, "batch|16\naccumulate|3\nepochs|2", 100, 0, 0) == 0, "%s", two.error.message);
  CHECK(train(&two) == 0 && two.history.steps_run == 6, "%lld steps", (long long)two.history.steps_run);
  end(&two);
  return NULL;
}

const char *play_limits(const char *folder) {
  static run run;
  (void)folder;
  const struct { const char *recipe; size_t train, validation; const char *words; } cases[] = {
      {"batch|257", 1000, 0, "a batch of 257 rows is larger than the 256"},
      {"batch|all", 1000, 0, "a batch of 1000 rows is larger than the 256"},
      {"epochs|3", 0, 5, "no rows to train on"},
      {"metrics|mae\nearly_stopping|monitor=val_mae", 10, 0, "needs validation rows"},
      {"metrics|mae\nearly_stopping|monitor=val_mse", 10, 5, "'val_mse' is neither"},
  };
  for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index += 1) {
    CHECK(begin(&run, &test_line, cases[index].recipe, cases[index].train, cases[index].validation, 0) == 0, "%s", run.error.message);
    CHECK(train(&run) == 1 && strstr(run.error.message, cases[index].words) != NULL, "%s: %d, %s", cases[index].recipe, run.code,
          run.error.message);
    end(&run);
  }
  gradc_error error = {0};
  gradc_model huge = test_line;
  huge.trainer_bytes = (size_t)1 << 50;
  huge.max_batch = 1 << 20;
  gradc_trainer *trainer;
  CHECK(gradc_trainer_create(&huge, 1, (size_t)1 << 30, &trainer, &error) == 1 &&
            strstr(error.message, "1.13 PB (1125899906842688 bytes)") != NULL,
        "a petabyte: %s", error.message);
  CHECK(gradc_memory_check((uint64_t)1 << 50, (uint64_t)1 << 20, 1 << 29, &error) == 1 && strstr(error.message, "no batch fits") != NULL,
        "%s", error.message);
  CHECK(gradc_memory_check(((uint64_t)1 << 49) + 1000, (uint64_t)1 << 20, 1 << 29, &error) == 1 &&
            strstr(error.message, "a batch of ") != NULL,
        "%s", error.message);
  return NULL;
}
