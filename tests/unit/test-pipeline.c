/* SPDX-License-Identifier: Apache-2.0 */
/* Pipeline files as far as no plugin is needed: the text, names, wiring, `require`, units. */
#include "expr.h"
#include "literal.h"
#include "pipeline.h"

#include <math.h>
#include <string.h>
#include <time.h>

#define HEAD "weft: 1\nname: t\n"
#define BODY "inputs: {a: {type: text}}\nnodes: {n: {use: p, in: a}}\noutputs: {o: n}\n"

static const char digits[] =
    "weft: 1\n"
    "name: digits\n"
    "inputs:\n"
    "  picture: {type: image, optional: true}\n"
    "  speech:  {type: audio, optional: true}\n"
    "  words:   {type: text,  optional: true}\n"
    "require: any(picture, speech, words)\n"
    "models: {vit: models/vit, ast: models/ast, bert: models/bert, fusion: models/fusion, head: models/head}\n"
    "nodes:\n"
    "  see:  {use: vit@^1,  model: vit,  in: picture}\n"
    "  hear: {use: ast@^1,  model: ast,  in: speech}\n"
    "  read: {use: bert@^1, model: bert, in: words}\n"
    "  fuse: {use: gated@^1, model: fusion, in: {picture: see.tokens, speech: hear.tokens, words: read.tokens}, "
    "on_missing: mask}\n"
    "  head: {use: classifier@^1, model: head, in: fuse}\n"
    "outputs: {digit: head.label, probability: head.probability}\n";

static WeftPipeline *parse(const char *text, gssize n, WeftDiagnostics **diagnostics)
{
  *diagnostics = weft_diagnostics_new("t.yaml");
  return weft_pipeline_parse(text, n < 0 ? strlen(text) : (gsize)n, "t.yaml", NULL, *diagnostics);
}

/* The file is refused, and its first error has this code, line and column. */
static void expect_at(const char *text, gssize n, const char *code, guint line, guint column)
{
  g_autoptr(WeftDiagnostics) diagnostics = NULL;
  g_autoptr(WeftPipeline) pipeline = parse(text, n, &diagnostics);
  g_autofree char *all = weft_diagnostics_text(diagnostics);
  g_assert_false(pipeline && weft_pipeline_is_sound(pipeline));
  g_assert_cmpuint(diagnostics->n_errors, >, 0);
  const WeftDiagnostic *first = diagnostics->list->pdata[0];
  if (strcmp(first->code, code) != 0 || first->line != line || first->column != column)
    g_error("expected %s at %u:%u, got %s at %u:%u\n%s", code, line, column, first->code, first->line, first->column, all);
}

static void expect(const char *text, const char *code, guint line, guint column)
{
  expect_at(text, -1, code, line, column);
}

static void expect_good(const char *text)
{
  g_autoptr(WeftDiagnostics) diagnostics = NULL;
  g_autoptr(WeftPipeline) pipeline = parse(text, -1, &diagnostics);
  g_autofree char *all = weft_diagnostics_text(diagnostics);
  if (!pipeline || !weft_pipeline_is_sound(pipeline))
    g_error("refused:\n%s", all);
}

static void test_pipeline_digits(void)
{
  g_autoptr(WeftDiagnostics) diagnostics = NULL;
  g_autoptr(WeftPipeline) pipeline = parse(digits, -1, &diagnostics);
  g_autofree char *all = weft_diagnostics_text(diagnostics);
  g_assert_cmpstr(all, ==, "");
  g_assert_nonnull(pipeline);
  g_assert_cmpstr(pipeline->name, ==, "digits");
  g_assert_cmpuint(pipeline->inputs->len, ==, 3);
  g_assert_cmpuint(pipeline->nodes->len, ==, 5);
  g_assert_true(weft_input_at(pipeline, 1)->optional);
  const WeftNodeDecl *fuse = weft_node_at(pipeline, 3);
  g_assert_cmpstr(fuse->plugin, ==, "gated");
  g_assert_cmpstr(fuse->range, ==, "^1");
  g_assert_cmpuint(fuse->in->len, ==, 3);
  g_assert_cmpstr(weft_reference_at(fuse->in, 2)->key, ==, "words");
  g_assert_cmpstr(weft_reference_at(fuse->in, 2)->port, ==, "tokens");
  g_assert_cmpint(weft_reference_at(fuse->in, 2)->step, ==, 5);
  g_assert_cmpstr(weft_step_name(pipeline, 7), ==, "head");
  for (guint i = 0; i < pipeline->n_steps; i++) /* every step after its sources */
    g_assert_cmpuint(pipeline->order[i], <, pipeline->n_steps);
  g_assert_cmpuint(pipeline->order[7], ==, 7);
  g_autofree char *dot = weft_pipeline_dot(pipeline, NULL);
  g_assert_nonnull(strstr(dot, "\"s:see\" -> \"s:fuse\" [label=\"tokens > picture\"]"));
}

