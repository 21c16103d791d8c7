/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines of the test plugins, built into graphs and run: plain (reader), source, pass, fault. */
#include "diagnostic-json.h"
#include "install.h"
#include "resolve.h"

#include <glib/gstdio.h>
#include <string.h>
#include <time.h>

#define HEAD "weft: 1\nname: t\ninputs: {words: {type: bytes}}\n"

typedef struct {
  WeftCatalogue *catalogue;
  struct weft_pool_impl *pool;
  struct weft_runtime *runtime;
  const char *worker;
  char *folder;
} Fixture;

static Fixture fixture;

typedef struct {
  WeftDiagnostics *diagnostics;
  WeftPipeline *pipeline;
  WeftRevision *revision;
  char *text;
} Built;

static Built build_with(const char *text, const WeftBuildOptions *options)
{
  Built built = {.diagnostics = weft_diagnostics_new("t.yaml")};
  g_autofree char *path = g_build_filename(fixture.folder, "t.yaml", NULL);
  built.pipeline = weft_pipeline_parse(text, strlen(text), path, NULL, built.diagnostics);
  if (built.pipeline)
    built.revision =
        weft_revision_build(built.pipeline, fixture.catalogue, fixture.runtime, options, built.diagnostics);
  built.text = weft_diagnostics_text(built.diagnostics);
  return built;
}

static Built build(const char *text)
{
  WeftBuildOptions options = {.isolate = "none"};
  return build_with(text, &options);
}

static void built_clear(Built *built)
{
  weft_revision_free(built->revision);
  weft_pipeline_free(built->pipeline);
  weft_diagnostics_free(built->diagnostics);
  g_free(built->text);
}

static void expect_messages(const char *text, const char *messages)
{
  Built built = build(text);
  g_assert_cmpstr(built.text, ==, messages);
  g_assert_cmpint(built.revision == NULL, ==, built.diagnostics->n_errors > 0);
  built_clear(&built);
}

/* The sixteen numbers that the graph's first output answers for one text. */
static void run_one(WeftRevision *revision, const char *text, float *out)
{
  struct weft_blob blob = {text, strlen(text), 1};
  struct weft_request request = {.inputs = &blob};
  struct weft_frame *frame = NULL;
  guint n = 0;
  g_assert_cmpint(weft_graph_run(weft_revision_graph(revision), &request, 1, &frame), ==, WEFT_OK);
  if (weft_frame_status(frame, 0) != WEFT_OK)
    g_error("%s", weft_frame_message(frame, 0));
  const WeftRevisionOutput *outputs = weft_revision_outputs(revision, &n);
  const struct weft_tensor *value = weft_frame_value(frame, outputs[0].value);
  g_assert_nonnull(value);
  struct weft_rows rows = weft_rows_of(value, 0);
  g_assert_cmpint(rows.end - rows.begin, ==, 1);
  memcpy(out, (const float *)value->data + rows.begin * 16, 16 * sizeof *out);
  weft_frame_release(frame);
}

static void test_revision_chain(void)
{
  Built built = build(HEAD "nodes:\n  a: {use: source@^1, in: words}\n  b: {use: pass, in: a}\n  c: {use: pass@1.0.0, in: {x: "
                           "b.y}}\noutputs: {y: c}\n");
  g_assert_cmpstr(built.text, ==, "");
  float y[16];
  run_one(built.revision, "abcdefghijklmnopq", y);
  g_assert_cmpfloat(y[0], ==, 'a' + 'q');
  g_assert_cmpfloat(y[15], ==, 'p');
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(built.revision, &n);
  g_assert_cmpuint(n, ==, 4);
  g_assert_cmpstr(nodes[0].name, ==, "words");
  g_assert_cmpstr(nodes[0].plugin, ==, "plain");
  g_assert_cmpstr(nodes[3].inputs[0], ==, "b.y");
  g_assert_null(nodes[3].inputs[1]);
  g_assert_false(nodes[3].isolated);
  g_assert_cmpuint(strlen(weft_revision_digest(built.revision)), ==, 64);
  built_clear(&built);
}

