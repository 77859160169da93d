/* arena.c: the one allocation that a trainer, a model or its scratch lives in. */
#include "train_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t gradc_physical_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  uint64_t bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
  FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
  if (file != NULL) {
    unsigned long long limit = 0;
    if (fscanf(file, "%llu", &limit) == 1 && limit > 0 && (bytes == 0 || limit < bytes)) bytes = limit;
    fclose(file);
  }
  return bytes;
}

static void describe_bytes(uint64_t bytes, char *text, size_t size) {
  static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB", "PB"};
  double value = (double)bytes;
  int unit = 0;
  while (value >= 1000 && unit < 5) {
    value /= 1000;
    unit += 1;
  }
  if (unit == 0) snprintf(text, size, "%llu bytes", (unsigned long long)bytes);
  else snprintf(text, size, "%.3g %s (%llu bytes)", value, units[unit], (unsigned long long)bytes);
}

int gradc_memory_check(uint64_t bytes, uint64_t bytes_per_row, int max_batch, gradc_error *error) {
  uint64_t memory = gradc_physical_memory();
  if (memory == 0 || bytes <= memory) return 0;
  char wanted[64], present[64], advice[160] = "";
  describe_bytes(bytes, wanted, sizeof wanted);
  describe_bytes(memory, present, sizeof present);
  uint64_t batch_bytes = bytes_per_row * (uint64_t)(max_batch > 0 ? max_batch : 0);
  if (bytes_per_row > 0 && batch_bytes <= bytes && bytes - batch_bytes < memory) {
    uint64_t rows = (memory - (bytes - batch_bytes)) / bytes_per_row;
    if (rows > 0) snprintf(advice, sizeof advice, "; a batch of %llu fits (--batch-size)", (unsigned long long)rows);
  }
  if (advice[0] == 0) snprintf(advice, sizeof advice, "; no batch fits: the model itself is too large for this machine");
  return gradc_fail(error, GRADC_EXIT_DATA, "training needs %s of memory and this machine has %s%s", wanted, present, advice);
}

static size_t rounded_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

void *gradc_arena_allocate(size_t bytes, size_t alignment, gradc_error *error) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (bytes == 0) bytes = 1;
  if (alignment > page || (alignment & (alignment - 1)) != 0) {
    gradc_fail(error, GRADC_EXIT_BUG, "a model asks for an alignment of %zu bytes; the runtime gives powers of two up to %zu", alignment,
               page);
    return NULL;
  }
  /* Straight from the kernel: zeroed, page-aligned, and pages that are never touched cost nothing. */
  void *arena = bytes > SIZE_MAX - page
                    ? MAP_FAILED
                    : mmap(NULL, rounded_up(bytes, page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (arena == MAP_FAILED) {
    char wanted[64];
    describe_bytes(bytes, wanted, sizeof wanted);
    gradc_fail(error, GRADC_EXIT_DATA, "no memory for %s: use a smaller batch", wanted);
    return NULL;
  }
  return arena;
}

void gradc_arena_free(void *arena, size_t bytes) {
  if (arena == NULL) return;
  munmap(arena, rounded_up(bytes == 0 ? 1 : bytes, (size_t)sysconf(_SC_PAGESIZE)));
}
