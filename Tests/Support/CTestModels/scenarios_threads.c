/* The pool, threads, and code that is swapped between two steps. */
#include <stdatomic.h>

#include "scenario_support.h"

#define MOST_PARTS 300

typedef struct tally {
  gradc_pool *pool;
  int counts[MOST_PARTS];      /* plain: each part belongs to one thread, and the pool's return orders them */
  atomic_int nested;
} tally;

static void count_nested(void *context, int part) {
  (void)part;
  atomic_fetch_add(&((tally *)context)->nested, 1);
}

static void count_part(void *context, int part) {
  tally *tally = context;
  tally->counts[part] += 1;
  if (part == 3) gradc_pool_run(tally->pool, count_nested, tally, 5);
}

const char *play_pool(const char *folder) {
  (void)folder;
  CHECK(gradc_pool_create(1) == NULL && gradc_pool_parallel(NULL).run == NULL, "one thread is not null");
  for (int threads = 1; threads <= 5; threads += 2) {
    static tally tally;
    memset(&tally, 0, sizeof tally);
    tally.pool = gradc_pool_create(threads);
    CHECK(gradc_pool_threads(tally.pool) == threads, "%d threads work instead of %d", gradc_pool_threads(tally.pool), threads);
    for (int round = 1; round <= 3000; round += 1) {
      int parts = 1 + (int)(gradc_random(5, (uint64_t)round) % MOST_PARTS);
      memset(tally.counts, 0, sizeof tally.counts);
      atomic_store(&tally.nested, 0);
      gradc_pool_run(tally.pool, count_part, &tally, parts);
      for (int part = 0; part < MOST_PARTS; part += 1)
        CHECK(tally.counts[part] == (part < parts), "part %d of %d ran %d times in round %d", part, parts, tally.counts[part], round);
      CHECK(atomic_load(&tally.nested) == (parts > 3 ? 5 : 0), "a loop within a part ran %d parts", atomic_load(&tally.nested));
    }
    gradc_pool_run(tally.pool, count_part, &tally, 0);
    gradc_pool_destroy(tally.pool);
  }
  return NULL;
}

const char *play_threads_same_bits(const char *folder) {
  static run runs[3];
  (void)folder;
  for (int index = 0; index < 3; index += 1) {
    runs[index].options.threads = index == 0 ? 1 : index == 1 ? 2 : 5;
    CHECK(begin(&runs[index], &test_logistic, "batch|64\nepochs|20\nrate|0.05\nmetrics|auc", 1000, 100, 0) == 0, "%s",
          runs[index].error.message);
    CHECK(train(&runs[index]) == 0, "%s", runs[index].error.message);
    CHECK(same_state(&runs[0], &runs[index]) && same_history(&runs[0].history, &runs[index].history), "%d threads give other bits than one",
          runs[index].options.threads);
  }
  for (int index = 0; index < 3; index += 1) {
    end(&runs[index]);
    runs[index].options.threads = 0;
  }
  return NULL;
}

typedef struct compiler {
  int asked, ready_at;
  const gradc_model *model;
} compiler;

static const gradc_model *is_ready(void *context) {
  compiler *compiler = context;
  compiler->asked += 1;
  return compiler->asked == compiler->ready_at ? compiler->model : NULL;
}

const char *play_hot_swap(const char *folder) {
  static run plain, swapped;
  (void)folder;
  const char *recipe = "batch|8\nepochs|10\nrate|0.1";
  CHECK(begin(&plain, &test_line, recipe, 100, 20, 0) == 0 && train(&plain) == 0, "%s", plain.error.message);
  CHECK(begin(&swapped, &test_line, recipe, 100, 20, 0) == 0, "%s", swapped.error.message);
  compiler compiler = {0, 47, &test_line_again};
  swapped.options.poll = is_ready;
  swapped.options.poll_context = &compiler;
  CHECK(train(&swapped) == 0, "%s", swapped.error.message);
  CHECK(compiler.asked == 130, "asked %d times in 130 steps", compiler.asked);
  CHECK(gradc_trainer_model(swapped.trainer) == &test_line_again, "the code was not swapped");
  CHECK(same_state(&plain, &swapped) && same_history(&plain.history, &swapped.history), "swapping changed the bits");
  compiler.asked = 0;
  compiler.model = &test_line_other;
  CHECK(train(&swapped) == GRADC_EXIT_BUG, "another layout was accepted: code %d", swapped.code);
  end(&plain);
  end(&swapped);
  return NULL;
}
