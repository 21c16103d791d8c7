/* SPDX-License-Identifier: Apache-2.0 */
/* on_missing, on_error, on_verdict, batch and filters: what a file may say, and what the runtime is told. */
#include "language-fixture.h"

#include <string.h>

#define NODE(keys) HEAD "nodes:\n  a: {use: gauge, in: words, " keys "}\n  b: {use: gauge, in: more}\noutputs: {a: a, b: b}\n"

#define SESSION "context: {session: optional}\n"

static void test_policies_missing(void)
{
  Built built = language_build(NODE("on_missing: hold 30 s") SESSION);
  g_assert_cmpstr(built.text, ==, "");
  const struct weft_graph_node *a = language_node(&built, "a");
  g_assert_cmpint(a->policies[0].missing, ==, WEFT_MISSING_HOLD);
  g_assert_cmpuint(a->policies[0].hold_ns, ==, 30000000000u);
  g_assert_null(language_node(&built, "b")->policies);
  language_clear(&built);
  built = language_build(NODE("on_missing: {text: fail}"));
  g_assert_cmpint(language_node(&built, "a")->policies[0].missing, ==, WEFT_MISSING_FAIL);
  language_clear(&built);
  built = language_build(NODE("on_missing: degrade"));
  g_assert_cmpint(language_node(&built, "a")->policies[0].missing, ==, WEFT_MISSING_DEGRADE);
  language_clear(&built);
}

static void test_policies_missing_by_key(void)
{
  Built built = language_build(HEAD "nodes:\n  s: {use: source, in: words}\n  t: {use: source, in: more}\n"
                                    "  m: {use: both, in: {x: s, y: t}, on_missing: {y: hold 1 min}}\noutputs: {m: m}\n" SESSION);
  g_assert_cmpstr(built.text, ==, "");
  const struct weft_graph_node *m = language_node(&built, "m");
  g_assert_cmpuint(m->n_inputs, ==, 2);
  g_assert_cmpint(m->policies[0].missing, ==, WEFT_MISSING_MASK);
  g_assert_cmpint(m->policies[1].missing, ==, WEFT_MISSING_HOLD);
  g_assert_cmpuint(m->policies[1].hold_ns, ==, 60000000000u);
  language_clear(&built);
}

static void test_policies_missing_refused(void)
{
  language_expect(NODE("on_missing: hold"), "t.yaml:5:42: node \"a\": on_missing: hold needs how long\n  hint: such as hold "
                                            "30 s\n");
  language_expect(NODE("on_missing: {text: hold 30 s}"),
                  "t.yaml:5:43: warning: node \"a\": hold keeps values of a session, and requests of this pipeline have none\n"
                  "  hint: declare it, such as context: {session: optional}\n");
  language_expect(NODE("on_missing: hold 30"), "t.yaml:5:42: node \"a\": on_missing: hold \"30\" has no unit\n  hint: such as "
                                               "20 ms (ns, us, ms, s, min, h)\n");
  language_expect(NODE("on_missing: masc"), "t.yaml:5:42: node \"a\": on_missing is mask, hold TIME, degrade or fail, found "
                                            "\"masc\"\n  hint: did you mean \"mask\"?\n");
  language_expect(NODE("on_missing: {test: fail}"), "t.yaml:5:43: node \"a\": nothing feeds an input \"test\" here\n"
                                                    "  hint: did you mean \"text\"?\n");
  language_expect(NODE("on_missing: mask"), "t.yaml:5:42: node \"a\": gauge@1.0.0 needs all its inputs: there is nothing to "
                                            "mask\n");
  language_expect(NODE("on_missing: {text: mask}"), "t.yaml:5:43: node \"a\", port \"text\": gauge@1.0.0 needs the input "
                                                    "\"text\": it cannot be masked\n");
  language_expect(NODE("on_missing: [mask]"), "t.yaml:5:42: node \"a\": on_missing is a map, found a list\n  hint: such as mask "
                                              "or {speech: hold 30 s}\n");
}

static void expect_error(const char *keys, enum weft_on_error on_error, guint n_retries)
{
  g_autofree char *text = g_strdup_printf(HEAD "nodes:\n  a: {use: gauge, in: words, on_error: %s}\noutputs: {a: a, m: more}\n",
                                          keys);
  Built built = language_build(text);
  const struct weft_graph_node *a = language_node(&built, "a");
  g_assert_cmpint(a->on_error, ==, on_error);
  g_assert_cmpuint(a->n_retries, ==, n_retries);
  language_clear(&built);
}

