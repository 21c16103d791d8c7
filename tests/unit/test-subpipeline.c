/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines in pipelines: what they become, and what is said where they do not fit. */
#include "pipeline.h"
#include "subpipeline.h"

#include <glib/gstdio.h>
#include <string.h>

static char *folder;

static void write_file(const char *name, const char *text)
{
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_autofree char *parent = g_path_get_dirname(path);
  g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

#define HEAD "weft: 1\nname: p\ninputs: {t: {type: text}}\n"
#define OUT "outputs: {o: n}\n"

static const char inner[] = "weft: 1\nname: inner\ninputs: {text: {type: text}, more: {type: text, optional: true}}\n"
                            "models: {m: models/m}\nassets: {rules: rules.yaml}\n"
                            "nodes:\n  a: {use: bert@^1, model: m, in: text}\n"
                            "  b: {use: mix@^1, in: {x: a.tokens, y: more}, params: {rules: rules, scale: \"${SCALE}\"}}\n"
                            "outputs: {first: b, second: a.pooled, same: text}\n";

static WeftPipeline *load(const char *outer, char **words)
{
  write_file("outer.yaml", outer);
  g_autofree char *path = g_build_filename(folder, "outer.yaml", NULL);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("outer.yaml");
  WeftPipeline *pipeline = weft_pipeline_load(path, NULL, diagnostics);
  g_autofree char *text = weft_diagnostics_text(diagnostics);
  g_autoptr(GString) portable = g_string_new(text);
  g_string_replace(portable, folder, "FOLDER", 0);
  *words = g_strdup(portable->str);
  return pipeline;
}

/* The only or the first message, without its hint. */
static void refused(const char *outer, const char *expected)
{
  g_autofree char *words = NULL;
  g_autoptr(WeftPipeline) pipeline = load(outer, &words);
  g_assert_true(!pipeline || !weft_pipeline_is_sound(pipeline));
  g_auto(GStrv) lines = g_strsplit(words, "\n", 2);
  if (strcmp(lines[0], expected) != 0)
    g_test_fail_printf("expected %s\n#    found %s", expected, lines[0]);
}

/* "NAME <- SOURCE SOURCE" of every node, and the outputs. */
static void check(const char *outer, const char *expected)
{
  g_autofree char *words = NULL;
  g_autoptr(WeftPipeline) pipeline = load(outer, &words);
  g_assert_cmpstr(words, ==, "");
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < pipeline->nodes->len; i++) {
    const WeftNodeDecl *node = weft_node_at(pipeline, i);
    g_string_append_printf(text, "%s <-", node->name);
    for (guint k = 0; k < weft_node_n_sources(node); k++) {
      const WeftReference *reference = weft_node_source(node, k);
      g_assert_cmpint(reference->step, >=, 0);
      g_string_append_printf(text, " %s%s%s", reference->name, reference->port ? "." : "",
                             reference->port ? reference->port : "");
    }
    g_string_append(text, node->has_isolate ? node->isolate ? ", isolated\n" : ", not isolated\n" : "\n");
  }
  for (guint i = 0; i < pipeline->outputs->len; i++) {
    const WeftReference *reference = weft_reference_at(pipeline->outputs, i);
    g_string_append_printf(text, "%s: %s%s%s\n", reference->key, reference->name, reference->port ? "." : "",
                           reference->port ? reference->port : "");
  }
  g_assert_cmpstr(text->str, ==, expected);
}

static void test_subpipeline_is_put_in(void)
{
  write_file("sub/inner.yaml", inner);
  check(HEAD "nodes:\n  n: {use: sub/inner.yaml, in: {text: t}, params: {SCALE: 2}, isolate: true}\n"
             "  last: {use: head@^1, in: n.second}\noutputs: {a: n, b: last, c: n.same}\n",
        "n/a <- t, isolated\nn/b <- n/a.tokens n/more, isolated\nlast <- n/a.pooled\na: n/b\nb: last\nc: t\n");
}

static void test_subpipeline_takes_ports(void)
{
  write_file("sub/inner.yaml", inner);
  write_file("deep.yaml", HEAD "nodes: {k: {use: sub/inner.yaml, in: {text: t, more: t}, params: {SCALE: 1}}}\n"
                               "outputs: {o: k.first, s: k.same}\n");
  check(HEAD "nodes:\n  f: {use: filter@^1, in: t}\n  n: {use: ./deep.yaml, in: f.text}\n  m: {use: deep.yaml, in: n.s}\n"
             "outputs: {a: n.o, b: m}\n",
        "f <- t\nn/k/a <- f.text\nn/k/b <- n/k/a.tokens f.text\nm/k/a <- f.text\nm/k/b <- m/k/a.tokens f.text\n"
        "a: n/k/b\nb: m/k/b\n");
}

