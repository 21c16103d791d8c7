/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "cpus.h"
#include "evalreport.h"
#include "given.h"
#include "manifest.h"
#include "options.h"
#include "progress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "DATA.jsonl has the lines of weft run --batch with $expect: a label, a number, or a map output -> either.\n"
    "A text is expected of every label, a number of every number (or, without one, of every label).\n"
    "Keys of the lines that are no inputs and resemble none are fields, for --by.\n\n"
    "  --metric NAME[:OUTPUT]   may be repeated; without it everything that an output allows:\n"
    "                           accuracy, top-K, macro-f1, per-class, confusion; with the head's probabilities\n"
    "                           log-loss, brier, ece (reliability), aurc (risk and coverage), auroc (two classes);\n"
    "                           of numbers mae, rmse\n"
    "  --require 'NAME[:OUTPUT]>=NUMBER'   may be repeated; also coverage, accuracy-all (no answer counts as wrong),\n"
    "                           failed, refused, abstained; with >=, >, <=, < or ==\n"
    "  --by FIELD               the metrics of each group of lines; FIELD is a key of the lines, an input or not\n"
    "  --mask INPUT             without that input; may be repeated\n"
    "  --shuffle INPUT          with that input of another line; may be repeated\n"
    "  --positive LABEL         the class of auroc (the last)\n"
    "  --bootstrap N            rounds behind the 95 % intervals (1000; 0: none)\n"
    "  --seed N                 of requests, shuffles and the bootstrap (0)\n"
    "  --out FILE.jsonl         every answer, with $expect and $id\n"
    "  --json                   the report as weft.eval/1\n"
    "  --isolate, --precision, --timeout, --threads, --catalogue, --set, --context   as in weft run\n\n"
    "exit codes: 0 evaluated; 1 a requirement is not met, or a request failed and none speaks of `failed`;\n"
    "            2 options or data are wrong; 4 the pipeline file or the catalogue cannot be used\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_eval = {"eval", "PIPELINE DATA.jsonl [OPTION]...",
                                       "Compares a pipeline's answers with what is expected.", help, run};

typedef struct {
  const char *pipeline, *data, *by, *positive, *out;
  GPtrArray *metrics, *requirements, *masked, *shuffled, *set, *given; /* texts */
  GArray *context; /* of struct weft_context_entry: of every line that does not say otherwise */
  gboolean json, help;
  guint64 seed, timeout_ns, n_rounds, n_threads;
  WeftSessionOptions session;
  /* while it runs */
  GPtrArray *objects; /* of json_t, the lines */
  GArray *numbers;    /* of guint64, where they stand in the file */
  GPtrArray *fields;  /* of borrowed names, NULL-terminated: what lines have beside inputs */
} Eval;

static int parse(Eval *e, int argc, char **argv)
{
  const char *words[2] = {NULL};
  const WeftOption table[] = {
    {"metric", WEFT_OPTION_LIST, e->metrics, 0, 0},
    {"require", WEFT_OPTION_LIST, e->requirements, 0, 0},
    {"by", WEFT_OPTION_TEXT, &e->by, 0, 0},
    {"mask", WEFT_OPTION_LIST, e->masked, 0, 0},
    {"shuffle", WEFT_OPTION_LIST, e->shuffled, 0, 0},
    {"set", WEFT_OPTION_LIST, e->set, 0, 0},
    {"context", WEFT_OPTION_LIST, e->given, 0, 0},
    {"positive", WEFT_OPTION_TEXT, &e->positive, 0, 0},
    {"bootstrap", WEFT_OPTION_COUNT, &e->n_rounds, 0, 1000000},
    {"seed", WEFT_OPTION_COUNT, &e->seed, 0, G_MAXUINT64},
    {"out", WEFT_OPTION_TEXT, &e->out, 0, 0},
    {"json", WEFT_OPTION_FLAG, &e->json, 0, 0},
    {"isolate", WEFT_OPTION_TEXT, &e->session.build.isolate, 0, 0},
    {"precision", WEFT_OPTION_TEXT, &e->session.build.precision, 0, 0},
    {"timeout", WEFT_OPTION_TIME, &e->timeout_ns, 0, 0},
    {"threads", WEFT_OPTION_COUNT, &e->n_threads, 1, WEFT_THREADS_MAX},
    {"catalogue", WEFT_OPTION_TEXT, &e->session.catalogue, 0, 0},
    {"help", WEFT_OPTION_FLAG, &e->help, 0, 0}};
  WeftArguments arguments = {&weft_command_eval, table, G_N_ELEMENTS(table), words, 2, 0};
  int code = weft_options_parse(&arguments, argc, argv);
  if (code == WEFT_EXIT_OK)
    code = weft_given_take(&weft_command_eval, e->set, e->given, &e->session.variables, e->context);
  if (code != WEFT_EXIT_OK || e->help)
    return code;
  e->pipeline = words[0];
  e->data = words[1];
  e->session.n_threads = (guint)e->n_threads;
  if (!e->data)
    return weft_command_usage_error(&weft_command_eval, e->pipeline ? "the file of JSON lines is missing"
                                                                    : "the pipeline file is missing");
  if (e->out && (weft_command_same_file(e->out, e->data) || weft_command_same_file(e->out, e->pipeline)))
    return weft_command_usage_error(&weft_command_eval, "--out %s would be written over what is read; name another file", e->out);
  return WEFT_EXIT_OK;
}

