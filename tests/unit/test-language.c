/* SPDX-License-Identifier: Apache-2.0 */
/* Assets, variables and the context of a pipeline. */
#include "language-fixture.h"

#include "manifest.h"
#include <string.h>

/* The text that output 0 of the graph answers for one text. */
static char *answer(const Built *built, const char *text)
{
  struct weft_blob blobs[2] = {{text, strlen(text), 1}, {NULL, 0, 0}};
  struct weft_request request = {.inputs = blobs};
  struct weft_frame *frame = NULL;
  guint n = 0;
  if (!built->revision)
    g_error("refused:\n%s", built->text);
  g_assert_cmpint(weft_graph_run(weft_revision_graph(built->revision), &request, 1, &frame), ==, WEFT_OK);
  if (weft_frame_status(frame, 0) != WEFT_OK)
    g_error("%s", weft_frame_message(frame, 0));
  const struct weft_tensor *value =
      weft_frame_value(frame, weft_revision_outputs(built->revision, &n)[0].value);
  g_assert_nonnull(value);
  struct weft_rows rows = weft_rows_of(value, 0);
  char *said = g_strndup((const char *)value->data + rows.begin, (gsize)(rows.end - rows.begin));
  weft_frame_release(frame);
  return said;
}

static void expect_answer(const char *text, const char *worker, const char *expected)
{
  Built built = language_build_with(text, worker, NULL);
  g_autofree char *said = answer(&built, "anything");
  g_assert_cmpstr(said, ==, expected);
  language_clear(&built);
}

#define SAYS(param) HEAD "assets: {replies: replies.yaml, note: ./note}\nnodes:\n  s: {use: says, in: words, params: {text: " \
                         param "}}\n  t: {use: says, in: more, params: {text: replies}}\noutputs: {s: s, t: t}\n"

static void test_assets_resource(void)
{
  language_file("note", "As it is.\n");
  language_file("replies.yaml", "hi: {de: Hallo, en: Hi}\nplain: Well.\n");
  const char *const workers[] = {NULL, language_worker()};
  for (guint i = 0; i < G_N_ELEMENTS(workers); i++) {
    expect_answer(SAYS("note"), workers[i], "As it is.\n");
    expect_answer(SAYS("replies.hi"), workers[i], "{\"de\":\"Hallo\",\"en\":\"Hi\"}");
    expect_answer(SAYS("replies.plain"), workers[i], "{\"\":\"Well.\"}");
  }
}

static void test_assets_optional(void)
{
  language_file("letters", "uadr");
  Built built = language_build(HEAD "assets: {letters: ./letters}\nnodes:\n  f: {use: judge, in: words}\n"
                                    "  g: {use: judge, in: words, params: {letters: letters}}\noutputs: {f: f, g: g, m: more}\n");
  g_assert_cmpstr(built.text, ==, "");
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(built.revision, &n);
  g_assert_cmpuint(n, ==, 4);
  g_assert_cmpuint(nodes[2].n_assets, ==, 0);
  g_assert_cmpuint(nodes[3].n_assets, ==, 1);
  g_assert_cmpstr(nodes[3].assets[0].param, ==, "letters");
  g_assert_cmpstr(nodes[3].assets[0].path, ==, "./letters");
  g_assert_cmpuint(strlen(nodes[3].assets[0].digest), ==, 64);
  language_clear(&built);
}

static void test_assets_refused(void)
{
  language_file("note", "As it is.\n");
  language_file("replies.yaml", "hi: {de: Hallo, en: Hi}\nplain: Well.\n");
  language_expect(SAYS("notes"), "t.yaml:6:44: node \"s\": there is no asset \"notes\"\n  hint: did you mean \"note\"?\n");
  language_expect(SAYS("replies.hello"), "t.yaml:6:44: node \"s\": asset "
                                         "\"replies\" (replies.yaml) has no key \"hello\"\n");
  language_expect(SAYS("note.hi"), "t.yaml:6:44: node \"s\": asset \"note\" (./note): it is no map of texts, such as blocked: "
                                   "\"Ask a person.\"\n");
  language_expect(HEAD "assets: {note: ./nothing, other: ./}\nnodes:\n  s: {use: says, in: words, params: {text: note}}\n"
                       "outputs: {s: s, m: more}\n",
                  "t.yaml:4:16: asset \"note\": there is no file \"./nothing\"\n  hint: paths are relative to the pipeline's own "
                  "folder, \"FOLDER\"\n"
                  "t.yaml:4:34: asset \"other\": \"./\" is no file\n  hint: paths are relative to the pipeline's own folder, "
                  "\"FOLDER\"\n");
  language_expect(HEAD "nodes:\n  s: {use: says, in: words}\noutputs: {s: s, m: more}\n",
                  "t.yaml:5:3: node \"s\": says@1.0.0 needs the parameter \"text\"\n");
}