static void test_policies_error(void)
{
  expect_error("fail", WEFT_ON_ERROR_FAIL, 0);
  expect_error("absent", WEFT_ON_ERROR_ABSENT, 0);
  expect_error("retry 2", WEFT_ON_ERROR_FAIL, 2);
  expect_error("retry 16 then absent", WEFT_ON_ERROR_ABSENT, WEFT_RETRIES_MAX);
  language_expect(NODE("on_error: retry 17"), "t.yaml:5:40: node \"a\": on_error: 17 retries, at most 16 are made "
                                              "(WEFT_RETRIES_MAX)\n");
  language_expect(NODE("on_error: abscent"), "t.yaml:5:40: node \"a\": on_error is fail, absent, retry N or retry N then "
                                             "absent, found \"abscent\"\n  hint: did you mean \"absent\"?\n");
  language_expect(NODE("on_error: retry 0"), "t.yaml:5:40: node \"a\": on_error is fail, absent, retry N or retry N then absent, "
                                             "found \"retry 0\"\n");
  language_expect(HEAD "nodes:\n  a: {use: acts, in: words, on_error: retry 2}\noutputs: {a: a, m: more}\n",
                  "t.yaml:5:39: node \"a\": acts@1.0.0 is not pure: a retry would do twice what it does\n"
                  "  hint: its manifest says \"pure\": true where that is not so\n");
  language_expect(HEAD "nodes:\n  a: {use: judge, in: words, on_error: absent}\noutputs: {a: a, m: more}\n",
                  "t.yaml:5:40: node \"a\": a filter cannot be absent: one that fails has not decided\n"
                  "  hint: on_verdict: {undecided: ...} says what happens then\n");
}

static void test_policies_batch(void)
{
  Built built = language_build(NODE("batch: {items: 128, wait: 2 ms, cost: 8192}"));
  const struct weft_graph_node *a = language_node(&built, "a"), *b = language_node(&built, "b");
  g_assert_cmpuint(a->batching.n_items_max, ==, 128);
  g_assert_cmpint(a->limits.n_items, ==, 128);
  g_assert_cmpuint(a->batching.wait_ns, ==, 2000000);
  g_assert_cmpint(a->batching.cost_max, ==, 8192);
  g_assert_cmpuint(a->batching.cost_input, ==, 0);
  g_assert_cmpuint(b->batching.n_items_max, ==, WEFT_FRAME_ITEMS); /* a pure head batches by itself, without waiting */
  g_assert_cmpuint(b->batching.wait_ns, ==, 0);
  g_assert_cmpuint(language_node(&built, "words")->batching.n_items_max, ==, 0);
  language_clear(&built);
  built = language_build(NODE("batch: false"));
  g_assert_cmpuint(language_node(&built, "a")->batching.n_items_max, ==, 0);
  language_clear(&built);
  built = language_build(HEAD "nodes:\n  a: {use: acts, in: words}\n  b: {use: acts, in: more, batch: true}\noutputs: {a: a, "
                              "b: b}\n");
  g_assert_cmpuint(language_node(&built, "a")->batching.n_items_max, ==, 0);
  g_assert_cmpuint(language_node(&built, "b")->batching.n_items_max, ==, WEFT_FRAME_ITEMS);
  language_clear(&built);
}

static void test_policies_batch_refused(void)
{
  language_expect(NODE("batch: {items: 1025}"), "t.yaml:5:45: node \"a\": items of batch is a whole number from 1 to 1024, "
                                                "found 1025\n");
  language_expect(NODE("batch: {items: 1024, wait: 60 s}"), "");
  language_expect(NODE("batch: {wait: 61 s}"), "t.yaml:5:44: node \"a\": wait of batch \"61 s\" is longer than 60 s "
                                               "(WEFT_BATCH_MAX_WAIT_S)\n");
  language_expect(NODE("batch: {wait: 2}"), "t.yaml:5:44: node \"a\": wait of batch \"2\" has no unit\n  hint: such as 20 ms "
                                            "(ns, us, ms, s, min, h)\n");
  language_expect(NODE("batch: {itms: 2}"), "t.yaml:5:38: node \"a\": batch has no key \"itms\"\n  hint: did you mean "
                                            "\"items\"?\n");
  language_expect(NODE("batch: 12"), "t.yaml:5:37: node \"a\": batch is a map, found a single value\n  hint: such as {items: 32, "
                                     "wait: 2 ms, cost: 8192}, or true or false\n");
  language_expect(HEAD "nodes:\n  s: {use: source, in: words}\n  m: {use: both, in: {x: s}, batch: {cost: 5}}\noutputs: {m: m, "
                       "w: more}\n",
                  "t.yaml:6:44: node \"m\": the inputs of both@1.0.0 have one row an item: there is no cost but the items\n");
}