/* Every line is kept: shuffles and groups are over all of them. */
static int read_lines(Eval *e)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftLines) file = weft_lines_open(e->data, &error);
  if (!file)
    return weft_command_usage_error(&weft_command_eval, "%s", error->message);
  WeftLine line = {0};
  while (weft_lines_next(file, &line)) {
    if (line.error) {
      int code = weft_command_usage_error(&weft_command_eval, "%s: %s", e->data, line.error->message);
      weft_line_clear(&line);
      return code;
    }
    g_ptr_array_add(e->objects, json_incref(line.object));
    g_array_append_val(e->numbers, line.number);
    weft_line_clear(&line);
  }
  if (!weft_lines_check(file, &error))
    return weft_command_usage_error(&weft_command_eval, "%s", error->message);
  return e->objects->len ? WEFT_EXIT_OK : weft_command_usage_error(&weft_command_eval, "%s: has no lines", e->data);
}

/* --mask and --shuffle name inputs. */
static int check_inputs(const GPtrArray *names, const char *option, WeftRevision *revision)
{
  guint n = 0;
  const WeftRevisionInput *inputs = weft_revision_inputs(revision, &n);
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  for (guint k = 0; k < n; k++)
    g_ptr_array_add(all, (gpointer)inputs[k].name);
  for (guint i = 0; i < names->len; i++) {
    if (g_ptr_array_find_with_equal_func(all, names->pdata[i], g_str_equal, NULL))
      continue;
    const char *closest = weft_closest(names->pdata[i], (const char *const *)all->pdata, all->len);
    return weft_command_usage_error(&weft_command_eval, "--%s %s: the pipeline has no such input%s%s%s", option,
                                    (char *)names->pdata[i],
                closest ? "; did you mean " : "", closest ? closest : "", closest ? "?" : "");
  }
  return WEFT_EXIT_OK;
}

/* Gives each line that has the input the value of another such line. */
static void shuffle(const Eval *e, const char *input, guint64 *state)
{
  g_autoptr(GPtrArray) objects = g_ptr_array_new(), values = g_ptr_array_new();
  for (guint i = 0; i < e->objects->len; i++) {
    json_t *value = json_object_get(e->objects->pdata[i], input);
    if (!value)
      continue;
    g_ptr_array_add(objects, e->objects->pdata[i]);
    g_ptr_array_add(values, json_incref(value));
  }
  g_autofree guint *order = g_new(guint, values->len + 1);
  weft_random_order(state, values->len, order);
  for (guint i = 0; i < values->len; i++)
    json_object_set_new(objects->pdata[i], input, values->pdata[order[i]]);
}

