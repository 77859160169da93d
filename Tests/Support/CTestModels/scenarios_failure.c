/* What must survive: a killed process, a signal, a damaged file, a full disk, numbers that are none. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario_support.h"

#define RECIPE                                                                                                                       \
  "batch|16\nepochs|12\nrate|0.05\nmetrics|accuracy|auc\nearly_stopping|patience=9\nschedule|plateau|patience=2|factor=0.5\nwarmup|" \
  "5\nseed|7"

typedef struct bomb {
  int64_t epoch, step;
  int signal;
} bomb;

static void explode(gradc_callback_context *context) {
  const bomb *bomb = context->user;
  if (context->epoch == bomb->epoch && context->epoch_step == bomb->step) raise(bomb->signal);
}

/* Trains in a child that gets a signal after the given step; returns its wait status. */
static int train_in_child(const char *checkpoint, bomb bomb, int epochs, bool leave_signals) {
  pid_t child = fork();
  if (child == 0) {
    static run doomed;
    signal(SIGINT, SIG_DFL); /* ignored where the tests run in the background */
    if (begin(&doomed, &test_logistic, RECIPE, 100, 30, 20) != 0) _exit(99);
    char *copy = strdup(checkpoint);
    doomed.recipe.checkpoint = copy;
    doomed.recipe.epochs = epochs;
    gradc_callbacks callbacks = {.step_end = explode, .user = &bomb};
    doomed.options.callbacks = &callbacks;
    doomed.options.callback_count = 1;
    doomed.options.checkpoint_seconds = -1;
    doomed.options.leave_signals = leave_signals;
    _exit(train(&doomed));
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

/* The uninterrupted training, and one that goes on from the checkpoint, must be the same bits. */
static const char *compare_with_whole(const char *checkpoint) {
  static run whole, resumed;
  CHECK(begin(&whole, &test_logistic, RECIPE, 100, 30, 20) == 0, "%s", whole.error.message);
  CHECK(train(&whole) == 0, "%s", whole.error.message);
  CHECK(whole.history.epoch_count == 12, "%d epochs", whole.history.epoch_count);
  CHECK(begin(&resumed, &test_logistic, RECIPE, 100, 30, 20) == 0, "%s", resumed.error.message);
  resumed.options.resume = checkpoint;
  CHECK(train(&resumed) == 0, "%s", resumed.error.message);
  CHECK(resumed.history.steps_run < whole.history.steps_run, "nothing was resumed: %lld steps", (long long)resumed.history.steps_run);
  CHECK(same_state(&whole, &resumed), "parameters, state or moments differ after the resume");
  CHECK(same_history(&whole.history, &resumed.history), "the histories differ after the resume");
  CHECK(whole.history.test.loss == resumed.history.test.loss, "test losses differ");
  end(&whole);
  end(&resumed);
  return NULL;
}

const char *play_resume_after_kill(const char *folder) {
  const char *path = path_in(folder, "kill.checkpoint");
  int status = train_in_child(path, (bomb){7, 3, SIGKILL}, 12, true);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child was not killed: status %d", status);
  const char *problem = compare_with_whole(path);
  if (problem != NULL) return problem;
  /* N epochs in one call, M more in another. */
  path = path_in(folder, "longer.checkpoint");
  status = train_in_child(path, (bomb){0, 0, 0}, 5, true);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "five epochs ended with status %d", status);
  return compare_with_whole(path);
}

const char *play_interrupt(const char *folder) {
  const char *path = path_in(folder, "interrupt.checkpoint");
  int status = train_in_child(path, (bomb){5, 2, SIGINT}, 12, false);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 130, "after SIGINT the child ended with status %d, expected exit 130", status);
  const char *problem = compare_with_whole(path);
  if (problem != NULL) return problem;
  status = train_in_child(path, (bomb){5, 2, SIGINT}, 12, false);
  static run other;
  for (int field = 0; field < 2; field += 1) {
    CHECK(begin(&other, &test_logistic, RECIPE, 100, 30, 20) == 0, "%s", other.error.message);
    if (field == 0) other.recipe.batch = 8;
    else other.recipe.accumulate = 2;
    other.options.resume = path;
    CHECK(train(&other) == 1 && strstr(other.error.message, "within an epoch the batch cannot change") != NULL,
          "another batch within an epoch: %s", other.error.message);
    end(&other);
  }
  path = path_in(folder, "terminate.checkpoint");
  status = train_in_child(path, (bomb){1, 7, SIGTERM}, 12, false);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 130, "after SIGTERM the child ended with status %d, expected exit 130", status);
  return compare_with_whole(path);
}

