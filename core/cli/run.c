/* SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"
#include "command.h"
#include "cpus.h"
#include "given.h"
#include "input.h"
#include "lock.h"
#include "manifest.h"
#include "print.h"
#include "session.h"
#include "signals.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "An input of the pipeline is given as --NAME VALUE or, always safe, --in NAME=VALUE.\n"
    "Text is literal, @FILE reads it, @@ is a literal @; other types take a path or - (standard input).\n\n"
    "  --in NAME=VALUE        an input, also where its name is that of an option\n"
    "  --batch FILE.jsonl     one object of inputs a line, answers as JSON lines in the same order;\n"
    "                         paths are relative to the working directory, - is standard input\n"
    "  --context KEY=VALUE    who asks: a key that the pipeline declares under context; in a batch for the lines\n"
    "                         whose $context does not say otherwise\n"
    "  --locked               only what PIPELINE.lock says (weft pipeline lock)\n"
    "  --set NAME=VALUE       what ${NAME} in the pipeline file stands for\n"
    "  --clients N            lines of a batch in flight together (64, at most 1024)\n"
    "  --unordered            answers of a batch as they come; $id tells whose they are\n"
    "  --json                 the whole answer, weft.answer/1; of a pipeline that is not good, weft.diagnostics/1\n"
    "  --explain              path, versions, weights, recorded values and times\n"
    "  --isolate none|all|NODE,...  exactly these nodes run in processes of their own; without it those\n"
    "                         that the file says, and plugins that did not come with Weft\n"
    "  --precision WORD | MODEL=WORD,...  of the models' products, over what the file says: f32, bf16, int8, int4, auto\n"
    "  --timeout TIME         the request ends after it: 500 ms, 2 s\n"
    "  --seed N               seed of everything random in the request (0)\n"
    "  --threads N            helpers (default: the processors this process may use)\n"
    "  --catalogue DIR        this catalogue and the one that came with Weft, instead of the search order\n\n"
    "SIGINT and SIGTERM end it; a batch answers the lines in flight first.\n\n"
    "exit codes: 0 answered; 1 a request failed; 2 options or arguments are wrong;\n"
    "            3 refused by a filter, of a batch: any line, and none failed;\n"
    "            4 the pipeline file or the catalogue cannot be used\n";

#define DEFAULT_CLIENTS 64u

static int run(int argc, char **argv);

const WeftCommand weft_command_run = {"run", "PIPELINE [--NAME VALUE]... [OPTION]...",
                                      "Runs a pipeline on one request or a file of them.", help, run};

typedef struct {
  char *name, *value;
  gboolean by_in; /* given as --in NAME=VALUE */
} Given;

typedef struct {
  const char *pipeline, *batch;
  gboolean locked, json, explain, help, unordered;
  guint n_clients;
  guint64 seed, timeout_ns;
  WeftSessionOptions session;
  GPtrArray *given; /* of Given */
  GArray *context;  /* of struct weft_context_entry */
} Options;

static void given_free(gpointer data)
{
  Given *given = data;
  g_free(given->name);
  g_free(given->value);
  g_free(given);
}

static void add_given(Options *options, const char *name, gsize n_name, const char *value, gboolean by_in)
{
  Given *given = g_new0(Given, 1);
  given->name = g_strndup(name, n_name);
  given->value = g_strdup(value);
  given->by_in = by_in;
  g_ptr_array_add(options->given, given);
}

static gboolean parse_time(const char *text, guint64 *ns)
{
  char *end = NULL;
  double value = g_ascii_strtod(text, &end);
  while (*end == ' ')
    end++;
  double scale = strcmp(end, "ms") == 0 ? 1e6 : strcmp(end, "s") == 0 ? 1e9 : strcmp(end, "us") == 0 ? 1e3 : 0;
  if (end == text || scale == 0 || !(value * scale >= 1) || value * scale > 1e18)
    return FALSE;
  *ns = (guint64)(value * scale);
  return TRUE;
}

const char *const weft_run_options[] = {"in", "batch", "clients", "unordered", "json", "explain", "isolate", "precision", "timeout",
                                        "seed", "threads", "catalogue", "context", "set", "locked", "help", NULL};