static char *digest_of(const char *text)
{
  Built built = build(text);
  g_assert_cmpstr(built.text, ==, "");
  char *digest = g_strdup(weft_revision_digest(built.revision));
  built_clear(&built);
  return digest;
}

static void test_revision_digest(void)
{
  g_autofree char *one = digest_of(HEAD "nodes: {a: {use: fault, in: words}}\noutputs: {y: a}\n");
  g_autofree char *same = digest_of("# said otherwise\n" HEAD "nodes:\n  a:\n    in: {text: words.text}\n    use: fault@^1\n"
                                    "outputs: {y: a.y}\n");
  g_autofree char *other = digest_of(HEAD "nodes: {a: {use: fault, in: words, params: {ms: 1 s}}}\noutputs: {y: a}\n");
  g_assert_cmpstr(one, ==, same);
  g_assert_cmpstr(one, !=, other);
}

static void test_revision_params(void)
{
  expect_messages(HEAD "nodes: {a: {use: fault, in: words, params: {ms: 20}}}\noutputs: {y: a}\n",
                  "t.yaml:4:49: node \"a\": parameter \"ms\" of fault@1.0.0 needs a unit, found \"20\"\n"
                  "  hint: such as 20 ms\n");
  expect_messages(HEAD "nodes: {a: {use: fault, in: words, params: {ms: 61 s}}}\noutputs: {y: a}\n",
                  "t.yaml:4:49: node \"a\": parameter \"ms\" of fault@1.0.0 must be between 0 and 60000 ms, found 61 s\n");
  expect_messages(HEAD "nodes: {a: {use: fault, in: words, params: {ms: 0.5 ms}}}\noutputs: {y: a}\n",
                  "t.yaml:4:49: node \"a\": parameter \"ms\" of fault@1.0.0 is a whole number, found \"0.5 ms\"\n");
  expect_messages(HEAD "nodes: {a: {use: fault, in: words, params: {how: sgv, [ms]: 3}}}\noutputs: {y: a}\n",
                  "t.yaml:4:55: a key must be a word, not a list\n");
  expect_messages(HEAD "nodes: {a: {use: fault, in: words, params: {how: sgv, mss: 3 ms}}}\noutputs: {y: a}\n",
                  "t.yaml:4:50: node \"a\": parameter \"how\" of fault@1.0.0 is one of none, segv, abort, hang, exit, fail, "
                  "internal, slow, found \"sgv\"\n  hint: did you mean \"segv\"?\n"
                  "t.yaml:4:55: node \"a\": fault@1.0.0 has no parameter \"mss\"\n  hint: did you mean \"ms\"?\n");
}

static void test_revision_readers(void)
{
#define REST "nodes: {a: {use: source, in: words}}\noutputs: {y: a}\n"
  expect_messages("weft: 1\nname: t\ninputs: {words: {type: bytes, reader: plain@~1.2}}\n" REST, "");
  expect_messages("weft: 1\nname: t\ninputs: {words: {type: text, reader: plain@^1}}\n" REST,
                  "t.yaml:3:38: node \"words\": plain@1.2.0 reads type \"bytes\", the input has type \"text\"\n");
  expect_messages("weft: 1\nname: t\ninputs: {words: {type: bytes, reader: pass}}\n" REST,
                  "t.yaml:3:39: node \"words\": pass@1.0.0 is no reader but a plugin of kind transform\n");
  expect_messages("weft: 1\nname: t\ninputs: {words: {type: smell}}\n" REST,
                  "t.yaml:3:24: node \"words\": no reader of type \"smell\" is installed\n"
                  "  hint: readers are installed for bytes\n");
#undef REST
}