#define FILTER(keys) HEAD "assets: {replies: replies.yaml}\nnodes:\n  f: {use: judge, in: words, " keys "}\n" \
                          "  g: {use: gauge, in: f}\noutputs: {g: g, m: more}\n"

static void test_policies_filter(void)
{
  Built built = language_build(HEAD "nodes:\n  out: {use: acts, in: words}\n  f: {use: judge, in: words}\n"
                                    "  late: {use: gauge, in: out}\n  g: {use: gauge, in: f}\noutputs: {l: late, g: g, m: more}\n");
  g_assert_cmpstr(built.text, ==, "");
  const struct weft_graph_node *f = language_node(&built, "f"), *out = language_node(&built, "out");
  g_assert_true(f->is_filter && !f->effects && out->effects && !out->is_filter);
  g_assert_cmpuint(f->refuses, ==, WEFT_REFUSES(WEFT_VERDICT_UNDECIDED) | WEFT_REFUSES(WEFT_VERDICT_REFUSE));
  g_assert_true(f < out && out < language_node(&built, "late")); /* whatever the file's order */
  g_assert_cmpuint(language_node(&built, "g")->inputs[0], ==, f->first_output + 1); /* `f` means its text */
  guint n = 0;
  const WeftRevisionFilter *filters = weft_revision_filters(built.revision, &n);
  g_assert_cmpuint(n, ==, 1);
  g_assert_cmpstr(filters[0].node, ==, "f");
  g_assert_true(&built.revision->graph_nodes[filters[0].graph_node] == f);
  g_assert_cmpuint(filters[0].verdict, ==, f->first_output);
  g_assert_cmpint(filters[0].rules, ==, (gint)f->first_output + 2);
  language_clear(&built);
}

static void test_policies_filter_refused(void)
{
  language_expect(HEAD "nodes:\n  f: {use: judge-wrong, in: words}\noutputs: {f: f, m: more}\n",
                  "t.yaml:5:12: node \"f\": judge-wrong@1.0.0 is of kind filter, and its first output is not \"verdict\", i32 "
                  "[*]\n  hint: this is a fault of the plugin: tell its author\n");
  language_expect(HEAD "nodes:\n  f: {use: judge, in: words, when: more}\noutputs: {f: f}\n",
                  "t.yaml:5:36: node \"f\": when: a filter cannot be skipped\n  hint: put the condition at the nodes behind the "
                  "filter\n");
  language_expect(HEAD "nodes:\n  send: {use: acts, in: words}\n  n: {use: acts, in: send}\n  f: {use: judge, in: n}\n"
                       "outputs: {f: f, m: more}\n",
                  "t.yaml:7:12: node \"f\": \"send\" (acts@1.0.0) is not pure and stands before this filter: what it does would "
                  "be done before the verdict\n  hint: let the filter judge what goes into \"send\"\n");
  language_expect(HEAD "nodes:\n  send: {use: acts, in: words}\n  g: {use: gauge, in: more, when: 'send == \"x\"'}\n"
                       "  f: {use: judge, in: g.label}\noutputs: {f: f}\n",
                  "t.yaml:7:12: node \"f\": \"send\" (acts@1.0.0) is not pure and stands before this filter: what it does would "
                  "be done before the verdict\n  hint: let the filter judge what goes into \"send\"\n");
}

/* A node that nobody reads is told, but for those that do something all the same. */
static void test_policies_unused(void)
{
  language_expect(HEAD "nodes:\n  f: {use: judge, in: words}\n  send: {use: acts, in: words}\n  g: {use: gauge, in: words}\n"
                       "outputs: {m: more}\n", "t.yaml:7:3: warning: nothing uses the node \"g\"\n");
}

static const char *message(const Built *built, guint verdict, const char *language)
{
  guint n = 0;
  const WeftRevisionFilter *filters = weft_revision_filters(built->revision, &n);
  return weft_revision_message(built->revision, filters[0].graph_node, verdict, language);
}

