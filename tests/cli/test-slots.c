/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that a node calls itself, as a user runs them: in process, isolated, dying, failing, selected or not. */
#include "cli-fixture.h"

#include <string.h>

#define RUN(file) "run", "WORK/" file, "--catalogue", "WORK/catalogue"
#define HEAD "weft: 1\nname: p\ncontext: {domain: optional}\ninputs: {row: {type: bytes, optional: true}, more: {type: bytes, " \
             "optional: true}}\n"
#define ROWS "  x: {use: vector, in: row, params: {d: 4}}\n"

static void write_row(const char *name, float first)
{
  const float row[4] = {first, 1, -2, 3};
  g_free(cli_write(name, row, sizeof row));
}

/* An expert y = factor * relu(x). */
static void write_expert(const char *name, float factor)
{
  const char header[] = "{\"up.weight\":{\"dtype\":\"F32\",\"shape\":[4,4],\"data_offsets\":[0,64]},"
                        "\"down.weight\":{\"dtype\":\"F32\",\"shape\":[4,4],\"data_offsets\":[64,128]}}";
  float weights[32] = {0};
  guint64 n_header = GUINT64_TO_LE(strlen(header));
  g_autoptr(GByteArray) file = g_byte_array_new();
  g_autofree char *config = g_strdup_printf("%s/config.json", name), *tensors = g_strdup_printf("%s/model.safetensors", name);
  for (guint i = 0; i < 4; i++) {
    weights[5 * i] = 1;
    weights[16 + 5 * i] = factor;
  }
  g_byte_array_append(file, (const guint8 *)&n_header, sizeof n_header);
  g_byte_array_append(file, (const guint8 *)header, (guint)strlen(header));
  g_byte_array_append(file, (const guint8 *)weights, sizeof weights);
  g_free(cli_write(config, "{\"architectures\": [\"WeftExpertMlp\"], \"d_model\": 4, \"d_hidden\": 4, \"activation\": "
      "\"relu\"}", -1));
  g_free(cli_write(tensors, file->data, file->len));
}

/* One line of --batch: the row's file, and the domain or NULL. */
static void add_line(GString *lines, const char *row, const char *domain)
{
  g_string_append_printf(lines, "{\"row\": \"%s/%s\"", cli_work(), row);
  if (domain)
    g_string_append_printf(lines, ", \"$context\": {\"domain\": \"%s\"}", domain);
  g_string_append(lines, "}\n");
}

static void expect_out(const CliResult *r, const char *out)
{
  if (strcmp(r->out, out) != 0)
    g_error("expected \"%s\", found \"%s\" (code %d): %s", out, r->out, r->code, r->err);
}

static void expect_failed(const CliResult *r, const char *message)
{
  if (r->code != 1)
    g_error("exit code %d: %s%s", r->code, r->out, r->err);
  cli_contains(r->err, message);
}

static const char mlp[] = HEAD "models: {a: ./a, b: ./b}\nnodes:\n" ROWS
                               "  pick: {use: pick@^1, in: x, select: context.domain, params: {none: pass},\n"
                               "         slots: {a: {use: expert-mlp@^1, model: a}, b: {use: expert-mlp@^1, model: b%s}}}\n"
                               "outputs: {y: pick}\n";

