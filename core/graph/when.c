/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `when: intent.probability < 0.6 and context.language in ["de", "fr"]`, read
 * into postfix order. What the names stand for is checked in condition.c, when
 * their nodes are known.
 *
 *   or   = and {"or" and}        and = not {"and" not}       not = {"not"} test
 *   test = "(" or ")" | operand [op operand | ["not"] "in" "[" literal {"," literal} "]"]
 */
#include "read.h"

#include "literal.h"
#include <string.h>

enum { KIND_END, KIND_WORD, KIND_NUMBER, KIND_TEXT, KIND_SIGN };

/* What has begun and waits for its end: the whole text (neither), `not` or parentheses. */
typedef struct {
  gboolean is_not, is_group;
  gboolean has_and, has_or;             /* the operand before it is there */
  guint offset, and_offset, or_offset;  /* of the words, in bytes; offset: of `not` */
} Open;

typedef struct {
  WeftReader *reader;
  const char *node;
  WeftWhen *when;
  const char *text;     /* of the scalar */
  const char *at, *end; /* of the token */
  int kind;
  Open open[WEFT_EXPR_MAX_DEPTH + 1]; /* the innermost last */
  guint depth;                        /* its index */
  gboolean failed;
} Parser;

static void place_free(gpointer data)
{
  weft_yaml_free(data);
}

void weft_when_free(WeftWhen *when)
{
  if (!when)
    return;
  g_array_unref(when->steps);
  g_array_unref(when->references);
  g_ptr_array_unref(when->places);
  g_ptr_array_unref(when->texts);
  g_free(when);
}

gboolean weft_when_join(WeftWhen *into, WeftWhen *more)
{
  guint n_references = into->references->len;
  gboolean fits = into->steps->len + more->steps->len + 1 <= WEFT_CONDITION_MAX_OPS;
  for (guint i = 0; fits && i < more->steps->len; i++) {
    WeftWhenStep step = g_array_index(more->steps, WeftWhenStep, i);
    if (step.op == WEFT_CONDITION_VALUE)
      step.index += n_references;
    g_array_append_val(into->steps, step);
  }
  if (fits) {
    WeftWhenStep both = {.op = WEFT_CONDITION_AND};
    g_array_append_val(into->steps, both);
    g_array_append_vals(into->references, more->references->data, more->references->len);
    g_ptr_array_extend_and_steal(into->places, g_steal_pointer(&more->places));
    g_ptr_array_extend_and_steal(into->texts, g_steal_pointer(&more->texts));
    more->places = g_ptr_array_new();
    more->texts = g_ptr_array_new();
    into->broken = into->broken || more->broken;
  }
  weft_when_free(more);
  return fits;
}

WeftDiagnostic *weft_when_fault(WeftDiagnostics *diagnostics, const WeftWhen *when, const char *node, guint offset,
                                const char *problem)
{
  WeftDiagnostic *fault = weft_diagnostics_add(diagnostics, "when", when->at->line,
                                               when->at->column + offset + (when->at->plain ? 0 : 1), "when: %s",
                                               problem);
  return weft_diagnostic_at(weft_diagnostic_in(fault, when->at->place), node, NULL);
}

/* Reports the first problem only: what follows is noise. */
static WeftDiagnostic *fail(Parser *parser, const char *format, ...) G_GNUC_PRINTF(2, 3);
static WeftDiagnostic *fail(Parser *parser, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *problem = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  parser->failed = TRUE;
  return weft_when_fault(parser->reader->diagnostics, parser->when, parser->node, (guint)(parser->at - parser->text),
                         problem);
}

static WeftDiagnostic *fail_expected(Parser *parser, const char *expected)
{
  if (parser->kind == KIND_END)
    return fail(parser, "expected %s, found the end", expected);
  const char *quote = parser->kind == KIND_TEXT ? "" : "\""; /* a text has its own */
  return fail(parser, "expected %s, found %s%.*s%s", expected, quote, (int)(parser->end - parser->at), parser->at, quote);
}

static gsize word_length(const char *text)
{
  gsize n = 0;
  while (g_ascii_isalnum(text[n]) || text[n] == '_' || text[n] == '-' || (text[n] == '.' && n))
    n++;
  return n;
}

