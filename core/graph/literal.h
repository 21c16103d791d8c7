/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file literal.h
 * What a scalar means: the core types of YAML 1.2 (`yes` and `on` are texts,
 * `0o17` is fifteen) and numbers with units (`20 ms`, `16 kHz`, `2 GiB`).
 */
#ifndef WEFT_CORE_LITERAL_H
#define WEFT_CORE_LITERAL_H

#include "yamltree.h"

typedef enum { WEFT_LITERAL_NULL, WEFT_LITERAL_BOOL, WEFT_LITERAL_INT, WEFT_LITERAL_NUMBER, WEFT_LITERAL_TEXT } WeftLiteralType;

typedef struct {
  WeftLiteralType type;
  gboolean boolean;
  gint64 integer; /**< INT */
  double number;  /**< INT and NUMBER */
} WeftLiteral;

/** Quoted scalars are texts; an integer that does not fit 64 bits is a NUMBER. */
WeftLiteral weft_literal_of(const WeftYaml *scalar);
/** The same of a plain scalar's text. */
WeftLiteral weft_literal_parse(const char *text);

/** Bytes of [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? at the start; 0: none. */
gsize weft_decimal_length(const char *text);

typedef enum {
  WEFT_QUANTITY_OK,
  WEFT_QUANTITY_NO_NUMBER,  /**< does not begin with a number */
  WEFT_QUANTITY_NO_UNIT,    /**< a number and nothing else */
  WEFT_QUANTITY_OTHER_UNIT, /**< a unit that does not measure the same, or is unknown */
} WeftQuantity;

/** A number with a unit, in `unit`. A ratio needs none (`0.6` or `60 %`). */
WeftQuantity weft_quantity_parse(const char *text, const char *unit, double *out);
/** The unit that measures as `unit` does and differs from the text's own only in large and small letters, or NULL. */
const char *weft_quantity_meant(const char *text, const char *unit);
/** An example that a hint can show: "20 ms" for "ms". Caller frees with g_free. */
char *weft_quantity_example(const char *unit);

#endif