/* Items of both experts and of none in one batch: each as alone, wherever the expert runs. */
static void test_slots_mlp(void)
{
  static const char *const places[] = {"", ", isolate: true"};
  for (guint k = 0; k < G_N_ELEMENTS(places); k++) {
    g_autofree char *text = g_strdup_printf(mlp, places[k]);
    g_free(cli_write("mlp.yaml", text, -1));
    g_autoptr(GString) lines = g_string_new(NULL);
    static const char *const domains[] = {"a", "b", NULL, "b", "nobody", "a"};
    static const char *const rows[] = {"5", "7", "5", "5", "7", "7"};
    for (guint i = 0; i < G_N_ELEMENTS(domains); i++)
      add_line(lines, rows[i], domains[i]);
    g_free(cli_write("lines.jsonl", lines->str, -1));
    g_auto(CliResult) batch = cli_weft(NULL, RUN("mlp.yaml"), "--batch", "WORK/lines.jsonl", NULL);
    g_assert_cmpint(batch.code, ==, 0);
    g_auto(GStrv) answers = g_strsplit(batch.out, "\n", -1);
    static const char *const expected[] = {"[10.0,2.0,0.0,6.0]", "[21.0,3.0,0.0,9.0]", "[5.0,1.0,-2.0,3.0]",
                                           "[15.0,3.0,0.0,9.0]", "[7.0,1.0,-2.0,3.0]", "[14.0,2.0,0.0,6.0]"};
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
      g_autofree char *part = g_strdup_printf("\"y\":%s", expected[i]);
      cli_contains(answers[i], part);
      g_autofree char *row = g_strdup_printf("WORK/%s", rows[i]), *context = g_strdup_printf("domain=%s", domains[i]);
      g_autofree char *alone = g_strdup_printf("y            %s\n", expected[i]);
      g_auto(CliResult) one = cli_weft(NULL, RUN("mlp.yaml"), "--row", row, domains[i] ? "--context" : NULL, context, NULL);
      expect_out(&one, alone);
    }
  }
}

static void test_slots_absent(void)
{
  g_free(cli_write("absent.yaml", HEAD "nodes:\n" ROWS
                   "  pick: {use: pick@^1, in: x, select: context.domain, slots: {a: {use: scale, params: {factor: 3, how: "
                   "leave}}}}\n"
                   "  then: {use: scale, in: pick, params: {factor: 10}}\noutputs: {y: pick, z: then}\n", -1));
  g_auto(CliResult) none = cli_weft(NULL, RUN("absent.yaml"), "--row", "WORK/5", "--isolate", "none", NULL);
  expect_out(&none, "y            null\nz            null\n");
  g_auto(CliResult) some = cli_weft(NULL, RUN("absent.yaml"), "--row", "WORK/5", "--context", "domain=a", "--isolate", "none",
      NULL);
  expect_out(&some, "y            [15.0,3.0,-6.0,9.0]\nz            [150.0,30.0,-60.0,90.0]\n");
  /* What the slot itself leaves out is left out. */
  g_auto(CliResult) left = cli_weft(NULL, RUN("absent.yaml"), "--row", "WORK/666", "--context", "domain=a", "--isolate",
      "none", NULL);
  expect_out(&left, "y            null\nz            null\n");
  g_auto(CliResult) no_row = cli_weft(NULL, RUN("absent.yaml"), "--more", "WORK/5", "--context", "domain=a", NULL);
  expect_out(&no_row, "y            null\nz            null\n");
}

static void test_slots_required(void)
{
  g_free(cli_write("required.yaml", HEAD "nodes:\n" ROWS
                   "  pick:\n    use: pick@^1\n    in: x\n    select: {by: context.domain, required: true}\n"
                   "    slots: {a: {use: scale}, b: {use: scale}}\noutputs: {y: pick}\n", -1));
  g_auto(CliResult) a = cli_weft(NULL, RUN("required.yaml"), "--row", "WORK/5", "--context", "domain=b", NULL);
  expect_out(&a, "y            [5.0,1.0,-2.0,3.0]\n");
  g_auto(CliResult) none = cli_weft(NULL, RUN("required.yaml"), "--row", "WORK/5", NULL);
  expect_failed(&none, "node 'pick': the request brings no context \"domain\", which chooses the slot; the slots are a, b "
      "(bad-input)");
  g_auto(CliResult) other = cli_weft(NULL, RUN("required.yaml"), "--row", "WORK/5", "--context", "domain=c", NULL);
  expect_failed(&other, "node 'pick': context \"domain\" is \"c\", and no slot is called so; the slots are a, b (bad-input)");
}