static void test_revision_failure_is_told_once(void)
{
  Built built = build(HEAD "nodes:\n  a: {use: fault, in: words, params: {how: fail, at: create}}\n  b: {use: pass, in: a}\n"
                           "  c: {use: pass, in: b}\noutputs: {y: c}\n");
  g_assert_null(built.revision);
  g_assert_cmpuint(built.diagnostics->n_errors, ==, 1);
  g_assert_true(g_str_has_prefix(built.text, "t.yaml:5:12: node \"a\": fault@1.0.0: "));
  built_clear(&built);
  built = build(HEAD "nodes:\n  a: {use: sauce, in: words}\n  b: {use: pass, in: a.z}\n  c: {use: pass, in: {z: b}}\n"
                     "outputs: {y: c.z}\n");
  g_assert_cmpuint(built.diagnostics->n_errors, ==, 3); /* sauce, the input z, the output z */
  built_clear(&built);
}

static void test_revision_isolate(void)
{
  WeftBuildOptions options = {.isolate = "b,wrods"};
  Built built = build_with(HEAD "nodes: {a: {use: source, in: words}, b: {use: pass, in: a}}\noutputs: {y: b}\n", &options);
  g_assert_cmpstr(built.text, ==, "t.yaml: --isolate names \"wrods\", which is no node or input here\n"
                                  "  hint: did you mean \"words\"?\n");
  built_clear(&built);
  options.isolate = "b"; /* and no worker program is known */
  built = build_with(HEAD "nodes: {a: {use: source, in: words}, b: {use: pass, in: a}}\noutputs: {y: b}\n", &options);
  g_assert_cmpuint(built.diagnostics->n_errors, ==, 1);
  g_assert_true(g_str_has_prefix(built.text, "t.yaml:4:47: node \"b\": pass@1.0.0 is to run in a process of its own"));
  built_clear(&built);
}

#define REQUIRE(rule) \
  "weft: 1\nname: t\ninputs: {a: {type: bytes, optional: true}, b: {type: bytes, optional: true}, c: {type: bytes}}\n" rule \
  "nodes: {s: {use: source, in: a}, t: {use: source, in: b}, u: {use: source, in: c}}\noutputs: {s: s, t: t, u: u}\n"

/* given: letters of the inputs there are. said: NULL where that is enough. */
static void requires(const Built *built, const char *given, WeftGivenAs as, const char *said)
{
  g_autofree char *missing = NULL;
  const gboolean present[3] = {strchr(given, 'a') != NULL, strchr(given, 'b') != NULL, strchr(given, 'c') != NULL};
  g_assert_cmpint(weft_revision_require(built->revision, present, as, &missing), ==, !said);
  g_assert_cmpint(weft_revision_require(built->revision, present, as, NULL), ==, !said);
  g_assert_cmpstr(missing, ==, said);
}

static void test_revision_require(void)
{
  Built built = build(REQUIRE("require: any(a, b)\n"));
  g_assert_cmpstr(built.text, ==, "");
  requires(&built, "ac", WEFT_GIVEN_AS_KEY, NULL);
  requires(&built, "c", WEFT_GIVEN_AS_KEY, "the pipeline requires any(a, b); c was given: add \"a\" or \"b\"");
  requires(&built, "c", WEFT_GIVEN_AS_OPTION, "the pipeline requires any(a, b); c was given: add --a or --b");
  requires(&built, "c", WEFT_GIVEN_BY_NONE, "the pipeline requires any(a, b); c was given");
  requires(&built, "ab", WEFT_GIVEN_AS_KEY, "the pipeline needs the input c; a and b were given: add \"c\"");
  requires(&built, "", WEFT_GIVEN_AS_OPTION, "the pipeline needs the input c; nothing was given: add --c");
  built_clear(&built);
  built = build(REQUIRE("require: a and not b\n"));
  requires(&built, "abc", WEFT_GIVEN_AS_OPTION, "the pipeline requires a and not b; a, b and c were given: leave out --b");
  requires(&built, "bc", WEFT_GIVEN_AS_OPTION, "the pipeline requires a and not b; b and c were given"); /* no one change does */
  built_clear(&built);
}

