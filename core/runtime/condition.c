/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions: a stack machine over the values of one item, in three-valued logic. */
#include "policy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum kind { UNKNOWN, NUMBER, TEXT, TRUTH };

struct operand {
  enum kind kind;
  double number; /* TRUTH: 0 or 1 */
  const char *text;
  size_t n;
};

static const struct operand unknown = {UNKNOWN, 0, NULL, 0};

static weft_status refuse(char *message, const char *node, const char *why, uint32_t at)
{
  if (message)
    snprintf(message, WEFT_MESSAGE_BYTES, "node '%s': its condition %s (operation %u)", node, why, at);
  return WEFT_BAD_CONFIG;
}

weft_status weft_condition_check(const struct weft_condition *when, const char *node, uint32_t n_values, char *message)
{
  uint32_t depth = 0;
  if (!when->n_steps || when->n_steps > WEFT_CONDITION_MAX_OPS)
    return refuse(message, node, "is empty, or has more than WEFT_CONDITION_MAX_OPS (256) operations", when->n_steps);
  for (uint32_t s = 0; s < when->n_steps; s++) {
    const struct weft_condition_step *step = &when->steps[s];
    uint32_t n_popped = 0;
    if ((step->op == WEFT_CONDITION_VALUE || step->op == WEFT_CONDITION_PRESENT) && step->index >= n_values)
      return refuse(message, node, "reads a value that no earlier node yields", s);
    if ((step->op == WEFT_CONDITION_TEXT || step->op == WEFT_CONDITION_CONTEXT) && !step->text)
      return refuse(message, node, "has an operand without a text", s);
    if (step->op > WEFT_CONDITION_NOT)
      return refuse(message, node, "has an unknown operation", s);
    if (step->op >= WEFT_CONDITION_EQ)
      n_popped = step->op == WEFT_CONDITION_NOT ? 1 : 2;
    if (step->op == WEFT_CONDITION_IN && step->index >= WEFT_CONDITION_MAX_STACK)
      return refuse(message, node, "compares with more members than WEFT_CONDITION_MAX_STACK (64) allows", s);
    if (step->op == WEFT_CONDITION_IN)
      n_popped = step->index + 1;
    if (n_popped > depth)
      return refuse(message, node, "lacks an operand", s);
    depth = depth - n_popped + 1;
    if (depth > WEFT_CONDITION_MAX_STACK)
      return refuse(message, node, "has more operands waiting than WEFT_CONDITION_MAX_STACK (64)", s);
  }
  return depth == 1 ? WEFT_OK : refuse(message, node, "leaves more than one value", when->n_steps);
}

static double half_of(uint16_t bits)
{
  int exponent = (bits >> 10) & 31;
  double fraction = bits & 1023;
  double value = exponent == 0    ? ldexp(fraction, -24)
                 : exponent == 31 ? (fraction != 0 ? NAN : INFINITY)
                                  : ldexp(fraction + 1024, exponent - 25);
  return bits & 0x8000 ? -value : value;
}

static double float_of(const void *at, uint32_t bits)
{
  float f;
  double d;
  uint16_t h;
  if (bits == 32) {
    memcpy(&f, at, sizeof f);
    return f;
  }
  if (bits == 64) {
    memcpy(&d, at, sizeof d);
    return d;
  }
  memcpy(&h, at, sizeof h);
  return half_of(h);
}

static double bfloat_of(const void *at)
{
  uint16_t h;
  float f;
  memcpy(&h, at, sizeof h);
  uint32_t wide = (uint32_t)h << 16;
  memcpy(&f, &wide, sizeof f);
  return f;
}

static double integer_of(const void *at, uint32_t bits, int is_signed)
{
  uint64_t u = 0;
  memcpy(&u, at, bits / 8); /* little endian, as everything here */
  if (!is_signed)
    return (double)u;
  uint32_t shift = 64 - bits;
  return (double)((int64_t)(u << shift) >> shift);
}

/* Of one element. */
static struct operand number_at(const struct weft_tensor *t, const void *at)
{
  struct operand operand = {NUMBER, 0, NULL, 0};
  uint32_t bits = t->dtype.bits;
  switch (t->dtype.code) {
  case WEFT_DTYPE_FLOAT: operand.number = float_of(at, bits); break;
  case WEFT_DTYPE_BFLOAT: operand.number = bfloat_of(at); break;
  case WEFT_DTYPE_INT: operand.number = integer_of(at, bits, 1); break;
  case WEFT_DTYPE_UINT: operand.number = integer_of(at, bits, 0); break;
  case WEFT_DTYPE_BOOL: operand.kind = TRUTH; operand.number = integer_of(at, 8, 0) != 0; break;
  default: return unknown;
  }
  return operand;
}