/* Files from other systems: lines that end in CR LF, and a byte order mark. */
static void test_pipeline_line_ends(void)
{
  g_auto(GStrv) lines = g_strsplit(digits, "\n", -1);
  g_autofree char *text = g_strjoinv("\r\n", lines), *marked = g_strconcat("\xef\xbb\xbf", digits, NULL);
  expect_good(text);
  expect_good(marked);
  g_autoptr(GString) folded = g_string_new(digits);
  g_string_replace(folded, "require: any(picture, speech, words)", "require: >-\n  any(picture,\n  speech, words)", 0);
  expect_good(folded->str);
}

static void test_pipeline_syntax(void)
{
  expect("", "empty", 0, 0);
  expect("# nothing\n", "empty", 0, 0);
  expect("just words\n", "not-a-map", 1, 1);
  expect("weft: [1\n", "syntax", 2, 1);
  expect("weft: 1\nname: t\ninputs:\n\ta: {type: text}\n", "syntax", 4, 1);
  expect("weft: 1\n---\nweft: 1\n", "several-documents", 2, 1);
  expect(HEAD "inputs: &x {a: {type: text}}\n", "anchor", 3, 9);
  expect(HEAD "inputs: *x\n", "alias", 3, 9);
  expect(HEAD "inputs: !!map {}\n", "tag", 3, 9);
  expect(HEAD "nodes: {<<: {a: 1}}\n", "merge-key", 3, 9);
  expect(HEAD "name: u\n", "duplicate-key", 3, 1);
  expect(HEAD "? [a, b]\n: 1\n", "complex-key", 3, 3);
  expect(HEAD "inputs: {a: {type: \"te\\0xt\"}}\n", "zero-byte", 3, 20);
  expect("weft: 1\nname: \"\xff\"\n", "utf-8", 2, 8);
  expect_at("weft: 1\0\n", 9, "zero-byte", 1, 8);
  expect("weft: 1\nname: ${X}\n" BODY, "variable", 2, 7);
}

static void test_pipeline_duplicate_key_in_large_map(void)
{
  g_autoptr(GString) text = g_string_new(HEAD "nodes:\n");
  for (guint i = 0; i < 40; i++)
    g_string_append_printf(text, "  n%u: {use: p}\n", i % 33);
  expect(text->str, "duplicate-key", 37, 3);
}

static void test_pipeline_depth(void)
{
  g_autoptr(GString) text = g_string_new(HEAD "x: ");
  for (guint i = 0; i < 100000; i++)
    g_string_append_c(text, '[');
  expect(text->str, "too-deep", 3, 4 + WEFT_PIPELINE_MAX_DEPTH - 1);
  g_string_assign(text, HEAD "x: ");
  for (guint i = 0; i < WEFT_PIPELINE_MAX_DEPTH - 1; i++) /* the root map is the first level */
    g_string_append_c(text, '[');
  for (guint i = 0; i < WEFT_PIPELINE_MAX_DEPTH - 1; i++)
    g_string_append_c(text, ']');
  expect(text->str, "unknown-key", 3, 1); /* the depth is no fault: the next one is told */
}