static char *digest_of(const char *text)
{
  Built built = language_build(text);
  if (!built.revision)
    g_error("refused:\n%s", built.text);
  char *digest = g_strdup(weft_revision_digest(built.revision));
  language_clear(&built);
  return digest;
}

/* What decides an answer is in the digest: bytes of assets, conditions, policies, messages, the context's keys. */
static void test_assets_digest(void)
{
#define FILE_OF(note, more) HEAD "assets: {note: ./" note ", replies: replies.yaml}\ncontext: {user: optional}\nnodes:\n" \
                                 "  s: {use: says, in: words, params: {text: note}" more "}\n" \
                                 "  f: {use: judge, in: more, on_verdict: {refuse: replies.hi}}\noutputs: {s: s, f: f}\n"
  language_file("note", "one");
  language_file("same", "one");
  language_file("replies.yaml", "hi: Hi\n");
  g_autofree char *one = digest_of(FILE_OF("note", "")), *same = digest_of(FILE_OF("same", ""));
  g_autofree char *when = digest_of(FILE_OF("note", ", when: more"));
  g_autofree char *missing = digest_of(FILE_OF("note", ", on_missing: fail"));
  g_autofree char *on_error = digest_of(FILE_OF("note", ", on_error: absent"));
  g_autofree char *batch = digest_of(FILE_OF("note", ", batch: {items: 3}"));
  language_file("note", "two");
  g_autofree char *other = digest_of(FILE_OF("note", ""));
  language_file("note", "one");
  language_file("replies.yaml", "hi: Hello\n");
  g_autofree char *reply = digest_of(FILE_OF("note", ""));
  g_assert_cmpstr(one, ==, same);
  g_assert_cmpstr(one, ==, batch); /* how calls are put together decides no answer */
  const char *const different[] = {one, when, missing, on_error, other, reply};
  for (guint i = 0; i < G_N_ELEMENTS(different); i++)
    for (guint k = 0; k < i; k++)
      g_assert_cmpstr(different[i], !=, different[k]);
#undef FILE_OF
}

static WeftVariables *variables_of(const char *first, const char *second)
{
  WeftVariables *variables = weft_variables_new();
  char *problem = NULL;
  if (!weft_variables_set(variables, first, &problem) || (second && !weft_variables_set(variables, second, &problem)))
    g_error("%s", problem);
  return variables;
}

static void test_variables_expand(void)
{
  static const char *const cases[][2] = {{"a ${X} b", "a one b"}, {"${X}${Y}", "one${X}"},    {"$${X}", "${X}"},
                                         {"$5 $ $$", "$5 $ $$"},  {"$$${X}", "$${X}"},          {"", ""},
                                         {"{${X}}", "{one}"}};
  g_autoptr(WeftVariables) variables = variables_of("X=one", "Y=${X}"); /* what is put in is not looked at again */
  WeftVariableFault fault;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text = weft_variables_expand(variables, cases[i][0], &fault);
    g_assert_cmpstr(text, ==, cases[i][1]);
  }
  g_assert_null(weft_variables_unused(variables));
  static const char *const wrong[] = {"a ${", "a ${X", "a ${}", "a ${X }", "a ${1}", "a ${X-}"};
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_assert_null(weft_variables_expand(variables, wrong[i], &fault));
    g_assert_cmpuint(fault.offset, ==, 2);
    g_assert_cmpstr(fault.message, ==, "expected ${NAME}, the name of letters, digits and \"_\"");
    g_free(fault.message);
    g_free(fault.hint);
    g_assert_null(fault.closest);
  }
}

/* Taken: TRUE; otherwise the limit is named. */
static gboolean takes(WeftVariables *variables, char *given, const char *limit)
{
  g_autofree char *own = given, *problem = NULL;
  gboolean taken = weft_variables_set(variables, given, &problem);
  g_assert_true(taken || strstr(problem, limit));
  return taken;
}

static void test_variables_limits(void)
{
  g_autoptr(WeftVariables) variables = weft_variables_new();
  g_autofree char *name = g_strnfill(WEFT_VARIABLE_MAX_NAME, 'n'), *value = g_strnfill(WEFT_VARIABLE_MAX_BYTES, 'v');
  g_assert_true(takes(variables, g_strdup_printf("%s=1", name), ""));
  g_assert_false(takes(variables, g_strdup_printf("%sn=1", name), "WEFT_VARIABLE_MAX_NAME"));
  g_assert_true(takes(variables, g_strdup_printf("V=%s", value), ""));
  g_assert_false(takes(variables, g_strdup_printf("W=%sv", value), "WEFT_VARIABLE_MAX_BYTES"));
  g_assert_false(takes(variables, g_strdup("V=2"), "twice"));
  g_assert_false(takes(variables, g_strdup("=2"), "NAME=VALUE"));
  g_assert_false(takes(variables, g_strdup("A"), "NAME=VALUE"));
  g_assert_false(takes(variables, g_strdup("A=\xff"), "UTF-8"));
  for (guint i = 2; i < WEFT_VARIABLES_MAX; i++)
    g_assert_true(takes(variables, g_strdup_printf("x%u=", i), ""));
  g_assert_false(takes(variables, g_strdup("more=1"), "WEFT_VARIABLES_MAX"));
}

