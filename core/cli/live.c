/* SPDX-License-Identifier: Apache-2.0 */
#include "live.h"

#include "command.h"
#include "cpus.h"
#include "given.h"
#include "options.h"
#include "print.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Longest value of an output that a line for people shows, bytes. */
#define SHOWN_BYTES 60

static const char help[] =
    "Inputs with a source are read as they happen. Each window of the lead is one request and one line of output. It\n"
    "runs until the sources end, a signal asks it to (SIGINT, SIGTERM: windows in the graph are answered first), or\n"
    "time is up; a summary follows on standard error.\n\n"
    "  --for TIME             stops after that much time: 10 s\n"
    "  --json                 whole answers, weft.answer/1, one a line, and the summary as a last line, weft.live/1\n"
    "  --quiet                no lines: sinks and the summary only\n"
    "  --in-flight N          windows in the graph at once (1); more of them keep their order, but not that of their\n"
    "                         effects\n"
    "  --context KEY=VALUE    a key that the pipeline declares under context, for every window\n"
    "  --set NAME=VALUE       what ${NAME} in the pipeline file stands for\n"
    "  --isolate, --precision, --threads, --catalogue   as in weft run\n\n"
    "exit codes: 0 every window was answered; 1 one failed, a source ended by an error, or a sink could not be written;\n"
    "            2 options are wrong; 4 the pipeline file or the catalogue cannot be used\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_live = {"live", "PIPELINE [OPTION]...", "Runs a pipeline on live data, window by window.",
                                       help, run};

typedef struct {
  const char *pipeline;
  gboolean json, quiet, help;
  guint64 n_threads, for_ns, n_in_flight;
  GPtrArray *set, *context_given;
  GArray *context;
  WeftSessionOptions session;
  gboolean unwritable; /* standard output is gone */
  WeftLive *live;
} Options;

static WeftLive *running; /* what a signal stops */

static void on_signal(int number)
{
  weft_live_stop(running);
}

static void print_short(const json_t *value)
{
  if (json_is_string(value)) {
    printf("\"%.*s%s\"", SHOWN_BYTES, json_string_value(value), json_string_length(value) > SHOWN_BYTES ? "..." : "");
    return;
  }
  char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
  gsize n = text ? strlen(text) : 0;
  printf("%.*s%s", SHOWN_BYTES, n ? text : "null", n > SHOWN_BYTES ? "..." : "");
  free(text);
}

/* "2024-01-31T12:00:00.000000000Z  rms 0.12  missing: log (dead)" */
static void print_line(const json_t *answer)
{
  const char *name;
  json_t *value;
  const json_t *error = json_object_get(answer, "error");
  const char *time = json_string_value(json_object_get(answer, "time"));
  printf("%s", time ? time : "-");
  json_object_foreach(json_object_get(answer, "outputs"), name, value)
  {
    printf("  %s ", name);
    print_short(value);
  }
  if (json_is_object(error))
    printf("  failed: %s", json_string_value(json_object_get(error, "message")));
  size_t i;
  json_array_foreach(json_object_get(answer, "missing"), i, value)
  {
    const char *input = json_is_string(value) ? json_string_value(value) : json_string_value(json_object_get(value, "input"));
    const json_t *stream = input ? json_object_get(json_object_get(answer, "streams"), input) : NULL;
    const char *state = json_string_value(json_object_get(stream, "state"));
    printf("%s%s (%s)", i ? ", " : "  missing: ", input ? input : "?", state ? state : "never");
  }
  putchar('\n');
}

static void on_window(void *data, const WeftLiveWindow *window, json_t *answer)
{
  Options *options = data;
  if (options->quiet)
    return;
  if (options->json) {
    json_dumpf(answer, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
  } else {
    print_line(answer);
  }
  if (fflush(stdout) == 0 || options->unwritable)
    return;
  fprintf(stderr, "weft live: standard output cannot be written: %s\n", g_strerror(errno));
  options->unwritable = TRUE;
  weft_live_stop(options->live);
}

static void on_event(void *data, const char *line)
{
  fprintf(stderr, "weft live: %s\n", line);
}

static json_t *summary_of(const WeftLiveStats *stats)
{
  json_t *streams = json_object();
  for (guint i = 0; i < stats->n_streams; i++) {
    const WeftStreamStats *s = &stats->streams[i];
    json_object_set_new(streams, s->name,
                        json_pack("{s:I,s:I,s:I,s:I,s:I,s:b}", "rows", (json_int_t)s->n_rows, "late", (json_int_t)s->n_late,
                                  "dropped", (json_int_t)s->n_dropped, "missing", (json_int_t)s->n_missing, "restarts",
                                  (json_int_t)s->n_restarts, "failed", s->failed));
  }
  return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:{s:f,s:f,s:f},s:o}", "schema", "weft.live/1", "windows",
                   (json_int_t)stats->n_windows, "failed", (json_int_t)stats->n_failed, "missed_deadlines",
                   (json_int_t)stats->n_missed, "gaps", (json_int_t)stats->n_gaps, "sink_errors",
                   (json_int_t)stats->n_sink_errors, "latency_ms", "p50", stats->p50_ms, "p99", stats->p99_ms, "max",
                   stats->max_ms, "streams", streams);
}

