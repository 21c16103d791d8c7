/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file amx.h
 * Shapes of the AMX tiles of a product: c in tiles 0..3 (two by two), a in 4
 * and 5 (one below the other), b in 6 and 7 (side by side), each up to 16 rows
 * of 64 bytes. Configured on entering a product, since other code of the
 * thread may have released them, and released on leaving it.
 */
#ifndef WEFT_CPU_AMX_H
#define WEFT_CPU_AMX_H

#include <immintrin.h>
#include <stdint.h>

/** Rows that two tiles hold. */
#define AMX_ROWS 32

struct amx_shape {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} __attribute__((aligned(64)));

#define AMX_SHAPE(upper, lower)                                                                                        \
  {.palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},                                                        \
   .rows = {upper, upper, lower, lower, upper, lower, 16, 16}}
#define AMX_UPPER(n) AMX_SHAPE(n, 1)
#define AMX_LOWER(n) AMX_SHAPE(16, n)

/*
 * By rows: [rows - 1]. Constants, never built on the stack: gcc 12 believes
 * that ldtilecfg reads 8 of the 64 bytes, and drops the stores of the others.
 */
static const struct amx_shape amx_shapes[AMX_ROWS] = {
    AMX_UPPER(1),  AMX_UPPER(2),  AMX_UPPER(3),  AMX_UPPER(4),  AMX_UPPER(5),  AMX_UPPER(6),  AMX_UPPER(7),
    AMX_UPPER(8),  AMX_UPPER(9),  AMX_UPPER(10), AMX_UPPER(11), AMX_UPPER(12), AMX_UPPER(13), AMX_UPPER(14),
    AMX_UPPER(15), AMX_UPPER(16), AMX_LOWER(1),  AMX_LOWER(2),  AMX_LOWER(3),  AMX_LOWER(4),  AMX_LOWER(5),
    AMX_LOWER(6),  AMX_LOWER(7),  AMX_LOWER(8),  AMX_LOWER(9),  AMX_LOWER(10), AMX_LOWER(11), AMX_LOWER(12),
    AMX_LOWER(13), AMX_LOWER(14), AMX_LOWER(15), AMX_LOWER(16)};

/** For products of so many rows at once; what lies in memory is complete before tiles load it. */
static inline void amx_configure(size_t rows)
{
  __asm__ volatile("" ::: "memory");
  _tile_loadconfig(&amx_shapes[rows - 1]);
}

#endif
