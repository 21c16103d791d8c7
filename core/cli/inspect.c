/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect.h"

#include "command.h"
#include "cpus.h"
#include "given.h"
#include "hosttable.h"
#include "options.h"
#include "planrun.h"
#include "print.h"
#include "session.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <weft/compute.h>

static const char help[] =
    "  plan PIPELINE [NODE]   what became of the plans of its models: which operations are run together, block of rows\n"
    "                         by block of rows, in which formats, with how much memory; of one node, or of all\n"
    "  compute                the instruction sets of this processor, which kernels were chosen for each format, what\n"
    "                         share of its peak they reach in a short test, caches, threads\n\n"
    "  --precision WORD | MODEL=WORD,...  plan: as in weft run\n"
    "  --set NAME=VALUE                   plan: as in weft run\n"
    "  --threads N                        as in weft run\n"
    "  --catalogue DIR                    as in weft run\n"
    "  --json                             weft.plan/1, weft.compute/1\n\n"
    "A model alone is a pipeline in one line: weft inspect plan 'x:image ! vit@1 model=DIR'.\n\n"
    "exit codes: 0 done; 2 options are wrong, or no such node; 4 the pipeline file or the catalogue cannot be used\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_inspect = {"inspect", "plan PIPELINE [NODE] | compute [OPTION]...",
                                          "Looks into compiled plans, and at what computes them.", help, run};

typedef struct {
  const char *words[3];
  guint n_words;
  gboolean json, help;
  guint64 n_threads;
  WeftSessionOptions session;
} Inspect;

static void gather(void *data, const char *text)
{
  g_string_append(data, text);
}

/* What the provider wrote, as JSON. */
static json_t *parsed(GString *text)
{
  json_error_t error;
  json_t *value = json_loads(text->str, 0, &error);
  if (!value)
    value = json_pack("{s:s}", "error", error.text);
  g_string_free(text, TRUE);
  return value;
}

/* What became of the plans that were caught: {NODE: [plan]}. */
static json_t *describe_caught(const struct weft_compute *compute)
{
  json_t *nodes = json_object();
  for (guint i = 0; i < weft_plan_n_caught(); i++) {
    const WeftPlanCaught *caught = weft_plan_caught(i);
    if (!caught->node)
      continue;
    GString *text = g_string_new(NULL);
    compute->describe(caught->program, gather, text);
    json_t *plans = json_object_get(nodes, caught->node);
    if (!plans) {
      plans = json_array();
      json_object_set_new(nodes, caught->node, plans);
    }
    json_array_append_new(plans, parsed(text));
  }
  return nodes;
}

/* The provider of this session, or NULL after a message. */
static const struct weft_compute *provider(void)
{
  const struct weft_compute *compute = weft_host_table()->get_extension(WEFT_COMPUTE_ID);
  if (!compute)
    weft_command_refuse(&weft_command_inspect, WEFT_EXIT_PIPELINE, "no-compute",
                        "no plugin in the catalogue offers " WEFT_COMPUTE_ID "; `weft doctor` says more");
  return compute;
}

static int unknown_node(const WeftSession *session, const char *name)
{
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(weft_session_revision((WeftSession *)session), &n);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < n; i++) {
    if (strcmp(nodes[i].name, name) == 0)
      return weft_command_usage_error(&weft_command_inspect, "node \"%s\" has no plan: it computes by itself", name);
    g_ptr_array_add(names, (gpointer)nodes[i].name);
  }
  const char *closest = weft_closest(name, (const char *const *)names->pdata, names->len);
  return weft_command_usage_error(&weft_command_inspect, "the pipeline has no node \"%s\"%s%s%s", name,
                                  closest ? "; did you mean \"" : "", closest ? closest : "", closest ? "\"?" : "");
}

/* {"schema", "nodes": [{"node", "plans"}]}, all of {NODE: [plan]} or `only`. */
static json_t *plan_report(const json_t *described, const char *only)
{
  json_t *nodes = json_array(), *plans;
  const char *name;
  json_object_foreach((json_t *)described, name, plans)
    if (!only || strcmp(only, name) == 0)
      json_array_append_new(nodes, json_pack("{s:s, s:O}", "node", name, "plans", plans));
  return json_pack("{s:s, s:o}", "schema", "weft.plan/1", "nodes", nodes);
}

static int report_plans(const Inspect *options, const WeftSession *session, const json_t *described)
{
  const char *only = options->n_words > 2 ? options->words[2] : NULL;
  if (only && !json_object_get(described, only))
    return unknown_node(session, only);
  json_t *report = plan_report(described, only);
  if (options->json) {
    weft_command_print_json(report);
    return WEFT_EXIT_OK;
  }
  if (json_object_size(described) == 0)
    printf("no node of the pipeline has a plan\n");
  weft_inspect_print_plans(report);
  json_decref(report);
  return WEFT_EXIT_OK;
}

