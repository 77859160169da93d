/* order.c: which rows a training sees, and in which order.
 *
 * The order of an epoch depends on the seed and the epoch alone (and, when contiguous, on the batch), so that a resumed training, which
 * makes it anew, goes on where it was.
 */
#include "train_internal.h"

#include <stdlib.h>
#include <string.h>

size_t gradc_order_rows(const gradc_session *session) {
  const gradc_recipe *recipe = session->recipe;
  const size_t rows = session->row_counts[GRADC_PART_TRAIN];
  if (recipe->steps > 0) return (size_t)recipe->steps * session->batch * session->accumulate;
  return recipe->contiguous ? rows / session->batch * session->batch : rows;
}

/* Rows drawn with replacement: of windows any place, else one of the list. */
static void draw_rows(gradc_session *session) {
  const gradc_windows *windows = &session->dataset->windows;
  const uint64_t key = gradc_random(gradc_random(session->state.seed, UINT64_C(0x64726177)), (uint64_t)session->state.epoch); /* "draw" */
  const size_t count = windows->length ? windows->count[GRADC_PART_TRAIN] : session->row_counts[GRADC_PART_TRAIN];
  uint64_t counter = 0;
  for (size_t i = 0; i < session->order_rows; i++) {
    const uint32_t drawn = gradc_random_below(key, &counter, (uint32_t)count);
    session->order[i] = windows->length ? (uint32_t)windows->first[GRADC_PART_TRAIN] + drawn : session->rows[GRADC_PART_TRAIN][drawn];
  }
}

void gradc_order_make(gradc_session *session) {
  const uint32_t *rows = session->rows[GRADC_PART_TRAIN];
  if (session->recipe->steps > 0) {
    draw_rows(session);
  } else if (session->recipe->contiguous) {
    /* The rows are cut into as many lengths as a batch has rows; each batch takes the next of every length. */
    const size_t batches = session->order_rows / session->batch;
    for (size_t batch = 0; batch < batches; batch++)
      for (size_t row = 0; row < session->batch; row++) session->order[batch * session->batch + row] = rows[row * batches + batch];
  } else {
    memcpy(session->order, rows, session->order_rows * sizeof *rows);
    if (session->recipe->shuffle) gradc_shuffle(session->order, session->order_rows, session->state.seed, (uint64_t)session->state.epoch);
  }
}

int gradc_order_choose(gradc_session *session, gradc_error *error) {
  for (int part = 0; part < 3; part += 1) {
    const size_t count = session->row_counts[part], wanted = (size_t)session->recipe->evaluate;
    session->judged[part] = session->rows[part];
    session->judged_counts[part] = count;
    if (wanted == 0 || wanted >= count) continue;
    uint32_t *chosen = gradc_allocate(wanted, sizeof *chosen, error);
    if (chosen == NULL) return GRADC_EXIT_DATA;
    for (size_t i = 0; i < wanted; i++) chosen[i] = session->rows[part][(uint64_t)i * count / wanted];
    session->judged[part] = session->chosen[part] = chosen;
    session->judged_counts[part] = wanted;
  }
  return 0;
}
