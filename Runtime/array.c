/* array.c: element types, conversion, dense arrays. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

static const struct {
  const char *name;
  size_t bytes;
} dtypes[] = {
    [GRADC_DTYPE_BOOL] = {"BOOL", 1}, [GRADC_DTYPE_U8] = {"U8", 1},     [GRADC_DTYPE_I8] = {"I8", 1},   [GRADC_DTYPE_U16] = {"U16", 2},
    [GRADC_DTYPE_I16] = {"I16", 2},   [GRADC_DTYPE_F16] = {"F16", 2},   [GRADC_DTYPE_BF16] = {"BF16", 2}, [GRADC_DTYPE_U32] = {"U32", 4},
    [GRADC_DTYPE_I32] = {"I32", 4},   [GRADC_DTYPE_F32] = {"F32", 4},   [GRADC_DTYPE_U64] = {"U64", 8}, [GRADC_DTYPE_I64] = {"I64", 8},
    [GRADC_DTYPE_F64] = {"F64", 8},
};

size_t gradc_dtype_bytes(gradc_dtype dtype) { return dtypes[dtype].bytes; }
const char *gradc_dtype_name(gradc_dtype dtype) { return dtypes[dtype].name; }

gradc_dtype gradc_element_dtype(gradc_element element) {
  switch (element) {
    case GRADC_F32: return GRADC_DTYPE_F32;
    case GRADC_F64: return GRADC_DTYPE_F64;
    case GRADC_I32: return GRADC_DTYPE_I32;
    case GRADC_I64: return GRADC_DTYPE_I64;
    case GRADC_U8: return GRADC_DTYPE_U8;
    case GRADC_BOOL: return GRADC_DTYPE_BOOL;
    case GRADC_I8: return GRADC_DTYPE_I8;
    case GRADC_I16: return GRADC_DTYPE_I16;
    case GRADC_U16: return GRADC_DTYPE_U16;
    case GRADC_U32: return GRADC_DTYPE_U32;
    case GRADC_U64: return GRADC_DTYPE_U64;
    case GRADC_F16: return GRADC_DTYPE_F16;
    case GRADC_BF16: return GRADC_DTYPE_BF16;
  }
  return GRADC_DTYPE_F32;
}

size_t gradc_element_bytes(gradc_element element) { return gradc_dtype_bytes(gradc_element_dtype(element)); }

int gradc_array_create(gradc_dtype dtype, const int64_t *dims, int rank, gradc_array *array, gradc_error *error) {
  *array = (gradc_array){.dtype = dtype, .rank = rank, .count = 1};
  if (rank < 0 || rank > GRADC_MAX_RANK)
    return gradc_fail(error, GRADC_EXIT_DATA, "an array of %d dimensions; at most %d are supported", rank, GRADC_MAX_RANK);
  for (int axis = 0; axis < rank; axis++) {
    if (dims[axis] < 0 || (uint64_t)dims[axis] > SIZE_MAX || !gradc_multiply(array->count, (size_t)dims[axis], &array->count))
      return gradc_fail(error, GRADC_EXIT_DATA, "an array of this shape is larger than the address space");
    array->dims[axis] = dims[axis];
  }
  if (!gradc_multiply(array->count, gradc_dtype_bytes(dtype), &array->bytes))
    return gradc_fail(error, GRADC_EXIT_DATA, "an array of %zu elements is larger than the address space", array->count);
  array->data = gradc_allocate(array->bytes, 1, error);
  return array->data ? 0 : GRADC_EXIT_DATA;
}

void gradc_array_free(gradc_array *array) {
  free(array->data);
  *array = (gradc_array){0};
}

int64_t gradc_array_dim(const gradc_array *array, int axis) { return axis >= 0 && axis < array->rank ? array->dims[axis] : 0; }

/* ---- Conversion ---- */

static double half_to_double(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, exponent - 25);
  if (exponent == 31) value = fraction != 0 ? (double)NAN : (double)INFINITY;
  return bits >> 15 ? -value : value;
}

static double brain_to_double(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return (double)value;
}