static void expect_lines(const CliResult *r, const char *const *parts)
{
  g_auto(GStrv) answers = g_strsplit(r->out, "\n", -1);
  for (guint i = 0; parts[i]; i++)
    cli_contains(answers[i], parts[i]);
}

/* A slot that fails, dies, or never ends costs its own item. */
static void test_slots_trouble(void)
{
  static const struct {
    const char *how, *isolate, *message;
  } cases[] = {{"fail", "none", "scale: the row is marked"},
               {"fail", "pick/bad", "scale: the row is marked"},
               {"segv", "pick/bad", "plugin scale@1.0.0 in node pick/bad: worker died by signal 11 (SIGSEGV) in process"}};
  g_autoptr(GString) lines = g_string_new(NULL);
  static const char *const rows[] = {"5", "666", "7", "5"}, *const domains[] = {"bad", "bad", "bad", "good"};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    add_line(lines, rows[i], domains[i]);
  g_free(cli_write("lines.jsonl", lines->str, -1));
  for (guint k = 0; k < G_N_ELEMENTS(cases); k++) {
    g_autofree char *text = g_strdup_printf(HEAD "nodes:\n" ROWS "  pick: {use: pick@^1, in: x, select: context.domain,\n"
                                            "    slots: {good: {use: scale}, bad: {use: scale-alone, params: {factor: 2, how: "
                                            "%s}}}}\n"
                                            "outputs: {y: pick}\n", cases[k].how);
    g_autofree char *message = g_strdup_printf("\"node\":\"pick\",\"message\":\"%s", cases[k].message);
    if (strcmp(cases[k].how, "segv") == 0)
      message = (g_free(message), g_strdup("worker died by signal 11 (SIGSEGV) in process"));
    const char *const parts[] = {"\"y\":[10.0,2.0,-4.0,6.0]", message, "\"y\":[14.0,2.0,-4.0,6.0]",
        "\"y\":[5.0,1.0,-2.0,3.0]", NULL};
    g_free(cli_write("trouble.yaml", text, -1));
    g_auto(CliResult) r = cli_weft("ASAN_OPTIONS=handle_segv=0", RUN("trouble.yaml"), "--isolate", cases[k].isolate, "--batch",
                                   "WORK/lines.jsonl", NULL);
    g_assert_cmpint(r.code, ==, 1);
    expect_lines(&r, parts);
  }
}

/* A worker that hangs is killed at the deadline of the node, or of the request; other slots answer. */
static void test_slots_deadline(void)
{
  static const char *const hows[] = {"hang", "slow"};
  for (guint k = 0; k < G_N_ELEMENTS(hows); k++) {
    g_autofree char *text = g_strdup_printf(HEAD "nodes:\n" ROWS "  pick: {use: pick@^1, in: x, select: context.domain, "
        "deadline: 300 ms,\n"
                                            "    slots: {good: {use: scale}, bad: {use: scale, isolate: true, params: "
                                            "{factor: 2, how: %s}}}}\n"
                                            "outputs: {y: pick}\n", hows[k]);
    g_free(cli_write("deadline.yaml", text, -1));
    g_autoptr(GString) lines = g_string_new(NULL);
    static const char *const rows[] = {"666", "5"}, *const domains[] = {"bad", "good"};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
      add_line(lines, rows[i], domains[i]);
    g_free(cli_write("lines.jsonl", lines->str, -1));
    g_auto(CliResult) r = cli_weft(NULL, RUN("deadline.yaml"), "--batch", "WORK/lines.jsonl", NULL);
    const char *const parts[] = {"\"code\":\"deadline\",\"node\":\"pick\"", "\"y\":[5.0,1.0,-2.0,3.0]", NULL};
    g_assert_cmpint(r.code, ==, 1);
    expect_lines(&r, parts);
    g_auto(CliResult) one = cli_weft(NULL, RUN("deadline.yaml"), "--row", "WORK/666", "--context", "domain=bad", "--timeout",
        "100 ms",
                                     NULL);
    expect_failed(&one, "deadline");
  }
}

