/* split.c: counter-based random numbers, shuffles and splits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

#define MOST_CLASSES (1 << 24)

static uint64_t mix(uint64_t z) {
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

uint64_t gradc_random(uint64_t key, uint64_t counter) { return mix(key + (counter + 1) * UINT64_C(0x9e3779b97f4a7c15)); }

/* Lemire: Fast random integer generation in an interval, 2019. */
uint32_t gradc_random_below(uint64_t key, uint64_t *counter, uint32_t bound) {
  for (;;) {
    const uint64_t product = (gradc_random(key, (*counter)++) >> 32) * bound;
    const uint32_t low = (uint32_t)product;
    if (low >= bound || low >= (0u - bound) % bound) return (uint32_t)(product >> 32);
  }
}

void gradc_shuffle(uint32_t *rows, size_t count, uint64_t seed, uint64_t epoch) {
  const uint64_t key = gradc_random(gradc_random(seed, UINT64_C(0x73687566666c65)), epoch);  /* "shuffle" keeps the stream apart */
  uint64_t counter = 0;
  for (size_t i = count; i > 1; i--) {
    const uint32_t j = gradc_random_below(key, &counter, (uint32_t)i);
    const uint32_t kept = rows[i - 1];
    rows[i - 1] = rows[j];
    rows[j] = kept;
  }
}

/* The share of `count` rows, as floor and remainder. A remainder below rounding error counts as a whole row. */
static size_t floor_share(size_t count, double share, double *remainder) {
  const double exact = (double)count * share, whole = floor(exact + 1e-9);
  *remainder = exact - whole;
  return (size_t)whole;
}

/* Part sizes of `count` rows by largest remainder; on a tie the earlier part. */
static void divide(size_t count, const double shares[3], size_t sizes[3]) {
  double remainders[3];
  size_t given = 0;
  for (int part = 0; part < 3; part++) given += sizes[part] = floor_share(count, shares[part], &remainders[part]);
  for (; given < count; given++) {
    int best = 0;
    for (int part = 1; part < 3; part++)
      if (remainders[part] > remainders[best]) best = part;
    sizes[best]++;
    remainders[best] -= 1;
  }
}

typedef struct leftover {
  double value;
  size_t class_index;
  int part;
} leftover;

static int compare_remainders(const void *a, const void *b) {
  const leftover *left = a, *right = b;
  if (left->value != right->value) return left->value > right->value ? -1 : 1;
  if (left->class_index != right->class_index) return left->class_index < right->class_index ? -1 : 1;
  return left->part - right->part;
}

/* Rows of each class that go to each part: floors first; then the rows left over, by largest remainder, to parts that still have
 * room. Parts keep the sizes of `divide`, so that both the proportions and the totals come out. */
static void divide_classes(const size_t *class_counts, size_t class_count, const double shares[3], const size_t sizes[3],
                           size_t (*plan)[3], leftover *remainders) {
  size_t room[3] = {sizes[0], sizes[1], sizes[2]};
  for (size_t c = 0; c < class_count; c++)
    for (int part = 0; part < 3; part++) {
      leftover *remainder = &remainders[c * 3 + (size_t)part];
      *remainder = (leftover){0, c, part};
      plan[c][part] = floor_share(class_counts[c], shares[part], &remainder->value);
      if (plan[c][part] > room[part]) plan[c][part] = room[part];
      room[part] -= plan[c][part];
    }
  qsort(remainders, class_count * 3, sizeof *remainders, compare_remainders);
  for (int any_class = 0; any_class < 2; any_class++)
    for (size_t i = 0; i < class_count * 3; i++) {
      const size_t c = remainders[i].class_index;
      const int part = remainders[i].part;
      size_t left = class_counts[c] - plan[c][0] - plan[c][1] - plan[c][2];
      if (left > room[part]) left = room[part];
      if (left > 1 && !any_class) left = 1;
      plan[c][part] += left;
      room[part] -= left;
    }
}


