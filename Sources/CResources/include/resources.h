/* resources.h: files that are part of the gradc executable. 0BSD. */
#ifndef GRADC_RESOURCES_H
#define GRADC_RESOURCES_H

#include <stddef.h>

/* A file: its path in the folder Runtime, and its bytes (no zero byte follows). */
typedef struct gradc_resource {
  const char *path;
  const unsigned char *bytes;
  size_t byte_count;
} gradc_resource;

size_t gradc_resource_count(void);
/* File `index`, or null past the end. */
const gradc_resource *gradc_resource_at(size_t index);

#endif
