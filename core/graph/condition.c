/* SPDX-License-Identifier: Apache-2.0 */
/* What the names of a `when` stand for, whether its comparisons make sense, and the program that the runtime evaluates. */
#include "resolve.h"

#include "literal.h"
#include <jansson.h>
#include <string.h>

/* Labels that a message names. */
#define SHOWN_LABELS 8

/* ANY: of a node that is not resolved, which is reported there. */
typedef enum { TYPE_ANY, TYPE_NUMBER, TYPE_TEXT, TYPE_BOOL } Type;

typedef struct {
  Type type;
  guint step;                   /* of the condition, that pushed it */
  const struct weft_port *port; /* of a value; NULL: none */
  const char *labels;           /* of a value, as JSON; NULL: none */
} Operand;

typedef struct {
  WeftBuilder *builder;
  const WeftStep *step;
  const WeftWhen *when;
  struct weft_condition_step *out;
  Operand stack[WEFT_CONDITION_MAX_STACK];
  guint top;
  gboolean failed, names_something;
} Checker;

static const char *const type_names[] = {"anything", "a number", "a text", "true or false"};

static const WeftWhenStep *step_at(const Checker *checker, guint i)
{
  return &g_array_index(checker->when->steps, WeftWhenStep, i);
}

static WeftDiagnostic *fail(Checker *checker, guint step, const char *format, ...) G_GNUC_PRINTF(3, 4);
static WeftDiagnostic *fail(Checker *checker, guint step, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *problem = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  checker->failed = TRUE;
  return weft_when_fault(checker->builder->diagnostics, checker->when, checker->step->name,
                         step_at(checker, step)->offset, problem);
}

/* What the file says at that place: "intent.label", 0.6, the text. */
static char *spelling(const Checker *checker, guint i)
{
  const WeftWhenStep *step = step_at(checker, i);
  if (step->op == WEFT_CONDITION_VALUE)
    return g_strdup_printf("\"%s\"", weft_reference_at(checker->when->references, step->index)->at->text);
  if (step->op == WEFT_CONDITION_CONTEXT)
    return g_strdup_printf("\"context.%s\"", step->text);
  if (step->op == WEFT_CONDITION_TEXT)
    return g_strdup_printf("\"%s\"", step->text);
  if (step->op == WEFT_CONDITION_NUMBER)
    return g_strdup_printf("%g%s%s", step->number, step->unit ? " " : "", step->unit ? step->unit : "");
  return g_strdup(step->op == WEFT_CONDITION_BOOL ? (step->number != 0 ? "true" : "false") : "the condition");
}

static void push(Checker *checker, Operand operand)
{
  if (checker->top < WEFT_CONDITION_MAX_STACK)
    checker->stack[checker->top++] = operand;
  else if (!checker->failed)
    fail(checker, operand.step, "more than %d operands wait at once (WEFT_CONDITION_MAX_STACK)",
         WEFT_CONDITION_MAX_STACK);
}

/* `label` of a classifier has the labels of its `probabilities` (head.h). */
static const char *labels_of(const WeftStep *source, guint output)
{
  const char *labels = weft_port_attribute(&source->offers[output].port, WEFT_ATTRIBUTE_LABELS);
  for (guint i = 0; !labels && strcmp(source->offers[output].port.name, "label") == 0 &&
                    i < source->found->spec->outputs->len; i++)
    labels = weft_port_attribute(&source->offers[i].port, WEFT_ATTRIBUTE_LABELS);
  return labels;
}

static Type type_of(const struct weft_port *port)
{
  if (port->rank == 1 && port->n_split_levels == 1 && weft_dtype_equal(port->dtype, weft_u8()))
    return TYPE_TEXT;
  if (port->rank != 1 || port->n_split_levels)
    return TYPE_ANY;
  return port->dtype.code == WEFT_DTYPE_BOOL ? TYPE_BOOL : TYPE_NUMBER;
}

