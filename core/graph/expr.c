/* SPDX-License-Identifier: Apache-2.0 */
#include "expr.h"

#include <string.h>

typedef enum { OP_NAME, OP_NOT, OP_AND, OP_OR } OpCode;

/* Postfix: AND and OR take `n` values from the stack. */
typedef struct {
  OpCode code;
  int n;
} Op;

struct WeftExpr {
  GArray *ops;   /* of Op */
  GArray *names; /* of int */
};

typedef struct {
  const char *text, *at; /* at: first byte of the word */
  char word[65];         /* "" at the end */
  int (*find)(const void *data, const char *name);
  const void *data;
  WeftExpr *expr;
  WeftExprFault *fault;
  guint depth;
} Parser;

static gboolean parse_or(Parser *parser);

static void next(Parser *parser)
{
  const char *c = parser->at + strlen(parser->word);
  c += strspn(c, " \t\r\n");
  gsize n = 0;
  while (g_ascii_isalnum(c[n]) || c[n] == '_' || c[n] == '-')
    n++;
  if (n == 0 && *c)
    n = (gsize)(g_utf8_next_char(c) - c);
  parser->at = c;
  n = MIN(n, sizeof parser->word - 1);
  memcpy(parser->word, c, n);
  parser->word[n] = 0;
}

static gboolean fail(Parser *parser, char *message)
{
  parser->fault->offset = (guint)(parser->at - parser->text);
  parser->fault->message = message;
  return FALSE;
}

static gboolean fail_expected(Parser *parser, const char *expected)
{
  if (!*parser->word)
    return fail(parser, g_strdup_printf("expected %s, found the end", expected));
  return fail(parser, g_strdup_printf("expected %s, found \"%s\"", expected, parser->word));
}

static void emit(Parser *parser, OpCode code, int n)
{
  Op op = {code, n};
  g_array_append_val(parser->expr->ops, op);
}

static gboolean is(const Parser *parser, const char *word)
{
  return strcmp(parser->word, word) == 0;
}

static gboolean deeper(Parser *parser)
{
  if (++parser->depth <= WEFT_EXPR_MAX_DEPTH)
    return TRUE;
  return fail(parser, g_strdup_printf("more than %d deep (WEFT_EXPR_MAX_DEPTH)", WEFT_EXPR_MAX_DEPTH));
}

static gboolean parse_list(Parser *parser, OpCode code)
{
  int n = 0;
  next(parser);
  if (!is(parser, "("))
    return fail_expected(parser, "\"(\"");
  do {
    next(parser);
    if (!parse_or(parser))
      return FALSE;
    n++;
  } while (is(parser, ","));
  if (!is(parser, ")"))
    return fail_expected(parser, "\",\" or \")\"");
  next(parser);
  emit(parser, code, n);
  return TRUE;
}

static gboolean parse_name(Parser *parser)
{
  if (!g_ascii_isalpha(*parser->word) && *parser->word != '_')
    return fail_expected(parser, "the name of an input, any(...), all(...), not or \"(\"");
  if (weft_expr_is_reserved(parser->word))
    return fail_expected(parser, "the name of an input");
  int index = parser->find(parser->data, parser->word);
  if (index < 0) {
    parser->fault->word = g_strdup(parser->word);
    return fail(parser, g_strdup_printf("\"%s\" is not an input", parser->word));
  }
  if (parser->expr->names->len == WEFT_EXPR_MAX_NAMES)
    return fail(parser, g_strdup_printf("more than %d names (WEFT_EXPR_MAX_NAMES)", WEFT_EXPR_MAX_NAMES));
  g_array_append_val(parser->expr->names, index);
  emit(parser, OP_NAME, index);
  next(parser);
  return TRUE;
}

static gboolean parse_group(Parser *parser)
{
  next(parser);
  if (!parse_or(parser))
    return FALSE;
  if (!is(parser, ")"))
    return fail_expected(parser, "\")\"");
  next(parser);
  return TRUE;
}

static gboolean parse_unary(Parser *parser)
{
  if (!deeper(parser))
    return FALSE;
  gboolean ok;
  if (is(parser, "not")) {
    next(parser);
    ok = parse_unary(parser);
    if (ok)
      emit(parser, OP_NOT, 1);
  } else if (is(parser, "any") || is(parser, "all")) {
    ok = parse_list(parser, is(parser, "any") ? OP_OR : OP_AND);
  } else if (is(parser, "(")) {
    ok = parse_group(parser);
  } else {
    ok = parse_name(parser);
  }
  parser->depth--;
  return ok;
}

static gboolean parse_and(Parser *parser)
{
  int n = 1;
  if (!parse_unary(parser))
    return FALSE;
  for (; is(parser, "and"); n++) {
    next(parser);
    if (!parse_unary(parser))
      return FALSE;
  }
  if (n > 1)
    emit(parser, OP_AND, n);
  return TRUE;
}

static gboolean parse_or(Parser *parser)
{
  int n = 1;
  if (!parse_and(parser))
    return FALSE;
  for (; is(parser, "or"); n++) {
    next(parser);
    if (!parse_and(parser))
      return FALSE;
  }
  if (n > 1)
    emit(parser, OP_OR, n);
  return TRUE;
}

WeftExpr *weft_expr_parse(const char *text, int (*find)(const void *data, const char *name), const void *data,
                          WeftExprFault *fault)
{
  g_autoptr(WeftExpr) expr = g_new0(WeftExpr, 1);
  expr->ops = g_array_new(FALSE, FALSE, sizeof(Op));
  expr->names = g_array_new(FALSE, FALSE, sizeof(int));
  Parser parser = {.text = text, .at = text, .find = find, .data = data, .expr = expr, .fault = fault};
  *fault = (WeftExprFault){0};
  next(&parser);
  if (!parse_or(&parser))
    return NULL;
  if (*parser.word) {
    fail_expected(&parser, "\"and\", \"or\" or the end");
    return NULL;
  }
  return g_steal_pointer(&expr);
}

void weft_expr_free(WeftExpr *expr)
{
  if (!expr)
    return;
  g_array_unref(expr->ops);
  g_array_unref(expr->names);
  g_free(expr);
}

gboolean weft_expr_eval(const WeftExpr *expr, const gboolean *present)
{
  gboolean stack[WEFT_EXPR_MAX_NAMES];
  guint top = 0; /* every operator leaves one value, so names bound it */
  for (guint i = 0; i < expr->ops->len; i++) {
    Op op = g_array_index(expr->ops, Op, i);
    if (op.code == OP_NAME) {
      stack[top++] = present[op.n] != FALSE;
    } else if (op.code == OP_NOT) {
      stack[top - 1] = !stack[top - 1];
    } else {
      gboolean value = op.code == OP_AND;
      for (int k = 0; k < op.n; k++) {
        gboolean one = stack[--top];
        value = op.code == OP_AND ? value && one : value || one;
      }
      stack[top++] = value;
    }
  }
  return stack[0];
}

const int *weft_expr_names(const WeftExpr *expr, guint *n)
{
  *n = expr->names->len;
  return (const int *)(const void *)expr->names->data;
}

gboolean weft_expr_is_reserved(const char *word)
{
  static const char *const words[] = {"any", "all", "and", "or", "not", "in", "true", "false", "null", "context", NULL};
  return g_strv_contains(words, word);
}