/* A node that chooses itself goes on without a slot that fails. */
static void test_slots_router(void)
{
  g_free(cli_write("router.yaml", HEAD "nodes:\n" ROWS
                   "  mean: {use: average, in: x, isolate: false, slots: {a: {use: scale, params: {factor: 2}},\n"
                   "         b: {use: scale, params: {factor: 4, how: fail}}, c: {use: scale, isolate: true, params: {factor: "
                   "6, how: segv}}}}\n"
                   "outputs: {y: mean.y, n: mean.n}\n", -1));
  g_autoptr(GString) lines = g_string_new(NULL);
  static const char *const rows[] = {"5", "666", "7"};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    add_line(lines, rows[i], NULL);
  g_free(cli_write("lines.jsonl", lines->str, -1));
  g_auto(CliResult) r = cli_weft("ASAN_OPTIONS=handle_segv=0", RUN("router.yaml"), "--batch", "WORK/lines.jsonl", NULL);
  const char *const parts[] = {"\"y\":[20.0,4.0,-8.0,12.0],\"n\":3.0", "\"y\":[1332.0,2.0,-4.0,6.0],\"n\":1.0",
                               "\"y\":[28.0,4.0,-8.0,12.0],\"n\":3.0", NULL};
  if (r.code != 0)
    g_error("%s%s", r.out, r.err);
  expect_lines(&r, parts);
}

/* What a node announced it keeps to, and is told where it does not. */
static void test_slots_careless(void)
{
  static const char *const cases[][2] = {
      {"slot", "slot 1 is called; the node has 1, and calls what it made and activated"},
      {"items", "'bad/a' is called with 65 items and 1 inputs; announced were 1 to 64 and 1"},
      {"item", "'bad/a' is called for item 1 of a call of 1"},
      {"inputs", "'bad/a' is called with 1 items and 2 inputs; announced were 1 to 64 and 1"},
      {"data", "'bad/a' is called with an input 'x' that cannot be right: its data is not there, or not aligned to 64 bytes"},
      {"slots", "an item's slot is out of range"},
      {"rows", "its bytes are not those of its rows"},
      {"splits", "it has splits, and one row an item was announced"},
      {"width", "a dim is not what was announced"}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text = g_strdup_printf(HEAD "nodes:\n" ROWS "  bad: {use: careless, in: x, params: {how: %s}, slots: {a: "
        "{use: scale}}}\n"
                                            "outputs: {y: bad}\n", cases[i][0]);
    g_free(cli_write("careless.yaml", text, -1));
    g_auto(CliResult) r = cli_weft(NULL, RUN("careless.yaml"), "--row", "WORK/5", "--isolate", "none", NULL);
    expect_failed(&r, cases[i][1]);
    cli_contains(r.err, "(contract)");
  }
}

/* Tokens: rows of any number, of the items of several slots. */
static void test_slots_tokens(void)
{
  g_free(cli_write("tokens.yaml", HEAD "models: {a: ./a, b: ./b}\nnodes:\n  x: {use: vectors, in: row, params: {d: 4}, "
      "isolate: false}\n"
                   "  pick: {use: pick-tokens@^1, in: x, select: context.domain,\n"
                   "         slots: {a: {use: expert-mlp-tokens@^1, model: a, isolate: true}, b: {use: expert-mlp-tokens@^1, "
                   "model: b}}}\n"
                   "outputs: {y: pick}\n", -1));
  const float two[8] = {1, 2, 3, 4, 5, 6, 7, -8};
  g_free(cli_write("two", two, sizeof two));
  g_autoptr(GString) lines = g_string_new(NULL);
  static const char *const rows[] = {"two", "5", "two", "5"}, *const domains[] = {"a", "b", "b", NULL};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    add_line(lines, rows[i], domains[i]);
  g_free(cli_write("lines.jsonl", lines->str, -1));
  g_auto(CliResult) r = cli_weft(NULL, RUN("tokens.yaml"), "--batch", "WORK/lines.jsonl", NULL);
  const char *const parts[] = {"\"y\":[[2.0,4.0,6.0,8.0],[10.0,12.0,14.0,0.0]]", "\"y\":[[15.0,3.0,0.0,9.0]]",
                               "\"y\":[[3.0,6.0,9.0,12.0],[15.0,18.0,21.0,0.0]]", "\"y\":null", NULL};
  if (r.code != 0)
    g_error("%s%s", r.out, r.err);
  expect_lines(&r, parts);
}

