/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file condition.h
 * `when` of a node, compiled by core/graph and evaluated by the runtime per
 * item: a program in postfix order. No allocation, no recursion.
 *
 * An operand that is absent is unknown; comparisons with it are unknown, and
 * `and`, `or`, `not` follow Kleene's three-valued logic. Unknown counts as
 * false.
 */
#ifndef WEFT_CORE_CONDITION_H
#define WEFT_CORE_CONDITION_H

#include <stdint.h>

/** Most operations of one condition, and most operands waiting at once. */
#define WEFT_CONDITION_MAX_OPS 256
#define WEFT_CONDITION_MAX_STACK 64

enum weft_condition_op {
  WEFT_CONDITION_NUMBER,  /**< pushes number */
  WEFT_CONDITION_TEXT,    /**< pushes text */
  WEFT_CONDITION_BOOL,    /**< pushes number != 0 */
  WEFT_CONDITION_VALUE,   /**< pushes value `index` of the graph: one number (rank 1, one row), or a text (u8, ragged) */
  WEFT_CONDITION_PRESENT, /**< pushes whether value `index` is there: a bare name of an input */
  WEFT_CONDITION_CONTEXT, /**< pushes the context's entry named text */
  WEFT_CONDITION_EQ,
  WEFT_CONDITION_NE,
  WEFT_CONDITION_LT,
  WEFT_CONDITION_LE,
  WEFT_CONDITION_GT,
  WEFT_CONDITION_GE,
  WEFT_CONDITION_IN,      /**< pops `index` members, then the operand: whether it equals one of them */
  WEFT_CONDITION_AND,
  WEFT_CONDITION_OR,
  WEFT_CONDITION_NOT
};

struct weft_condition_step {
  enum weft_condition_op op;
  uint32_t index;
  double number;
  const char *text; /**< UTF-8, borrowed; texts compare bytewise for equality and order */
};

/** Borrowed by the graph. core/graph has checked the depth and the types. */
struct weft_condition {
  const struct weft_condition_step *steps;
  uint32_t n_steps;
};

#endif
