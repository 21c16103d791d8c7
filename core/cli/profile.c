/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "cpus.h"
#include "evalreport.h"
#include "given.h"
#include "manifest.h"
#include "options.h"
#include "profilereport.h"
#include "progress.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Most clients, each a thread. */
#define CLIENTS_MAX 256
/* Requests before the measurement, for each client: pages, caches and workers are warm then. */
#define WARM_REQUESTS 2
#define REDRAW_US 100000

static const char help[] =
    "Runs the lines of a file (those of weft run --batch), one a request, from clients that each wait for an answer\n"
    "before they ask again, and tells of every node how long its calls took and what waited for it. Inputs are read\n"
    "beforehand. With $expect in the lines the answers are judged as by weft eval.\n\n"
    "  --batch FILE.jsonl     the requests\n"
    "  --clients N            how many at a time (1; at most 256)\n"
    "  --for TIME             again and again for so long (10 s); without it each line once\n"
    "  --svg FILE             a timeline of the first calls: requests, threads, workers\n"
    "  --window TIME          how much of it is drawn (as long as 300 calls last)\n"
    "  --json                 the report as weft.profile/1\n"
    "  --seed N               of the first request; each further one adds one (0)\n"
    "  --isolate, --precision, --timeout, --threads, --catalogue, --set, --context   as in weft run\n\n"
    "exit codes: 0 measured; 1 a request failed; 2 options or data are wrong;\n"
    "            4 the pipeline file or the catalogue cannot be used\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_profile = {"profile", "PIPELINE --batch FILE.jsonl [OPTION]...",
                                          "Measures where a pipeline spends its time and memory.", help, run};

typedef struct {
  const char *pipeline, *data, *svg;
  GPtrArray *sets, *contexts; /* texts */
  GArray *context;            /* of struct weft_context_entry */
  gboolean json, help;
  guint64 seed, timeout_ns, n_threads, n_clients, for_ns, window_ns;
  WeftSessionOptions options;
  /* while it runs */
  WeftSession *session;
  GArray *lines; /* of WeftLine, taken */
  WeftEvaluation *evaluation;
  pthread_mutex_t lock; /* of evaluation */
  _Atomic guint64 next, n_done, n_failed;
  guint64 most;  /* requests; G_MAXUINT64: until end_us */
  gint64 end_us; /* 0: no end */
  WeftHistogram *latency;
} Profile;

static int parse(Profile *p, int argc, char **argv)
{
  const WeftOption table[] = {
    {"batch", WEFT_OPTION_TEXT, &p->data, 0, 0},
    {"clients", WEFT_OPTION_COUNT, &p->n_clients, 1, CLIENTS_MAX},
    {"for", WEFT_OPTION_TIME, &p->for_ns, 0, 0},
    {"svg", WEFT_OPTION_TEXT, &p->svg, 0, 0},
    {"window", WEFT_OPTION_TIME, &p->window_ns, 0, 0},
    {"json", WEFT_OPTION_FLAG, &p->json, 0, 0},
    {"seed", WEFT_OPTION_COUNT, &p->seed, 0, G_MAXUINT64},
    {"isolate", WEFT_OPTION_TEXT, &p->options.build.isolate, 0, 0},
    {"precision", WEFT_OPTION_TEXT, &p->options.build.precision, 0, 0},
    {"timeout", WEFT_OPTION_TIME, &p->timeout_ns, 0, 0},
    {"threads", WEFT_OPTION_COUNT, &p->n_threads, 1, WEFT_THREADS_MAX},
    {"catalogue", WEFT_OPTION_TEXT, &p->options.catalogue, 0, 0},
    {"set", WEFT_OPTION_LIST, p->sets, 0, 0},
    {"context", WEFT_OPTION_LIST, p->contexts, 0, 0},
    {"help", WEFT_OPTION_FLAG, &p->help, 0, 0}};
  WeftArguments arguments = {&weft_command_profile, table, G_N_ELEMENTS(table), &p->pipeline, 1, 0};
  int code = weft_options_parse(&arguments, argc, argv);
  if (code != WEFT_EXIT_OK || p->help)
    return code;
  p->options.n_threads = (guint)p->n_threads;
  if (!p->pipeline || !p->data)
    return weft_command_usage_error(&weft_command_profile,
                                    p->pipeline ? "--batch FILE.jsonl is missing" : "the pipeline file is missing");
  if (p->svg && (weft_command_same_file(p->svg, p->data) || weft_command_same_file(p->svg, p->pipeline)))
    return weft_command_usage_error(&weft_command_profile, "--svg %s would be written over what is read; name another file",
                                    p->svg);
  return weft_given_take(&weft_command_profile, p->sets, p->contexts, &p->options.variables, p->context);
}

static void line_clear(gpointer line)
{
  weft_line_clear(line);
}

