/* sample.c: draws the next token of a text by the model's scores. */
#include "gradc_data.h"

#include <string.h>

/* From here on the text is part of every compiled model that generates: the same draws everywhere, from no library's exp. */
static double gradc_sample_score(const void *scores, int is_double, int i) {
  return is_double ? ((const double *)scores)[i] : (double)((const float *)scores)[i];
}

/* A score as an unsigned number in the same order; 0 for what is not a number. */
static uint64_t gradc_sample_key(double score) {
  uint64_t bits;
  if (score != score) return 0;
  score += 0.0; /* -0 is 0 */
  memcpy(&bits, &score, sizeof bits);
  return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

/* The key of the k-th highest score, digit by digit, and how many scores with that key belong to the k highest. */
static uint64_t gradc_sample_threshold(const void *scores, int is_double, int count, int k, int *equal) {
  uint64_t prefix = 0;
  for (int shift = 56; shift >= 0; shift -= 8) {
    int counts[256] = {0};
    for (int i = 0; i < count; ++i) {
      const uint64_t key = gradc_sample_key(gradc_sample_score(scores, is_double, i));
      if (shift == 56 || key >> (shift + 8) == prefix) counts[key >> shift & 255] += 1;
    }
    int digit = 255;
    while (digit > 0 && counts[digit] < k) k -= counts[digit--];
    prefix = prefix << 8 | (uint64_t)digit;
  }
  *equal = k;
  return prefix;
}

/* e^x for x of at most 0: 2^k e^r with |r| of at most ln 2 / 2, by the Taylor series. */
static double gradc_sample_exp(double x) {
  if (!(x > -700.0)) return 0.0;
  const double k = (double)(int64_t)(x * 1.4426950408889634 - 0.5);
  const double r = (x - k * 0.69314718036912382) - k * 1.9082149292705877e-10;
  const uint64_t bits = (uint64_t)(1023 + (int64_t)k) << 52;
  double sum = 1.0, scale;
  for (int i = 13; i > 0; --i) sum = 1.0 + sum * r / (double)i;
  memcpy(&scale, &bits, sizeof scale);
  return sum * scale;
}

static uint64_t gradc_sample_mix(uint64_t z) {
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* In 0 ..< 1, by the seed and the token's number in its text: gradc_random of that counter. */
static double gradc_sample_uniform(uint64_t seed, int64_t position) {
  const uint64_t key = gradc_sample_mix(seed + UINT64_C(0x73616d706c65)); /* "sample" keeps it apart */
  return (double)(gradc_sample_mix(key + ((uint64_t)position + 1) * UINT64_C(0x9e3779b97f4a7c15)) >> 11) * 0x1p-53;
}

static int gradc_sample_scores(const void *scores, int is_double, int count, double temperature, int top_k, uint64_t seed,
                               int64_t position) {
  int best = -1;
  for (int i = 0; i < count; ++i) {
    const double score = gradc_sample_score(scores, is_double, i);
    if (score == score && (best < 0 || score > gradc_sample_score(scores, is_double, best))) best = i;
  }
  if (best < 0 || !(temperature > 0.0)) return best;
  const double highest = gradc_sample_score(scores, is_double, best);
  int equal = count;
  uint64_t threshold = 0;
  if (top_k > 0 && top_k < count) threshold = gradc_sample_threshold(scores, is_double, count, top_k, &equal);
  const double uniform = gradc_sample_uniform(seed, position);
  double total = 0.0, passed = 0.0;
  int chosen = best;
  for (int round = 0; round < 2; ++round) {
    int left = equal;
    for (int i = 0; i < count; ++i) {
      const double score = gradc_sample_score(scores, is_double, i);
      const uint64_t key = gradc_sample_key(score);
      if (key == 0 || key < threshold || (key == threshold && left-- <= 0)) continue;
      const double weight = score == highest ? 1.0 : gradc_sample_exp((score - highest) / temperature);
      if (round == 0) {
        total += weight;
      } else if (weight > 0.0) {
        chosen = i;
        passed += weight;
        if (passed > uniform * total) return i;
      }
    }
  }
  return chosen;
}
/* Up to here. */

int gradc_sample(gradc_element element, const void *scores, int count, double temperature, int top_k, uint64_t seed, int64_t position) {
  return gradc_sample_scores(scores, element == GRADC_F64, count, temperature, top_k, seed, position);
}