static void push_value(Checker *checker, guint i)
{
  const WeftWhenStep *step = step_at(checker, i);
  const WeftReference *reference = weft_reference_at(checker->when->references, step->index);
  const WeftStep *source = reference->step < 0 ? NULL : &checker->builder->revision->steps[reference->step];
  gboolean asks = step->alone && source && (reference->was_input || (!reference->port && source->input));
  int output = asks && source->input ? reference->step
                                     : weft_reference_output(checker->builder, reference, checker->step->name);
  if (asks && output >= 0) {
    checker->out[i].op = WEFT_CONDITION_PRESENT;
    checker->out[i].index = (guint)output;
    push(checker, (Operand){.type = TYPE_BOOL, .step = i});
    return;
  }
  if (output < 0 || !source || !source->offers) {
    checker->failed = TRUE;
    push(checker, (Operand){.type = TYPE_ANY, .step = i});
    return;
  }
  Operand operand = {.step = i, .port = &source->offers[output].port, .labels = labels_of(source, (guint)output)};
  operand.type = type_of(operand.port);
  checker->out[i].index = (guint)output;
  if (operand.type == TYPE_ANY) {
    g_autofree char *given = weft_port_describe(operand.port);
    fail(checker, i, "\"%s\" is neither one number nor a text per item: it is %s", reference->at->text, given);
  }
  push(checker, operand);
}