/* Answers -1: not one of the options that take a value. */
static int take_option(Options *options, const char *name, const char *value)
{
  guint64 n = 0;
  if (!*value && (strcmp(name, "batch") == 0 || strcmp(name, "isolate") == 0 || strcmp(name, "precision") == 0 ||
                  strcmp(name, "catalogue") == 0))
    return weft_command_usage_error(&weft_command_run, "--%s: the value is empty", name);
  if (strcmp(name, "in") == 0) {
    const char *equals = strchr(value, '=');
    if (!equals || equals == value)
      return weft_command_usage_error(&weft_command_run, "--in %s: expected NAME=VALUE", value);
    add_given(options, value, (gsize)(equals - value), equals + 1, TRUE);
  } else if (strcmp(name, "batch") == 0 && options->batch) {
    return weft_command_usage_error(&weft_command_run, "--batch is given twice: %s and %s", options->batch, value);
  } else if (strcmp(name, "batch") == 0) {
    options->batch = value;
  } else if (strcmp(name, "isolate") == 0) {
    options->session.build.isolate = value;
  } else if (strcmp(name, "precision") == 0) {
    options->session.build.precision = value;
  } else if (strcmp(name, "catalogue") == 0) {
    options->session.catalogue = value;
  } else if (strcmp(name, "timeout") == 0) {
    if (!parse_time(value, &options->timeout_ns))
      return weft_command_usage_error(&weft_command_run, "--timeout %s: expected a time with a unit, such as 500 ms",
                                      value);
  } else if (strcmp(name, "seed") == 0) {
    if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT64, &options->seed, NULL))
      return weft_command_usage_error(&weft_command_run, "--seed %s: expected a number from 0 to %" G_GUINT64_FORMAT,
                                      value, G_MAXUINT64);
  } else if (strcmp(name, "clients") == 0) {
    if (!g_ascii_string_to_unsigned(value, 10, 1, WEFT_FRAMES_MAX, &n, NULL))
      return weft_command_usage_error(&weft_command_run, "--clients %s: expected a number from 1 to %u", value,
                                      WEFT_FRAMES_MAX);
    options->n_clients = (guint)n;
  } else if (strcmp(name, "threads") == 0) {
    if (!g_ascii_string_to_unsigned(value, 10, 1, WEFT_THREADS_MAX, &n, NULL))
      return weft_command_usage_error(&weft_command_run, "--threads %s: expected a number from 1 to %u", value,
                                      WEFT_THREADS_MAX);
    options->session.n_threads = (guint)n;
  } else if (strcmp(name, "context") == 0) {
    return weft_context_take(&weft_command_run, value, options->context);
  } else if (strcmp(name, "set") == 0) {
    return weft_given_set(&weft_command_run, value, &options->session.variables);
  } else {
    return -1;
  }
  return WEFT_EXIT_OK;
}

static gboolean take_flag(Options *options, const char *name)
{
  if (strcmp(name, "json") == 0)
    options->json = TRUE;
  else if (strcmp(name, "locked") == 0)
    options->locked = TRUE;
  else if (strcmp(name, "help") == 0)
    options->help = TRUE;
  else if (strcmp(name, "unordered") == 0)
    options->unordered = TRUE;
  else if (strcmp(name, "explain") == 0)
    options->explain = options->session.build.explain = TRUE;
  else
    return FALSE;
  return TRUE;
}

static int parse(Options *options, int argc, char **argv)
{
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    if (strncmp(word, "--", 2) != 0 || word[2] == '\0') {
      if (options->pipeline)
        return weft_command_usage_error(&weft_command_run, "%s: unexpected argument after the pipeline %s", word,
                                        options->pipeline);
      options->pipeline = word;
      continue;
    }
    const char *equals = strchr(word, '=');
    g_autofree char *name = g_strndup(word + 2, equals ? (gsize)(equals - word - 2) : strlen(word + 2));
    if (take_flag(options, name)) {
      if (equals)
        return weft_command_usage_error(&weft_command_run, "%s: --%s takes no value", word, name);
      continue;
    }
    const char *value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
    if (!value) {
      const char *closest = weft_closest(name, weft_run_options, G_N_ELEMENTS(weft_run_options) - 1);
      return weft_command_usage_error(&weft_command_run, "%s: a value is missing%s%s%s", word,
                                      closest && strcmp(closest, name) != 0 ? "; did you mean --" : "",
                                      closest && strcmp(closest, name) != 0 ? closest : "",
                                      closest && strcmp(closest, name) != 0 ? "?" : "");
    }
    int code = take_option(options, name, value);
    if (code > 0)
      return code;
    if (code < 0)
      add_given(options, name, strlen(name), value, FALSE);
  }
  if (!options->help && (!options->pipeline || !*options->pipeline))
    return weft_command_usage_error(&weft_command_run, "the pipeline file is missing");
  return WEFT_EXIT_OK;
}