static int alter_lines(const Eval *e, WeftRevision *revision)
{
  guint64 state = e->seed;
  int code = check_inputs(e->masked, "mask", revision);
  if (code == WEFT_EXIT_OK)
    code = check_inputs(e->shuffled, "shuffle", revision);
  for (guint m = 0; code == WEFT_EXIT_OK && m < e->masked->len; m++)
    for (guint i = 0; i < e->objects->len; i++)
      json_object_del(e->objects->pdata[i], e->masked->pdata[m]);
  for (guint m = 0; code == WEFT_EXIT_OK && m < e->shuffled->len; m++)
    shuffle(e, e->shuffled->pdata[m], &state);
  return code;
}

static const char no_group[] = "(none)";

static gboolean any_group(const GPtrArray *groups)
{
  for (guint i = 0; i < groups->len; i++)
    if (strcmp(groups->pdata[i], no_group) != 0)
      return TRUE;
  return FALSE;
}

/* The group of a line: the field's text, or its JSON. "a.b" is the key b of the object a. */
static char *group_of(const json_t *object, const char *field)
{
  const json_t *value = json_object_get(object, field);
  g_auto(GStrv) parts = g_strsplit(field, ".", -1);
  const json_t *inner = object;
  for (guint i = 0; !value && inner && parts[i]; i++)
    inner = json_object_get(inner, parts[i]);
  value = value ? value : inner;
  if (!value)
    return g_strdup(no_group);
  if (json_is_string(value))
    return g_strdup(json_string_value(value));
  char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
  char *group = g_strdup(text);
  free(text);
  return group;
}

/* Lines may carry fields beside the inputs. One that resembles an input is a slip: its lines fail, saying so. */
static void find_fields(const Eval *e, WeftRevision *revision)
{
  guint n = 0;
  const WeftRevisionInput *inputs = weft_revision_inputs(revision, &n);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  g_autofree char *first = e->by ? g_strndup(e->by, strcspn(e->by, ".")) : NULL;
  for (guint i = 0; i < n; i++) {
    g_ptr_array_add(names, (gpointer)inputs[i].name);
    g_hash_table_add(seen, (gpointer)inputs[i].name);
  }
  for (guint i = 0; i < e->objects->len; i++) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)e->objects->pdata[i], key, value)
    {
      if (key[0] == '$' || !g_hash_table_add(seen, (gpointer)key))
        continue;
      if (g_strcmp0(key, e->by) == 0 || g_strcmp0(key, first) == 0 ||
          !weft_closest(key, (const char *const *)names->pdata, names->len))
        g_ptr_array_add(e->fields, (gpointer)key);
    }
  }
  g_ptr_array_add(e->fields, NULL);
}

static int take_specs(const Eval *e, const WeftEvaluation *evaluation, WeftEvalOptions *options)
{
  g_autoptr(GError) error = NULL;
  for (guint i = 0; i < e->metrics->len; i++) {
    WeftMetricSpec spec;
    if (!weft_metric_spec_parse(e->metrics->pdata[i], evaluation, &spec, &error))
      return weft_command_usage_error(&weft_command_eval, "--metric %s: %s", (char *)e->metrics->pdata[i], error->message);
    g_array_append_val(options->metrics, spec);
  }
  for (guint i = 0; i < e->requirements->len; i++) {
    WeftRequirement *requirement = weft_requirement_parse(e->requirements->pdata[i], evaluation, &error);
    if (!requirement)
      return weft_command_usage_error(&weft_command_eval, "--require: %s", error->message);
    g_ptr_array_add(options->requirements, requirement);
  }
  return WEFT_EXIT_OK;
}

static int check_expectations(const Eval *e, const WeftEvaluation *evaluation)
{
  g_autoptr(GError) error = NULL;
  gboolean any = FALSE;
  for (guint i = 0; i < e->objects->len; i++) {
    const json_t *expect = json_object_get(e->objects->pdata[i], "$expect");
    any = any || expect;
    if (!weft_evaluation_check(evaluation, expect, &error))
      return weft_command_usage_error(&weft_command_eval, "%s: line %" G_GUINT64_FORMAT ": %s", e->data,
                                      g_array_index(e->numbers, guint64, i), error->message);
  }
  if (any)
    return WEFT_EXIT_OK;
  return weft_command_usage_error(&weft_command_eval, "%s: no line says what is expected; add \"$expect\": LABEL", e->data);
}