static void check_label(Checker *checker, const Operand *value, const Operand *literal)
{
  const char *word = step_at(checker, literal->step)->text;
  json_t *labels = json_loads(value->labels, 0, NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  gboolean known = !json_is_array(labels);
  g_autoptr(GString) list = g_string_new(NULL);
  for (gsize i = 0; !known && i < json_array_size(labels); i++) {
    const char *name = json_string_value(json_array_get(labels, i));
    known = name && strcmp(name, word) == 0;
    if (name)
      g_ptr_array_add(names, (gpointer)name);
    if (name && i < SHOWN_LABELS)
      g_string_append_printf(list, "%s\"%s\"", i ? ", " : "", name);
  }
  if (!known) {
    if (names->len > SHOWN_LABELS)
      g_string_append_printf(list, " and %u more", names->len - SHOWN_LABELS);
    g_autofree char *what = spelling(checker, value->step);
    WeftDiagnostic *fault = fail(checker, literal->step, "%s is never \"%s\"", what, word);
    weft_diagnostic_hint(fault, "its labels are %s", list->str);
    weft_diagnostic_closest(fault, word, (const char *const *)names->pdata, names->len);
  }
  json_decref(labels);
}

/* The number of a literal in the unit of the value that it is compared with. */
static void take_unit(Checker *checker, const Operand *value, const Operand *literal)
{
  const WeftWhenStep *given = step_at(checker, literal->step);
  const char *due = value->port ? weft_port_attribute(value->port, WEFT_ATTRIBUTE_UNIT) : NULL;
  g_autofree char *what = spelling(checker, value->step), *number = spelling(checker, literal->step);
  if (!due && (!given->unit || strcmp(given->unit, "%") == 0)) {
    checker->out[literal->step].number = given->unit ? given->number / 100 : given->number;
    return;
  }
  if (!due) {
    fail(checker, literal->step, "%s has no unit, found %s", what, number);
    return;
  }
  char digits[G_ASCII_DTOSTR_BUF_SIZE];
  g_autofree char *text = g_strconcat(g_ascii_dtostr(digits, sizeof digits, given->number), " ",
                                      given->unit ? given->unit : "", NULL);
  WeftQuantity quantity = weft_quantity_parse(text, due, &checker->out[literal->step].number);
  if (quantity == WEFT_QUANTITY_OK)
    return;
  g_autofree char *example = weft_quantity_example(due);
  WeftDiagnostic *fault = fail(checker, literal->step, "%s is measured in %s, found %s", what, due, number);
  g_free(fault->code);
  fault->code = g_strdup(quantity == WEFT_QUANTITY_NO_UNIT ? "no-unit" : "wrong-unit");
  weft_diagnostic_hint(fault, "such as %s", example);
}

static gboolean is_literal(const Checker *checker, const Operand *operand)
{
  enum weft_condition_op op = step_at(checker, operand->step)->op;
  return op == WEFT_CONDITION_NUMBER || op == WEFT_CONDITION_TEXT || op == WEFT_CONDITION_BOOL;
}

static void check_units(Checker *checker, const Operand *a, const Operand *b, guint at)
{
  const char *one = a->port ? weft_port_attribute(a->port, WEFT_ATTRIBUTE_UNIT) : NULL;
  const char *other = b->port ? weft_port_attribute(b->port, WEFT_ATTRIBUTE_UNIT) : NULL;
  if (one && other && strcmp(one, other) != 0)
    fail(checker, at, "a number in %s is compared with one in %s", one, other);
}

/* A text without quotes, or a number with them. */
static void hint_at_quotes(const Checker *checker, const Operand *literal, const Operand *value, WeftDiagnostic *fault)
{
  const WeftWhenStep *given = step_at(checker, literal->step);
  if (given->op == WEFT_CONDITION_NUMBER && value->type == TYPE_TEXT)
    weft_diagnostic_hint(fault, "a text stands in quotes: \"%g\"", given->number);
  else if (given->op == WEFT_CONDITION_TEXT && value->type == TYPE_NUMBER &&
           weft_decimal_length(given->text) == strlen(given->text) && *given->text)
    weft_diagnostic_hint(fault, "a number stands without quotes: %s", given->text);
}

/* Two sides of one comparison, or an operand and a member of its list. */
static void check_pair(Checker *checker, const Operand *a, const Operand *b, guint at)
{
  if (checker->failed || a->type == TYPE_ANY || b->type == TYPE_ANY)
    return;
  if (a->type != b->type) {
    g_autofree char *one = spelling(checker, a->step), *other = spelling(checker, b->step);
    WeftDiagnostic *fault = fail(checker, at, "%s is %s, %s is %s: they cannot be compared", one, type_names[a->type], other,
                                 type_names[b->type]);
    hint_at_quotes(checker, is_literal(checker, a) ? a : b, is_literal(checker, a) ? b : a, fault);
    return;
  }
  const Operand *literal = is_literal(checker, a) ? a : is_literal(checker, b) ? b : NULL;
  const Operand *value = literal == a ? b : a;
  if (literal && is_literal(checker, value))
    fail(checker, at, "two literals are compared");
  else if (literal && literal->type == TYPE_NUMBER)
    take_unit(checker, value, literal);
  else if (literal && literal->type == TYPE_TEXT && value->labels)
    check_label(checker, value, literal);
  else if (!literal)
    check_units(checker, a, b, at);
}

static void check_comparison(Checker *checker, guint i)
{
  enum weft_condition_op op = step_at(checker, i)->op;
  const Operand b = checker->stack[--checker->top], a = checker->stack[--checker->top];
  if (!checker->failed && op != WEFT_CONDITION_EQ && op != WEFT_CONDITION_NE &&
      (a.type == TYPE_BOOL || b.type == TYPE_BOOL))
    fail(checker, i, "true and false have no order: == and != compare them");
  check_pair(checker, &a, &b, i);
  push(checker, (Operand){.type = TYPE_BOOL, .step = i});
}

static void check_in(Checker *checker, guint i)
{
  guint n = step_at(checker, i)->index;
  checker->top -= n + 1;
  const Operand *operand = &checker->stack[checker->top];
  for (guint k = 1; k <= n; k++)
    check_pair(checker, operand, operand + k, operand[k].step);
  checker->out[i].index = n;
  push(checker, (Operand){.type = TYPE_BOOL, .step = i});
}

static void check_condition(Checker *checker, const Operand *operand)
{
  if (checker->failed || operand->type == TYPE_ANY || operand->type == TYPE_BOOL)
    return;
  g_autofree char *what = spelling(checker, operand->step);
  weft_diagnostic_hint(fail(checker, operand->step, "%s is %s and no condition", what, type_names[operand->type]),
                       "compare it with something, such as %s", operand->type == TYPE_TEXT ? "== \"text\"" : "< 0.5");
}

static void check_logic(Checker *checker, guint i)
{
  guint n = step_at(checker, i)->op == WEFT_CONDITION_NOT ? 1 : 2;
  checker->top -= n;
  for (guint k = 0; k < n; k++)
    check_condition(checker, &checker->stack[checker->top + k]);
  push(checker, (Operand){.type = TYPE_BOOL, .step = i});
}

static void check_step(Checker *checker, guint i)
{
  const WeftWhenStep *step = step_at(checker, i);
  checker->out[i] = (struct weft_condition_step){.op = step->op, .number = step->number, .text = step->text};
  switch (step->op) {
  case WEFT_CONDITION_NUMBER:
    push(checker, (Operand){.type = TYPE_NUMBER, .step = i});
    break;
  case WEFT_CONDITION_TEXT:
    push(checker, (Operand){.type = TYPE_TEXT, .step = i});
    break;
  case WEFT_CONDITION_BOOL:
    push(checker, (Operand){.type = TYPE_BOOL, .step = i});
    break;
  case WEFT_CONDITION_CONTEXT:
    checker->names_something = TRUE;
    push(checker, (Operand){.type = TYPE_TEXT, .step = i});
    break;
  case WEFT_CONDITION_VALUE:
  case WEFT_CONDITION_PRESENT:
    checker->names_something = TRUE;
    push_value(checker, i);
    break;
  case WEFT_CONDITION_IN:
    check_in(checker, i);
    break;
  case WEFT_CONDITION_AND:
  case WEFT_CONDITION_OR:
  case WEFT_CONDITION_NOT:
    check_logic(checker, i);
    break;
  default:
    check_comparison(checker, i);
  }
}

gboolean weft_step_take_condition(WeftBuilder *builder, WeftStep *step)
{
  const WeftWhen *when = step->node && step->node->policy ? step->node->policy->when : NULL;
  if (!when || when->broken)
    return !when;
  Checker checker = {.builder = builder, .step = step, .when = when};
  guint n = when->steps->len;
  checker.out = weft_revision_new(builder->revision, struct weft_condition_step, n);
  for (guint i = 0; i < n && (!checker.failed || checker.top < WEFT_CONDITION_MAX_STACK); i++)
    check_step(&checker, i);
  if (checker.top == 1)
    check_condition(&checker, &checker.stack[0]);
  if (!checker.failed && !checker.names_something)
    fail(&checker, 0, "it names nothing that a request brings");
  step->condition = (struct weft_condition){checker.out, n};
  return !checker.failed;
}

void weft_step_place_condition(const WeftBuilder *builder, const WeftStep *step, struct weft_graph_value *values)
{
  const WeftWhen *when = step->node && step->node->policy ? step->node->policy->when : NULL;
  for (guint i = 0; when && i < step->condition.n_steps; i++) {
    struct weft_condition_step *one = (struct weft_condition_step *)&step->condition.steps[i];
    if (one->op != WEFT_CONDITION_VALUE && one->op != WEFT_CONDITION_PRESENT)
      continue;
    guint reference = g_array_index(when->steps, WeftWhenStep, i).index;
    const WeftStep *source = &builder->revision->steps[weft_reference_at(when->references, reference)->step];
    if (one->op == WEFT_CONDITION_VALUE || source->node) /* an input is there or not before any reader runs */
      one->index = weft_step_value(builder, source, one->index);
    values[one->index].wanted = 1;
  }
}