static void print_summary(const Options *options, const WeftLiveStats *stats)
{
  if (options->json && !options->unwritable) {
    json_t *summary = summary_of(stats);
    json_dumpf(summary, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(summary);
    return;
  }
  fprintf(stderr, "%" G_GUINT64_FORMAT " windows, %" G_GUINT64_FORMAT " failed, %" G_GUINT64_FORMAT " deadlines missed, %"
          G_GUINT64_FORMAT " left out (no rows of the lead), latency p50 %.3f ms, p99 %.3f ms, at most %.3f ms\n",
          stats->n_windows, stats->n_failed, stats->n_missed, stats->n_gaps, stats->p50_ms, stats->p99_ms, stats->max_ms);
  if (stats->n_sink_errors)
    fprintf(stderr, "sinks: %" G_GUINT64_FORMAT " writes failed\n", stats->n_sink_errors);
  for (guint i = 0; i < stats->n_streams; i++) {
    const WeftStreamStats *s = &stats->streams[i];
    fprintf(stderr, "  %-16s %" G_GUINT64_FORMAT " rows, %" G_GUINT64_FORMAT " late, %" G_GUINT64_FORMAT " dropped, missing "
            "in %" G_GUINT64_FORMAT " windows, %" G_GUINT64_FORMAT " restarts%s\n", s->name, s->n_rows, s->n_late,
            s->n_dropped, s->n_missing, s->n_restarts, s->failed ? ", ended by an error" : "");
  }
}

static int exit_code(const Options *options, const WeftLiveStats *stats)
{
  gboolean failed = options->unwritable || stats->n_failed || stats->n_sink_errors;
  for (guint i = 0; i < stats->n_streams; i++)
    failed = failed || stats->streams[i].failed;
  return failed ? WEFT_EXIT_FAILED : WEFT_EXIT_OK;
}

static int run_live(Options *options, WeftSession *session)
{
  g_autoptr(GError) error = NULL;
  WeftLiveOptions live_options = {
    .for_ns = (gint64)options->for_ns, .n_in_flight = (guint)options->n_in_flight, .window = on_window,
    .event = on_event, .data = options, .want_answers = !options->quiet,
    .context = (const struct weft_context_entry *)(const void *)options->context->data, .n_context = options->context->len};
  g_autoptr(WeftLive) live = weft_live_new(session, &live_options, &error);
  if (!live) {
    fprintf(stderr, "weft live: %s\n", error->message);
    return error->code == WEFT_BAD_CONFIG ? WEFT_EXIT_PIPELINE : WEFT_EXIT_FAILED;
  }
  options->live = running = live;
  struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_RESETHAND}, before[2]; /* the second one ends it */
  sigaction(SIGINT, &stop, &before[0]);
  sigaction(SIGTERM, &stop, &before[1]);
  gboolean ok = weft_live_run(live, &error);
  sigaction(SIGINT, &before[0], NULL);
  sigaction(SIGTERM, &before[1], NULL);
  WeftLiveStats stats;
  weft_live_stats(live, &stats);
  print_summary(options, &stats);
  if (ok)
    return exit_code(options, &stats);
  fprintf(stderr, "weft live: %s\n", error->message);
  return WEFT_EXIT_FAILED;
}

static int run_with(Options *options)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftSession) session = weft_session_new(&options->session, &error);
  if (!session)
    return weft_command_refuse_error(&weft_command_live, WEFT_EXIT_PIPELINE, error);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(options->pipeline);
  if (weft_session_load(session, options->pipeline, diagnostics))
    return run_live(options, session);
  weft_print_diagnostics(diagnostics, options->json);
  return WEFT_EXIT_PIPELINE;
}

static int take_given(Options *options)
{
  int code = WEFT_EXIT_OK;
  for (guint i = 0; i < options->set->len && code == WEFT_EXIT_OK; i++)
    code = weft_given_set(&weft_command_live, options->set->pdata[i], &options->session.variables);
  for (guint i = 0; i < options->context_given->len && code == WEFT_EXIT_OK; i++)
    code = weft_context_take(&weft_command_live, options->context_given->pdata[i], options->context);
  return code;
}

static int parse(Options *options, int argc, char **argv)
{
  const WeftOption table[] = {
    {"for", WEFT_OPTION_TIME, &options->for_ns, 0, 0},
    {"json", WEFT_OPTION_FLAG, &options->json, 0, 0},
    {"quiet", WEFT_OPTION_FLAG, &options->quiet, 0, 0},
    {"in-flight", WEFT_OPTION_COUNT, &options->n_in_flight, 1, WEFT_LIVE_IN_FLIGHT_MAX},
    {"context", WEFT_OPTION_LIST, options->context_given, 0, 0},
    {"set", WEFT_OPTION_LIST, options->set, 0, 0},
    {"isolate", WEFT_OPTION_TEXT, &options->session.build.isolate, 0, 0},
    {"precision", WEFT_OPTION_TEXT, &options->session.build.precision, 0, 0},
    {"threads", WEFT_OPTION_COUNT, &options->n_threads, 1, WEFT_THREADS_MAX},
    {"catalogue", WEFT_OPTION_TEXT, &options->session.catalogue, 0, 0},
    {"help", WEFT_OPTION_FLAG, &options->help, 0, 0}};
  WeftArguments arguments = {&weft_command_live, table, G_N_ELEMENTS(table), &options->pipeline, 1, 0};
  int code = weft_options_parse(&arguments, argc, argv);
  if (code != WEFT_EXIT_OK || options->help)
    return code;
  options->session.n_threads = (guint)options->n_threads;
  if (!options->pipeline)
    return weft_command_usage_error(&weft_command_live, "the pipeline file is missing");
  return take_given(options);
}

static int run(int argc, char **argv)
{
  Options options = {.set = g_ptr_array_new(), .context_given = g_ptr_array_new(), .context = weft_context_new()};
  options.session.build.live = TRUE;
  options.session.build.n_items_max = 1;
  int code = parse(&options, argc, argv);
  if (code == WEFT_EXIT_OK)
    code = options.help ? weft_command_help(&weft_command_live) : run_with(&options);
  weft_variables_free(options.session.variables);
  g_ptr_array_unref(options.set);
  g_ptr_array_unref(options.context_given);
  g_array_unref(options.context);
  return code;
}