static void test_revision_require_one(void)
{
  Built built = build("weft: 1\nname: t\ninputs: {a: {type: bytes, optional: true}, b: {type: bytes, optional: true}, c: {type: "
                      "bytes, optional: true}}\nnodes: {s: {use: source, in: a}, t: {use: source, in: b}, u: {use: source, in: "
                      "c}}\noutputs: {s: s, t: t, u: u}\n");
  requires(&built, "b", WEFT_GIVEN_AS_KEY, NULL);
  requires(&built, "", WEFT_GIVEN_AS_OPTION,
           "the pipeline needs at least one of its inputs: a, b, c; nothing was given: add --a, --b or --c");
  built_clear(&built);
}

static void test_revision_resources(void)
{
  g_autofree char *model = g_build_filename(fixture.folder, "model", NULL);
  g_autofree char *file = g_build_filename(model, "config.json", NULL), *inner = g_build_filename(model, "sub", NULL);
  g_mkdir(model, 0755);
  g_mkdir(inner, 0755);
  g_assert_true(g_file_set_contents(file, "{}", 2, NULL));
  Built built = build(HEAD "models: {m: model/}\nnodes: {s: {use: source, in: words}}\noutputs: {s: s}\n");
  g_assert_nonnull(built.revision);
  WeftNodeDecl node = *weft_node_at(built.pipeline, 0);
  node.model = 0;
  WeftStep step = {.name = "s", .node = &node};
  WeftBuilder builder = {.revision = built.revision, .pipeline = built.pipeline, .catalogue = fixture.catalogue};
  struct weft_step_setup setup;
  struct weft_resource one, two;
  weft_step_setup_init(&setup, &builder, &step);
  g_assert_cmpint(setup.setup.resource_open(&setup.setup, "model/config.json", 0, &one), ==, WEFT_OK);
  g_assert_cmpint(setup.setup.resource_open(&setup.setup, "model/config.json", 0, &two), ==, WEFT_OK);
  g_assert_cmpmem(one.data, one.n_bytes, "{}", 2);
  g_assert_true(one.data == two.data && one.id == two.id && one.id != 0);
  g_assert_cmpint(setup.setup.resource_open(&setup.setup, "model/none", WEFT_RESOURCE_OPTIONAL, &one), ==, WEFT_OK);
  g_assert_null(one.data);
  g_assert_cmpint(setup.setup.resource_open(&setup.setup, "model/none", 0, &one), ==, WEFT_BAD_CONFIG);
  g_assert_cmpstr(setup.setup.message, ==, "model \"m\" has no file \"none\" (folder \"model/\")");
  static const char *const refused[] = {"model/../t.yaml", "model//etc/passwd", "model/", "self/x", "model/sub", "/etc/passwd",
                                        "model/sub/../config.json"};
  for (guint i = 0; i < G_N_ELEMENTS(refused); i++)
    g_assert_cmpint(setup.setup.resource_open(&setup.setup, refused[i], 0, &one), ==, WEFT_BAD_CONFIG);
  built_clear(&built);
}

static void test_revision_limits(void)
{
  Built built = build(HEAD "nodes: {s: {use: source, in: words}, p: {use: pass, in: s}}\noutputs: {s: p}\n");
  g_assert_nonnull(built.revision);
  const WeftStep *steps = built.revision->steps; /* words, s, p */
  g_assert_cmpint(steps[0].limits.n_items, ==, WEFT_FRAME_ITEMS);
  g_assert_cmpint(steps[0].limits.n_rows[0], ==, WEFT_INPUT_MAX_BYTES);
  g_assert_cmpint(steps[1].limits.n_rows[0], ==, WEFT_TEXT_MAX_BYTES); /* though the reader hands on all */
  g_assert_cmpint(steps[2].limits.n_rows[0], ==, WEFT_FRAME_ITEMS);
  g_assert_cmpint(steps[2].limits.n_groups[0], ==, 0);
  built_clear(&built);
}

