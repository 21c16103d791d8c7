/* SPDX-License-Identifier: Apache-2.0 */
/* Models, assets and pipelines in the catalogue, sub-pipelines, diff, lock, show and explain, as a person meets them. */
#include <glib.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>
#include <sys/wait.h>

static char *program, *digits, *work, *out, *err;
static int code;

/* Runs weft LINE in the work folder; DIGITS stands for examples/digits. */
static void run(const char *line)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) text = g_string_new(line);
  g_auto(GStrv) words = NULL;
  g_string_replace(text, "DIGITS", digits, 0);
  g_string_prepend(text, " ");
  g_string_prepend(text, program);
  g_assert_true(g_shell_parse_argv(text->str, NULL, &words, &error));
  g_clear_pointer(&out, g_free);
  g_clear_pointer(&err, g_free);
  int status = 0;
  g_spawn_sync(work, words, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, &err, &status, &error);
  g_assert_no_error(error);
  g_assert_true(WIFEXITED(status));
  code = WEXITSTATUS(status);
}

static void check(const char *line, int expected, const char *on_out, const char *on_err)
{
  run(line);
  if (code != expected || !strstr(out, on_out) || !strstr(err, on_err))
    g_error("weft %s: code %d, expected %d; out \"%s\", expected \"%s\"; err \"%s\", expected \"%s\"", line, code, expected,
            out, on_out, err, on_err);
}

