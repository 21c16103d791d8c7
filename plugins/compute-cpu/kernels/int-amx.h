/* SPDX-License-Identifier: Apache-2.0 */
/** @file int-amx.h Beside the tiles of AMX: vectors of sixteen columns. Meaning: int-scalar.h. */
#define I_NAME amx
#define I_TILE_VECTORS 2
#define I_OFFSET 0

typedef __m512i vi;

static inline vi i_load(const uint8_t *p) { return _mm512_load_si512((const void *)p); }
static inline vf i_float(vi x) { return _mm512_cvtepi32_ps(x); }
#include "int-quantise-avx2.h"