/* However often `piece` is repeated, no more of it is read than to the limit and what a simple key may look ahead. */
static void expect_stopped(const char *head, const char *piece, gboolean indents)
{
  g_autoptr(GString) text = g_string_new(head);
  for (guint i = 0; i < (indents ? 400u : 100000u); i++) {
    g_string_append(text, piece);
    for (guint k = 0; indents && k <= i; k++)
      g_string_append_c(text, ' ');
  }
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("t.yaml");
  WeftYamlProgress progress = {0};
  g_autoptr(WeftYaml) yaml = weft_yaml_parse_watched(text->str, text->len, &progress, diagnostics);
  g_test_message("\"%s\": %zu of %zu letters read, %zu events", piece, progress.n_read, text->len, progress.n_events);
  g_assert_null(yaml);
  g_assert_cmpuint(diagnostics->n_errors, ==, 1);
  g_assert_cmpstr(((WeftDiagnostic *)diagnostics->list->pdata[0])->code, ==, "too-deep");
  g_assert_cmpuint(progress.n_events, <=, 3 * WEFT_PIPELINE_MAX_DEPTH + 8);
  g_assert_cmpuint(progress.n_read, <, 4096);
}

static void test_pipeline_depth_stops_reading(void)
{
  expect_stopped("x: ", "[", FALSE);
  expect_stopped("x: ", "{a: ", FALSE);
  expect_stopped("x: ", "[{a: ", FALSE);
  expect_stopped("", "- ", FALSE);
  expect_stopped("x:\n ", "a:\n ", TRUE);
}

/* A key of 1,024 letters is the longest of YAML; a text may be as long as the file. */
static void test_pipeline_long_words(void)
{
  g_autofree char *word = g_strnfill(WEFT_PIPELINE_MAX_BYTES - 64, 'w'), *key = g_strnfill(1100, 'k');
  g_autofree char *text = g_strconcat("weft: 1\nname: ", word, "\n", NULL);
  g_autofree char *keys = g_strconcat(key, ": 1\n", NULL);
  expect(text, "name-too-long", 2, 7);
  expect(keys, "syntax", 1, 1101);
}

static void test_pipeline_size(void)
{
  g_autofree char *text = g_malloc(WEFT_PIPELINE_MAX_BYTES + 1);
  memset(text, '#', WEFT_PIPELINE_MAX_BYTES + 1);
  expect_at(text, WEFT_PIPELINE_MAX_BYTES + 1, "too-large", 0, 0);
  memcpy(text, HEAD BODY, strlen(HEAD BODY));
  g_autoptr(WeftDiagnostics) diagnostics = NULL;
  g_autoptr(WeftPipeline) pipeline = parse(text, WEFT_PIPELINE_MAX_BYTES, &diagnostics);
  g_assert_nonnull(pipeline);
}

static void test_pipeline_counts(void)
{
  g_autoptr(GString) text = g_string_new("x: [");
  for (guint i = 3; i < WEFT_PIPELINE_MAX_VALUES; i++) /* the map, the key and the list count too */
    g_string_append(text, "1,");
  gsize length = text->len;
  g_string_append(text, "]\n");
  expect(text->str, "missing-key", 1, 1);
  g_string_truncate(text, length);
  g_string_append(text, "1]\n");
  expect(text->str, "too-many-values", 1, (guint)length + 1);
  g_string_assign(text, HEAD "nodes: {n: {use: p, in: m0}}\noutputs: {o: n}\ninputs:\n");
  for (guint i = 0; i < WEFT_PIPELINE_MAX_NODES; i++)
    g_string_append_printf(text, "  m%u: {type: text}\n", i);
  expect_good(text->str);
  g_string_append(text, "  more: {type: text}\n");
  expect(text->str, "too-many", 6, 3);
}

static void test_pipeline_names(void)
{
  g_autofree char *name = g_strnfill(WEFT_PIPELINE_MAX_NAME, 'n');
  g_autofree char *longest = g_strdup_printf("weft: 1\nname: %s\n" BODY, name);
  g_autofree char *longer = g_strdup_printf("weft: 1\nname: %sn\n" BODY, name);
  expect_good(longest);
  expect(longer, "name-too-long", 2, 7);
  expect("weft: 1\nname: 1st\n" BODY, "bad-name", 2, 7);
  expect("weft: 1\nname: any\n" BODY, "bad-name", 2, 7);
  expect(HEAD "inputs: {a: {type: text}}\nnodes: {a: {use: p, in: a}}\noutputs: {o: a}\n", "name-twice", 4, 9);
  expect("name: t\nweft: 1\n" BODY, "order", 1, 1);
  expect("name: t\n" BODY, "missing-key", 1, 1);
  expect("weft: 2\nname: t\n" BODY, "wrong-format", 1, 7);
  expect("weft: '1'\nname: t\n" BODY, "wrong-format", 1, 7);
  expect("weft: 1\n" BODY, "missing-key", 0, 0);
}