static uint16_t to_half(float value) {
  uint32_t wide;
  memcpy(&wide, &value, sizeof wide);
  const uint32_t magnitude = wide & 0x7fffffffu;
  const uint32_t sign = wide >> 16 & 0x8000u;
  if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
  if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);
  if (magnitude < 0x38800000u) return (uint16_t)(sign | (uint32_t)nearbyintf(fabsf(value) * 16777216.0f)); /* subnormal */
  return (uint16_t)(sign | (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
}

static uint16_t to_brain(float value) {
  uint32_t wide;
  memcpy(&wide, &value, sizeof wide);
  return (uint16_t)((value != value ? wide | 0x400000u : wide + 0x7fffu + (wide >> 16 & 1u)) >> 16);
}

/* A number on its way from one type to another: integers keep all their bits. */
typedef struct number {
  enum { SIGNED, UNSIGNED, REAL } kind;
  int64_t i;
  uint64_t u;
  double r;
} number;

#define LOAD(type, kind_name, field, wide)                 \
  do {                                                     \
    type value;                                            \
    memcpy(&value, at, sizeof value);                      \
    return (number){.kind = kind_name, .field = (wide)value}; \
  } while (0)

static number load(const void *at, gradc_dtype dtype) {
  uint16_t bits = 0;
  switch (dtype) {
    case GRADC_DTYPE_BOOL: return (number){.kind = UNSIGNED, .u = *(const uint8_t *)at != 0};
    case GRADC_DTYPE_U8: LOAD(uint8_t, UNSIGNED, u, uint64_t);
    case GRADC_DTYPE_I8: LOAD(int8_t, SIGNED, i, int64_t);
    case GRADC_DTYPE_U16: LOAD(uint16_t, UNSIGNED, u, uint64_t);
    case GRADC_DTYPE_I16: LOAD(int16_t, SIGNED, i, int64_t);
    case GRADC_DTYPE_F16: memcpy(&bits, at, 2); return (number){.kind = REAL, .r = half_to_double(bits)};
    case GRADC_DTYPE_BF16: memcpy(&bits, at, 2); return (number){.kind = REAL, .r = brain_to_double(bits)};
    case GRADC_DTYPE_U32: LOAD(uint32_t, UNSIGNED, u, uint64_t);
    case GRADC_DTYPE_I32: LOAD(int32_t, SIGNED, i, int64_t);
    case GRADC_DTYPE_F32: LOAD(float, REAL, r, double);
    case GRADC_DTYPE_U64: LOAD(uint64_t, UNSIGNED, u, uint64_t);
    case GRADC_DTYPE_I64: LOAD(int64_t, SIGNED, i, int64_t);
    case GRADC_DTYPE_F64: LOAD(double, REAL, r, double);
  }
  return (number){.kind = REAL, .r = 0};
}

static int64_t to_signed(number n, int64_t low, int64_t high) {
  if (n.kind == SIGNED) return n.i < low ? low : n.i > high ? high : n.i;
  if (n.kind == UNSIGNED) return n.u > (uint64_t)high ? high : (int64_t)n.u;
  if (isnan(n.r)) return 0;
  if (n.r <= (double)low) return low;
  return n.r >= (double)high ? high : (int64_t)nearbyint(n.r);
}

static uint64_t to_unsigned(number n, uint64_t high) {
  if (n.kind == UNSIGNED) return n.u > high ? high : n.u;
  if (n.kind == SIGNED) return n.i < 0 ? 0 : (uint64_t)n.i > high ? high : (uint64_t)n.i;
  if (isnan(n.r) || n.r <= 0) return 0;
  return n.r >= (double)high ? high : (uint64_t)nearbyint(n.r);
}

static double to_real(number n) { return n.kind == REAL ? n.r : n.kind == SIGNED ? (double)n.i : (double)n.u; }

/* Integers go to float directly: by way of double they would be rounded twice. */
static float to_single(number n) { return n.kind == REAL ? (float)n.r : n.kind == SIGNED ? (float)n.i : (float)n.u; }

#define STORE(type, expression)            \
  do {                                     \
    const type value = (type)(expression); \
    memcpy(at, &value, sizeof value);      \
    return;                                \
  } while (0)

static void store(void *at, gradc_dtype dtype, number n) {
  switch (dtype) {
    case GRADC_DTYPE_BOOL: STORE(uint8_t, n.kind == REAL ? n.r != 0 : n.kind == SIGNED ? n.i != 0 : n.u != 0);
    case GRADC_DTYPE_U8: STORE(uint8_t, to_unsigned(n, UINT8_MAX));
    case GRADC_DTYPE_I8: STORE(int8_t, to_signed(n, INT8_MIN, INT8_MAX));
    case GRADC_DTYPE_U16: STORE(uint16_t, to_unsigned(n, UINT16_MAX));
    case GRADC_DTYPE_I16: STORE(int16_t, to_signed(n, INT16_MIN, INT16_MAX));
    case GRADC_DTYPE_U32: STORE(uint32_t, to_unsigned(n, UINT32_MAX));
    case GRADC_DTYPE_I32: STORE(int32_t, to_signed(n, INT32_MIN, INT32_MAX));
    case GRADC_DTYPE_F32: STORE(float, to_single(n));
    case GRADC_DTYPE_U64: STORE(uint64_t, to_unsigned(n, UINT64_MAX));
    case GRADC_DTYPE_I64: STORE(int64_t, to_signed(n, INT64_MIN, INT64_MAX));
    case GRADC_DTYPE_F64: STORE(double, to_real(n));
    case GRADC_DTYPE_F16: STORE(uint16_t, to_half(to_single(n)));
    case GRADC_DTYPE_BF16: STORE(uint16_t, to_brain(to_single(n)));
  }
}

void gradc_convert(const void *data, gradc_dtype dtype, size_t count, void *to_data, gradc_dtype to) {
  const size_t from_bytes = gradc_dtype_bytes(dtype), to_bytes = gradc_dtype_bytes(to);
  if (dtype == to) {
    if (count) memcpy(to_data, data, count * from_bytes);
    return;
  }
  for (size_t i = 0; i < count; i++) store((char *)to_data + i * to_bytes, to, load((const char *)data + i * from_bytes, dtype));
}