#define VARIABLE(scalar) HEAD "nodes: {a: {use: gauge, in: words, deadline: " scalar "}}\noutputs: {a: a, m: more}\n"

static void test_variables_in_a_file(void)
{
  g_autoptr(WeftVariables) variables = variables_of("T=20 ms", "N=20");
  Built built = language_build_with(VARIABLE("'${T}'"), NULL, variables);
  g_assert_cmpstr(built.text, ==, "");
  g_assert_cmpuint(language_node(&built, "a")->deadline_ns, ==, 20000000);
  g_assert_cmpstr(weft_variables_unused(variables), ==, "N");
  language_clear(&built);
  built = language_build_with(VARIABLE("'${N}0 ms'"), NULL, variables);
  g_assert_cmpuint(language_node(&built, "a")->deadline_ns, ==, 200000000);
  language_clear(&built);
  built = language_build_with(VARIABLE("'${N}'"), NULL, variables); /* read as if it stood there */
  g_assert_cmpstr(built.text, ==, "t.yaml:4:46: node \"a\": deadline \"20\" has no unit\n  hint: such as 20 ms (ns, us, ms, s, "
                                  "min, h)\n");
  language_clear(&built);
  built = language_build_with(HEAD "nodes: {a: {use: gauge, in: words, batch: {items: \"${N}\"}}}\noutputs: {a: a, m: more}\n",
                              NULL, variables);
  g_assert_cmpuint(language_node(&built, "a")->batching.n_items_max, ==, 20); /* a number, for all its quotes */
  language_clear(&built);
  built = language_build_with(VARIABLE("'1 ${TT}'"), NULL, variables);
  g_assert_cmpstr(built.text, ==, "t.yaml:4:49: the variable \"TT\" is not given\n  hint: did you mean \"T\"? give it with --set "
                                  "TT=VALUE; $${ is a literal ${\n");
  language_clear(&built);
}

/* As many bytes as a file may have, and a few more, out of one variable. */
static void test_variables_size(void)
{
  g_autofree char *value = g_strnfill(WEFT_VARIABLE_MAX_BYTES - 2, 'v'), *given = g_strconcat("V=\"", value, "\"", NULL);
  g_autoptr(WeftVariables) variables = variables_of(given, NULL);
  for (guint more = 0; more < 2; more++) {
    g_autoptr(GString) text = g_string_new("x: [");
    for (guint i = 0; i < WEFT_PIPELINE_MAX_BYTES / WEFT_VARIABLE_MAX_BYTES + more; i++)
      g_string_append(text, "\"${V}\", ");
    g_string_append(text, "]\n");
    g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("t.yaml");
    g_autoptr(WeftYaml) yaml = weft_yaml_parse_with(text->str, text->len, variables, diagnostics);
    g_assert_cmpint(yaml != NULL, ==, !more);
    g_assert_cmpuint(diagnostics->n_errors, ==, more);
    if (more)
      g_assert_nonnull(strstr(((WeftDiagnostic *)diagnostics->list->pdata[0])->message, "WEFT_PIPELINE_MAX_BYTES"));
  }
}

#define CONTEXT "user: required, language: optional, session: optional, tenant: optional, tier: optional, trace_id: optional, " \
                "branch: optional"

static void refuse_context(const Built *built, const struct weft_context_entry *entries, guint n, const char *message)
{
  g_autoptr(GError) error = NULL;
  struct weft_context context;
  g_assert_false(weft_revision_take_context(built->revision, entries, n, &context, &error));
  g_assert_error(error, WEFT_ERROR, WEFT_BAD_INPUT);
  g_assert_cmpstr(error->message, ==, message);
}