/* Fills `part_of` with the part of each row: within a class the rows of a shuffled order go to the parts in turn. */
static int assign_rows(size_t row_count, const double shares[3], const int32_t *labels, const size_t sizes[3], uint64_t seed,
                       uint8_t *part_of, gradc_error *error) {
  size_t class_count = 1;
  for (size_t row = 0; labels && row < row_count; row++)
    if ((size_t)labels[row] >= class_count) class_count = (size_t)labels[row] + 1;
  uint32_t *order = gradc_allocate(row_count, sizeof *order, error);
  size_t *class_counts = gradc_allocate(class_count, sizeof *class_counts, error);
  size_t(*plan)[3] = gradc_allocate(class_count, sizeof *plan, error);
  leftover *remainders = gradc_allocate(class_count, 3 * sizeof *remainders, error);
  const bool ready = order && class_counts && plan && remainders;
  if (ready) {
    for (size_t row = 0; row < row_count; row++) {
      order[row] = (uint32_t)row;
      class_counts[labels ? labels[row] : 0]++;
    }
    gradc_shuffle(order, row_count, gradc_random(seed, UINT64_C(0x73706c6974)), 0);  /* "split" */
    divide_classes(class_counts, class_count, shares, sizes, plan, remainders);
    for (size_t i = 0; i < row_count; i++) {
      size_t *left = plan[labels ? labels[order[i]] : 0];
      uint8_t part = 0;
      while (part < 2 && left[part] == 0) part++;
      if (left[part]) left[part]--;
      part_of[order[i]] = part;
    }
  }
  free(order);
  free(class_counts);
  free(plan);
  free(remainders);
  return ready ? 0 : GRADC_EXIT_DATA;
}

int gradc_split_rows(size_t row_count, const double given[3], const int32_t *labels, uint64_t seed, gradc_split *split,
                     gradc_error *error) {
  static const char *const names[] = {"train", "validation", "test"};
  *split = (gradc_split){0};
  const double sum = given[0] + given[1] + given[2], shares[] = {given[0] / sum, given[1] / sum, given[2] / sum};
  if (!(given[0] >= 0 && given[1] >= 0 && given[2] >= 0 && fabs(sum - 1) < 1e-5))  /* thirds are written as 0.333333 */
    return gradc_fail(error, GRADC_EXIT_DATA, "the shares of the split add up to %g, expected 1", sum);
  if (row_count > UINT32_MAX)
    return gradc_fail(error, GRADC_EXIT_DATA, "%zu rows; at most %u can be split", row_count, UINT32_MAX);
  for (size_t row = 0; labels && row < row_count; row++)
    if (labels[row] < 0 || labels[row] >= MOST_CLASSES)
      return gradc_fail(error, GRADC_EXIT_BUG, "row %zu has the class %d", row + 1, labels[row]);
  size_t sizes[3];
  divide(row_count, shares, sizes);
  for (int part = 0; part < 3; part++)
    if (shares[part] > 0 && sizes[part] == 0)
      return gradc_fail(error, GRADC_EXIT_DATA,
                        "no rows are left for the %s part: a share of %g of %zu rows; use more data or a larger share", names[part],
                        shares[part], row_count);
  uint8_t *part_of = gradc_allocate(row_count, 1, error);
  split->rows = gradc_allocate(row_count, sizeof *split->rows, error);
  int code = part_of && split->rows ? 0 : GRADC_EXIT_DATA;
  if (!code) code = assign_rows(row_count, shares, labels, sizes, seed, part_of, error);
  size_t next = 0;
  for (uint8_t part = 0; part < 3 && !code; part++)
    for (size_t row = 0; row < row_count; row++)
      if (part_of[row] == part) {
        split->rows[next++] = (uint32_t)row;
        split->counts[part]++;
      }
  free(part_of);
  if (code) gradc_split_free(split);
  return code;
}

int gradc_split_sizes(size_t row_count, const double given[3], size_t sizes[3], gradc_error *error) {
  const double sum = given[0] + given[1] + given[2], shares[] = {given[0] / sum, given[1] / sum, given[2] / sum};
  if (!(given[0] >= 0 && given[1] >= 0 && given[2] >= 0 && fabs(sum - 1) < 1e-5))
    return gradc_fail(error, GRADC_EXIT_DATA, "the shares of the split add up to %g, expected 1", sum);
  divide(row_count, shares, sizes);
  return 0;
}

int gradc_split_in_order(size_t row_count, const double shares[3], gradc_split *split, gradc_error *error) {
  *split = (gradc_split){0};
  if (row_count > UINT32_MAX) return gradc_fail(error, GRADC_EXIT_DATA, "%zu rows; at most %u can be split", row_count, UINT32_MAX);
  const int code = gradc_split_sizes(row_count, shares, split->counts, error);
  if (code) return code;
  split->rows = gradc_allocate(row_count, sizeof *split->rows, error);
  if (!split->rows) return GRADC_EXIT_DATA;
  for (size_t row = 0; row < row_count; row++) split->rows[row] = (uint32_t)row;
  return 0;
}

void gradc_split_free(gradc_split *split) {
  free(split->rows);
  *split = (gradc_split){0};
}

const uint32_t *gradc_split_part(const gradc_split *split, gradc_part_kind part, size_t *count) {
  size_t begin = 0;
  for (int i = 0; i < (int)part; i++) begin += split->counts[i];
  *count = split->counts[part];
  return split->rows ? split->rows + begin : NULL;
}
