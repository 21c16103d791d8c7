/* SPDX-License-Identifier: Apache-2.0 */
/* `when`: what it may say, what is said where it makes no sense, and the program that comes out. */
#include "language-fixture.h"

#include <string.h>

#define CONTEXT "context: {user: required, language: optional}\n"

#define BEFORE "  n: {use: source, in: words, when: '"

/* A pipeline whose node `n` has this condition, in line 7. */
static char *file_of(const char *condition)
{
  return g_strdup_printf(HEAD CONTEXT "nodes:\n  g: {use: gauge, in: words}\n" BEFORE "%s'}\n"
                         "  k: {use: gauge, in: more}\noutputs: {y: n, l: g, k: k}\n", condition);
}

/* offset: of the place in the condition. */
static void refuse(const char *condition, gsize offset, const char *message)
{
  g_autofree char *text = file_of(condition);
  g_autofree char *expected = g_strdup_printf("t.yaml:7:%" G_GSIZE_FORMAT ": node \"n\": %s\n", sizeof BEFORE + offset, message);
  language_expect(text, expected);
}

/* "words? \"x\" == and": the program, one word a step. */
static char *program_of(const Built *built, const char *name)
{
  static const char *const names[] = {[WEFT_CONDITION_EQ] = "==", [WEFT_CONDITION_NE] = "!=", [WEFT_CONDITION_LT] = "<",
                                      [WEFT_CONDITION_LE] = "<=", [WEFT_CONDITION_GT] = ">", [WEFT_CONDITION_GE] = ">=",
                                      [WEFT_CONDITION_AND] = "and", [WEFT_CONDITION_OR] = "or",
                                      [WEFT_CONDITION_NOT] = "not"};
  const struct weft_condition *when = language_node(built, name)->when;
  g_assert_nonnull(when);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < when->n_steps; i++) {
    const struct weft_condition_step *step = &when->steps[i];
    g_string_append(text, i ? " " : "");
    if (step->op == WEFT_CONDITION_NUMBER)
      g_string_append_printf(text, "%g", step->number);
    else if (step->op == WEFT_CONDITION_BOOL)
      g_string_append(text, step->number != 0 ? "true" : "false");
    else if (step->op == WEFT_CONDITION_TEXT)
      g_string_append_printf(text, "\"%s\"", step->text);
    else if (step->op == WEFT_CONDITION_CONTEXT)
      g_string_append_printf(text, "$%s", step->text);
    else if (step->op == WEFT_CONDITION_PRESENT)
      g_string_append_printf(text, "?%u", step->index);
    else if (step->op == WEFT_CONDITION_IN)
      g_string_append_printf(text, "in%u", step->index);
    else if (step->op == WEFT_CONDITION_VALUE)
      g_string_append_printf(text, "v%u", step->index - language_node(built, "g")->first_output);
    else
      g_string_append(text, names[step->op]);
  }
  return g_string_free(text, FALSE);
}

static void expect(const char *condition, const char *program)
{
  g_autofree char *text = file_of(condition);
  Built built = language_build(text);
  g_assert_cmpstr(built.text, ==, "");
  g_autofree char *found = program_of(&built, "n");
  g_assert_cmpstr(found, ==, program);
  g_assert_null(language_node(&built, "g")->when);
  language_clear(&built);
}

static void test_when_programs(void)
{
  expect("g.probability < 0.6", "v1 0.6 <");
  expect("g.label == \"fraud\"", "v0 \"fraud\" ==");
  expect("g == \"long\"", "v0 \"long\" ==");
  expect("g.label in [\"short\", \"long\"]", "v0 \"short\" \"long\" in2");
  expect("g.label not in [\"short\"]", "v0 \"short\" in1 not");
  expect("more", "?1");
  expect("not more and g.loud", "?1 not v4 and");
  expect("more or g.loud and g.probability >= 50 %", "?1 v4 v1 0.5 >= and or");
  expect("(more or g.loud) and g.probability >= -1e-1", "?1 v4 or v1 -0.1 >= and");
  expect("g.loud == true", "v4 true ==");
  expect("context.language != \"de\"", "$language \"de\" !=");
  expect("context.user == g.label", "$user v0 ==");
  expect("g.length > 2 s", "v3 2000 >");
  expect("0.5 < g.probability", "0.5 v1 <");
}