static void test_pipeline_keys(void)
{
  expect(HEAD "input: {}\n" BODY, "unknown-key", 3, 1);
  expect(HEAD "audit: on\n" BODY, "not-implemented", 3, 1);
  expect(HEAD "inputs: {a: {type: text, optional: yes}}\nnodes: {n: {use: p, in: a}}\noutputs: {o: n}\n", "wrong-type",
         3, 36);
  expect(HEAD "inputs: {a: {}}\nnodes: {n: {use: p, in: a}}\noutputs: {o: n}\n", "missing-key", 3, 10);
  expect(HEAD "inputs: {a: {type: text}}\nnodes: {n: {use: p, in: a, slots: x}}\noutputs: {o: n}\n", "wrong-type", 4, 35);
  expect(HEAD "inputs: {a: {type: text}}\nnodes: {n: {use: p, in: a, deadline: 20}}\noutputs: {o: n}\n", "no-unit", 4,
         38);
  expect(HEAD "inputs: {a: {type: text}}\nnodes: {n: {use: p, in: a, deadline: 20 m}}\noutputs: {o: n}\n", "bad-time",
         4, 38);
  expect(HEAD "inputs: {a: {type: text}}\nnodes: {n: {use: p, in: a, on_missing: hold 30}}\noutputs: {o: n}\n",
         "no-unit", 4, 40);
  expect(HEAD "inputs: {a: {type: text}}\nnodes: {n: {use: other.yaml, in: a}}\noutputs: {o: n}\n", "sub-pipeline",
         4, 18);
  expect(HEAD "inputs: {a: {type: text}}\nnodes: {n: {use: p, in: [a]}}\noutputs: {o: n}\n", "wrong-type", 4, 25);
  expect(HEAD "inputs: {a: {type: text}}\nnodes: {n: {use: p, model: m, in: a}}\noutputs: {o: n}\n", "unknown-model", 4,
         28);
  expect(HEAD "inputs: {}\nnodes: {n: {use: p}}\noutputs: {o: n}\n", "empty-map", 3, 9);
}

static void test_pipeline_wiring(void)
{
  expect(HEAD "inputs: {a: {type: text}}\nnodes: {n: {use: p, in: b}}\noutputs: {o: n}\n", "dangling", 4, 25);
  expect(HEAD "inputs: {a: {type: text}}\nnodes: {n: {use: p, in: a}}\noutputs: {o: m.x}\n", "dangling", 5, 14);
  expect(HEAD "inputs: {a: {type: text}}\nnodes: {n: {use: p, in: n}}\noutputs: {o: n}\n", "cycle", 4, 25);
  g_autoptr(WeftDiagnostics) diagnostics = NULL;
  g_autoptr(WeftPipeline) pipeline = parse(
      HEAD "inputs: {a: {type: text}}\nnodes:\n  x: {use: p, in: {l: a, r: z}}\n  y: {use: p, in: x}\n  z: {use: p, in: y}\n"
           "  w: {use: p, in: z}\noutputs: {o: w}\n", -1, &diagnostics);
  g_assert_false(weft_pipeline_is_sound(pipeline));
  g_assert_cmpuint(diagnostics->n_errors, ==, 1);
  g_assert_cmpstr(((WeftDiagnostic *)diagnostics->list->pdata[0])->message, ==,
                  "the nodes feed each other in a circle: x -> y -> z -> x");
}

static void test_pipeline_unused_warns(void)
{
  g_autoptr(WeftDiagnostics) diagnostics = NULL;
  g_autoptr(WeftPipeline) pipeline =
      parse(HEAD "inputs: {a: {type: text}, b: {type: text}}\nmodels: {m: ./m}\nnodes: {n: {use: p, in: a}, q: {use: p, in: "
                 "a}}\noutputs: {o: n}\n", -1, &diagnostics);
  g_assert_nonnull(pipeline);
  g_assert_cmpuint(diagnostics->list->len, ==, 2); /* b and m; of q its plugin will tell whether it acts by itself */
  g_assert_cmpuint(diagnostics->n_errors, ==, 0);
  g_assert_true(pipeline->unused[3] && !pipeline->unused[2]);
}