/* Slots are told of wherever a revision is: check, explain, dot, diff, lock, profile, the answer's path. */
static void test_slots_told(void)
{
  g_autofree char *text = g_strdup_printf(mlp, ", isolate: true"), *other = g_strdup_printf(mlp, "");
  g_free(cli_write("told.yaml", text, -1));
  g_free(cli_write("other.yaml", other, -1));
#define SAY(action, ...) cli_weft(NULL, "pipeline", action, "WORK/told.yaml", __VA_ARGS__ "--catalogue", "WORK/catalogue", NULL)
  g_auto(CliResult) check = SAY("check", );
  cli_contains(check.out, "  pick/b       expert-mlp@1.0.0 (worker)");
  g_auto(CliResult) explain = SAY("explain", "pick",);
  cli_contains(explain.out, "  runs      in this process: it calls its slots itself\n  select    context.domain\n");
  cli_contains(explain.out, "\nslot pick/b\n");
  cli_contains(explain.out, "  in        x <- pick: f32 [*, 4], one row an item\n");
  g_auto(CliResult) slot = SAY("explain", "pick/a",);
  g_assert_true(g_str_has_prefix(slot.out, "slot pick/a\n"));
  g_auto(CliResult) dot = SAY("dot", );
  cli_contains(dot.out, "\"s:pick/b\" [label=\"b\\nexpert-mlp@1.0.0\\n./b\\nisolated\", shape=component, style=dashed];");
  g_auto(CliResult) diff = SAY("diff", "WORK/other.yaml",);
  expect_out(&diff, "node pick: slots.b.isolated: true -> false\n");
  g_auto(CliResult) lock = SAY("lock", );
  g_assert_cmpint(lock.code, ==, 0);
  write_expert("b", 5);
  g_auto(CliResult) changed = SAY("check", "--locked",);
  write_expert("b", 3);
  g_assert_cmpint(changed.code, !=, 0);
  cli_contains(changed.err, "node pick: slots.b.model_digest: ");
#undef SAY
  g_auto(CliResult) run = cli_weft(NULL, RUN("told.yaml"), "--row", "WORK/5", "--context", "domain=b", "--explain", "--json", NULL);
  json_t *answer = cli_json(&run);
  g_assert_cmpstr(json_string_value(cli_at(answer, "explain.path.5.node")), ==, "pick/b");
  g_assert_cmpstr(json_string_value(cli_at(answer, "explain.path.5.slot_of")), ==, "pick");
  json_decref(answer);
  g_autoptr(GString) lines = g_string_new(NULL);
  add_line(lines, "5", "b");
  g_free(cli_write("lines.jsonl", lines->str, -1));
  g_auto(CliResult) profile = cli_weft(NULL, "profile", "WORK/told.yaml", "--catalogue", "WORK/catalogue", "--batch",
      "WORK/lines.jsonl",
                                       "--json", NULL);
  json_t *report = cli_json(&profile);
  const json_t *nodes = cli_at(report, "nodes");
  gboolean found = FALSE;
  for (size_t i = 0; i < json_array_size(nodes); i++) {
    const json_t *one = json_array_get(nodes, i);
    if (strcmp(json_string_value(json_object_get(one, "node")), "pick/b") == 0)
      found = json_integer_value(json_object_get(one, "calls")) == 1 &&
              strcmp(json_string_value(json_object_get(one, "where")), "worker") == 0;
  }
  json_decref(report);
  g_assert_true(found);
}

