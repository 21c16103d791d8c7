/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BertNormalizer, in the steps of the reference: clean, space out ideographs,
 * take accents off, lower case. One character at a time but for the canonical
 * order of combining marks, which looks back.
 */
#include "message.h"
#include "tokenizer-private.h"
#include "unicode-bert.h"
#include "utf8.h"

#include <string.h>
#include <utf8proc.h>

#define MOST_PARTS 8

static int in_ranges(uint32_t code, const struct weft_code_range *ranges, unsigned n)
{
  unsigned low = 0, high = n;
  while (low < high) {
    unsigned middle = (low + high) / 2;
    if (code > ranges[middle].last)
      low = middle + 1;
    else
      high = middle;
  }
  return low < n && code >= ranges[low].first;
}

static int is_control(uint32_t code)
{
  return in_ranges(code, weft_bert_control, weft_bert_n_control);
}

int weft_is_space(uint32_t code)
{
  return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
         code == 0x3000;
}

int weft_is_bert_punctuation(uint32_t code)
{
  return in_ranges(code, weft_bert_punctuation, weft_bert_n_punctuation);
}

/* As the reference has them, an odd gap included. */
static int is_ideograph(uint32_t code)
{
  return (code >= 0x4E00 && code <= 0x9FFF) || (code >= 0x3400 && code <= 0x4DBF) ||
         (code >= 0x20000 && code <= 0x2A6DF) || (code >= 0x2A700 && code <= 0x2B81F) ||
         (code >= 0x2B920 && code <= 0x2CEAF) || (code >= 0xF900 && code <= 0xFAFF) ||
         (code >= 0x2F800 && code <= 0x2FA1F);
}

static uint32_t lower_of(uint32_t code)
{
  unsigned low = 0, high = weft_bert_n_lower;
  if (code < 0x80)
    return code >= 'A' && code <= 'Z' ? code + 32 : code;
  while (low < high) {
    unsigned middle = (low + high) / 2;
    if (code > weft_bert_lower[middle].last)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == weft_bert_n_lower)
    return code;
  const struct weft_lower_run *run = &weft_bert_lower[low];
  if (code < run->first || (code - run->first) % run->step != 0)
    return code;
  return (uint32_t)((int32_t)code + run->delta);
}

static void append(struct weft_piece *piece, uint32_t code, uint32_t from)
{
  unsigned n = weft_utf8_encode(code, piece->text + piece->n);
  for (unsigned i = 0; i < n; i++)
    piece->from[piece->n + i] = from;
  piece->n += n;
}

static int class_of(uint32_t code)
{
  return code < 0x300 ? 0 : (int)utf8proc_get_property((utf8proc_int32_t)code)->combining_class;
}

/* Inserts a mark before those of a higher class that precede it: the canonical order. */
static void append_ordered(struct weft_piece *piece, uint32_t code, uint32_t from)
{
  int class = class_of(code);
  size_t at = piece->n;
  while (class > 0 && at > 0) {
    size_t before = weft_utf8_before(piece->text, at);
    if (class_of(weft_utf8_decode(piece->text + before)) <= class)
      break;
    at = before;
  }
  if (at == piece->n) {
    append(piece, code, from);
    return;
  }
  char bytes[4];
  unsigned n = weft_utf8_encode(code, bytes);
  memmove(piece->text + at + n, piece->text + at, piece->n - at);
  memcpy(piece->text + at, bytes, n);
  for (unsigned i = 0; i < n; i++)
    piece->from[piece->n + i] = from;
  piece->n += n;
}

static void append_lower(const struct weft_normalizer *normalizer, struct weft_piece *piece, uint32_t code,
                         uint32_t from)
{
  if (normalizer->lowercase && code == 0x130 && !normalizer->strip_accents) {
    append(piece, 'i', from);
    append(piece, 0x307, from);
    return;
  }
  code = normalizer->lowercase ? lower_of(code) : code;
  if (normalizer->strip_accents)
    append_ordered(piece, code, from);
  else
    append(piece, code, from);
}

static void append_stripped(const struct weft_normalizer *normalizer, struct weft_piece *piece, uint32_t code,
                            uint32_t from)
{
  utf8proc_int32_t parts[MOST_PARTS];
  utf8proc_ssize_t n = 0;
  int last_class = UTF8PROC_BOUNDCLASS_START;
  if (code >= 0xC0 && !in_ranges(code, weft_bert_whole, weft_bert_n_whole))
    n = utf8proc_decompose_char((utf8proc_int32_t)code, parts, MOST_PARTS, UTF8PROC_DECOMPOSE, &last_class);
  if (n < 1 || n > MOST_PARTS) {
    parts[0] = (utf8proc_int32_t)code;
    n = 1;
  }
  for (utf8proc_ssize_t i = 0; i < n; i++)
    if (parts[i] < 0x300 || !in_ranges((uint32_t)parts[i], weft_bert_mark, weft_bert_n_mark))
      append_lower(normalizer, piece, (uint32_t)parts[i], from);
}

static void append_character(const struct weft_normalizer *normalizer, struct weft_piece *piece, uint32_t code,
                             uint32_t from)
{
  if (normalizer->clean_text) {
    if (is_control(code))
      return;
    if (weft_is_space(code))
      code = ' ';
  }
  int spaced = normalizer->chinese && is_ideograph(code);
  if (spaced)
    append(piece, ' ', from);
  if (normalizer->strip_accents)
    append_stripped(normalizer, piece, code, from);
  else
    append_lower(normalizer, piece, code, from);
  if (spaced)
    append(piece, ' ', from);
}

void weft_normalize(const struct weft_normalizer *normalizer, size_t begin, size_t end, struct weft_piece *piece)
{
  piece->n = 0;
  for (size_t at = begin; at < end; at += weft_utf8_length((unsigned char)piece->source[at])) {
    uint32_t code = weft_utf8_decode(piece->source + at);
    if (normalizer->present)
      append_character(normalizer, piece, code, (uint32_t)at);
    else
      append(piece, code, (uint32_t)at);
  }
}

static weft_status read_flag(const json_t *json, const char *key, const char *file, int fallback, int *out,
                             char *message)
{
  const json_t *value = json_object_get(json, key);
  *out = fallback;
  if (!value || json_is_null(value))
    return WEFT_OK;
  if (!json_is_boolean(value))
    return weft_message(message, WEFT_BAD_CONFIG, "%s: normalizer.%s should be true, false or null", file, key);
  *out = json_is_true(value);
  return WEFT_OK;
}

weft_status weft_normalizer_read(const json_t *json, const char *file, struct weft_normalizer *out, char *message)
{
  memset(out, 0, sizeof *out);
  if (!json || json_is_null(json))
    return WEFT_OK;
  const char *type = json_string_value(json_object_get(json, "type"));
  if (!type || strcmp(type, "BertNormalizer") != 0)
    return weft_message(message, WEFT_UNSUPPORTED, "%s: normalizer '%.64s' is not known here; known is BertNormalizer",
                        file, type ? type : "?");
  out->present = 1;
  weft_status status = read_flag(json, "clean_text", file, 1, &out->clean_text, message);
  if (status == WEFT_OK)
    status = read_flag(json, "handle_chinese_chars", file, 1, &out->chinese, message);
  if (status == WEFT_OK)
    status = read_flag(json, "lowercase", file, 1, &out->lowercase, message);
  /* Left open, accents go where case goes. */
  if (status == WEFT_OK)
    status = read_flag(json, "strip_accents", file, out->lowercase, &out->strip_accents, message);
  return status;
}