/* A text of the limit goes through, one byte more is bad input of that item alone. */
static void test_revision_text_limit(void)
{
  Built built = build(HEAD "nodes: {s: {use: source, in: words}}\noutputs: {s: s}\n");
  g_assert_nonnull(built.revision);
  g_autofree char *text = g_malloc0(WEFT_TEXT_MAX_BYTES + 1);
  struct weft_blob blobs[] = {{text, WEFT_TEXT_MAX_BYTES, 1}, {text, WEFT_TEXT_MAX_BYTES + 1, 1}, {"x", 1, 1}};
  struct weft_request requests[] = {{.inputs = &blobs[0]}, {.inputs = &blobs[1]}, {.inputs = &blobs[2]}};
  struct weft_frame *frame = NULL;
  g_assert_cmpint(weft_graph_run(weft_revision_graph(built.revision), requests, 3, &frame), ==, WEFT_OK);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
  g_assert_cmpint(weft_frame_status(frame, 1), ==, WEFT_BAD_INPUT);
  g_assert_nonnull(strstr(weft_frame_message(frame, 1), "1048576"));
  g_assert_cmpint(weft_frame_status(frame, 2), ==, WEFT_OK);
  weft_frame_release(frame);
  built_clear(&built);
}

static gint64 items_of(guint64 per_item, char **text)
{
  g_autofree char *file = g_strdup_printf(HEAD "nodes: {h: {use: hungry, in: words, params: {per_item: %" G_GUINT64_FORMAT
                                          " bytes}}}\noutputs: {n: h}\n", per_item);
  Built built = build(file);
  gint64 n = built.revision ? built.revision->steps[1].limits.n_items : 0;
  *text = g_strdup(built.text);
  built_clear(&built);
  return n;
}

/* Calls hold as many items as their scratch allows; one item has a limit of its own. */
static void test_revision_scratch_limits(void)
{
  const guint64 all = WEFT_SCRATCH_MAX_BYTES / WEFT_FRAME_ITEMS;
  char *text = NULL;
  g_assert_cmpint(items_of(all, &text), ==, WEFT_FRAME_ITEMS);
  g_clear_pointer(&text, g_free);
  g_assert_cmpint(items_of(all + 1, &text), ==, WEFT_FRAME_ITEMS / 2);
  g_clear_pointer(&text, g_free);
  g_assert_cmpint(items_of(WEFT_ITEM_SCRATCH_MAX_BYTES, &text), ==, 1);
  g_clear_pointer(&text, g_free);
  g_assert_cmpint(items_of(WEFT_ITEM_SCRATCH_MAX_BYTES + 1, &text), ==, 0);
  g_assert_cmpstr(text, ==, "t.yaml:4:18: node \"h\": hungry@1.0.0: wants 4294967297 bytes of scratch for one item, at most "
                            "4294967296 are given (WEFT_ITEM_SCRATCH_MAX_BYTES)\n");
  g_free(text);
}

static void test_revision_calls_are_split(void)
{
  Built built = build(HEAD "nodes: {h: {use: hungry, in: words, params: {per_item: 20 MiB}}}\noutputs: {n: h}\n");
  g_assert_cmpstr(built.text, ==, "");
  struct weft_blob blob = {"x", 1, 1};
  struct weft_request requests[20];
  struct weft_frame *frame = NULL;
  guint n = 0;
  for (guint i = 0; i < 20; i++)
    requests[i] = (struct weft_request){.inputs = &blob};
  g_assert_cmpint(weft_graph_run(weft_revision_graph(built.revision), requests, 20, &frame), ==, WEFT_OK);
  const struct weft_tensor *value = weft_frame_value(frame, weft_revision_outputs(built.revision, &n)[0].value);
  for (guint i = 0; i < 20; i++) {
    g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_OK);
    g_assert_cmpint(((const gint32 *)value->data)[weft_rows_of(value, i).begin], ==, i < 16 ? 8 : 4);
  }
  weft_frame_release(frame);
  built_clear(&built);
}