/* Processor time that a chain of n nodes takes. */
static double chain_seconds(guint n)
{
  g_autoptr(GString) text = g_string_new(HEAD "inputs: {a: {type: text}}\nnodes:\n  n0: {use: p, in: a}\n");
  for (guint i = 1; i < n; i++)
    g_string_append_printf(text, "  n%u: {use: p, in: n%u}\n", i, i - 1);
  g_string_append_printf(text, "outputs: {o: n%u}\n", n - 1);
  clock_t begin = clock();
  expect_good(text->str);
  return (double)(clock() - begin) / CLOCKS_PER_SEC;
}

/* 20,000 nodes in a chain: linear (quadratic would be 16), and not one level of recursion a node. */
static void test_pipeline_long_chain(void)
{
  double ratio = 16;
  for (int round = 0; round < 5 && ratio >= 8; round++)
    ratio = chain_seconds(20000) / chain_seconds(5000);
  g_test_message("four times as many nodes take %.1f times as long", ratio);
  g_assert_cmpfloat(ratio, <, 8);
}

static int find_letter(const void *data, const char *name)
{
  return name[0] >= 'a' && name[0] <= 'h' && !name[1] ? name[0] - 'a' : -1;
}

static gboolean eval(const char *text, const char *given)
{
  WeftExprFault fault;
  g_autoptr(WeftExpr) expr = weft_expr_parse(text, find_letter, NULL, &fault);
  if (!expr)
    g_error("%s: %s", text, fault.message);
  gboolean present[8] = {0};
  for (; *given; given++)
    present[*given - 'a'] = TRUE;
  return weft_expr_eval(expr, present);
}

static void test_expr_values(void)
{
  g_assert_true(eval("any(a, b, c)", "c"));
  g_assert_false(eval("any(a, b, c)", ""));
  g_assert_true(eval("all(a, b)", "ab"));
  g_assert_false(eval("all(a, b)", "b"));
  g_assert_true(eval("a or b and c", "a"));
  g_assert_false(eval("(a or b) and c", "a"));
  g_assert_true(eval("not a and b", "b"));
  g_assert_false(eval("not (a or b)", "b"));
  g_assert_true(eval("not not a", "a"));
  g_assert_true(eval("any(all(a, b), not c)", "ab"));
  g_assert_false(eval("any(all(a, b), not c)", "ac"));
}

static void expect_bad_expr(const char *text, guint offset)
{
  WeftExprFault fault;
  g_autoptr(WeftExpr) expr = weft_expr_parse(text, find_letter, NULL, &fault);
  g_assert_null(expr);
  g_test_message("%s: %s", text, fault.message);
  g_assert_cmpuint(fault.offset, ==, offset);
  g_free(fault.message);
  g_free(fault.word);
}

static void test_expr_faults(void)
{
  expect_bad_expr("", 0);
  expect_bad_expr("any(a, z)", 7);
  expect_bad_expr("any a", 4);
  expect_bad_expr("any(a", 5);
  expect_bad_expr("a b", 2);
  expect_bad_expr("a and", 5);
  expect_bad_expr("a & b", 2);
  expect_bad_expr("(a", 2);
  expect_bad_expr("any()", 4);
  expect_bad_expr("a or \xc3\xa4", 5);
}

/* `open` and its `)`, n times around a name. */
static char *nested(const char *open, guint n)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < n; i++)
    g_string_append(text, open);
  g_string_append_c(text, 'a');
  for (guint i = 0; i < n; i++)
    g_string_append_c(text, ')');
  return g_string_free(text, FALSE);
}

static void test_expr_depth(void)
{
  static const char *const opens[] = {"(", "any(", "b or all("};
  for (guint i = 0; i < G_N_ELEMENTS(opens); i++) {
    g_autofree char *good = nested(opens[i], WEFT_EXPR_MAX_DEPTH - 1), *bad = nested(opens[i], WEFT_EXPR_MAX_DEPTH);
    g_assert_true(eval(good, "a"));
    expect_bad_expr(bad, (guint)strlen(opens[i]) * WEFT_EXPR_MAX_DEPTH);
  }
}