static void test_context_of_a_request(void)
{
  Built built = language_build(HEAD "context: {" CONTEXT "}\nnodes: {a: {use: gauge, in: words}}\noutputs: {a: a, m: more}\n");
  const struct weft_context_entry entries[] = {{"user", "u"}, {"branch", "b"}, {"language", "de"}, {"session", "s"},
                                               {"tenant", "t"}, {"tier", "x"}, {"trace_id", "i"}};
  struct weft_context context;
  g_assert_true(weft_revision_take_context(built.revision, entries, G_N_ELEMENTS(entries), &context, NULL));
  g_assert_cmpstr(context.subject, ==, "u");
  g_assert_cmpstr(context.language, ==, "de");
  g_assert_cmpstr(context.session, ==, "s");
  g_assert_cmpstr(context.tenant, ==, "t");
  g_assert_cmpstr(context.tier, ==, "x");
  g_assert_cmpstr(context.trace_id, ==, "i");
  g_assert_cmpuint(context.n_entries, ==, G_N_ELEMENTS(entries));
  g_assert_true(context.entries == entries);
  g_assert_true(weft_revision_take_context(built.revision, entries, 1, &context, NULL));
  g_assert_null(context.session);
  refuse_context(&built, entries + 1, 1, "the pipeline needs the context \"user\"");
  refuse_context(&built, (const struct weft_context_entry[]){{"usr", "u"}}, 1, "the pipeline's context has no key \"usr\"; did "
                                                                               "you mean \"user\"?");
  refuse_context(&built, (const struct weft_context_entry[]){{"user", "u"}, {"user", "v"}}, 2, "context \"user\" is given twice");
  refuse_context(&built, (const struct weft_context_entry[]){{"user", ""}}, 1, "context \"user\" is empty; leave it out where "
                                                                               "there is none");
  refuse_context(&built, (const struct weft_context_entry[]){{"user", "\xff"}}, 1, "context \"user\" is not UTF-8");
  g_autofree char *longest = g_strnfill(WEFT_CONTEXT_MAX_BYTES, 'u'), *longer = g_strconcat(longest, "u", NULL);
  g_assert_true(weft_revision_take_context(built.revision, (const struct weft_context_entry[]){{"user", longest}}, 1, &context,
                                           NULL));
  refuse_context(&built, (const struct weft_context_entry[]){{"user", longer}}, 1, "context \"user\" has 1025 bytes, at most 1024 "
                                                                                   "are allowed (WEFT_CONTEXT_MAX_BYTES)");
  language_clear(&built);
  built = language_build(HEAD "nodes: {a: {use: gauge, in: words}}\noutputs: {a: a, m: more}\n");
  refuse_context(&built, entries, 1, "the pipeline declares no context, found the key \"user\"");
  language_clear(&built);
}

static char *keys(guint n)
{
  GString *text = g_string_new(HEAD "context:\n");
  for (guint i = 0; i < n; i++)
    g_string_append_printf(text, "  k%u: optional\n", i);
  g_string_append(text, "nodes: {a: {use: gauge, in: words}}\noutputs: {a: a, m: more}\n");
  return g_string_free(text, FALSE);
}

static void test_context_declared(void)
{
#define REST "nodes: {a: {use: gauge, in: words}}\noutputs: {a: a, m: more}\n"
  language_expect(HEAD "context: {user: requird}\n" REST, "t.yaml:4:17: context \"user\" is required or optional, found "
                                                          "\"requird\"\n  hint: did you mean \"required\"?\n");
  language_expect(HEAD "context: {user: {type: text}}\n" REST, "t.yaml:4:17: context \"user\" is a text, found a map\n"
                                                               "  hint: such as required or optional\n");
  language_expect(HEAD "context: [user]\n" REST, "t.yaml:4:10: context is a map, found a list\n  hint: such as {user: required}\n");
  language_expect("weft: 1\nname: t\ninputs: {context: {type: bytes}}\nnodes: {a: {use: gauge, in: context}}\noutputs: {a: a}\n",
                  "t.yaml:3:10: \"context\" is a word of expressions, no name for an input\n");
  g_autofree char *most = keys(WEFT_CONTEXT_MAX_KEYS), *more = keys(WEFT_CONTEXT_MAX_KEYS + 1);
  language_expect(most, "");
  language_expect(more, "t.yaml:37:3: more than 32 keys in context (WEFT_CONTEXT_MAX_KEYS)\n");
#undef REST
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  language_begin(argc, argv);
  g_test_add_func("/assets/resource", test_assets_resource);
  g_test_add_func("/assets/optional", test_assets_optional);
  g_test_add_func("/assets/refused", test_assets_refused);
  g_test_add_func("/assets/digest", test_assets_digest);
  g_test_add_func("/variables/expand", test_variables_expand);
  g_test_add_func("/variables/limits", test_variables_limits);
  g_test_add_func("/variables/in_a_file", test_variables_in_a_file);
  g_test_add_func("/variables/size", test_variables_size);
  g_test_add_func("/context/of_a_request", test_context_of_a_request);
  g_test_add_func("/context/declared", test_context_declared);
  int status = g_test_run();
  language_end();
  return status;
}
