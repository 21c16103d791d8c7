/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest.h"

#include <string.h>

static const struct {
  const char *name;
  guint8 code, bits;
} dtypes[] = {
  {"u8", WEFT_DTYPE_UINT, 8},    {"u16", WEFT_DTYPE_UINT, 16},  {"u32", WEFT_DTYPE_UINT, 32},
  {"u64", WEFT_DTYPE_UINT, 64},  {"i8", WEFT_DTYPE_INT, 8},     {"i16", WEFT_DTYPE_INT, 16},
  {"i32", WEFT_DTYPE_INT, 32},   {"i64", WEFT_DTYPE_INT, 64},   {"f16", WEFT_DTYPE_FLOAT, 16},
  {"f32", WEFT_DTYPE_FLOAT, 32}, {"f64", WEFT_DTYPE_FLOAT, 64}, {"bf16", WEFT_DTYPE_BFLOAT, 16},
  {"bool", WEFT_DTYPE_BOOL, 8},
};

const char *weft_dtype_name(struct weft_dtype dtype)
{
  for (gsize i = 0; i < G_N_ELEMENTS(dtypes); i++)
    if (dtypes[i].code == dtype.code && dtypes[i].bits == dtype.bits && dtype.lanes == 1)
      return dtypes[i].name;
  return NULL;
}

gboolean weft_dtype_parse(const char *name, struct weft_dtype *out)
{
  for (gsize i = 0; i < G_N_ELEMENTS(dtypes); i++) {
    if (strcmp(dtypes[i].name, name) != 0)
      continue;
    *out = weft_dtype_of(dtypes[i].code, dtypes[i].bits);
    return TRUE;
  }
  return FALSE;
}