/* A token begins where the last one ended. */
static void next(Parser *parser)
{
  const char *c = parser->end;
  c += strspn(c, " \t\r\n");
  parser->at = c;
  gsize n = 1;
  if (!*c) {
    parser->kind = KIND_END;
    n = 0;
  } else if (g_ascii_isdigit(*c) || ((*c == '-' || *c == '+' || *c == '.') && (g_ascii_isdigit(c[1]) || c[1] == '.'))) {
    parser->kind = KIND_NUMBER;
    n = MAX(weft_decimal_length(c), 1);
  } else if (g_ascii_isalpha(*c) || *c == '_') {
    parser->kind = KIND_WORD;
    n = word_length(c);
  } else if (*c == '"' || *c == '\'') {
    parser->kind = KIND_TEXT;
    while (c[n] && c[n] != *c)
      n += c[n] == '\\' && c[n + 1] ? 2 : 1;
    if (c[n])
      n++;
  } else {
    parser->kind = KIND_SIGN;
    n = strchr("=!<>", *c) && c[1] == '=' ? 2 : (gsize)(g_utf8_next_char(c) - c);
  }
  parser->end = c + n;
}

static gboolean is(const Parser *parser, const char *word)
{
  gsize n = strlen(word);
  return (parser->kind == KIND_WORD || parser->kind == KIND_SIGN) && (gsize)(parser->end - parser->at) == n &&
         strncmp(parser->at, word, n) == 0;
}

static WeftWhenStep *emit(Parser *parser, enum weft_condition_op op)
{
  WeftWhenStep step = {.op = op, .offset = (guint)(parser->at - parser->text)};
  if (parser->when->steps->len == WEFT_CONDITION_MAX_OPS && !parser->failed)
    fail(parser, "more than %d operations (WEFT_CONDITION_MAX_OPS)", WEFT_CONDITION_MAX_OPS);
  g_array_append_val(parser->when->steps, step);
  return &g_array_index(parser->when->steps, WeftWhenStep, parser->when->steps->len - 1);
}

/* What stands in quotes; a backslash takes the next character as it is. */
static void take_text(Parser *parser)
{
  char quote = *parser->at;
  if (parser->end - parser->at < 2 || parser->end[-1] != quote) {
    fail(parser, "the text %s has no closing %c", parser->at, quote);
    return;
  }
  GString *text = g_string_new(NULL);
  for (const char *c = parser->at + 1; c < parser->end - 1; c++) {
    if (*c == '\\')
      c++;
    g_string_append_c(text, *c);
  }
  g_ptr_array_add(parser->when->texts, text->str);
  emit(parser, WEFT_CONDITION_TEXT)->text = g_string_free(text, FALSE);
  next(parser);
}

static gboolean is_operator(const Parser *parser)
{
  return is(parser, "and") || is(parser, "or") || is(parser, "in") || is(parser, "not");
}

static gboolean is_reserved(const Parser *parser)
{
  g_autofree char *word = g_strndup(parser->at, (gsize)(parser->end - parser->at));
  return weft_expr_is_reserved(word);
}

/* A word behind a number is its unit; a percent sign too. */
static void take_number(Parser *parser)
{
  g_autofree char *digits = g_strndup(parser->at, (gsize)(parser->end - parser->at));
  WeftLiteral literal = weft_literal_parse(digits);
  if (literal.type != WEFT_LITERAL_INT && literal.type != WEFT_LITERAL_NUMBER) {
    fail(parser, "\"%s\" is no number", digits);
    return;
  }
  WeftWhenStep *step = emit(parser, WEFT_CONDITION_NUMBER);
  step->number = literal.number;
  next(parser);
  gboolean micro = g_str_has_prefix(parser->at, "µs");
  if (micro)
    parser->end = parser->at + strlen("µs");
  if (micro || is(parser, "%") || (parser->kind == KIND_WORD && !is_operator(parser))) {
    char *unit = g_strndup(parser->at, (gsize)(parser->end - parser->at));
    g_ptr_array_add(parser->when->texts, unit);
    step->unit = unit;
    next(parser);
  }
}

