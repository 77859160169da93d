/* pool.c: persistent workers, one atomic ticket.
 *
 * The ticket holds the generation of the job in its upper half and the next unclaimed part in its lower half. A part is
 * claimed by compare-and-swap of the whole word, so a worker that was asleep for several jobs can never take a part of
 * one job with the body of another: before a new job's fields are written the ticket is closed, and a worker that has
 * seen one of the new fields fails its swap.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "gradc_pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define CLOSED 0xffffffffu
/* 20 to 100 microseconds, as long as the processor's pause is: about one part, and longer than the gap between two parallel loops of a
 * step, so that a busy step never goes to sleep, and an idle pool soon does. */
#define SPINS 2000

struct gradc_pool {
  _Alignas(64) _Atomic uint64_t ticket;
  _Alignas(64) _Atomic int unfinished;
  _Alignas(64) _Atomic(gradc_part *) body;
  _Atomic(void *) context;
  _Atomic uint32_t parts;
  atomic_bool stop, busy;
  _Atomic int sleepers;
  atomic_bool caller_sleeps;
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  int worker_count;
  pthread_t *workers;
};

static inline void spin_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static inline uint32_t generation(uint64_t ticket) { return (uint32_t)(ticket >> 32); }

/* Claims and runs parts of the current job until none is left. */
static void work(gradc_pool *pool) {
  uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
  for (;;) {
    uint32_t part = (uint32_t)ticket;
    if (part == CLOSED) return;
    gradc_part *body = atomic_load_explicit(&pool->body, memory_order_acquire);
    void *context = atomic_load_explicit(&pool->context, memory_order_acquire);
    if (part >= atomic_load_explicit(&pool->parts, memory_order_acquire)) return;
    if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket + 1, memory_order_acq_rel, memory_order_acquire)) continue;
    body(context, (int)part);
    if (atomic_fetch_sub_explicit(&pool->unfinished, 1, memory_order_seq_cst) == 1 &&
        atomic_load_explicit(&pool->caller_sleeps, memory_order_seq_cst)) {
      pthread_mutex_lock(&pool->lock);
      pthread_cond_signal(&pool->done);
      pthread_mutex_unlock(&pool->lock);
    }
    ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
  }
}

static void *worker(void *argument) {
  gradc_pool *pool = argument;
  uint32_t seen = 0;
  for (;;) {
    int spins = 0;
    while (generation(atomic_load_explicit(&pool->ticket, memory_order_acquire)) == seen && !atomic_load(&pool->stop) && spins < SPINS) {
      spin_pause();
      spins += 1;
    }
    if (spins == SPINS) {
      pthread_mutex_lock(&pool->lock);
      atomic_fetch_add_explicit(&pool->sleepers, 1, memory_order_seq_cst);
      while (generation(atomic_load_explicit(&pool->ticket, memory_order_seq_cst)) == seen && !atomic_load(&pool->stop))
        pthread_cond_wait(&pool->work, &pool->lock);
      atomic_fetch_sub_explicit(&pool->sleepers, 1, memory_order_seq_cst);
      pthread_mutex_unlock(&pool->lock);
    }
    if (atomic_load(&pool->stop)) return NULL;
    seen = generation(atomic_load_explicit(&pool->ticket, memory_order_acquire));
    work(pool);
  }
}

gradc_pool *gradc_pool_create(int threads) {
  if (threads <= 1) return NULL;
  if (threads > 1024) threads = 1024;
  gradc_pool *pool = aligned_alloc(_Alignof(gradc_pool), sizeof *pool);
  if (pool == NULL) return NULL;
  pool->workers = calloc((size_t)threads - 1, sizeof *pool->workers);
  if (pool->workers == NULL) {
    free(pool);
    return NULL;
  }
  atomic_init(&pool->ticket, CLOSED);
  atomic_init(&pool->unfinished, 0);
  atomic_init(&pool->body, NULL);
  atomic_init(&pool->context, NULL);
  atomic_init(&pool->parts, 0);
  atomic_init(&pool->stop, false);
  atomic_init(&pool->busy, false);
  atomic_init(&pool->sleepers, 0);
  atomic_init(&pool->caller_sleeps, false);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->work, NULL);
  pthread_cond_init(&pool->done, NULL);
  pool->worker_count = 0;
  /* Fewer threads than asked for is slower, not wrong. A small stack: parts of a compiled model keep their data in scratch. */
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, (size_t)1 << 20);
  while (pool->worker_count < threads - 1 && pthread_create(&pool->workers[pool->worker_count], &attributes, worker, pool) == 0)
    pool->worker_count += 1;
  pthread_attr_destroy(&attributes);
  if (pool->worker_count == 0) {
    gradc_pool_destroy(pool);
    return NULL;
  }
  return pool;
}

int gradc_pool_threads(const gradc_pool *pool) { return pool == NULL ? 1 : pool->worker_count + 1; }

static void wait_until_done(gradc_pool *pool) {
  for (int spins = 0; spins < SPINS; spins += 1) {
    if (atomic_load_explicit(&pool->unfinished, memory_order_acquire) == 0) return;
    spin_pause();
  }
  pthread_mutex_lock(&pool->lock);
  atomic_store_explicit(&pool->caller_sleeps, true, memory_order_seq_cst);
  while (atomic_load_explicit(&pool->unfinished, memory_order_seq_cst) != 0) pthread_cond_wait(&pool->done, &pool->lock);
  atomic_store_explicit(&pool->caller_sleeps, false, memory_order_seq_cst);
  pthread_mutex_unlock(&pool->lock);
}

void gradc_pool_run(gradc_pool *pool, gradc_part *body, void *context, int parts) {
  if (parts <= 0) return;
  if (pool == NULL || parts == 1 || atomic_exchange(&pool->busy, true)) {
    for (int part = 0; part < parts; part += 1) body(context, part);
    return;
  }
  uint32_t next = generation(atomic_load_explicit(&pool->ticket, memory_order_relaxed)) + 1;
  atomic_store_explicit(&pool->body, body, memory_order_release);
  atomic_store_explicit(&pool->context, context, memory_order_release);
  atomic_store_explicit(&pool->parts, (uint32_t)parts, memory_order_release);
  atomic_store_explicit(&pool->unfinished, parts, memory_order_relaxed);
  atomic_store_explicit(&pool->ticket, (uint64_t)next << 32, memory_order_seq_cst);
  if (atomic_load_explicit(&pool->sleepers, memory_order_seq_cst) > 0) {
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
  }
  work(pool);
  wait_until_done(pool);
  atomic_store_explicit(&pool->ticket, (uint64_t)next << 32 | CLOSED, memory_order_seq_cst);
  atomic_store(&pool->busy, false);
}

void gradc_pool_destroy(gradc_pool *pool) {
  if (pool == NULL) return;
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->stop, true);
  pthread_cond_broadcast(&pool->work);
  pthread_mutex_unlock(&pool->lock);
  for (int index = 0; index < pool->worker_count; index += 1) pthread_join(pool->workers[index], NULL);
  pthread_cond_destroy(&pool->work);
  pthread_cond_destroy(&pool->done);
  pthread_mutex_destroy(&pool->lock);
  free(pool->workers);
  free(pool);
}

static void run_opaque(void *pool, gradc_part *body, void *context, int parts) { gradc_pool_run(pool, body, context, parts); }

gradc_parallel gradc_pool_parallel(gradc_pool *pool) {
  gradc_parallel parallel = {pool == NULL ? NULL : run_opaque, pool};
  return parallel;
}