static void test_revision_isolated(void)
{
  WeftBuildOptions options = {.isolate = "all", .worker_program = fixture.worker};
  Built built = build_with(HEAD "nodes: {a: {use: source, in: words}, b: {use: pass, in: a}}\noutputs: {y: b}\n", &options);
  g_assert_cmpstr(built.text, ==, "");
  guint n = 0;
  g_assert_true(weft_revision_nodes(built.revision, &n)[2].isolated);
  float y[16];
  run_one(built.revision, "abcdefghijklmnopq", y);
  g_assert_cmpfloat(y[0], ==, 'a' + 'q');
  built_clear(&built);
  options.isolate = NULL; /* as the file says */
  built = build_with(HEAD "nodes: {a: {use: source, in: words, isolate: true}, b: {use: pass, in: a}}\noutputs: {y: b}\n",
                     &options);
  g_assert_cmpstr(built.text, ==, "");
  const WeftRevisionNode *nodes = weft_revision_nodes(built.revision, &n);
  g_assert_true(!nodes[0].isolated && nodes[1].isolated && !nodes[2].isolated);
  built_clear(&built);
  built = build_with(HEAD "nodes: {a: {use: hungry, in: words}, b: {use: hungry, in: words, isolate: false}}\n"
                          "outputs: {a: a, b: b}\n", &options);
  g_assert_cmpstr(built.text, ==, "");
  nodes = weft_revision_nodes(built.revision, &n);
  g_assert_true(nodes[1].isolated && !nodes[2].isolated); /* what did not come with Weft gets a process */
  built_clear(&built);
}

static void test_revision_advice(void)
{
  expect_messages(HEAD "nodes: {a: {use: pass, in: words}}\noutputs: {y: a}\n",
                  "t.yaml:4:28: node \"a\", port \"x\": pass@1.0.0 takes f32, \"words.text\" (plain@1.2.0) gives u8\n"
                  "  takes: f32 [*, 16]\n  given: u8 [*] ragged, modality text\n"
                  "  hint: use: fault@^1 between \"words.text\" and \"a\" converts: add fault: {use: fault@^1, in: words.text} "
                  "and write fault.y here; so would source@^1\n");
}

/* What docs/pipeline.md promises to programs. */
static void test_revision_json(void)
{
  Built built = build(HEAD "nodes: {a: {use: pass, in: words}}\noutputs: {y: b, z: a}\n");
  json_t *root = weft_diagnostics_json(built.diagnostics);
  g_assert_cmpstr(json_string_value(json_object_get(root, "schema")), ==, "weft.diagnostics/1");
  g_assert_true(json_is_false(json_object_get(root, "good")));
  g_assert_cmpint(json_integer_value(json_object_get(root, "errors")), ==, 2);
  const json_t *list = json_object_get(root, "diagnostics"), *edge = json_array_get(list, 0), *other = json_array_get(list, 1);
  static const char *const keys[] = {"file", "line", "column", "code", "severity", "node", "port", "message", "hint", "offers"};
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
    g_assert_true(json_object_get(edge, keys[i]) && json_object_get(other, keys[i]));
  g_assert_cmpstr(json_string_value(json_object_get(edge, "code")), ==, "dtype");
  g_assert_cmpstr(json_string_value(json_object_get(other, "code")), ==, "dangling");
  g_assert_true(json_is_null(json_object_get(other, "offers")));
  const json_t *target = json_object_get(json_object_get(edge, "offers"), "target");
  const json_t *source = json_object_get(json_object_get(edge, "offers"), "source");
  g_assert_cmpstr(json_string_value(json_object_get(target, "dtype")), ==, "f32");
  g_assert_cmpint(json_integer_value(json_array_get(json_object_get(target, "dims"), 1)), ==, 16);
  g_assert_cmpint(json_integer_value(json_object_get(source, "splits")), ==, 1);
  g_assert_cmpstr(json_string_value(json_object_get(json_object_get(source, "attributes"), "modality")), ==, "text");
  json_decref(root);
  built_clear(&built);
}

