/* Training on images: the worker that prepares batches, and what it must not change. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario_support.h"

#define IMAGES 100
#define AUGMENTED "augment|flip|shift=1|crop=1|rotation=20|fill=edge\n"
#define TRAINING "standardize_channels\nsplit|train|0.7|validation|0.3\nbatch|16\nepochs|6\nrate|0.05\nmetrics|accuracy\nseed|7\n"

/* Images of 2 x 2 pixels, which are the four inputs of test_logistic; those of class 1 are brighter on their left. */
static int write_images(const char *folder) {
  static unsigned char images[16 + 4 * IMAGES], labels[8 + IMAGES];
  const unsigned char image_head[] = {0, 0, 8, 3, 0, 0, 0, IMAGES, 0, 0, 0, 2, 0, 0, 0, 2}, label_head[] = {0, 0, 8, 1, 0, 0, 0, IMAGES};
  memcpy(images, image_head, sizeof image_head);
  memcpy(labels, label_head, sizeof label_head);
  for (size_t row = 0; row < IMAGES; row += 1) {
    labels[8 + row] = (unsigned char)(gradc_random(11, row) & 1u);
    for (size_t pixel = 0; pixel < 4; pixel += 1)
      images[16 + 4 * row + pixel] =
          (unsigned char)(gradc_random(12, 4 * row + pixel) % 150 + (labels[8 + row] != 0 && pixel % 2 == 0 ? 90 : 0));
  }
  return spill(path_in(folder, "images"), images, sizeof images) || spill(path_in(folder, "labels"), labels, sizeof labels);
}

static int begin_images(run *run, const char *folder, const char *recipe) {
  char text[1000];
  snprintf(text, sizeof text, "idx|%s|%s\n%s", path_in(folder, "images"), path_in(folder, "labels"), recipe);
  if (begin(run, &test_logistic, text, 1, 1, 0) != 0) return run->code;
  test_dataset_free(&run->data);
  run->code = gradc_dataset_load(&run->recipe, &test_logistic, NULL, &run->data, NULL, &run->error);
  return run->code;
}

const char *play_images_worker(const char *folder) {
  static run runs[4];
  CHECK(write_images(folder) == 0, "cannot write images");
  for (int index = 0; index < 4; index += 1) {
    run *run = &runs[index];
    run->options.threads = index == 1 ? 2 : 1;
    CHECK(begin_images(run, folder, index == 3 ? TRAINING : AUGMENTED TRAINING) == 0, "%s", run->error.message);
    run->options.no_worker = index == 2;
    CHECK(train(run) == 0, "%s", run->error.message);
  }
  for (int index = 1; index < 3; index += 1)
    CHECK(same_state(&runs[0], &runs[index]) && same_history(&runs[0].history, &runs[index].history), "%s",
          index == 1 ? "two threads give other bits than one" : "without a worker there are other bits");
  CHECK(!same_state(&runs[0], &runs[3]), "the augmentation changes nothing");
  CHECK(runs[0].history.epochs[5].val_loss < runs[0].history.epochs[0].val_loss, "nothing was learnt");
  for (int index = 0; index < 4; index += 1) {
    end(&runs[index]);
    runs[index].options.threads = 0;
  }
  return NULL;
}

static void interrupt(gradc_callback_context *context) {
  const int *signal = context->user;
  if (context->epoch == 4 && context->epoch_step == 2) raise(*signal);
}

static const char *resume_after(const char *folder, int signal, int wanted) {
  const char *path = path_in(folder, signal == SIGKILL ? "killed" : "interrupted");
  const pid_t child = fork();
  if (child == 0) {
    static run doomed;
    /* Ignored where the tests run in the background. */
    sigaction(SIGINT, &(const struct sigaction){.sa_handler = SIG_DFL}, NULL);
    if (begin_images(&doomed, folder, AUGMENTED TRAINING) != 0) _exit(99);
    gradc_callbacks callbacks = {.step_end = interrupt, .user = &signal};
    doomed.recipe.checkpoint = strdup(path);
    doomed.options.callbacks = &callbacks;
    doomed.options.callback_count = 1;
    doomed.options.checkpoint_seconds = -1;
    doomed.options.leave_signals = false;
    _exit(train(&doomed));
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(wanted == 0 ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == wanted, "the child ended with status %d", status);
  static run whole, resumed;
  CHECK(begin_images(&whole, folder, AUGMENTED TRAINING) == 0 && train(&whole) == 0, "%s", whole.error.message);
  CHECK(begin_images(&resumed, folder, AUGMENTED TRAINING) == 0, "%s", resumed.error.message);
  resumed.options.resume = path;
  CHECK(train(&resumed) == 0, "%s", resumed.error.message);
  CHECK(resumed.history.steps_run < whole.history.steps_run, "nothing was resumed");
  /* Interrupted: within the fourth epoch, so that the rest of its rows must be augmented as if nothing had happened. */
  CHECK(signal == SIGKILL || resumed.history.steps_run == whole.history.steps_run - (3 * 5 + 2), "%lld steps after the resume",
        (long long)resumed.history.steps_run);
  CHECK(same_state(&whole, &resumed) && same_history(&whole.history, &resumed.history), "the resumed training has other bits");
  end(&whole);
  end(&resumed);
  return NULL;
}

const char *play_images_resume(const char *folder) {
  CHECK(write_images(folder) == 0, "cannot write images");
  const char *problem = resume_after(folder, SIGKILL, 0);
  return problem != NULL ? problem : resume_after(folder, SIGINT, GRADC_EXIT_INTERRUPTED);
}

static void stop_early(gradc_callback_context *context) { context->stop = context->epoch == 2 && context->epoch_step == 3; }

static void break_rate(gradc_callback_context *context) {
  if (context->epoch == 2 && context->epoch_step == 1) context->rate = (double)INFINITY;
}

/* The worker is within an epoch when training ends: by a callback, by early stopping, by numbers that are none. */
const char *play_images_end(const char *folder) {
  static run run;
  CHECK(write_images(folder) == 0, "cannot write images");
  CHECK(begin_images(&run, folder, AUGMENTED TRAINING) == 0, "%s", run.error.message);
  gradc_callbacks callbacks = {.step_end = stop_early};
  run.options.callbacks = &callbacks;
  run.options.callback_count = 1;
  CHECK(train(&run) == 0 && run.history.steps_run == 5 + 3, "%lld steps: %s", (long long)run.history.steps_run, run.error.message);
  end(&run);
  CHECK(begin_images(&run, folder, AUGMENTED TRAINING "early_stopping|patience=0|min_delta=100\n") == 0 && train(&run) == 0, "%s",
        run.error.message);
  CHECK(run.history.stop == GRADC_STOP_EARLY, "stopped for another reason: %s", run.history.reason);
  end(&run);
  CHECK(begin_images(&run, folder, AUGMENTED TRAINING) == 0, "%s", run.error.message);
  callbacks = (gradc_callbacks){.step_begin = break_rate};
  run.options.callbacks = &callbacks;
  run.options.callback_count = 1;
  CHECK(train(&run) == GRADC_EXIT_NUMERIC, "an infinite rate ended with %d", run.code);
  end(&run);
  return NULL;
}