static int inspect_plan(const Inspect *options, WeftSession *session)
{
  const struct weft_compute *compute = provider();
  if (!compute)
    return WEFT_EXIT_PIPELINE;
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(options->words[1]);
  weft_plan_catch(compute);
  gboolean good = weft_session_load(session, options->words[1], diagnostics);
  json_t *described = good ? describe_caught(compute) : NULL;
  weft_plan_catch_end();
  weft_print_diagnostics(diagnostics, options->json && !good);
  int code = good ? report_plans(options, session, described) : WEFT_EXIT_PIPELINE;
  json_decref(described);
  return code;
}

/* How many threads the pool of a process has, and what says so. */
static json_t *threads_report(const Inspect *options)
{
  const char *variable = g_getenv("WEFT_THREADS");
  cpu_set_t set;
  guint n_affinity = sched_getaffinity(0, sizeof set, &set) == 0 ? (guint)CPU_COUNT(&set) : 1, quota = weft_cpus_quota("");
  guint n = options->n_threads ? (guint)options->n_threads : weft_cpus_available();
  g_autofree char *why = NULL;
  if (options->n_threads)
    why = g_strdup("--threads");
  else if (variable && *variable)
    why = g_strdup_printf("WEFT_THREADS=%s", variable);
  else if (quota && quota < n_affinity)
    why = g_strdup_printf("the cgroup's quota; the affinity mask has %u processors", n_affinity);
  else
    why = g_strdup_printf("the affinity mask has %u processor%s%s", n_affinity, n_affinity == 1 ? "" : "s",
                          quota ? ", and the cgroup's quota is no smaller" : ", and no cgroup has a quota");
  return json_pack("{s:i, s:s}", "n", (int)n, "why", why);
}

static int inspect_compute(const Inspect *options)
{
  const struct weft_compute *compute = provider();
  if (!compute)
    return WEFT_EXIT_PIPELINE;
  GString *text = g_string_new(NULL);
  compute->survey(gather, text);
  json_t *report = parsed(text);
  json_object_set_new(report, "schema", json_string("weft.compute/1"));
  json_object_set_new(report, "fingerprint", json_string(compute->fingerprint));
  json_object_set_new(report, "threads", threads_report(options));
  if (options->json) {
    weft_command_print_json(report);
    return WEFT_EXIT_OK;
  }
  weft_inspect_print_compute(report);
  json_decref(report);
  return WEFT_EXIT_OK;
}

static int check(const Inspect *options)
{
  static const char *const actions[] = {"plan", "compute"};
  const char *action = options->words[0];
  if (!action)
    return weft_command_usage_error(&weft_command_inspect, "what to look at is missing: plan or compute");
  if (strcmp(action, "plan") == 0)
    return options->n_words > 1 ? WEFT_EXIT_OK : weft_command_usage_error(&weft_command_inspect, "plan: PIPELINE is missing");
  if (strcmp(action, "compute") == 0)
    return options->n_words < 2 ? WEFT_EXIT_OK
                                : weft_command_usage_error(&weft_command_inspect, "compute: \"%s\" is one argument too many",
                                                           options->words[1]);
  const char *closest = weft_closest(action, actions, G_N_ELEMENTS(actions));
  return weft_command_usage_error(&weft_command_inspect, "\"%s\" cannot be looked at%s%s%s; expected plan or compute", action,
                                  closest ? "; did you mean " : "", closest ? closest : "", closest ? "?" : "");
}

static int run(int argc, char **argv)
{
  Inspect options = {.session = {.build = {.isolate = "none"}}};
  g_autoptr(GPtrArray) sets = g_ptr_array_new();
  const WeftOption table[] = {{"json", WEFT_OPTION_FLAG, &options.json, 0, 0},
                              {"precision", WEFT_OPTION_TEXT, &options.session.build.precision, 0, 0},
                              {"set", WEFT_OPTION_LIST, sets, 0, 0},
                              {"threads", WEFT_OPTION_COUNT, &options.n_threads, 1, WEFT_THREADS_MAX},
                              {"catalogue", WEFT_OPTION_TEXT, &options.session.catalogue, 0, 0},
                              {"help", WEFT_OPTION_FLAG, &options.help, 0, 0}};
  WeftArguments arguments = {&weft_command_inspect, table, G_N_ELEMENTS(table), options.words, 3, 0};
  int code = weft_options_parse(&arguments, argc, argv);
  if (code != WEFT_EXIT_OK || options.help)
    return options.help ? weft_command_help(&weft_command_inspect) : code;
  options.n_words = arguments.n_words;
  options.session.n_threads = (guint)options.n_threads;
  code = check(&options);
  for (guint i = 0; i < sets->len && code == WEFT_EXIT_OK; i++)
    code = weft_given_set(&weft_command_inspect, sets->pdata[i], &options.session.variables);
  if (code != WEFT_EXIT_OK)
    return code;
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftSession) session = weft_session_new(&options.session, &error);
  if (!session)
    return weft_command_refuse_error(&weft_command_inspect, WEFT_EXIT_PIPELINE, error);
  return strcmp(options.words[0], "plan") == 0 ? inspect_plan(&options, session) : inspect_compute(&options);
}
