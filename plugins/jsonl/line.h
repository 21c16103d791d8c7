/* SPDX-License-Identifier: Apache-2.0 */
/** @file line.h JSON into memory that grows. */
#ifndef WEFT_JSONL_LINE_H
#define WEFT_JSONL_LINE_H

#include <weft/tensor.h>

struct line {
  char *at;        /**< room for n_room bytes */
  int64_t n, n_room;
  int failed;      /**< no room could be had: what follows is left out */
  /** Makes room for n bytes at least: 0, and the new room in line; else failed. */
  int (*grow)(struct line *line, int64_t n);
  void *data;
};

void line_add(struct line *line, const char *text, int64_t n);
void line_add_string(struct line *line, const uint8_t *text, int64_t n);
void line_add_integer(struct line *line, int64_t value);
/**
 * The item's value: a number, a row of numbers, a text (u8, ragged), an array
 * of rows, of texts or of arrays (two split levels), null where it is absent.
 */
void line_add_value(struct line *line, const struct weft_tensor *tensor, uint32_t n_levels, uint32_t item);

#endif