/* A node with slots within a sub-pipeline; isolate of the whole means its slots. */
static void test_slots_sub_pipeline(void)
{
  g_autofree char *inner = g_strdup_printf(mlp, ""), *all = g_strdup("");
  g_free(cli_write("inner.yaml", inner, -1));
  g_free(cli_write("outer.yaml", "weft: 1\nname: outer\ncontext: {domain: optional}\ninputs: {row: {type: bytes}}\nnodes:\n"
                   "  sub: {use: ./inner.yaml, in: {row: row}, isolate: true}\noutputs: {y: sub.y}\n", -1));
  g_auto(CliResult) run = cli_weft(NULL, RUN("outer.yaml"), "--row", "WORK/5", "--context", "domain=b", NULL);
  expect_out(&run, "y            [15.0,3.0,0.0,9.0]\n");
  g_auto(CliResult) check = cli_weft(NULL, "pipeline", "check", "WORK/outer.yaml", "--catalogue", "WORK/catalogue", NULL);
  cli_contains(check.out, "  sub/pick/b   expert-mlp@1.0.0 (worker)");
  cli_contains(check.out, "  sub/pick     pick@1.0.0  <-");
}

/* Who calls others is in this process: said so at once, and what to do. */
static void test_slots_isolated_node(void)
{
  g_free(cli_write("own.yaml", HEAD "nodes:\n" ROWS "  mean: {use: average, in: x, slots: {a: {use: scale}, b: {use: scale}}}\n"
                   "outputs: {y: mean.y, n: mean.n}\n", -1));
#define CHECK "pipeline", "check", "WORK/own.yaml", "--catalogue", "WORK/catalogue"
  g_auto(CliResult) third = cli_weft(NULL, CHECK, NULL);
  g_assert_cmpint(third.code, ==, 4);
  cli_contains(third.err, "node \"mean\": average@1.0.0 calls its slots itself, so it runs in this process, and as a plugin "
      "that did "
                          "not come with Weft it would get one of its own\n  hint: say isolate: false where you trust it; its "
                          "slots "
                          "get processes of their own");
  g_auto(CliResult) named = cli_weft(NULL, CHECK, "--isolate", "mean", NULL);
  cli_contains(named.err, "and --isolate gives it one of its own\n  hint: isolate its slots instead");
  g_auto(CliResult) all = cli_weft(NULL, CHECK, "--isolate", "all", NULL);
  cli_contains(all.out, "  mean         average@1.0.0  <- x.x\n");
  cli_contains(all.out, "  mean/a       scale@1.0.0 (worker)");
  g_auto(CliResult) one = cli_weft(NULL, CHECK, "--isolate", "mean/b", NULL);
  cli_contains(one.out, "  mean/a       scale@1.0.0  <-");
  cli_contains(one.out, "  mean/b       scale@1.0.0 (worker)");
#undef CHECK
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_setenv("TSAN_OPTIONS", "handle_segv=0:handle_abort=0", TRUE); /* whose handlers would end the worker instead */
  cli_fixture_init();
  cli_install((const char *const *)argv + 1, (guint)argc - 1);
  write_row("5", 5);
  write_row("7", 7);
  write_row("666", 666);
  write_expert("a", 2);
  write_expert("b", 3);
  g_test_add_func("/slots/mlp", test_slots_mlp);
  g_test_add_func("/slots/absent", test_slots_absent);
  g_test_add_func("/slots/required", test_slots_required);
  g_test_add_func("/slots/trouble", test_slots_trouble);
  g_test_add_func("/slots/deadline", test_slots_deadline);
  g_test_add_func("/slots/router", test_slots_router);
  g_test_add_func("/slots/careless", test_slots_careless);
  g_test_add_func("/slots/tokens", test_slots_tokens);
  g_test_add_func("/slots/told", test_slots_told);
  g_test_add_func("/slots/isolated-node", test_slots_isolated_node);
  g_test_add_func("/slots/sub-pipeline", test_slots_sub_pipeline);
  int code = g_test_run();
  cli_fixture_end();
  return code;
}