static void test_subpipeline_keeps_files_of_its_own(void)
{
  write_file("sub/inner.yaml", inner);
  g_autofree char *words = NULL;
  g_autoptr(WeftPipeline) pipeline =
      load(HEAD "models: {m: models/other}\nnodes:\n  x: {use: y@^1, model: m, in: t}\n"
                "  n: {use: sub/inner.yaml, in: {text: t}, params: {SCALE: 2}}\noutputs: {a: n, b: x}\n", &words);
  g_assert_cmpstr(words, ==, "");
  g_assert_cmpuint(pipeline->models->len, ==, 2);
  g_assert_cmpstr(weft_model_at(pipeline, 1)->name, ==, "n/m");
  g_assert_true(g_str_has_suffix(weft_model_at(pipeline, 1)->folder, "/sub"));
  g_assert_cmpint(weft_node_at(pipeline, 1)->model, ==, 1);
  g_assert_cmpstr(weft_asset_at(pipeline, 0)->name, ==, "n/rules");
  g_assert_cmpstr(weft_node_at(pipeline, 2)->scope, ==, "n");
  const WeftInlined *inlined = pipeline->inlined->pdata[0];
  g_assert_cmpstr(inlined->node, ==, "n");
  g_assert_cmpstr(inlined->use, ==, "sub/inner.yaml");
  g_assert_cmpuint(strlen(inlined->digest), ==, 64);
}

static void test_subpipeline_has_conditions(void)
{
  write_file("inner.yaml", "weft: 1\nname: i\ninputs: {x: {type: text}}\ncontext: {user: optional}\nnodes:\n"
                           "  a: {use: b, in: x}\n  c: {use: d, in: a, when: a.score < 0.5 and context.user == \"u\"}\n"
                           "outputs: {o: c}\n");
  check(HEAD "nodes:\n  f: {use: filter, in: t}\n  n: {use: inner.yaml, in: {x: t}, when: f.score > 0.1}\n"
             "outputs: {o: n, f: f}\n",
        "f <- t\nn/a <- t f.score\nn/c <- n/a n/a.score f.score\no: n/c\nf: f\n");
}

static void test_subpipeline_errors_name_the_inner_file(void)
{
  write_file("sub/bad.yaml", HEAD "nodes:\n  x: {use: y, in: nowhere}\noutputs: {o: x}\n");
  write_file("middle.yaml", HEAD "nodes:\n  k: {use: sub/bad.yaml, in: t}\noutputs: {o: k}\n");
  refused(HEAD "nodes:\n  n: {use: middle.yaml, in: t}\n" OUT,
          "FOLDER/sub/bad.yaml:5:19: in sub-pipeline \"n/k\": node \"n/k/x\": there is no input or node named \"nowhere\"");
  write_file("syntax.yaml", "weft: 1\nname: [");
  refused(HEAD "nodes:\n  n: {use: syntax.yaml, in: t}\n" OUT,
          "FOLDER/syntax.yaml:3:1: in sub-pipeline \"n\": not YAML: did not find expected node content, while parsing a flow "
          "node");
}