static int unknown_input(WeftRevision *revision, const Given *given)
{
  guint n = 0;
  const WeftRevisionInput *inputs = weft_revision_inputs(revision, &n);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GString) list = g_string_new(NULL);
  for (guint i = 0; i < n; i++) {
    g_ptr_array_add(names, (gpointer)inputs[i].name);
    g_string_append_printf(list, "%s--%s", i ? ", " : "", inputs[i].name);
  }
  for (guint i = 0; !given->by_in && weft_run_options[i]; i++)
    g_ptr_array_add(names, (gpointer)weft_run_options[i]);
  const char *closest = weft_closest(given->name, (const char *const *)names->pdata, names->len);
  return weft_command_usage_error(&weft_command_run,
                                  "--%s%s is neither an input of %s (%s) nor an option%s%s%s", given->by_in ? "in " : "",
                                  given->name, weft_revision_name(revision), list->str,
                                  closest ? "; did you mean --" : "", closest ? closest : "", closest ? "?" : "");
}

static int fill_values(const Options *options, WeftRevision *revision, WeftValue *values)
{
  guint n = 0;
  const WeftRevisionInput *inputs = weft_revision_inputs(revision, &n);
  for (guint g = 0; g < options->given->len; g++) {
    const Given *given = g_ptr_array_index(options->given, g);
    guint i = 0;
    while (i < n && strcmp(inputs[i].name, given->name) != 0)
      i++;
    if (i == n)
      return unknown_input(revision, given);
    if (values[i].bytes || values[i].error)
      return weft_command_usage_error(&weft_command_run, "the input %s is given twice", given->name);
    values[i].bytes = weft_input_argument(inputs[i].type, given->value, &values[i].error);
    if (values[i].error)
      g_prefix_error(&values[i].error, "--%s: ", given->name);
  }
  return WEFT_EXIT_OK;
}

static int run_one(const Options *options, WeftSession *session)
{
  WeftRevision *revision = weft_session_revision(session);
  guint n = 0;
  weft_revision_inputs(revision, &n);
  g_autofree WeftValue *values = g_new0(WeftValue, n + 1);
  int code = fill_values(options, revision, values);
  if (code == WEFT_EXIT_OK) {
    WeftQuery query = {.inputs = values, .seed = options->seed, .timeout_ns = options->timeout_ns,
                       .context = (const struct weft_context_entry *)(const void *)options->context->data,
                       .n_context = options->context->len, .by_options = TRUE};
    json_t *answer = NULL;
    weft_session_run(session, &query, 1, &answer);
    g_autoptr(GHashTable) given = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < options->given->len; i++) {
      Given *one = g_ptr_array_index(options->given, i);
      g_hash_table_insert(given, one->name, one->value);
    }
    weft_signals_hold(-1); /* no answer is cut */
    code = weft_print_answer(answer, options->json, options->explain, given);
    json_decref(answer);
  }
  for (guint i = 0; i < n; i++) {
    if (values[i].bytes)
      g_bytes_unref(values[i].bytes);
    g_clear_error(&values[i].error);
  }
  return code;
}

static int run_with(Options *options)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftSession) session = weft_session_new(&options->session, &error);
  if (!session)
    return weft_command_refuse_error(&weft_command_run, WEFT_EXIT_PIPELINE, error);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(options->pipeline);
  if (!weft_session_load(session, options->pipeline, diagnostics)) {
    weft_print_diagnostics(diagnostics, options->json);
    return WEFT_EXIT_PIPELINE;
  }
  if (options->locked && !weft_lock_check(session, options->pipeline))
    return WEFT_EXIT_PIPELINE;
  if (!options->batch && (options->n_clients || options->unordered))
    return weft_command_usage_error(&weft_command_run, "--%s is for --batch", options->unordered ? "unordered" : "clients");
  if (!options->batch)
    return run_one(options, session);
  if (options->given->len > 0)
    return weft_command_usage_error(&weft_command_run, "--batch and --%s: inputs of a batch stand in its lines",
                                    ((Given *)g_ptr_array_index(options->given, 0))->name);
  WeftBatch batch = {.path = options->batch, .seed = options->seed, .timeout_ns = options->timeout_ns,
                     .context = options->context,
                     .n_clients = options->n_clients ? options->n_clients : DEFAULT_CLIENTS,
                     .unordered = options->unordered, .at_once = strcmp(options->batch, "-") == 0};
  return weft_batch_run(session, &batch);
}

static int run(int argc, char **argv)
{
  Options options = {0};
  options.given = g_ptr_array_new_with_free_func(given_free);
  options.context = weft_context_new();
  int code = parse(&options, argc, argv);
  if (code == WEFT_EXIT_OK)
    code = options.help ? weft_command_help(&weft_command_run) : run_with(&options);
  g_ptr_array_unref(options.given);
  g_array_unref(options.context);
  weft_variables_free(options.session.variables);
  weft_signals_release();
  return code;
}