/* Quotes of either kind, a backslash before what would end the text, a plain scalar, a number whose unit is µs. */
static void test_when_spelling(void)
{
  Built built = language_build(HEAD "context: {user: optional}\nnodes:\n  g: {use: gauge, in: words}\n  n:\n    use: source\n"
                               "    in: words\n    when: context.user in ['it\\'s', \"a \\\"b\\\"\"] or words == \"ä\" and "
                               "g.length<5µs\noutputs: {y: n, l: g, m: more}\n");
  g_assert_cmpstr(built.text, ==, "");
  g_autofree char *program = program_of(&built, "n");
  g_autoptr(GRegex) value = g_regex_new("v[0-9]{6,}", 0, 0, NULL); /* the reader's, below g's */
  g_autofree char *stable = g_regex_replace_literal(value, program, -1, 0, "words", 0, NULL);
  g_assert_cmpstr(stable, ==, "$user \"it's\" \"a \"b\"\" in2 words \"ä\" == v3 0.005 < and or");
  language_clear(&built);
}

static void test_when_syntax(void)
{
  refuse("g.loud and", 10, "when: expected a value (an input, NODE.PORT, context.KEY, a number, a text in quotes, true or "
                           "false), found the end");
  refuse("g.probability = 1", 14, "when: expected a comparison, found \"=\"\n  hint: equal is written ==");
  refuse("(g.loud", 7, "when: expected \")\", found the end");
  refuse("g.loud g.loud", 7, "when: expected \"and\", \"or\" or the end, found \"g.loud\"");
  refuse("g.label in \"a\"", 11, "when: expected a list such as [\"a\", \"b\"], found \"a\"");
  refuse("g.label in [short]", 12, "when: expected a number or a text in quotes, found \"short\"\n"
                                   "  hint: texts stand in quotes: \"text\"");
  refuse("g.label in [\"a\"", 15, "when: expected \",\" or \"]\", found the end");
  refuse("g.label == \"a", 11, "when: the text \"a has no closing \"");
  refuse("any(words, more)", 0, "when: expected a value (an input, NODE.PORT, context.KEY, a number, a text in quotes, true "
                                "or false), found \"any\"");
  refuse("g.label not g.loud", 12, "when: expected \"in\" behind \"not\", found \"g.loud\"");
}

static void test_when_names(void)
{
  refuse("context.usr == \"a\"", 0, "when: the pipeline's context has no key \"usr\"\n  hint: did you mean \"user\"?");
  refuse("g.lable == \"short\"", 0, "\"g\" (gauge@1.0.0) has no output \"lable\"\n  hint: did you mean \"label\"?");
  refuse("gg.label == \"short\"", 0, "there is no input or node named \"gg\"\n  hint: did you mean \"g\"?");
  refuse("true or 1 < 2", 10, "when: two literals are compared");
  refuse("true", 0, "when: it names nothing that a request brings");
}

static void test_when_cycle(void)
{
  language_expect(HEAD "nodes:\n  n: {use: gauge, in: words, when: m.loud}\n  m: {use: gauge, in: more, when: n.loud}\n"
                       "outputs: {n: n, m: m}\n",
                  "t.yaml:5:36: node \"n\": the nodes feed each other in a circle: n -> m -> n\n");
  language_expect(HEAD "nodes:\n  n: {use: gauge, in: words, when: n.loud and more}\noutputs: {n: n}\n",
                  "t.yaml:5:36: node \"n\": the nodes feed each other in a circle: n -> n\n");
}

static void test_when_types(void)
{
  refuse("g.label == 3", 8, "when: \"g.label\" is a text, 3 is a number: they cannot be compared\n  hint: a text stands in "
                            "quotes: \"3\"");
  refuse("g.loud == 1", 7, "when: \"g.loud\" is true or false, 1 is a number: they cannot be compared");
  refuse("g.loud < true", 7, "when: true and false have no order: == and != compare them");
  refuse("g.label in [\"short\", 3]", 21, "when: \"g.label\" is a text, 3 is a number: they cannot be compared\n  hint: a "
                                         "text stands in quotes: \"3\"");
  refuse("context.user < 5", 13, "when: \"context.user\" is a text, 5 is a number: they cannot be compared\n  hint: a text "
                                  "stands in quotes: \"5\"");
  refuse("g.probability > \"0.5\"", 14, "when: \"g.probability\" is a number, \"0.5\" is a text: they cannot be compared\n"
                                       "  hint: a number stands without quotes: 0.5");
  refuse("g.label == shorter", 11, "there is no input or node named \"shorter\"\n  hint: a text stands in quotes: \"shorter\"");
  refuse("g.probabilities < 1", 0, "when: \"g.probabilities\" is neither one number nor a text per item: it is f32 [*, 3], labels "
                                 "[\"short\", \"long\", \"fraud\"]");
  refuse("g.probability", 0, "when: \"g.probability\" is a number and no condition\n  hint: compare it with something, such "
                             "as < 0.5");
  refuse("g.loud and g.label", 11, "when: \"g.label\" is a text and no condition\n  hint: compare it with something, such as "
                                   "== \"text\"");
  refuse("not \"text\"", 4, "when: \"text\" is a text and no condition\n  hint: compare it with something, such as == \"text\"");
}

