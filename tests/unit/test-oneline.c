/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline in one line becomes the tree that a file would. */
#include "oneline.h"
#include "pipeline.h"

#include <string.h>

/* "a: {b: c, d: [e]}" of a tree, for comparing. */
static void print(const WeftYaml *yaml, GString *out)
{
  if (yaml->kind == WEFT_YAML_SCALAR) {
    g_string_append_printf(out, yaml->plain ? "%s" : "\"%s\"", yaml->text);
    return;
  }
  g_string_append_c(out, yaml->kind == WEFT_YAML_MAP ? '{' : '[');
  for (guint i = 0; i < weft_yaml_n(yaml); i++) {
    if (i)
      g_string_append(out, ", ");
    if (yaml->kind == WEFT_YAML_MAP)
      g_string_append_printf(out, "%s: ", weft_yaml_key(yaml, i)->text);
    print(weft_yaml_item(yaml, i), out);
  }
  g_string_append_c(out, yaml->kind == WEFT_YAML_MAP ? '}' : ']');
}

static void check(const char *line, const char *expected)
{
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("one-line");
  g_autoptr(WeftYaml) root = weft_oneline_parse(line, NULL, diagnostics);
  g_autofree char *words = weft_diagnostics_text(diagnostics);
  g_assert_cmpstr(words, ==, "");
  g_autoptr(GString) text = g_string_new(NULL);
  print(root, text);
  g_autofree char *whole = g_strdup_printf("{weft: 1, name: one-line, %s}", expected);
  g_assert_cmpstr(text->str, ==, whole);
}

static void refused(const char *line, const char *expected)
{
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("one-line");
  g_autoptr(WeftYaml) root = weft_oneline_parse(line, NULL, diagnostics);
  g_autofree char *words = weft_diagnostics_text(diagnostics);
  g_assert_null(root);
  g_auto(GStrv) lines = g_strsplit(words, "\n", 2);
  g_assert_cmpstr(lines[0], ==, expected);
}

static void test_oneline_chain(void)
{
  check("picture:image ! vit@1 model=models/vit ! classifier@1 model=models/head",
        "inputs: {picture: {type: image}}, models: {vit: models/vit, head: models/head}, nodes: {vit: {use: vit@1, model: "
        "vit, in: picture}, classifier: {use: classifier@1, model: head, in: vit}}, outputs: {classifier: classifier}");
  check("a:text !\n  b\r\n\t! c ;\n out d=c", "inputs: {a: {type: text}}, nodes: {b: {use: b, in: a}, c: {use: c, in: b}}, "
        "outputs: {d: c}");
  check("a:text? reader=text@^1!b!b", "inputs: {a: {type: text, optional: true, reader: text@^1}}, nodes: {b: {use: b, in: "
        "a}, b-2: {use: b, in: b}}, outputs: {b-2: b-2}");
}

static void test_oneline_joins_chains(void)
{
  check("a:image ! x=vit port=pooled ; b:text ! y=bert ; x.tokens ! f=gated as=p in.q=y ; out r=f.fused s=y.pooled",
        "inputs: {a: {type: image}, b: {type: text}}, nodes: {x: {use: vit, in: a}, y: {use: bert, in: b}, f: {use: gated, "
        "in: {q: y, p: x.tokens}}}, outputs: {r: f.fused, s: y.pooled}");
  check("a:image ! vit port=pooled ! head;", "inputs: {a: {type: image}}, nodes: {vit: {use: vit, in: a}, head: {use: head, "
        "in: vit.pooled}}, outputs: {head: head}");
}

static void test_oneline_keys(void)
{
  check("a:text ! b param.x=1 param.text='two ! words' batch.items=8 deadline=\"20 ms\" asset.rules=cat/rules.v2.yaml",
        "inputs: {a: {type: text}}, assets: {rules: cat/rules.v2.yaml}, nodes: {b: {use: b, params: {x: 1, text: \"two ! "
        "words\", rules: rules}, batch: {items: 8}, deadline: \"20 ms\", in: a}}, outputs: {b: b}");
  check("a:text ! b model=m/x precision=int8 ! b model=m/x ! b model=m/x precision=int8",
        "inputs: {a: {type: text}}, models: {x: {use: m/x, precision: int8}, x-2: m/x}, nodes: {b: {use: b, model: x, in: a}, "
        "b-2: {use: b, model: x-2, in: b}, b-3: {use: b, model: x, in: b-2}}, outputs: {b-3: b-3}");
  check("a:text ! b model=m/x ! b model=m/x ! b model=n/x ! b model=x@^1",
        "inputs: {a: {type: text}}, models: {x: m/x, x-2: n/x, x-3: x@^1}, nodes: {b: {use: b, model: x, in: a}, b-2: {use: "
        "b, model: x, in: b}, b-3: {use: b, model: x-2, in: b-2}, b-4: {use: b, model: x-3, in: b-3}}, outputs: {b-4: b-4}");
}