static int read_lines(Profile *p)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftLines) file = weft_lines_open(p->data, &error);
  if (!file)
    return weft_command_usage_error(&weft_command_profile, "%s", error->message);
  WeftLine line = {0};
  while (weft_lines_next(file, &line)) {
    line.context = weft_context_copy(p->context);
    weft_line_take(&line, weft_session_revision(p->session), NULL);
    const json_t *expect = json_object_get(line.object, "$expect");
    if (!line.error && !weft_evaluation_check(p->evaluation, expect, &error))
      g_set_error(&line.error, WEFT_ERROR, WEFT_BAD_INPUT, "line %" G_GUINT64_FORMAT ": %s", line.number, error->message);
    if (line.error) {
      int code = weft_command_usage_error(&weft_command_profile, "%s: %s", p->data, line.error->message);
      weft_line_clear(&line);
      return code;
    }
    g_array_append_val(p->lines, line);
    memset(&line, 0, sizeof line);
  }
  if (!weft_lines_check(file, &error))
    return weft_command_usage_error(&weft_command_profile, "%s", error->message);
  return p->lines->len ? WEFT_EXIT_OK : weft_command_usage_error(&weft_command_profile, "%s: has no lines", p->data);
}

static guint64 now_ns(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (guint64)t.tv_sec * 1000000000u + (guint64)t.tv_nsec;
}

static void ask(Profile *p, guint64 i)
{
  const WeftLine *line = &g_array_index(p->lines, WeftLine, i % p->lines->len);
  WeftQuery query = {.seed = p->seed + i, .timeout_ns = p->timeout_ns};
  weft_line_query(line, &query);
  json_t *answer = NULL;
  guint64 begin = now_ns();
  weft_session_run(p->session, &query, 1, &answer);
  guint64 took = now_ns() - begin;
  if (p->latency) {
    const char *status = json_string_value(json_object_get(answer, "status"));
    weft_histogram_add(p->latency, took);
    atomic_fetch_add(&p->n_done, 1);
    if (g_strcmp0(status, "failed") == 0)
      atomic_fetch_add(&p->n_failed, 1);
    pthread_mutex_lock(&p->lock);
    if (i < p->lines->len)
      weft_evaluation_add(p->evaluation, (guint)i, json_object_get(line->object, "$expect"), answer);
    pthread_mutex_unlock(&p->lock);
  }
  json_decref(answer);
}

static void *client_main(void *data)
{
  Profile *p = data;
  for (;;) {
    guint64 i = atomic_fetch_add(&p->next, 1);
    if (i >= p->most || (p->end_us && g_get_monotonic_time() >= p->end_us))
      return NULL;
    ask(p, i);
  }
}

/* The bar of the time, or of the lines where there is no time. */
static void show_progress(const Profile *p, WeftProgress *progress, gint64 begin_us)
{
  guint64 n = atomic_load(&p->n_done);
  guint64 at = p->end_us ? (guint64)(g_get_monotonic_time() - begin_us) : n;
  weft_progress_at(progress, at, n, atomic_load(&p->n_failed));
}

/* FALSE: fewer clients could be started than were asked for. */
static gboolean run_clients(Profile *p, gboolean shown)
{
  g_autofree pthread_t *threads = g_new0(pthread_t, p->n_clients);
  guint64 n_started = 0;
  gint64 begin_us = g_get_monotonic_time();
  WeftProgress progress;
  weft_progress_begin(&progress, p->end_us ? (guint64)(p->end_us - begin_us) : p->most);
  progress.shown = shown && isatty(STDERR_FILENO);
  while (n_started < p->n_clients && pthread_create(&threads[n_started], NULL, client_main, p) == 0)
    n_started++;
  while (progress.shown && n_started && atomic_load(&p->n_done) < p->most && (!p->end_us || g_get_monotonic_time() < p->end_us)) {
    g_usleep(REDRAW_US);
    show_progress(p, &progress, begin_us);
  }
  for (guint64 i = 0; i < n_started; i++)
    pthread_join(threads[i], NULL);
  weft_progress_end(&progress);
  return n_started == p->n_clients;
}

static double cpu_seconds(void)
{
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) + (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* What the answers are worth, where the lines say what they expect. */
static void add_accuracy(Profile *p, json_t *report)
{
  if (p->evaluation->n_unlabelled == p->evaluation->n_lines)
    return;
  WeftEvalOptions options = {g_array_new(FALSE, FALSE, sizeof(WeftMetricSpec)), g_ptr_array_new(), 0, 0, NULL, NULL};
  weft_evaluation_finish(p->evaluation, NULL);
  json_t *judged = weft_eval_report(p->evaluation, &options);
  json_object_set(report, "outputs", json_object_get(judged, "outputs"));
  json_decref(judged);
  g_array_unref(options.metrics);
  g_ptr_array_unref(options.requirements);
}

static int write_svg(const Profile *p, const WeftRecorder *recorder)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *svg = weft_recorder_svg(recorder, weft_session_revision(p->session), p->window_ns);
  if (g_file_set_contents(p->svg, svg, -1, &error))
    return WEFT_EXIT_OK;
  weft_command_usage_error(&weft_command_profile, "--svg: %s", error->message);
  return WEFT_EXIT_FAILED;
}