static void test_expr_limits(void)
{
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 1; i < WEFT_EXPR_MAX_DEPTH; i++)
    g_string_append(text, "not ");
  g_string_append_c(text, 'a');
  g_assert_true(eval(text->str, WEFT_EXPR_MAX_DEPTH % 2 ? "a" : ""));
  g_string_prepend(text, "not ");
  expect_bad_expr(text->str, (guint)text->len - 1);
  g_string_assign(text, "any(a");
  for (guint i = 1; i < WEFT_EXPR_MAX_NAMES; i++)
    g_string_append(text, ",b");
  g_string_append_c(text, ')');
  g_assert_true(eval(text->str, "a"));
  g_string_truncate(text, text->len - 1);
  g_string_append(text, ",c)");
  expect_bad_expr(text->str, (guint)text->len - 2);
}

static void test_require_makes_sense(void)
{
  expect(HEAD "inputs: {a: {type: text}}\nrequire: any(a)\nnodes: {n: {use: p, in: a}}\noutputs: {o: n}\n", "require", 4,
         10);
  expect(HEAD "inputs: {a: {type: text, optional: true}}\nrequire: a and not a\nnodes: {n: {use: p, in: a}}\noutputs: {o: "
              "n}\n", "require", 4, 10);
  expect(HEAD "inputs: {a: {type: text, optional: true}}\nrequire: any(a, b)\nnodes: {n: {use: p, in: a}}\noutputs: {o: "
              "n}\n", "require", 4, 17);
  expect(HEAD "inputs: {a: {type: text, optional: true}}\nrequire: 'b'\nnodes: {n: {use: p, in: a}}\noutputs: {o: n}\n",
         "require", 4, 11);
}

static void test_literal_core_types(void)
{
  static const struct {
    const char *text;
    WeftLiteralType type;
    double number;
  } cases[] = {
    {"yes", WEFT_LITERAL_TEXT, 0},    {"on", WEFT_LITERAL_TEXT, 0},     {"No", WEFT_LITERAL_TEXT, 0},
    {"true", WEFT_LITERAL_BOOL, 0},   {"FALSE", WEFT_LITERAL_BOOL, 0},  {"tRue", WEFT_LITERAL_TEXT, 0},
    {"", WEFT_LITERAL_NULL, 0},       {"~", WEFT_LITERAL_NULL, 0},      {"NULL", WEFT_LITERAL_NULL, 0},
    {"17", WEFT_LITERAL_INT, 17},     {"-3", WEFT_LITERAL_INT, -3},     {"017", WEFT_LITERAL_INT, 17},
    {"0o17", WEFT_LITERAL_INT, 15},   {"0xfF", WEFT_LITERAL_INT, 255},  {"0o18", WEFT_LITERAL_TEXT, 0},
    {"1_000", WEFT_LITERAL_TEXT, 0},  {"1:30", WEFT_LITERAL_TEXT, 0},   {"1.5", WEFT_LITERAL_NUMBER, 1.5},
    {".5", WEFT_LITERAL_NUMBER, 0.5}, {"1e3", WEFT_LITERAL_NUMBER, 1000}, {"1.", WEFT_LITERAL_NUMBER, 1},
    {".", WEFT_LITERAL_TEXT, 0},      {"-.inf", WEFT_LITERAL_NUMBER, -INFINITY}, {"inf", WEFT_LITERAL_TEXT, 0},
    {"9223372036854775807", WEFT_LITERAL_INT, 9223372036854775807.0},
    {"9223372036854775808", WEFT_LITERAL_NUMBER, 9223372036854775808.0},
    {"1e", WEFT_LITERAL_TEXT, 0},     {"+1", WEFT_LITERAL_INT, 1},      {"0x", WEFT_LITERAL_TEXT, 0},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    WeftLiteral literal = weft_literal_parse(cases[i].text);
    g_test_message("%s", cases[i].text);
    g_assert_cmpint((int)literal.type, ==, (int)cases[i].type);
    g_assert_cmpfloat(literal.number, ==, cases[i].number);
  }
}

