/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tensor.h
 * The tensor that crosses every port. The layout is frozen (tests/headers
 * holds a golden file of it).
 *
 * A tensor holds the values of many items. Rows are dimension 0; the other
 * dimensions are the same for all rows. Data is dense, row-major and 64-byte
 * aligned; nobody reads past `n_bytes`. Zero rows are legal.
 *
 * Which rows belong to which item:
 *
 *     slot   = slots == NULL ? item : slots[item]         (-1: absent)
 *     rows   = splits[0] == NULL ? [slot, slot + 1)
 *            : splits[1] == NULL ? [splits[0][slot], splits[0][slot + 1])
 *            : rows of the groups [splits[0][slot], splits[0][slot + 1]),
 *              group g being [splits[1][g], splits[1][g + 1])
 *
 * Absent is not empty: an absent item has no slot, an empty one has a slot
 * with no rows. Slots that no item names may exist; their rows mean nothing.
 *
 * Usage:
 *
 *     for (uint32_t i = 0; i < call->n_items; i++) {
 *       struct weft_rows r = weft_rows_of(tensor, i);
 *       if (!r.present) continue;
 *       for (int64_t row = r.begin; row < r.end; row++) ...
 *     }
 *
 * Conventions: text is UTF-8 bytes, u8 of rank 1, ragged by splits[0]. Media
 * of varying size are [rows, channels] with a companion port `NAME.size`.
 */
#ifndef WEFT_TENSOR_H
#define WEFT_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The highest rank of a tensor: the one named limit of the layout. */
#define WEFT_MAX_RANK 8

/** Alignment of tensor data and scratch, bytes. */
#define WEFT_ALIGNMENT 64

/** Element type, with the codes of DLPack: 0 int, 1 uint, 2 float, 4 bfloat, 6 bool. */
struct weft_dtype {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes; /**< 1 */
};

#define WEFT_DTYPE_INT 0
#define WEFT_DTYPE_UINT 1
#define WEFT_DTYPE_FLOAT 2
#define WEFT_DTYPE_BFLOAT 4
#define WEFT_DTYPE_BOOL 6

/** Where `data` lies: DLPack device codes. */
#define WEFT_DEVICE_CPU 1u

struct weft_tensor {
  void *data;                 /**< first element; NULL only with n_bytes 0 */
  int64_t n_bytes;            /**< size of the rows in use */
  int64_t dims[WEFT_MAX_RANK]; /**< dims[0] = rows; unused ones are 0 */
  struct weft_dtype dtype;
  uint32_t rank;              /**< 1..8 */
  uint32_t device;            /**< WEFT_DEVICE_CPU */
  uint32_t flags;             /**< 0 */
  const int32_t *slots;       /**< [items of the call] or NULL: identity */
  int64_t n_slots;            /**< number of slots */
  const int64_t *splits[2];   /**< [n_slots + 1], [n_groups + 1], or NULL; host memory */
  int64_t n_groups;           /**< groups, where splits[1] is given */
};

/** The rows of one item. */
struct weft_rows {
  int64_t begin, end; /**< rows, end exclusive */
  int present;        /**< 0: absent, begin == end == 0 */
};

/** Rows of `item` in `tensor`. Never fails for an item of the call. [any thread] */
static inline struct weft_rows weft_rows_of(const struct weft_tensor *tensor, uint32_t item)
{
  struct weft_rows r = {0, 0, 0};
  int64_t slot = tensor->slots ? tensor->slots[item] : (int64_t)item;
  if (slot < 0)
    return r;
  r.present = 1;
  if (!tensor->splits[0]) {
    r.begin = slot;
    r.end = slot + 1;
    return r;
  }
  r.begin = tensor->splits[0][slot];
  r.end = tensor->splits[0][slot + 1];
  if (tensor->splits[1]) {
    r.begin = tensor->splits[1][r.begin];
    r.end = tensor->splits[1][r.end];
  }
  return r;
}

/** A dtype from its DLPack code and width in bits. [any thread] */
static inline struct weft_dtype weft_dtype_of(uint8_t code, uint8_t bits)
{
  struct weft_dtype t;
  t.code = code;
  t.bits = bits;
  t.lanes = 1;
  return t;
}

static inline struct weft_dtype weft_f32(void) { return weft_dtype_of(WEFT_DTYPE_FLOAT, 32); }
static inline struct weft_dtype weft_u8(void) { return weft_dtype_of(WEFT_DTYPE_UINT, 8); }
static inline struct weft_dtype weft_i32(void) { return weft_dtype_of(WEFT_DTYPE_INT, 32); }
static inline struct weft_dtype weft_i64(void) { return weft_dtype_of(WEFT_DTYPE_INT, 64); }

/** Whether two element types are the same. [any thread] */
static inline int weft_dtype_equal(struct weft_dtype a, struct weft_dtype b)
{
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

/** Bytes of one row: the product of dims[1..] times the element size. [any thread] */
static inline int64_t weft_row_bytes(const struct weft_tensor *tensor)
{
  int64_t n = tensor->dtype.bits / 8;
  for (uint32_t d = 1; d < tensor->rank; d++)
    n *= tensor->dims[d];
  return n;
}

#ifdef __cplusplus
}
#endif
#endif