static void write_file(const char *name, const char *text)
{
  g_autofree char *path = g_build_filename(work, name, NULL);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* "see" with a model of the catalogue. */
static const char see[] = "weft: 1\nname: see\ninputs: {image: {type: image}}\nmodels: {vit: vit@^1}\n"
                          "nodes: {enc: {use: vit@^1, model: vit, in: image}}\noutputs: {tokens: enc.tokens, pooled: "
                          "enc.pooled}\n";

static void test_composition_models(void)
{
  check("model add DIGITS/models/vit", 0, "added model vit@1.0.0", "");
  check("model add DIGITS/models/vit", 0, "unchanged model vit@1.0.0", "");
  check("model add DIGITS/models/ast --name vit", 1, "", "is there already with other content");
  check("model add DIGITS/models/head-vit --name head --version 1", 1, "", "expected MAJOR.MINOR.PATCH");
  check("model add DIGITS/models/head-vit --name head --version 1.2.0 --json", 0, "\"outcome\": \"added\"", "");
  check("model list", 0, "head  1.2.0", "");
  check("model show vti", 1, "", "did you mean \"vit\"?");
  check("model check vit", 0, "good, 3 files", "");
  check("catalogue export exported", 0, "exported to exported", ""); /* without folders of links */
  check("run 'picture:image ! vit@1 model=vit@^1 port=pooled ! classifier@1 model=head' --picture DIGITS/seven.png "
        "--catalogue exported", 0, "classifier   7", "");
  check("model check vit --catalogue exported", 0, "good, 3 files", "");
  check("model show head@^2", 1, "", "but not in a version ^2; there is 1.2.0");
  check("model show head@x", 2, "", "is not a version range");
  check("model digest DIGITS", 1, "", "is no model folder");
  check("model ad x", 2, "", "ad is not an action; did you mean add?");
  check("run 'picture:image ! vit@1 model=vit@^1 port=pooled ! classifier@1 model=head' --picture DIGITS/seven.png", 0,
        "classifier   7", "");
  check("pipeline check 'p:image ! vit model=vti'", 4, "", "did you mean \"vit\"?");
}

static void test_composition_assets(void)
{
  write_file("rules.yaml", "a: b\n");
  check("asset add rules.yaml --name acme-rules --version 2.1.0", 0, "added asset acme-rules@2.1.0", "");
  check("asset list --json", 0, "\"name\": \"acme-rules\"", "");
  check("asset show acme-rules@~2", 0, "digest", "");
  check("asset remove acme-rules@9.9.9", 1, "", "there is no asset \"acme-rules@9.9.9\"");
  check("asset remove acme-rules", 0, "removed asset acme-rules@2.1.0", "");
}

static void test_composition_pipelines(void)
{
  write_file("see.yaml", see);
  write_file("paths.yaml", "weft: 1\nname: paths\ninputs: {i: {type: image}}\nmodels: {m: models/m}\nnodes: {n: {use: vit, model: "
                           "m, in: i}}\noutputs: {o: n}\n");
  check("pipeline add paths.yaml", 1, "", "names the path \"models/m\", and in the catalogue there is no folder");
  check("pipeline add none.yaml", 1, "", "expected a pipeline file");
  check("pipeline add see.yaml --version 1.1.0", 0, "added pipeline see@1.1.0", "");
  check("pipeline list", 0, "see   1.1.0", "");
  write_file("top.yaml", "weft: 1\nname: top\ninputs: {picture: {type: image}}\nmodels: {head: head@~1.2}\n"
                         "nodes:\n  look: {use: see@1, in: picture}\n  head: {use: classifier, model: head, in: look.pooled}\n"
                         "outputs: {digit: head.label}\n");
  check("run top.yaml --picture DIGITS/seven.png", 0, "digit        7", "");
  check("run 'picture:image ! pipeline:see@1 port=pooled ! classifier model=head' --picture DIGITS/seven.png", 0,
        "classifier   7", "");
  check("pipeline explain top.yaml look/enc", 0, "part of   look, the pipeline see@1.1.0", "");
  check("pipeline explain top.yaml look/enk", 2, "", "did you mean look/enc?");
  check("pipeline remove see", 0, "removed pipeline see@1.1.0", "");
  check("pipeline check top.yaml", 4, "", "no plugin \"see\"");
  check("pipeline add see.yaml --name vit", 0, "added pipeline vit@1.0.0", "");
  check("pipeline check see.yaml", 0, "good", "\"vit\" is a plugin and a pipeline of the catalogue: the plugin is used");
  check("pipeline remove vit@1.0.0", 0, "removed", "");
}

static void test_composition_diff_and_lock(void)
{
  g_autoptr(GString) changed = g_string_new(see);
  write_file("a.yaml", see);
  g_string_replace(changed, "in: image}}", "in: image, deadline: 30 ms}}", 0);
  g_string_replace(changed, ", pooled: enc.pooled", "", 0);
  write_file("b.yaml", changed->str);
  check("pipeline diff a.yaml a.yaml", 0, "", "");
  g_assert_cmpstr(out, ==, "");
  check("pipeline diff a.yaml b.yaml", 1, "node enc: policies.deadline: added 30 ms\noutput pooled: removed enc.pooled\n", "");
  check("pipeline diff a.yaml b.yaml --json", 1, "\"path\": \"nodes.enc.policies.deadline\"", "");
  check("pipeline diff a.yaml", 2, "", "expected two pipelines");
  check("pipeline check --locked a.yaml", 4, "", "there is no lock file");
  check("pipeline lock a.yaml", 0, "locked see@", "");
  check("pipeline check --locked a.yaml", 0, "good", "");
  check("run --locked a.yaml --image DIGITS/seven.png --isolate none", 0, "pooled", "");
  check("model add DIGITS/models/ast --name vit --version 1.4.0", 0, "added", "");
  check("pipeline check a.yaml", 4, "", "ASTModel");
  check("model remove vit@1.4.0", 0, "removed", "");
  write_file("a.yaml", changed->str);
  check("run --locked a.yaml --image DIGITS/seven.png", 4, "", "node enc: policies.deadline: added 30 ms");
  write_file("a.yaml.lock", "{\"schema\": \"weft.lock/2\"}");
  check("pipeline check --locked a.yaml", 4, "", "expected schema weft.lock/1, found weft.lock/2");
  check("pipeline lock 'p:image ! vit model=vit'", 2, "", "give -o FILE");
  check("pipeline lock 'p:image ! vit model=vit' -o -", 0, "\"schema\": \"weft.lock/1\"", "");
}

/* What `show` prints is the same pipeline, and is printed the same again. */
static void test_composition_show_is_stable(void)
{
  run("pipeline show 'p:image? ! vit@1 model=vit port=pooled ! classifier model=head when=\"p.pixels == 3 and true\" "
      "deadline=\"20 ms\" ; out digit=classifier.label'");
  g_assert_cmpint(code, ==, 0);
  g_autofree char *first = g_strdup(out);
  g_assert_nonnull(strstr(first, "when: p.pixels == 3 and true, deadline: 20 ms"));
  write_file("shown.yaml", first);
  check("pipeline show shown.yaml", 0, first, "");
  g_assert_cmpstr(out, ==, first);
  write_file("quotes.yaml", "weft: 1\nname: q\ninputs: {a: {type: text}}\nnodes: {n: {use: p, in: a, params: {x: \"1\", y: 'a: b',"
                            " z: \"\\\"\\\\\", e: \"\", t: \"true\", u: \"l1\\nl2\"}}}\noutputs: {o: n}\n");
  run("pipeline show quotes.yaml");
  g_autofree char *quoted = g_strdup(out);
  write_file("again.yaml", quoted);
  check("pipeline show again.yaml", 0, "x: \"1\", y: \"a: b\", z: \"\\\"\\\\\", e: \"\", t: \"true\", u: \"l1\\nl2\"", "");
  g_assert_cmpstr(out, ==, quoted);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  program = g_build_filename(g_getenv("G_TEST_BUILDDIR"), "core", "cli", "weft", NULL);
  digits = g_build_filename(g_getenv("G_TEST_SRCDIR"), "examples", "digits", NULL);
  work = g_dir_make_tmp("weft-composition-XXXXXX", NULL);
  g_autofree char *catalogue = g_build_filename(work, "catalogue", NULL);
  g_setenv("WEFT_CATALOGUE", catalogue, TRUE);
  g_test_add_func("/composition/models", test_composition_models);
  g_test_add_func("/composition/assets", test_composition_assets);
  g_test_add_func("/composition/pipelines", test_composition_pipelines);
  g_test_add_func("/composition/diff_and_lock", test_composition_diff_and_lock);
  g_test_add_func("/composition/show_is_stable", test_composition_show_is_stable);
  int result = g_test_run();
  const char *const command[] = {"rm", "-rf", work, NULL};
  g_spawn_sync(NULL, (char **)(gpointer)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  return result;
}