static void test_when_units(void)
{
  refuse("g.length > 20", 11, "when: \"g.length\" is measured in ms, found 20\n  hint: such as 20 ms");
  refuse("g.length > 20 kHz", 11, "when: \"g.length\" is measured in ms, found 20 kHz\n  hint: such as 20 ms");
  refuse("g.probability > 20 ms", 16, "when: \"g.probability\" has no unit, found 20 ms");
  refuse("g.length in [1 s, 2]", 18, "when: \"g.length\" is measured in ms, found 2\n  hint: such as 20 ms");
}

static void test_when_labels(void)
{
  refuse("g.label == \"fruad\"", 11, "when: \"g.label\" is never \"fruad\"\n  hint: did you mean \"fraud\"?");
  refuse("\"x\" != g.label", 0, "when: \"g.label\" is never \"x\"\n  hint: its labels are \"short\", \"long\", \"fraud\"");
  refuse("g.label in [\"long\", \"lang\"]", 20, "when: \"g.label\" is never \"lang\"\n  hint: did you mean \"long\"?");
}

/* n comparisons joined by `or`, which take 4 n - 1 operations; a list of n numbers, which takes n + 1 operands. */
static char *joined(guint n)
{
  GString *text = g_string_new("g.probability < 1");
  for (guint i = 1; i < n; i++)
    g_string_append(text, " or g.probability < 1");
  return g_string_free(text, FALSE);
}

static char *listed(guint n)
{
  GString *text = g_string_new("g.probability in [1");
  for (guint i = 1; i < n; i++)
    g_string_append(text, ", 1");
  g_string_append(text, "]");
  return g_string_free(text, FALSE);
}

static char *nested(guint n)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < n; i++)
    g_string_append(text, "not ");
  g_string_append(text, "g.loud");
  return g_string_free(text, FALSE);
}

static gboolean is_good(char *condition, const char *limit)
{
  g_autofree char *own = condition, *text = file_of(condition);
  Built built = language_build(text);
  gboolean good = built.revision != NULL;
  g_assert_cmpint(good, ==, strstr(built.text, limit) == NULL);
  g_assert_cmpuint(built.diagnostics->n_errors, ==, good ? 0 : 1);
  language_clear(&built);
  return good;
}

static void test_when_limits(void)
{
  g_assert_true(is_good(joined(WEFT_CONDITION_MAX_OPS / 4), "WEFT_CONDITION_MAX_OPS"));
  g_assert_false(is_good(joined(WEFT_CONDITION_MAX_OPS / 4 + 1), "WEFT_CONDITION_MAX_OPS"));
  g_assert_true(is_good(listed(WEFT_CONDITION_MAX_STACK - 1), "WEFT_CONDITION_MAX_STACK"));
  g_assert_false(is_good(listed(WEFT_CONDITION_MAX_STACK), "WEFT_CONDITION_MAX_STACK"));
  g_assert_true(is_good(nested(WEFT_EXPR_MAX_DEPTH - 1), "WEFT_EXPR_MAX_DEPTH"));
  g_assert_false(is_good(nested(WEFT_EXPR_MAX_DEPTH), "WEFT_EXPR_MAX_DEPTH"));
}

/* A source that is not to be had is told once, and nothing more of the condition. */
static void test_when_follows_no_noise(void)
{
  language_expect(HEAD "nodes:\n  g: {use: gaugge, in: words}\n  n: {use: gauge, in: more, when: g.x < 3 and g.y == 1}\n"
                       "outputs: {n: n, w: words}\n",
                  "t.yaml:5:12: node \"g\": no plugin \"gaugge\" is installed; did you mean \"gauge\"?\n"
                  "  hint: \"weft plugin list\" shows what is installed, \"weft plugin install FILE.so\" installs\n");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  language_begin(argc, argv);
  g_test_add_func("/when/programs", test_when_programs);
  g_test_add_func("/when/spelling", test_when_spelling);
  g_test_add_func("/when/syntax", test_when_syntax);
  g_test_add_func("/when/names", test_when_names);
  g_test_add_func("/when/cycle", test_when_cycle);
  g_test_add_func("/when/types", test_when_types);
  g_test_add_func("/when/units", test_when_units);
  g_test_add_func("/when/labels", test_when_labels);
  g_test_add_func("/when/limits", test_when_limits);
  g_test_add_func("/when/follows_no_noise", test_when_follows_no_noise);
  int status = g_test_run();
  language_end();
  return status;
}