static void brighten(gradc_callback_context *context) {
  if (context->epoch == 3) context->rate *= 3;
}

/* Stopping after each epoch in turn and going on must not be seen in the rates, the best epoch, or the end: waiting, cooling down and what
 * was best so far are all in the checkpoint. By hand: the rate goes up threefold after epoch 3, down by plateau after 5, 8 and 12; the best
 * is epoch 10, of which early stopping (min_delta 0.2) thinks nothing: it counts from epoch 3 and ends the training at 13. */
const char *play_resume_at_every_epoch(const char *folder) {
  static run whole, first, second;
  const double losses[] = {5, 4, 3, 3.1, 3.2, 2.95, 3.3, 2.9, 3.4, 2.85, 3.5, 3.6, 3.7, 3.8, 3.9, 4};
  const char *recipe =
      "epochs|16\nrate|1\nearly_stopping|patience=10|min_delta=0.2\nschedule|plateau|patience=2|cooldown=2|factor=0.5|min_delta=0.1";
  gradc_callbacks callbacks = {.epoch_end = brighten};
  CHECK(begin_script(&whole, recipe, losses, 16) == 0, "%s", whole.error.message);
  whole.options.callbacks = &callbacks;
  whole.options.callback_count = 1;
  CHECK(train(&whole) == 0, "%s", whole.error.message);
  CHECK(whole.history.epoch_count == 13 && whole.history.best_epoch == 10 && whole.history.stop == GRADC_STOP_EARLY, "%d epochs, best %lld",
        whole.history.epoch_count, (long long)whole.history.best_epoch);
  const double rates[] = {1, 1, 1, 3, 3, 1.5, 1.5, 1.5, 0.75, 0.75, 0.75, 0.75, 0.375};
  for (int epoch = 0; epoch < 13; epoch += 1)
    CHECK(whole.history.epochs[epoch].rate == rates[epoch], "rate of epoch %d: %g, expected %g", epoch + 1,
          whole.history.epochs[epoch].rate, rates[epoch]);
  const char *path = path_in(folder, "every.checkpoint");
  for (int64_t epochs = 1; epochs <= 13; epochs += 1) {
    CHECK(begin_script(&first, recipe, losses, 16) == 0 && begin_script(&second, recipe, losses, 16) == 0, "%s", second.error.message);
    first.options.callbacks = second.options.callbacks = &callbacks;
    first.options.callback_count = second.options.callback_count = 1;
    first.recipe.checkpoint = strdup(path);
    first.recipe.epochs = epochs;
    second.options.resume = path;
    CHECK(train(&first) == 0, "%s", first.error.message);
    CHECK(train(&second) == 0, "%s", second.error.message);
    CHECK(same_history(&whole.history, &second.history) && second.history.stop == GRADC_STOP_EARLY,
          "resumed after epoch %lld: %d epochs, best %lld, stop %d", (long long)epochs, second.history.epoch_count,
          (long long)second.history.best_epoch, (int)second.history.stop);
    CHECK(parameter(&second, 0) == 10, "resumed after epoch %lld: the weights are those of epoch %g", (long long)epochs,
          parameter(&second, 0));
    CHECK(second.history.seconds > first.history.seconds, "the seconds before the checkpoint are lost");
    end(&first);
    end(&second);
  }
  /* A rate given anew holds from the resume on. */
  CHECK(begin_script(&second, recipe, losses, 16) == 0, "%s", second.error.message);
  second.recipe.rate = 0.125;
  second.options.resume = path;
  second.recipe.patience = 12;
  CHECK(train(&second) == 0 && second.history.epochs[13].rate == 0.125, "a new rate on resuming: %g", second.history.epochs[13].rate);
  end(&second);
  end(&whole);
  return NULL;
}

static void explode_twice(gradc_callback_context *context) {
  (void)context;
  raise(SIGINT);
  raise(SIGINT);
}

const char *play_second_interrupt_kills(const char *folder) {
  (void)folder;
  pid_t child = fork();
  if (child == 0) {
    static run doomed;
    if (begin(&doomed, &test_line, "epochs|3", 40, 0, 0) != 0) _exit(99);
    gradc_callbacks callbacks = {.step_end = explode_twice};
    doomed.options.callbacks = &callbacks;
    doomed.options.callback_count = 1;
    doomed.options.leave_signals = false;
    signal(SIGINT, SIG_DFL);
    train(&doomed);
    _exit(98);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT, "a second SIGINT did not kill: status %d", status);
  return NULL;
}