/* The first number of the item's rows, or its bytes where they are a text. */
static struct operand value_of(const struct weft_frame *frame, uint32_t value, uint32_t item)
{
  if (!weft_is_present(frame, value, item))
    return unknown;
  const struct weft_tensor *t = &frame->outputs[value].tensor;
  struct weft_rows rows = weft_rows_of(t, item);
  if (t->rank == 1 && t->splits[0] && weft_dtype_equal(t->dtype, weft_u8()))
    return (struct operand){TEXT, 0, (const char *)t->data + rows.begin, (size_t)(rows.end - rows.begin)};
  int64_t row_bytes = weft_row_bytes(t);
  if (rows.end == rows.begin || row_bytes < t->dtype.bits / 8)
    return unknown;
  return number_at(t, (const uint8_t *)t->data + rows.begin * row_bytes);
}

static struct operand context_of(const struct weft_frame *frame, const char *key, uint32_t item)
{
  const struct weft_context *context = frame->items[item].context;
  for (uint32_t e = 0; context && e < context->n_entries; e++) {
    const char *value = context->entries[e].value;
    if (value && strcmp(context->entries[e].key, key) == 0)
      return (struct operand){TEXT, 0, value, strlen(value)};
  }
  return unknown;
}

/* -1, 0, 1; 2: they cannot be compared, as nothing can be with NaN. */
static int compare(const struct operand *a, const struct operand *b)
{
  if (a->kind == UNKNOWN || b->kind == UNKNOWN || (a->kind == TEXT) != (b->kind == TEXT))
    return 2;
  if (a->kind != TEXT && (isnan(a->number) || isnan(b->number)))
    return 2;
  if (a->kind != TEXT)
    return (a->number > b->number) - (a->number < b->number);
  size_t n = a->n < b->n ? a->n : b->n;
  int order = n ? memcmp(a->text, b->text, n) : 0;
  if (!order)
    order = (a->n > b->n) - (a->n < b->n);
  return (order > 0) - (order < 0);
}

static struct operand truth(int is)
{
  return is < 0 ? unknown : (struct operand){TRUTH, is, NULL, 0};
}

/* 1, 0, or -1: unknown. A text is neither. */
static int is_true(const struct operand *operand)
{
  return operand->kind == UNKNOWN || operand->kind == TEXT || isnan(operand->number) ? -1 : operand->number != 0;
}

static int decide(enum weft_condition_op op, const struct operand *a, const struct operand *b)
{
  int order = compare(a, b);
  if (order == 2)
    return -1;
  switch (op) {
  case WEFT_CONDITION_EQ: return order == 0;
  case WEFT_CONDITION_NE: return order != 0;
  case WEFT_CONDITION_LT: return order < 0;
  case WEFT_CONDITION_LE: return order <= 0;
  case WEFT_CONDITION_GT: return order > 0;
  default: return order >= 0;
  }
}

/* Equal to one: true, whatever the others are; otherwise unknown where one of them is. */
static int is_among(const struct operand *members, uint32_t n, const struct operand *operand)
{
  int result = 0;
  for (uint32_t m = 0; m < n; m++) {
    int equal = decide(WEFT_CONDITION_EQ, operand, &members[m]);
    if (equal == 1)
      return 1;
    if (equal < 0)
      result = -1;
  }
  return result;
}

static int both(int a, int b)
{
  return a == 0 || b == 0 ? 0 : a < 0 || b < 0 ? -1 : 1;
}

static int either(int a, int b)
{
  return a == 1 || b == 1 ? 1 : a < 0 || b < 0 ? -1 : 0;
}

static struct operand push_of(const struct weft_condition_step *step, const struct weft_frame *frame, uint32_t item)
{
  switch (step->op) {
  case WEFT_CONDITION_NUMBER: return (struct operand){NUMBER, step->number, NULL, 0};
  case WEFT_CONDITION_BOOL: return truth(step->number != 0);
  case WEFT_CONDITION_TEXT: return (struct operand){TEXT, 0, step->text, strlen(step->text)};
  case WEFT_CONDITION_VALUE: return value_of(frame, step->index, item);
  case WEFT_CONDITION_PRESENT: return truth(weft_is_present(frame, step->index, item));
  default: return context_of(frame, step->text, item);
  }
}

/* The stack's depth has been checked when the graph was made. */
int weft_condition_eval(const struct weft_condition *when, const struct weft_frame *frame, uint32_t item)
{
  struct operand stack[WEFT_CONDITION_MAX_STACK];
  uint32_t n = 0;
  for (uint32_t s = 0; s < when->n_steps; s++) {
    const struct weft_condition_step *step = &when->steps[s];
    if (step->op < WEFT_CONDITION_EQ) {
      stack[n++] = push_of(step, frame, item);
    } else if (step->op == WEFT_CONDITION_NOT) {
      int is = is_true(&stack[n - 1]);
      stack[n - 1] = truth(is < 0 ? -1 : !is);
    } else if (step->op == WEFT_CONDITION_IN) {
      n -= step->index;
      stack[n - 1] = truth(is_among(stack + n, step->index, &stack[n - 1]));
    } else {
      n--;
      const struct operand *a = &stack[n - 1], *b = &stack[n];
      int is = step->op == WEFT_CONDITION_AND  ? both(is_true(a), is_true(b))
               : step->op == WEFT_CONDITION_OR ? either(is_true(a), is_true(b))
                                               : decide(step->op, a, b);
      stack[n - 1] = truth(is);
    }
  }
  return is_true(&stack[0]);
}