static gboolean write_answer(FILE *out, json_t *answer, const json_t *object)
{
  static const char *const kept[] = {"$id", "$expect"};
  for (guint i = 0; i < G_N_ELEMENTS(kept); i++)
    if (json_object_get(object, kept[i]))
      json_object_set(answer, kept[i], json_object_get(object, kept[i]));
  json_object_del(json_object_get(answer, "explain"), "path"); /* the same in every line */
  gboolean written = json_dumpf(answer, out, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
  return fputc('\n', out) != EOF && written;
}

/* One frame of lines from `first` on; answers how many. */
static guint run_some(const Eval *e, WeftSession *session, WeftEvaluation *evaluation, guint first, FILE *out)
{
  guint n = MIN(weft_session_n_items_max(session), e->objects->len - first);
  g_autofree WeftLine *lines = g_new0(WeftLine, n);
  g_autofree WeftQuery *queries = g_new0(WeftQuery, n);
  g_autofree json_t **answers = g_new0(json_t *, n);
  for (guint i = 0; i < n; i++) {
    lines[i].number = g_array_index(e->numbers, guint64, first + i);
    lines[i].object = json_incref(e->objects->pdata[first + i]);
    lines[i].context = weft_context_copy(e->context);
    weft_line_take(&lines[i], weft_session_revision(session), (const char *const *)e->fields->pdata);
    weft_line_settle(&lines[i]);
    weft_line_query(&lines[i], &queries[i]);
    queries[i].seed = e->seed + first + i;
    queries[i].timeout_ns = e->timeout_ns;
  }
  weft_session_run(session, queries, n, answers);
  for (guint i = 0; i < n; i++) {
    weft_evaluation_add(evaluation, first + i, json_object_get(lines[i].object, "$expect"), answers[i]);
    if (out)
      write_answer(out, answers[i], lines[i].object); /* whether that failed, fclose tells */
    json_decref(answers[i]);
    weft_line_clear(&lines[i]);
  }
  return n;
}

static int run_all(const Eval *e, WeftSession *session, WeftEvaluation *evaluation)
{
  FILE *out = e->out ? fopen(e->out, "we") : NULL;
  if (e->out && !out)
    return weft_command_usage_error(&weft_command_eval, "--out %s: cannot be opened: %s", e->out, g_strerror(errno));
  WeftProgress progress;
  weft_progress_begin(&progress, e->objects->len);
  progress.shown = isatty(STDERR_FILENO); /* nothing goes to standard output meanwhile */
  for (guint done = 0; done < e->objects->len;) {
    done += run_some(e, session, evaluation, done, out);
    weft_progress_at(&progress, done, done, evaluation->n_failed);
  }
  weft_progress_end(&progress);
  gboolean written = !out || !ferror(out);
  if (out && (fclose(out) != 0 || !written)) {
    weft_command_usage_error(&weft_command_eval, "--out %s: cannot be written: %s", e->out, g_strerror(errno));
    return WEFT_EXIT_FAILED;
  }
  return WEFT_EXIT_OK;
}

static json_t *texts_of(const GPtrArray *texts)
{
  json_t *list = json_array();
  for (guint i = 0; i < texts->len && texts->pdata[i]; i++)
    json_array_append_new(list, json_string(texts->pdata[i]));
  return list;
}

static int tell(const Eval *e, WeftSession *session, const WeftEvaluation *evaluation, const WeftEvalOptions *options)
{
  json_t *report = weft_eval_report(evaluation, options);
  WeftRevision *revision = weft_session_revision(session);
  g_autofree char *name = g_strdup_printf("%s@%.12s", weft_revision_name(revision), weft_revision_digest(revision));
  json_object_set_new(report, "revision", json_string(name));
  json_object_set_new(report, "fingerprint", json_string(weft_session_fingerprint(session)));
  json_object_set_new(report, "data", weft_command_text(e->data));
  json_object_set_new(report, "seed", json_integer((json_int_t)e->seed));
  json_object_set_new(report, "bootstrap", json_integer((json_int_t)e->n_rounds));
  json_object_set_new(report, "masked", texts_of(e->masked));
  json_object_set_new(report, "shuffled", texts_of(e->shuffled));
  json_object_set_new(report, "fields", texts_of(e->fields));
  if (e->json) {
    json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
  } else {
    weft_eval_print(report);
  }
  int code = weft_eval_passed(report) ? WEFT_EXIT_OK : WEFT_EXIT_FAILED;
  size_t i;
  json_t *one;
  json_array_foreach(json_object_get(report, "requirements"), i, one)
  {
    if (!json_is_true(json_object_get(one, "met")))
      fprintf(stderr, "weft eval: not met: %s\n", json_string_value(json_object_get(one, "require")));
  }
  json_decref(report);
  return code;
}

static int evaluate(const Eval *e, WeftSession *session)
{
  WeftRevision *revision = weft_session_revision(session);
  g_autoptr(WeftEvaluation) evaluation = weft_evaluation_new(revision);
  WeftEvalOptions options = {g_array_new(FALSE, FALSE, sizeof(WeftMetricSpec)),
                             g_ptr_array_new_with_free_func(weft_requirement_free), (guint)e->n_rounds, e->seed, e->by,
                             g_ptr_array_new_with_free_func(g_free)};
  int code = take_specs(e, evaluation, &options);
  if (code == WEFT_EXIT_OK)
    code = check_expectations(e, evaluation);
  for (guint i = 0; e->by && i < e->objects->len; i++)
    g_ptr_array_add(options.groups, group_of(e->objects->pdata[i], e->by));
  if (code == WEFT_EXIT_OK && e->by && !any_group(options.groups))
    code = weft_command_usage_error(&weft_command_eval, "--by %s: no line of %s has this field", e->by, e->data);
  if (code == WEFT_EXIT_OK)
    code = alter_lines(e, revision);
  find_fields(e, revision);
  if (code == WEFT_EXIT_OK)
    code = run_all(e, session, evaluation);
  if (code == WEFT_EXIT_OK) {
    weft_evaluation_finish(evaluation, e->positive);
    code = tell(e, session, evaluation, &options);
  }
  g_array_unref(options.metrics);
  g_ptr_array_unref(options.requirements);
  g_ptr_array_unref(options.groups);
  return code;
}

static int evaluate_file(Eval *e)
{
  g_autoptr(GError) error = NULL;
  int code = read_lines(e);
  if (code != WEFT_EXIT_OK)
    return code;
  e->session.build.record_heads = TRUE;
  g_autoptr(WeftSession) session = weft_session_new(&e->session, &error);
  if (!session)
    return weft_command_refuse_error(&weft_command_eval, WEFT_EXIT_PIPELINE, error);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(e->pipeline);
  if (!weft_session_load(session, e->pipeline, diagnostics)) {
    g_autofree char *text = weft_diagnostics_text(diagnostics);
    fputs(text, stderr);
    return WEFT_EXIT_PIPELINE;
  }
  return evaluate(e, session);
}

static int run(int argc, char **argv)
{
  Eval e = {.n_rounds = WEFT_BOOTSTRAP_ROUNDS, .metrics = g_ptr_array_new(), .requirements = g_ptr_array_new(),
            .set = g_ptr_array_new(), .given = g_ptr_array_new(), .context = weft_context_new(),
            .masked = g_ptr_array_new(), .shuffled = g_ptr_array_new(),
            .objects = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref),
            .numbers = g_array_new(FALSE, FALSE, sizeof(guint64)), .fields = g_ptr_array_new()};
  int code = parse(&e, argc, argv);
  if (code == WEFT_EXIT_OK)
    code = e.help ? weft_command_help(&weft_command_eval) : evaluate_file(&e);
  g_ptr_array_unref(e.metrics);
  g_ptr_array_unref(e.requirements);
  g_ptr_array_unref(e.set);
  g_ptr_array_unref(e.given);
  g_array_unref(e.context);
  weft_variables_free(e.session.variables);
  g_ptr_array_unref(e.masked);
  g_ptr_array_unref(e.shuffled);
  g_ptr_array_unref(e.objects);
  g_array_unref(e.numbers);
  g_ptr_array_unref(e.fields);
  return code;
}