static const char *expect_refusal(run *run, const char *path, const char *words) {
  run->options.resume = path;
  double before = parameter(run, 0);
  int code = train(run);
  CHECK(code == GRADC_EXIT_DATA, "resuming from '%s' gave code %d (%s)", path, code, run->error.message);
  CHECK(strstr(run->error.message, words) != NULL, "expected '%s' in: %s", words, run->error.message);
  CHECK(parameter(run, 0) == before, "a refused checkpoint changed the parameters");
  return NULL;
}

const char *play_damaged_checkpoints(const char *folder) {
  static run made, other;
  char path[1024], damaged[1024];
  snprintf(path, sizeof path, "%s", path_in(folder, "good.checkpoint"));
  snprintf(damaged, sizeof damaged, "%s", path_in(folder, "damaged.checkpoint"));
  CHECK(begin(&made, &test_logistic, "epochs|2\nseed|7\nrate|0.01", 50, 10, 0) == 0, "%s", made.error.message);
  made.recipe.checkpoint = strdup(path);
  CHECK(train(&made) == 0, "%s", made.error.message);
  size_t count = 0;
  char *bytes = slurp(path, &count);
  CHECK(bytes != NULL && count > 200, "no checkpoint was written");
  const char *problem = NULL;
  for (size_t length = 0; length < count && problem == NULL; length += 1) {
    CHECK(spill(damaged, bytes, length) == 0, "cannot write %s", damaged);
    problem = expect_refusal(&made, damaged, length < 8 ? "not a gradc checkpoint" : "truncated");
  }
  for (size_t place = 0; place < count && problem == NULL; place += 1) {
    bytes[place] = (char)(bytes[place] ^ 0x10);
    CHECK(spill(damaged, bytes, count) == 0, "cannot write %s", damaged);
    problem = expect_refusal(&made, damaged, "");
    bytes[place] = (char)(bytes[place] ^ 0x10);
  }
  if (problem == NULL) {
    CHECK(spill(damaged, "age,sex\n63,1\n", 13) == 0, "cannot write %s", damaged);
    problem = expect_refusal(&made, damaged, "not a gradc checkpoint");
  }
  if (problem == NULL) problem = expect_refusal(&made, path_in(folder, "absent"), "No such file");
  CHECK(begin(&other, &test_line, "epochs|2\nseed|7", 50, 10, 0) == 0, "%s", other.error.message);
  if (problem == NULL) problem = expect_refusal(&other, path, "another model ('logistic')");
  made.recipe.seed = 8;
  made.options.resume = path;
  CHECK(train(&made) == 1 && strstr(made.error.message, "seed 7") != NULL, "another seed: %s", made.error.message);
  made.recipe.seed = 7;
  made.recipe.shuffle = false;
  CHECK(train(&made) == 1 && strstr(made.error.message, "not shuffled") != NULL, "another order: %s", made.error.message);
  made.recipe.shuffle = true;
  made.data.split.counts[0] -= 1;
  CHECK(train(&made) == 1 && strstr(made.error.message, "50 training rows, there are 49 now") != NULL, "other rows: %s",
        made.error.message);
  free(bytes);
  end(&made);
  end(&other);
  return problem;
}

const char *play_full_disk(const char *folder) {
  static run run, plain;
  CHECK(begin(&plain, &test_logistic, RECIPE, 100, 30, 20) == 0 && train(&plain) == 0, "%s", plain.error.message);
  const char *fields[] = {"checkpoint", "log", "save"};
  for (int field = 0; field < 3; field += 1) {
    CHECK(begin(&run, &test_logistic, RECIPE, 100, 30, 20) == 0, "%s", run.error.message);
    if (field == 0) run.recipe.checkpoint = strdup("/dev/full");
    if (field == 1) run.recipe.log = strdup("/dev/full");
    if (field == 2) run.options.save = "/dev/full";
    run.options.checkpoint_seconds = -1;
    int code = train(&run);
    CHECK(code == 1 && strstr(run.error.message, "No space left") != NULL, "%s on a full disk: code %d, %s", fields[field], code,
          run.error.message);
    CHECK(strstr(run.warned, "No space left") != NULL, "%s on a full disk was not said at once", fields[field]);
    CHECK(same_state(&run, &plain) && same_history(&run.history, &plain.history), "%s on a full disk changed the training", fields[field]);
    CHECK(run.history.test.rows == 20, "%s on a full disk lost the test", fields[field]);
    end(&run);
  }
  end(&plain);
  CHECK(access("/dev/full", F_OK) == 0, "/dev/full is gone");
  (void)folder;
  return NULL;
}