static void test_policies_verdict(void)
{
  language_file("replies.yaml", "blocked: {en: Not here., de: \"Hier nicht.\", pt-BR: Aqui não.}\nplain: '7'\n");
  Built built = language_build(FILTER("on_verdict: {refuse: replies.blocked, redact: replies.plain, undecided: continue}"));
  g_assert_cmpstr(built.text, ==, "");
  const struct weft_graph_node *f = language_node(&built, "f");
  g_assert_cmpuint(f->refuses, ==, WEFT_REFUSES(WEFT_VERDICT_REDACT) | WEFT_REFUSES(WEFT_VERDICT_REFUSE));
  g_assert_cmpstr(message(&built, WEFT_VERDICT_REFUSE, "de"), ==, "Hier nicht.");
  g_assert_cmpstr(message(&built, WEFT_VERDICT_REFUSE, "DE-at"), ==, "Hier nicht.");
  g_assert_cmpstr(message(&built, WEFT_VERDICT_REFUSE, "den"), ==, "Not here.");
  g_assert_cmpstr(message(&built, WEFT_VERDICT_REFUSE, "pt"), ==, "Not here.");
  g_assert_cmpstr(message(&built, WEFT_VERDICT_REFUSE, "pt-br"), ==, "Aqui não.");
  g_assert_cmpstr(message(&built, WEFT_VERDICT_REFUSE, NULL), ==, "Not here.");
  g_assert_cmpstr(message(&built, WEFT_VERDICT_REDACT, "de"), ==, "7");
  g_assert_null(message(&built, WEFT_VERDICT_UNDECIDED, "de"));
  language_clear(&built);
}

static void test_policies_verdict_refused(void)
{
  language_file("replies.yaml", "blocked: {en: Not here.}\nnone:\nlist: [a]\n");
  language_expect(FILTER("on_verdict: {refuse: replies.blokced}"),
                  "t.yaml:6:51: node \"f\": asset \"replies\" (replies.yaml) has no key \"blokced\"\n  hint: did you mean "
                  "\"blocked\"?\n");
  language_expect(FILTER("on_verdict: {refuse: replies.list}"),
                  "t.yaml:6:51: node \"f\": asset \"replies\" (replies.yaml), line 3: \"list\" is neither a text nor a map "
                  "language -> text\n");
  language_expect(FILTER("on_verdict: {refuse: reply.blocked, redact: replies.blocked}"),
                  "t.yaml:6:51: node \"f\": there is no asset \"reply\"\n  hint: name its file under assets:, such as assets: "
                  "{reply: reply.yaml}\n");
  language_expect(FILTER("on_verdict: {refuse: stop, redact: replies.blocked}"),
                  "t.yaml:6:51: node \"f\": what to do on a verdict is continue, refuse or ASSET.KEY (a message), found "
                  "\"stop\"\n");
  language_expect(FILTER("on_verdict: {refused: refuse, redact: replies.blocked}"),
                  "t.yaml:6:43: node \"f\": on_verdict has no key \"refused\"\n  hint: did you mean \"refuse\"?\n");
  language_expect(NODE("on_verdict: {refuse: refuse}"),
                  "t.yaml:5:42: node \"a\": gauge@1.0.0 gives no verdicts: it is of kind head and no filter\n");
  language_file("replies.yaml", "- blocked\n");
  language_expect(FILTER("on_verdict: {refuse: replies.blocked}"),
                  "t.yaml:6:51: node \"f\": asset \"replies\" (replies.yaml): it is no map of texts, such as blocked: \"Ask a "
                  "person.\"\n");
  language_file("replies.yaml", "blocked: [\n");
  language_expect(FILTER("on_verdict: {refuse: replies.blocked}"),
                  "t.yaml:6:51: node \"f\": asset \"replies\" (replies.yaml): line 2: not YAML: did not find expected node "
                  "content, while parsing a flow node\n");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  language_begin(argc, argv);
  g_test_add_func("/policies/missing", test_policies_missing);
  g_test_add_func("/policies/missing_by_key", test_policies_missing_by_key);
  g_test_add_func("/policies/missing_refused", test_policies_missing_refused);
  g_test_add_func("/policies/error", test_policies_error);
  g_test_add_func("/policies/batch", test_policies_batch);
  g_test_add_func("/policies/batch_refused", test_policies_batch_refused);
  g_test_add_func("/policies/filter", test_policies_filter);
  g_test_add_func("/policies/filter_refused", test_policies_filter_refused);
  g_test_add_func("/policies/unused", test_policies_unused);
  g_test_add_func("/policies/verdict", test_policies_verdict);
  g_test_add_func("/policies/verdict_refused", test_policies_verdict_refused);
  int status = g_test_run();
  language_end();
  return status;
}