static int tell(Profile *p, const WeftMeasurement *m)
{
  json_t *report = weft_profile_report(m);
  g_autofree char *name = g_strdup_printf("%s@%.12s", weft_revision_name(m->revision), weft_revision_digest(m->revision));
  json_object_set_new(report, "revision", json_string(name));
  json_object_set_new(report, "fingerprint", json_string(weft_session_fingerprint(p->session)));
  json_object_set_new(report, "data", weft_command_text(p->data));
  json_object_set_new(report, "clients", json_integer((json_int_t)p->n_clients));
  add_accuracy(p, report);
  if (p->json) {
    json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
  } else {
    weft_profile_print(report);
  }
  json_decref(report);
  int code = p->svg ? write_svg(p, m->recorder) : WEFT_EXIT_OK;
  return code == WEFT_EXIT_OK && m->n_failed ? WEFT_EXIT_FAILED : code;
}

static guint graph_nodes(WeftRevision *revision)
{
  guint n = 0, n_graph = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(revision, &n);
  for (guint i = 0; i < n; i++)
    if (nodes[i].graph_node != G_MAXUINT)
      n_graph = MAX(n_graph, nodes[i].graph_node + 1);
  return n_graph;
}

static guint count_slots(WeftRevision *revision)
{
  guint n = 0, n_slots = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(revision, &n);
  for (guint i = 0; i < n; i++)
    n_slots += nodes[i].slot_of != NULL;
  return n_slots;
}

/* recorder: NULL: no longer. */
static void trace(WeftRevision *revision, WeftRecorder *recorder)
{
  guint n = 0, slot = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(revision, &n);
  weft_graph_trace(weft_revision_graph(revision), recorder ? weft_recorder_take : NULL, recorder);
  for (guint i = 0; i < n; i++)
    if (nodes[i].slot_of)
      weft_graph_trace(nodes[i].slot_graph, recorder ? weft_recorder_take_slot : NULL, recorder ? &recorder->slots[slot++] : NULL);
}

static int measure(Profile *p)
{
  WeftRevision *revision = weft_session_revision(p->session);
  struct weft_graph *graph = weft_revision_graph(revision);
  guint n_nodes = graph_nodes(revision);
  g_autofree struct weft_counters *before = g_new0(struct weft_counters, n_nodes + 1);
  g_autofree WeftHistogram *latency = g_new0(WeftHistogram, 1);
  WeftRecorder *recorder = weft_recorder_new(n_nodes, count_slots(revision));
  p->most = WARM_REQUESTS * p->n_clients;
  gboolean started = run_clients(p, FALSE);
  for (guint i = 0; i < n_nodes; i++)
    weft_graph_counters(graph, i, &before[i]);
  p->most = p->for_ns ? G_MAXUINT64 : p->lines->len;
  p->latency = latency;
  atomic_store(&p->next, 0);
  trace(revision, recorder);
  double cpu = cpu_seconds();
  gint64 begin_us = g_get_monotonic_time();
  p->end_us = p->for_ns ? begin_us + (gint64)(p->for_ns / 1000) : 0;
  started = started && run_clients(p, TRUE);
  WeftMeasurement m = {revision, recorder, latency, before, atomic_load(&p->n_done), atomic_load(&p->n_failed),
                       (double)(g_get_monotonic_time() - begin_us) / 1e6, cpu_seconds() - cpu};
  trace(revision, NULL);
  int code = started ? tell(p, &m)
                     : weft_command_usage_error(&weft_command_profile, "%" G_GUINT64_FORMAT " clients cannot be started: no "
                                                "threads", p->n_clients);
  weft_recorder_free(recorder);
  return code;
}

static int profile(Profile *p)
{
  g_autoptr(GError) error = NULL;
  p->options.build.record_heads = TRUE;
  g_autoptr(WeftSession) session = weft_session_new(&p->options, &error);
  if (!session)
    return weft_command_refuse_error(&weft_command_profile, WEFT_EXIT_PIPELINE, error);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(p->pipeline);
  if (!weft_session_load(session, p->pipeline, diagnostics)) {
    g_autofree char *text = weft_diagnostics_text(diagnostics);
    fputs(text, stderr);
    return WEFT_EXIT_PIPELINE;
  }
  p->session = session;
  p->evaluation = weft_evaluation_new(weft_session_revision(session));
  int code = read_lines(p);
  if (code == WEFT_EXIT_OK)
    code = measure(p);
  weft_evaluation_free(p->evaluation);
  return code;
}

static int run(int argc, char **argv)
{
  Profile p = {.n_clients = 1, .lines = g_array_new(FALSE, TRUE, sizeof(WeftLine)), .sets = g_ptr_array_new(),
               .contexts = g_ptr_array_new(), .context = weft_context_new()};
  g_array_set_clear_func(p.lines, line_clear);
  pthread_mutex_init(&p.lock, NULL);
  int code = parse(&p, argc, argv);
  if (code == WEFT_EXIT_OK)
    code = p.help ? weft_command_help(&weft_command_profile) : profile(&p);
  g_array_unref(p.lines);
  g_ptr_array_unref(p.sets);
  g_ptr_array_unref(p.contexts);
  g_array_unref(p.context);
  weft_variables_free(p.options.variables);
  pthread_mutex_destroy(&p.lock);
  return code;
}
