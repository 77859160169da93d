/* image_feed.c: a worker that makes the next batch of images while the step works on the one before. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "image_internal.h"

struct gradc_feed {
  const gradc_dataset *dataset;
  bool augments;
  uint64_t seed, epoch;
  const uint32_t *order;
  size_t count;          /* rows of the epoch */
  size_t made, taken;    /* of them, those in batches that are made, or handed out */
  gradc_batch batches[2];
  size_t rows[2];        /* of a batch that is ready; 0: it is not */
  int next_made, next_taken, in_use; /* indices of batches; -1: none */
  bool active, busy, leaving;
  bool has_worker;
  pthread_t worker;
  pthread_mutex_t lock;
  pthread_cond_t changed;
};

/* The rows of the batch that begins at row `begin`. */
static size_t batch_rows(const gradc_feed *feed, size_t begin) {
  const size_t left = feed->count - begin, capacity = feed->batches[0].capacity;
  return left < capacity ? left : capacity;
}

static void make(gradc_feed *feed, int index, size_t begin, size_t rows) {
  if (feed->augments)
    gradc_batch_gather_training(feed->dataset, feed->order + begin, rows, feed->seed, feed->epoch, &feed->batches[index]);
  else gradc_batch_gather(feed->dataset, feed->order + begin, rows, &feed->batches[index]);
}

static bool has_work(const gradc_feed *feed) {
  return feed->active && feed->made < feed->count && feed->rows[feed->next_made] == 0 && feed->in_use != feed->next_made;
}

static void *work(void *context) {
  gradc_feed *feed = context;
  pthread_mutex_lock(&feed->lock);
  for (;;) {
    while (!feed->leaving && !has_work(feed)) pthread_cond_wait(&feed->changed, &feed->lock);
    if (feed->leaving) break;
    const int index = feed->next_made;
    const size_t begin = feed->made, rows = batch_rows(feed, begin);
    feed->busy = true;
    pthread_mutex_unlock(&feed->lock);
    make(feed, index, begin, rows);
    pthread_mutex_lock(&feed->lock);
    feed->busy = false;
    feed->made += rows;
    feed->rows[index] = rows;
    feed->next_made = 1 - index;
    pthread_cond_broadcast(&feed->changed);
  }
  pthread_mutex_unlock(&feed->lock);
  return NULL;
}

/* Signals are the training thread's business. */
static bool start_worker(gradc_feed *feed) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool started = pthread_create(&feed->worker, NULL, work, feed) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

int gradc_feed_create(const gradc_dataset *dataset, size_t capacity, const uint64_t *seed, bool worker, gradc_feed **result,
                      gradc_error *error) {
  gradc_feed *feed = gradc_allocate(1, sizeof *feed, error);
  *result = NULL;
  if (!feed) return GRADC_EXIT_DATA;
  feed->dataset = dataset;
  feed->augments = seed != NULL;
  feed->seed = seed ? *seed : 0;
  feed->in_use = -1;
  pthread_mutex_init(&feed->lock, NULL);
  pthread_cond_init(&feed->changed, NULL);
  int code = 0;
  for (int i = 0; i < 2 && !code; i++) code = gradc_batch_create(dataset, capacity, &feed->batches[i], error);
  if (code) {
    gradc_feed_free(feed);
    return code;
  }
  feed->has_worker = worker && start_worker(feed);
  *result = feed;
  return 0;
}

void gradc_feed_begin(gradc_feed *feed, const uint32_t *order, size_t count, size_t first, uint64_t epoch) {
  gradc_feed_stop(feed);
  pthread_mutex_lock(&feed->lock);
  feed->order = order;
  feed->count = count;
  feed->made = feed->taken = first;
  feed->epoch = epoch;
  feed->rows[0] = feed->rows[1] = 0;
  feed->next_made = feed->next_taken = 0;
  feed->in_use = -1;
  feed->active = true;
  pthread_cond_broadcast(&feed->changed);
  pthread_mutex_unlock(&feed->lock);
}

const gradc_batch *gradc_feed_next(gradc_feed *feed, size_t *rows) {
  *rows = 0;
  pthread_mutex_lock(&feed->lock);
  const int index = feed->next_taken;
  const bool any = feed->active && feed->taken < feed->count;
  feed->in_use = -1;
  if (any && feed->has_worker) {
    pthread_cond_broadcast(&feed->changed);
    while (feed->rows[index] == 0) pthread_cond_wait(&feed->changed, &feed->lock);
    *rows = feed->rows[index];
  } else if (any) {
    *rows = batch_rows(feed, feed->taken);
    make(feed, index, feed->taken, *rows);
  }
  feed->rows[index] = 0;
  feed->taken += *rows;
  if (any) {
    feed->in_use = index;
    feed->next_taken = 1 - index;
    pthread_cond_broadcast(&feed->changed);
  }
  pthread_mutex_unlock(&feed->lock);
  return any ? &feed->batches[index] : NULL;
}

void gradc_feed_stop(gradc_feed *feed) {
  pthread_mutex_lock(&feed->lock);
  feed->active = false;
  while (feed->busy) pthread_cond_wait(&feed->changed, &feed->lock);
  pthread_mutex_unlock(&feed->lock);
}

void gradc_feed_free(gradc_feed *feed) {
  if (!feed) return;
  if (feed->has_worker) {
    pthread_mutex_lock(&feed->lock);
    feed->leaving = true;
    pthread_cond_broadcast(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
    pthread_join(feed->worker, NULL);
  }
  for (int i = 0; i < 2; i++) gradc_batch_free(&feed->batches[i]);
  pthread_cond_destroy(&feed->changed);
  pthread_mutex_destroy(&feed->lock);
  free(feed);
}
