/* gradc_pool.h: a small pool of threads for the parallel loops of a compiled model.
 *
 * Threads decide only who runs a part, never what a part is, so results do not depend on their number. 0BSD.
 */
#ifndef GRADC_POOL_H
#define GRADC_POOL_H

#include "gradc_model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gradc_pool gradc_pool;

/* A pool that works with `threads` threads in all, the caller's included. Null when threads is 1 or less (a null pool
 * is valid everywhere and means a plain loop), or when not a single thread could be started. */
gradc_pool *gradc_pool_create(int threads);

/* Threads that work when this pool runs, the caller's included: 1 for a null pool. */
int gradc_pool_threads(const gradc_pool *pool);

/* Runs body(context, part) for every part in 0 ..< parts and returns when all are done. The calling thread works too.
 * Called while the pool is already at work (from inside a part, or from another thread) it runs a plain loop. */
void gradc_pool_run(gradc_pool *pool, gradc_part *body, void *context, int parts);

/* Stops and joins the threads. Null is fine. Nothing may be running in the pool. */
void gradc_pool_destroy(gradc_pool *pool);

/* What goes into a model's `parallel` field: {null, null} for a null pool. */
gradc_parallel gradc_pool_parallel(gradc_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