static void test_oneline_errors_have_columns(void)
{
  refused("a:image ! ! b", "one-line:1:9: nothing stands behind this !");
  refused("a:image ! b 'c", "one-line:1:13: the quote ' has no other one");
  refused("ä:image ! b c", "one-line:1:13: expected KEY=VALUE, found \"c\"");
  refused("a:image ! b precision=int8", "one-line:1:13: \"precision\" is that of a model, and the node has none");
  refused("a:image ! b model=x model=y", "one-line:1:21: \"model\" stands twice");
  refused("a:image ! b x.y=1 x=2", "one-line:1:19: \"x\" stands twice");
  refused("a:image ! b x=1 x.y=2", "one-line:1:17: \"x\" is given as one value and as a map");
  refused("a:image ! a=b", "one-line:1:11: the name \"a\" is taken");
  refused("a:image ! b ; a:text ! c", "one-line:1:15: the name \"a\" is taken");
  refused("a:image ! b in.x=a", "one-line:1:9: the node has inputs by name: which one does the chain feed?");
  refused("a:image ! b ; out", "one-line:1:13: out names no output");
  refused("\xff ! b", "one-line:1:1: not UTF-8: byte 0xff");
}

static void test_oneline_knows_how_long_it_may_be(void)
{
  const char *begin = "a:text ! b param.x=";
  g_autofree char *filler = g_strnfill(WEFT_ONELINE_MAX_BYTES - strlen(begin), 'x');
  g_autofree char *most = g_strconcat(begin, filler, NULL), *more = g_strconcat(most, "x", NULL);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("one-line");
  g_autoptr(WeftYaml) root = weft_oneline_parse(most, NULL, diagnostics);
  g_assert_nonnull(root);
  refused(more, "one-line:1:1: 16385 bytes in one line, at most 16384 are read (WEFT_ONELINE_MAX_BYTES)");
}

/* What stands behind the tree reports places in the line. */
static void test_oneline_is_loaded_as_a_file(void)
{
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("a:image ! b");
  g_autoptr(WeftPipeline) pipeline = weft_pipeline_load("a:image ! b colour=red ! c in=b.x", NULL, diagnostics);
  g_autofree char *words = weft_diagnostics_text(diagnostics);
  g_assert_nonnull(strstr(words, "one-line:1:24: the node has inputs by name"));
  g_autoptr(WeftDiagnostics) others = weft_diagnostics_new("x");
  g_autoptr(WeftPipeline) other = weft_pipeline_load("a:image ! b colour=red", NULL, others);
  g_autofree char *found = weft_diagnostics_text(others);
  g_assert_nonnull(strstr(found, "one-line:1:13: node \"b\": a node has no key \"colour\""));
}

static void test_oneline_takes_variables(void)
{
  g_autoptr(WeftVariables) variables = weft_variables_new();
  char *problem = NULL;
  g_assert_true(weft_variables_set(variables, "V=^1", &problem));
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("one-line");
  g_autoptr(WeftYaml) root = weft_oneline_parse("a:image ! b@${V} param.x=${V}", variables, diagnostics);
  g_assert_nonnull(root);
  g_autoptr(GString) text = g_string_new(NULL);
  print(root, text);
  g_assert_nonnull(strstr(text->str, "use: b@^1, params: {x: ^1}"));
  refused("a:image ! b param.x=${W}", "one-line:1:21: the variable \"W\" is not given");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/oneline/chain", test_oneline_chain);
  g_test_add_func("/oneline/joins_chains", test_oneline_joins_chains);
  g_test_add_func("/oneline/keys", test_oneline_keys);
  g_test_add_func("/oneline/errors_have_columns", test_oneline_errors_have_columns);
  g_test_add_func("/oneline/knows_how_long_it_may_be", test_oneline_knows_how_long_it_may_be);
  g_test_add_func("/oneline/is_loaded_as_a_file", test_oneline_is_loaded_as_a_file);
  g_test_add_func("/oneline/takes_variables", test_oneline_takes_variables);
  return g_test_run();
}