static void test_subpipeline_says_what_does_not_fit(void)
{
  write_file("one.yaml", "weft: 1\nname: one\ncontext: {user: required}\ninputs: {text: {type: text}}\nnodes: {a: {use: b, in: "
                         "text}}\noutputs: {o: a}\n");
  write_file("two.yaml", "weft: 1\nname: two\ninputs: {a: {type: text}, b: {type: image}}\nnodes: {x: {use: y, in: {p: a, q: "
                         "b.pixels}}}\noutputs: {o: x}\n");
#define NODE(text) HEAD "nodes:\n  n: " text "\n" OUT
  refused(NODE("{use: none.yaml, in: t}"), "outer.yaml:5:12: node \"n\": there is no file \"FOLDER/none.yaml\"");
  refused(NODE("{use: ./, in: t}"), "outer.yaml:5:12: node \"n\": a pipeline is a file, and \"FOLDER\" is none");
  refused(NODE("{use: one.yaml, in: t}"),
          "outer.yaml:5:12: node \"n\": it requires the context key \"user\", which is not declared here");
  refused(NODE("{use: two.yaml, in: t}"), "outer.yaml:5:26: node \"n\": two.yaml has 2 inputs: say which one \"t\" feeds");
  refused(NODE("{use: two.yaml, in: {c: t}}"), "outer.yaml:5:27: node \"n\": two.yaml has no input \"c\"");
  refused(NODE("{use: two.yaml, in: {a: t}}"),
          "outer.yaml:5:26: node \"n\": nothing feeds the input \"b\" (image) of two.yaml");
  refused(NODE("{use: two.yaml, in: {a: t, b: t}}"),
          "outer.yaml:5:36: node \"n\": the input \"b\" of two.yaml has type image, \"t\" has type text");
  refused(HEAD "nodes:\n  m: {use: z, in: t}\n  n: {use: two.yaml, in: {a: t, b: m.picture}}\n" OUT,
          "FOLDER/two.yaml:4:35: in sub-pipeline \"n\": node \"n\": \"b\" is bound to \"m.picture\", which is one port and has "
          "no \"pixels\"");
  refused(NODE("{use: two.yaml, in: {a: t, b: t}, deadline: 20 ms}"),
          "outer.yaml:5:12: node \"n\": a sub-pipeline has no \"deadline\" of its own");
  refused(HEAD "models: {m: a/b}\nnodes:\n  n: {use: two.yaml, model: m, in: {a: t, b: t}}\n" OUT,
          "outer.yaml:6:29: node \"n\": a sub-pipeline has no \"model\" of its own");
  refused(NODE("{use: pipeline:x@1, in: t}"), "outer.yaml:5:12: node \"n\": pipelines of the catalogue cannot be had here");
#undef NODE
  write_file("three.yaml", HEAD "nodes: {a: {use: b, in: t}}\noutputs: {label: a}\n");
  refused(HEAD "nodes:\n  n: {use: three.yaml, in: t, params: {X: 1}}\n" OUT,
          "outer.yaml:5:40: node \"n\": \"FOLDER/three.yaml\" has no variable \"X\"");
  refused(HEAD "nodes:\n  n: {use: three.yaml, in: t}\noutputs: {o: n.lable}\n",
          "outer.yaml:6:14: \"n\" (three.yaml) has no output \"lable\"");
}

static void test_subpipeline_ends_in_no_circle(void)
{
  write_file("a.yaml", HEAD "nodes: {n: {use: b.yaml, in: t}}\n" OUT);
  write_file("b.yaml", HEAD "nodes: {n: {use: ./a.yaml, in: t}}\n" OUT);
  refused(HEAD "nodes: {n: {use: a.yaml, in: t}}\n" OUT,
          "FOLDER/b.yaml:4:18: in sub-pipeline \"n/n\": node \"n/n/n\": pipelines use each other in a circle: "
          "FOLDER/outer.yaml -> FOLDER/a.yaml -> FOLDER/b.yaml -> FOLDER/a.yaml");
  write_file("same.yaml", "weft: 1\nname: s\ninputs: {t: {type: text}}\nnodes: {x: {use: y, in: t}}\noutputs: {o: t, x: x}\n");
  refused(HEAD "nodes:\n  n: {use: same.yaml, in: m.o}\n  m: {use: same.yaml, in: n.o}\n" OUT,
          "outer.yaml:7:14: the nodes feed each other in a circle, through \"m\"");
}

static void test_subpipeline_knows_how_deep_it_may_be(void)
{
  for (guint i = 1; i <= WEFT_SUBPIPELINE_MAX_DEPTH; i++) {
    g_autofree char *name = g_strdup_printf("d%u.yaml", i);
    g_autofree char *text = i == WEFT_SUBPIPELINE_MAX_DEPTH
                              ? g_strdup(HEAD "nodes: {n: {use: plugin, in: t}}\n" OUT)
                              : g_strdup_printf(HEAD "nodes: {n: {use: d%u.yaml, in: t}}\n" OUT, i + 1);
    write_file(name, text);
  }
  check(HEAD "nodes: {n: {use: d2.yaml, in: t}}\n" OUT, "n/n/n/n/n/n/n/n <- t\no: n/n/n/n/n/n/n/n\n");
  g_autofree char *words = NULL;
  g_autoptr(WeftPipeline) pipeline = load(HEAD "nodes: {n: {use: d1.yaml, in: t}}\n" OUT, &words);
  g_assert_nonnull(strstr(words, "stand more than 8 deep in each other (WEFT_SUBPIPELINE_MAX_DEPTH)"));
}

#define ADD(name) g_test_add_func("/subpipeline/" #name, test_subpipeline_##name)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  folder = g_dir_make_tmp("weft-subpipeline-XXXXXX", NULL);
  ADD(is_put_in);
  ADD(takes_ports);
  ADD(keeps_files_of_its_own);
  ADD(has_conditions);
  ADD(errors_name_the_inner_file);
  ADD(says_what_does_not_fit);
  ADD(ends_in_no_circle);
  ADD(knows_how_deep_it_may_be);
  int code = g_test_run();
  g_autofree char *command = g_strdup_printf("rm -rf '%s'", folder);
  if (g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL))
    g_free(folder);
  return code;
}
