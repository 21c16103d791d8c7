/* SPDX-License-Identifier: Apache-2.0 */
#include "line.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

void line_add(struct line *line, const char *text, int64_t n)
{
  if (line->failed || (n > line->n_room - line->n && line->grow(line, line->n + n))) {
    line->failed = 1;
    return;
  }
  memcpy(line->at + line->n, text, (size_t)n);
  line->n += n;
}

static void add_char(struct line *line, char c)
{
  line_add(line, &c, 1);
}

/* One byte that JSON does not take as it is. */
static void add_escaped(struct line *line, uint8_t c)
{
  char text[8];
  static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";
  const char *found = c ? strchr(shorts, c) : NULL;
  if (found && (found - shorts) % 2 == 0) {
    add_char(line, '\\');
    add_char(line, found[1]);
    return;
  }
  line_add(line, text, snprintf(text, sizeof text, "\\u%04x", c));
}

void line_add_string(struct line *line, const uint8_t *text, int64_t n)
{
  int64_t from = 0;
  add_char(line, '"');
  for (int64_t i = 0; i < n;) {
    utf8proc_int32_t code = 0;
    int64_t length = text[i] < 0x80 ? 1 : utf8proc_iterate(text + i, n - i, &code);
    if (length > 0 && text[i] >= 0x20 && text[i] != '"' && text[i] != '\\') {
      i += length;
      continue;
    }
    line_add(line, (const char *)text + from, i - from);
    if (length > 0)
      add_escaped(line, text[i]);
    else
      line_add(line, "\xEF\xBF\xBD", 3); /* a byte that is no UTF-8: U+FFFD */
    from = ++i;
  }
  line_add(line, (const char *)text + from, n - from);
  add_char(line, '"');
}

void line_add_integer(struct line *line, int64_t value)
{
  char text[24];
  line_add(line, text, snprintf(text, sizeof text, "%" PRId64, value));
}

/* The fewest digits that give the number back; NaN and infinity have no word in JSON. The point is a point anywhere. */
static void add_real(struct line *line, double value, int digits)
{
  char text[32];
  int n = snprintf(text, sizeof text, "%.*g", digits, value);
  if (!isfinite(value)) {
    line_add(line, "null", 4);
    return;
  }
  for (int i = 0; i < n; i++)
    if (text[i] == ',')
      text[i] = '.';
  line_add(line, text, n);
}

static double half_of(uint16_t half)
{
  int exponent = (half >> 10) & 31;
  double fraction = half & 1023;
  double value = exponent == 0 ? ldexp(fraction, -24) : exponent == 31 ? (fraction != 0 ? NAN : INFINITY)
                                                                       : ldexp(fraction + 1024, exponent - 25);
  return half & 0x8000 ? -value : value;
}

static void add_float(struct line *line, const uint8_t *at, struct weft_dtype dtype)
{
  float single;
  double wide;
  uint16_t half;
  uint32_t bits;
  if (dtype.bits == 64) {
    memcpy(&wide, at, sizeof wide);
    add_real(line, wide, 17);
    return;
  }
  if (dtype.bits == 32) {
    memcpy(&single, at, sizeof single);
    add_real(line, single, 9);
    return;
  }
  memcpy(&half, at, sizeof half);
  bits = (uint32_t)half << 16;
  memcpy(&single, &bits, sizeof single);
  add_real(line, dtype.code == WEFT_DTYPE_BFLOAT ? single : half_of(half), 9);
}

static void add_element(struct line *line, const uint8_t *at, struct weft_dtype dtype)
{
  uint64_t raw = 0;
  if (dtype.code == WEFT_DTYPE_FLOAT || dtype.code == WEFT_DTYPE_BFLOAT) {
    add_float(line, at, dtype);
    return;
  }
  memcpy(&raw, at, dtype.bits / 8); /* little-endian, as every machine that Weft runs on */
  if (dtype.code == WEFT_DTYPE_BOOL) {
    line_add(line, raw ? "true" : "false", raw ? 4 : 5);
  } else if (dtype.code == WEFT_DTYPE_UINT) {
    char text[24];
    line_add(line, text, snprintf(text, sizeof text, "%" PRIu64, raw));
  } else {
    line_add_integer(line, (int64_t)(raw << (64 - dtype.bits)) >> (64 - dtype.bits));
  }
}

static void add_row(struct line *line, const struct weft_tensor *tensor, int64_t row)
{
  int64_t bytes = tensor->dtype.bits / 8, n = weft_row_bytes(tensor) / bytes;
  const uint8_t *at = (const uint8_t *)tensor->data + row * n * bytes;
  if (tensor->rank == 1) {
    add_element(line, at, tensor->dtype);
    return;
  }
  add_char(line, '[');
  for (int64_t i = 0; i < n; i++) {
    if (i)
      add_char(line, ',');
    add_element(line, at + i * bytes, tensor->dtype);
  }
  add_char(line, ']');
}

static void add_rows(struct line *line, const struct weft_tensor *tensor, int64_t begin, int64_t end)
{
  if (tensor->rank == 1 && weft_dtype_equal(tensor->dtype, weft_u8())) {
    line_add_string(line, (const uint8_t *)tensor->data + begin, end - begin);
    return;
  }
  add_char(line, '[');
  for (int64_t row = begin; row < end; row++) {
    if (row > begin)
      add_char(line, ',');
    add_row(line, tensor, row);
  }
  add_char(line, ']');
}

void line_add_value(struct line *line, const struct weft_tensor *tensor, uint32_t n_levels, uint32_t item)
{
  struct weft_rows rows = weft_rows_of(tensor, item);
  if (!rows.present) {
    line_add(line, "null", 4);
  } else if (n_levels == 0) {
    add_row(line, tensor, rows.begin);
  } else if (n_levels == 1) {
    add_rows(line, tensor, rows.begin, rows.end);
  } else {
    int64_t slot = tensor->slots ? tensor->slots[item] : (int64_t)item;
    add_char(line, '[');
    for (int64_t g = tensor->splits[0][slot]; g < tensor->splits[0][slot + 1]; g++) {
      if (g > tensor->splits[0][slot])
        add_char(line, ',');
      add_rows(line, tensor, tensor->splits[1][g], tensor->splits[1][g + 1]);
    }
    add_char(line, ']');
  }
}