static void take_context(Parser *parser, const char *key)
{
  const WeftPipeline *pipeline = parser->reader->pipeline;
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < pipeline->context->len; i++) {
    const WeftContextKey *known = weft_context_at(pipeline, i);
    if (strcmp(known->name, key) == 0) {
      emit(parser, WEFT_CONDITION_CONTEXT)->text = known->name;
      next(parser);
      return;
    }
    g_ptr_array_add(names, (gpointer)known->name);
  }
  if (pipeline->context_unsure) {
    parser->failed = TRUE;
    return;
  }
  WeftDiagnostic *fault = fail(parser, "the pipeline's context has no key \"%s\"", key);
  weft_diagnostic_hint(fault, "declare it, such as context: {%s: optional}", *key ? key : "KEY");
  weft_diagnostic_closest(fault, key, (const char *const *)names->pdata, names->len);
}

/* `intent.label`: the place of its own lets errors point at it. */
static void take_reference(Parser *parser)
{
  WeftWhen *when = parser->when;
  WeftYaml *place = g_new0(WeftYaml, 1);
  place->line = when->at->line;
  place->column = when->at->column + (guint)(parser->at - parser->text) + (when->at->plain ? 0 : 1);
  place->text = g_strndup(parser->at, (gsize)(parser->end - parser->at));
  g_ptr_array_add(when->places, place);
  if (g_str_has_prefix(place->text, "context.")) {
    take_context(parser, place->text + strlen("context."));
    return;
  }
  emit(parser, WEFT_CONDITION_VALUE)->index = when->references->len;
  weft_read_reference(parser->reader, when->references, NULL, place, parser->node, "when");
  next(parser);
}

static void take_operand(Parser *parser)
{
  if (parser->kind == KIND_TEXT) {
    take_text(parser);
  } else if (parser->kind == KIND_NUMBER) {
    take_number(parser);
  } else if (is(parser, "true") || is(parser, "false")) {
    emit(parser, WEFT_CONDITION_BOOL)->number = is(parser, "true");
    next(parser);
  } else if (parser->kind == KIND_WORD && !is_reserved(parser)) {
    take_reference(parser);
  } else {
    WeftDiagnostic *fault = fail_expected(parser, "a value (an input, NODE.PORT, context.KEY, a number, a text in "
                                                  "quotes, true or false)");
    if (is(parser, "["))
      weft_diagnostic_hint(fault, "a list stands behind \"in\"");
  }
}

static void take_literal(Parser *parser)
{
  if (parser->kind == KIND_TEXT || parser->kind == KIND_NUMBER)
    take_operand(parser);
  else
    weft_diagnostic_hint(fail_expected(parser, "a number or a text in quotes"), "texts stand in quotes: \"text\"");
}

static void take_list(Parser *parser)
{
  guint offset = (guint)(parser->at - parser->text), n = 0;
  next(parser);
  if (!is(parser, "[")) {
    fail_expected(parser, "a list such as [\"a\", \"b\"]");
    return;
  }
  do {
    next(parser);
    take_literal(parser);
    n++;
  } while (!parser->failed && is(parser, ","));
  if (!parser->failed && !is(parser, "]"))
    fail_expected(parser, "\",\" or \"]\"");
  if (parser->failed)
    return;
  next(parser);
  WeftWhenStep *step = emit(parser, WEFT_CONDITION_IN);
  step->index = n;
  step->offset = offset;
}

static const struct {
  const char *sign;
  enum weft_condition_op op;
} signs[] = {{"==", WEFT_CONDITION_EQ}, {"!=", WEFT_CONDITION_NE}, {"<", WEFT_CONDITION_LT},
             {"<=", WEFT_CONDITION_LE}, {">", WEFT_CONDITION_GT},  {">=", WEFT_CONDITION_GE}};

static void emit_at(Parser *parser, enum weft_condition_op op, guint offset)
{
  emit(parser, op)->offset = offset;
}