/* Processor time that building and running a chain of n nodes takes. */
static double chain_seconds(guint n)
{
  g_autoptr(GString) text = g_string_new(HEAD "nodes:\n  n0: {use: source, in: words}\n");
  for (guint i = 1; i < n; i++)
    g_string_append_printf(text, "  n%u: {use: pass, in: n%u}\n", i, i - 1);
  g_string_append_printf(text, "outputs: {y: n%u}\n", n - 1);
  clock_t begin = clock();
  Built built = build(text->str);
  g_assert_cmpstr(built.text, ==, "");
  float y[16];
  run_one(built.revision, "x", y);
  g_assert_cmpfloat(y[0], ==, 'x');
  built_clear(&built);
  return (double)(clock() - begin) / CLOCKS_PER_SEC;
}

/* Linear in the number of nodes: four times as many may not take sixteen times as long. */
static void test_revision_long_chain(void)
{
  double ratio = 16;
  for (int round = 0; round < 5 && ratio >= 8; round++)
    ratio = chain_seconds(20000) / chain_seconds(5000);
  g_test_message("four times as many nodes take %.1f times as long", ratio);
  g_assert_cmpfloat(ratio, <, 8);
}

static void install(const char *probe, char **files, int n_files)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_build_filename(fixture.folder, "catalogue", NULL);
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(folder, FALSE, &error);
  g_assert_no_error(error);
  for (int i = 0; i < n_files; i++) {
    gboolean foreign = strstr(files[i], "hungry") != NULL; /* stands for a plugin that did not come with Weft */
    const WeftInstallOptions options = {.probe_program = probe, .bundled = !foreign};
    g_autoptr(WeftInstallResult) result = weft_install_file(registrar, files[i], &options, &error);
    g_assert_no_error(error);
    if (result->outcome == WEFT_INSTALL_REFUSED)
      g_error("%s", result->reason);
  }
  g_clear_pointer(&registrar, weft_registrar_free);
  g_setenv("WEFT_CATALOGUE", folder, TRUE);
  fixture.catalogue = weft_catalogue_open(NULL, &error);
  g_assert_no_error(error);
}

static void remove_folder(const char *path)
{
  g_autoptr(GDir) dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *inner = g_build_filename(path, name, NULL);
    remove_folder(inner);
  }
  g_remove(path);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  if (argc < 4)
    g_error("usage: test-revision PROBE WORKER PLUGIN.so...");
  fixture.worker = argv[2];
  fixture.folder = g_dir_make_tmp("weft-revision-XXXXXX", NULL);
  g_setenv("XDG_DATA_HOME", fixture.folder, TRUE);
  g_setenv("XDG_CACHE_HOME", fixture.folder, TRUE);
  install(argv[1], argv + 3, argc - 3);
  g_assert_cmpint(weft_pool_new(1, &fixture.pool), ==, WEFT_OK);
  g_assert_cmpint(weft_runtime_new(fixture.pool, &fixture.runtime), ==, WEFT_OK);
  g_test_add_func("/revision/chain", test_revision_chain);
  g_test_add_func("/revision/digest", test_revision_digest);
  g_test_add_func("/revision/params", test_revision_params);
  g_test_add_func("/revision/readers", test_revision_readers);
  g_test_add_func("/revision/failure_is_told_once", test_revision_failure_is_told_once);
  g_test_add_func("/revision/isolate", test_revision_isolate);
  g_test_add_func("/revision/require", test_revision_require);
  g_test_add_func("/revision/require_one", test_revision_require_one);
  g_test_add_func("/revision/resources", test_revision_resources);
  g_test_add_func("/revision/limits", test_revision_limits);
  g_test_add_func("/revision/text_limit", test_revision_text_limit);
  g_test_add_func("/revision/scratch_limits", test_revision_scratch_limits);
  g_test_add_func("/revision/calls_are_split", test_revision_calls_are_split);
  g_test_add_func("/revision/isolated", test_revision_isolated);
  g_test_add_func("/revision/json", test_revision_json);
  g_test_add_func("/revision/advice", test_revision_advice);
  g_test_add_func("/revision/long_chain", test_revision_long_chain);
  int status = g_test_run();
  weft_runtime_free(fixture.runtime);
  weft_pool_free(fixture.pool);
  weft_catalogue_free(fixture.catalogue);
  remove_folder(fixture.folder);
  g_free(fixture.folder);
  return status;
}
