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

/* What has begun and waits for its end: the whole text, `not`, parentheses or a list. */
typedef struct {
  enum { OPEN_TEXT, OPEN_NOT, OPEN_GROUP, OPEN_LIST } kind;
  OpCode code;      /* of a list */
  int n_and, n_or;  /* operands of the chain of `and` that is read; such chains */
  int n_list;
} Open;

typedef struct {
  const char *text, *at; /* at: first byte of the word */
  char word[65];         /* "" at the end */
  int (*find)(const void *data, const char *name);
  const void *data;
  WeftExpr *expr;
  WeftExprFault *fault;
  Open open[WEFT_EXPR_MAX_DEPTH + 1]; /* the innermost last */
  guint depth;                        /* its index */
} Parser;

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

/* An operand, or what stands before one. */
static gboolean begin(Parser *parser, gboolean *complete)
{
  Open open = {.kind = OPEN_GROUP};
  *complete = FALSE;
  if (parser->depth == WEFT_EXPR_MAX_DEPTH)
    return fail(parser, g_strdup_printf("more than %d deep (WEFT_EXPR_MAX_DEPTH)", WEFT_EXPR_MAX_DEPTH));
  if (is(parser, "not")) {
    open.kind = OPEN_NOT;
  } else if (is(parser, "any") || is(parser, "all")) {
    open.kind = OPEN_LIST;
    open.code = is(parser, "any") ? OP_OR : OP_AND;
    next(parser);
    if (!is(parser, "("))
      return fail_expected(parser, "\"(\"");
  } else if (!is(parser, "(")) {
    *complete = TRUE;
    return parse_name(parser);
  }
  next(parser);
  parser->open[++parser->depth] = open;
  return TRUE;
}

/* An operand has ended; TRUE: the next one begins here. */
static gboolean goes_on(Parser *parser, Open *open)
{
  open->n_and++;
  if (is(parser, "and"))
    return TRUE;
  if (open->n_and > 1)
    emit(parser, OP_AND, open->n_and);
  open->n_and = 0;
  open->n_or++;
  if (is(parser, "or"))
    return TRUE;
  if (open->n_or > 1)
    emit(parser, OP_OR, open->n_or);
  open->n_or = 0;
  open->n_list++;
  return open->kind == OPEN_LIST && is(parser, ",");
}

/* What the operand that has ended was the last part of ends too; *end: all of it has. */
static gboolean finish(Parser *parser, gboolean *end)
{
  for (;; parser->depth--) {
    Open *open = &parser->open[parser->depth];
    if (open->kind == OPEN_NOT) {
      emit(parser, OP_NOT, 1);
      continue;
    }
    if (goes_on(parser, open)) {
      next(parser);
      return TRUE;
    }
    *end = open->kind == OPEN_TEXT;
    if (*end)
      return TRUE;
    if (!is(parser, ")"))
      return fail_expected(parser, open->kind == OPEN_LIST ? "\",\" or \")\"" : "\")\"");
    next(parser);
    if (open->kind == OPEN_LIST)
      emit(parser, open->code, open->n_list);
  }
}

/* Deep texts need no stack of calls. */
static gboolean parse(Parser *parser)
{
  gboolean complete = FALSE, end = FALSE;
  while (!end)
    if (!begin(parser, &complete) || (complete && !finish(parser, &end)))
      return FALSE;
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
  if (!parse(&parser))
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