static void take_comparison(Parser *parser)
{
  take_operand(parser);
  guint last = parser->when->steps->len;
  for (guint i = 0; !parser->failed && i < G_N_ELEMENTS(signs); i++) {
    if (!is(parser, signs[i].sign))
      continue;
    guint offset = (guint)(parser->at - parser->text);
    next(parser);
    take_operand(parser);
    if (!parser->failed)
      emit_at(parser, signs[i].op, offset);
    return;
  }
  if (parser->failed)
    return;
  if (is(parser, "=")) {
    weft_diagnostic_hint(fail_expected(parser, "a comparison"), "equal is written ==");
  } else if (is(parser, "not")) {
    guint offset = (guint)(parser->at - parser->text);
    next(parser);
    if (!is(parser, "in")) {
      fail_expected(parser, "\"in\" behind \"not\"");
      return;
    }
    take_list(parser);
    if (!parser->failed)
      emit_at(parser, WEFT_CONDITION_NOT, offset);
  } else if (is(parser, "in")) {
    take_list(parser);
  } else {
    g_array_index(parser->when->steps, WeftWhenStep, last - 1).alone = TRUE;
  }
}

/* An operand (TRUE), or what stands before one. */
static gboolean begin(Parser *parser)
{
  Open open = {.is_not = is(parser, "not"), .is_group = is(parser, "("), .offset = (guint)(parser->at - parser->text)};
  if (parser->depth == WEFT_EXPR_MAX_DEPTH) {
    fail(parser, "more than %d deep (WEFT_EXPR_MAX_DEPTH)", WEFT_EXPR_MAX_DEPTH);
    return FALSE;
  }
  if (!open.is_not && !open.is_group) {
    take_comparison(parser);
    return TRUE;
  }
  next(parser);
  parser->open[++parser->depth] = open;
  return FALSE;
}

/* Whether that word stands here; the operand behind it is the next one. */
static gboolean take_word(Parser *parser, const char *word, gboolean *has, guint *offset)
{
  *has = is(parser, word);
  if (!*has)
    return FALSE;
  *offset = (guint)(parser->at - parser->text);
  next(parser);
  return TRUE;
}

/* An operand has ended; TRUE: the next one begins here, or the text is wrong. */
static gboolean goes_on(Parser *parser, Open *open)
{
  if (open->has_and)
    emit_at(parser, WEFT_CONDITION_AND, open->and_offset);
  if (parser->failed || take_word(parser, "and", &open->has_and, &open->and_offset))
    return TRUE;
  if (open->has_or)
    emit_at(parser, WEFT_CONDITION_OR, open->or_offset);
  return parser->failed || take_word(parser, "or", &open->has_or, &open->or_offset);
}

/* What the operand that has ended was the last part of ends too. TRUE: all of it has. */
static gboolean finish(Parser *parser)
{
  for (; !parser->failed; parser->depth--) {
    Open *open = &parser->open[parser->depth];
    if (open->is_not) {
      emit_at(parser, WEFT_CONDITION_NOT, open->offset);
      continue;
    }
    if (goes_on(parser, open))
      return FALSE;
    if (!open->is_group)
      return TRUE;
    if (!is(parser, ")"))
      fail_expected(parser, "\")\"");
    next(parser);
  }
  return FALSE;
}

/* Deep texts need no stack of calls. */
static void take_condition(Parser *parser)
{
  for (gboolean end = FALSE; !end && !parser->failed;)
    end = begin(parser) && finish(parser);
}

void weft_read_when(WeftReader *reader, const WeftYaml *value, const char *node, WeftNodePolicy *policy)
{
  const char *text = weft_read_text(reader, value, node, "when", "intent.probability < 0.6");
  if (!text)
    return;
  WeftWhen *when = g_new0(WeftWhen, 1);
  when->at = value;
  when->steps = g_array_new(FALSE, TRUE, sizeof(WeftWhenStep));
  when->references = weft_references_new();
  when->places = g_ptr_array_new_with_free_func(place_free);
  when->texts = g_ptr_array_new_with_free_func(g_free);
  policy->when = when;
  Parser parser = {.reader = reader, .node = node, .when = when, .text = text, .at = text, .end = text};
  next(&parser);
  take_condition(&parser);
  if (!parser.failed && parser.kind != KIND_END)
    fail_expected(&parser, "\"and\", \"or\" or the end");
  when->broken = parser.failed;
}