const char *play_unwritable_folder(const char *folder) {
  static run run;
  char path[1024];
  for (int field = 0; field < 3; field += 1) {
    snprintf(path, sizeof path, "%s", path_in(folder, "no/such/folder/file"));
    CHECK(begin(&run, &test_logistic, "epochs|2", 50, 0, 0) == 0, "%s", run.error.message);
    if (field == 0) run.recipe.checkpoint = strdup(path);
    if (field == 1) run.recipe.log = strdup(path);
    if (field == 2) run.options.save = path;
    int code = train(&run);
    CHECK(code == 1 && strstr(run.error.message, "no/such/folder") != NULL, "code %d: %s", code, run.error.message);
    CHECK(run.history.steps_run == 0, "it trained first and failed later");
    end(&run);
  }
  CHECK(begin(&run, &test_logistic, "epochs|2", 50, 0, 0) == 0, "%s", run.error.message);
  run.recipe.checkpoint = strdup(folder);
  CHECK(train(&run) == 1 && strstr(run.error.message, "folder") != NULL, "a folder as checkpoint: %s", run.error.message);
  end(&run);
  return NULL;
}

static void poison(gradc_callback_context *context) {
  const gradc_model *model = gradc_trainer_model(context->trainer);
  float *parameters = (float *)(void *)((char *)gradc_trainer_memory(context->trainer) + model->parameters_offset);
  if (context->epoch == 4 && context->epoch_step == 2) parameters[4] = (float)NAN;
}

const char *play_not_finite(const char *folder) {
  static run run;
  char path[1024];
  snprintf(path, sizeof path, "%s", path_in(folder, "finite.checkpoint"));
  CHECK(begin(&run, &test_line, "epochs|500\nrate|3\nbatch|all\nseed|7", 64, 0, 0) == 0, "%s", run.error.message);
  run.recipe.checkpoint = strdup(path);
  run.options.checkpoint_seconds = -1;
  int code = train(&run);
  CHECK(code == GRADC_EXIT_NUMERIC, "a diverging line gave code %d: %s", code, run.error.message);
  CHECK(strstr(run.error.message, "step ") != NULL && strstr(run.error.message, "epoch ") != NULL &&
            strstr(run.error.message, "line.") != NULL,
        "step, epoch and tensor are not named: %s", run.error.message);
  CHECK(run.history.stop == GRADC_STOP_NOT_FINITE && run.history.best_epoch == 1, "best epoch %lld", (long long)run.history.best_epoch);
  CHECK(isfinite(parameter(&run, 0)) && fabs(parameter(&run, 0)) < 100, "the best weights were not given back: %g", parameter(&run, 0));
  int epochs = run.history.epoch_count;
  run.options.resume = path;
  CHECK(train(&run) == GRADC_EXIT_NUMERIC && run.history.epoch_count == epochs, "the last good checkpoint does not stand: %s",
        run.error.message);
  end(&run);
  CHECK(begin(&run, &test_logistic, "epochs|9", 100, 0, 0) == 0, "%s", run.error.message);
  gradc_callbacks callbacks = {.step_begin = poison};
  run.options.callbacks = &callbacks;
  run.options.callback_count = 1;
  CHECK(train(&run) == 4 && strstr(run.error.message, "'dense1.bias'") != NULL && strstr(run.error.message, "epoch 4") != NULL &&
            strstr(run.error.message, "step 15,") != NULL, "a poisoned bias: %s", run.error.message);
  end(&run);
  CHECK(begin(&run, &test_logistic, "epochs|9\nshuffle|no", 100, 0, 0) == 0, "%s", run.error.message);
  ((float *)run.data.inputs[0].data)[4 * 40 + 1] = (float)INFINITY;
  CHECK(train(&run) == 4 && strstr(run.error.message, "'features' is not finite in row 9 of the batch") != NULL, "a poisoned row: %s",
        run.error.message);
  end(&run);
  return NULL;
}