static void test_literal_units(void)
{
  static const struct {
    const char *text, *unit;
    WeftQuantity quantity;
    double number;
  } cases[] = {
    {"20 ms", "ms", WEFT_QUANTITY_OK, 20},       {"20ms", "ms", WEFT_QUANTITY_OK, 20},
    {"1.5 s", "ms", WEFT_QUANTITY_OK, 1500},     {"2 min", "s", WEFT_QUANTITY_OK, 120},
    {"250 us", "ms", WEFT_QUANTITY_OK, 0.25},    {"16 kHz", "Hz", WEFT_QUANTITY_OK, 16000},
    {"2 GiB", "bytes", WEFT_QUANTITY_OK, 2147483648.0}, {"2 kB", "bytes", WEFT_QUANTITY_OK, 2000},
    {"0.6", "ratio", WEFT_QUANTITY_OK, 0.6},     {"60 %", "ratio", WEFT_QUANTITY_OK, 0.6},
    {"20", "ms", WEFT_QUANTITY_NO_UNIT, 20},     {"0", "Hz", WEFT_QUANTITY_NO_UNIT, 0},
    {"20 Hz", "ms", WEFT_QUANTITY_OTHER_UNIT, 0}, {"20 parsec", "ms", WEFT_QUANTITY_OTHER_UNIT, 0},
    {"ms", "ms", WEFT_QUANTITY_NO_NUMBER, 0},    {"fast", "ms", WEFT_QUANTITY_NO_NUMBER, 0},
    {"3 dB", "dB", WEFT_QUANTITY_OK, 3},         {"3", "dB", WEFT_QUANTITY_NO_UNIT, 3},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    double number = 0;
    g_test_message("%s in %s", cases[i].text, cases[i].unit);
    g_assert_cmpint((int)weft_quantity_parse(cases[i].text, cases[i].unit, &number), ==, (int)cases[i].quantity);
    g_assert_cmpfloat_with_epsilon(number, cases[i].number, 1e-12);
  }
}

static void test_diagnostics_limit(void)
{
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("t.yaml");
  for (guint i = 0; i < WEFT_DIAGNOSTICS_MAX; i++)
    weft_diagnostics_add(diagnostics, "x", WEFT_DIAGNOSTICS_MAX - i, 1, "number %u", i);
  g_autofree char *all = weft_diagnostics_text(diagnostics);
  g_assert_true(g_str_has_prefix(all, "t.yaml:1:1: number 99\n"));
  g_assert_null(strstr(all, "not shown"));
  for (guint i = 0; i < 5; i++)
    weft_diagnostic_hint(weft_diagnostics_add(diagnostics, "x", 7, 1, "late"), "none");
  g_autofree char *more = weft_diagnostics_text(diagnostics);
  g_assert_nonnull(strstr(more, "t.yaml: 5 more not shown (at most 100 are)\n"));
  g_assert_cmpuint(diagnostics->n_errors, ==, WEFT_DIAGNOSTICS_MAX + 5);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/pipeline/digits", test_pipeline_digits);
  g_test_add_func("/pipeline/line_ends", test_pipeline_line_ends);
  g_test_add_func("/pipeline/syntax", test_pipeline_syntax);
  g_test_add_func("/pipeline/duplicate_key_in_large_map", test_pipeline_duplicate_key_in_large_map);
  g_test_add_func("/pipeline/depth", test_pipeline_depth);
  g_test_add_func("/pipeline/depth_stops_reading", test_pipeline_depth_stops_reading);
  g_test_add_func("/pipeline/long_words", test_pipeline_long_words);
  g_test_add_func("/pipeline/size", test_pipeline_size);
  g_test_add_func("/pipeline/counts", test_pipeline_counts);
  g_test_add_func("/pipeline/names", test_pipeline_names);
  g_test_add_func("/pipeline/keys", test_pipeline_keys);
  g_test_add_func("/pipeline/wiring", test_pipeline_wiring);
  g_test_add_func("/pipeline/unused_warns", test_pipeline_unused_warns);
  g_test_add_func("/pipeline/long_chain", test_pipeline_long_chain);
  g_test_add_func("/expr/values", test_expr_values);
  g_test_add_func("/expr/faults", test_expr_faults);
  g_test_add_func("/expr/limits", test_expr_limits);
  g_test_add_func("/expr/depth", test_expr_depth);
  g_test_add_func("/require/makes_sense", test_require_makes_sense);
  g_test_add_func("/literal/core_types", test_literal_core_types);
  g_test_add_func("/literal/units", test_literal_units);
  g_test_add_func("/diagnostics/limit", test_diagnostics_limit);
  return g_test_run();
}
