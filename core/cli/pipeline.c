/* SPDX-License-Identifier: Apache-2.0 */
#include "given.h"
#include "pipeline-private.h"
#include "print.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "  check PIPELINE          parses, resolves and builds it: every error with file, line, node and port\n"
    "  explain PIPELINE [NODE] in words: where each piece comes from, why this version, where it runs, what goes\n"
    "                          along each edge, limits and policies\n"
    "  diff A B                what differs in meaning; exit code 1 when something does\n"
    "  lock PIPELINE           writes PIPELINE.lock: versions and digests of all that it is made of\n"
    "  show PIPELINE           the pipeline as YAML, always in the same form\n"
    "  dot PIPELINE            the graph as Graphviz text: weft pipeline dot FILE | dot -Tsvg > graph.svg\n"
    "  schema                  a JSON Schema of pipeline files, with the installed plugins, for editors\n"
    "  add FILE                into the catalogue, to be used as NAME@RANGE in other pipelines\n"
    "  list, remove NAME[@VERSION]  pipelines of the catalogue\n\n"
    "PIPELINE is a file, or a pipeline in one line:\n"
    "  'picture:image ! vit@1 model=models/vit ! classifier@1 model=models/head' (docs/pipeline.md)\n\n"
    "  --json             check: weft.diagnostics/1; diff, add, list, remove: the same as JSON\n"
    "  --locked           check: only what PIPELINE.lock says\n"
    "  -o FILE            lock: writes there, - is standard output\n"
    "  --isolate none|all|NODE,...  as in weft run\n"
    "  --precision WORD | MODEL=WORD,...  as in weft run\n"
    "  --catalogue DIR    as in weft run; add, list, remove: that catalogue\n"
    "  --name N, --version V  add: under this name (its own), in this version (1.0.0)\n"
    "  --set NAME=VALUE   as in weft run\n\n"
    "exit codes: 0 the pipeline is good, both are the same; 1 they differ, it cannot be added; 2 options or\n"
    "            arguments are wrong; 4 the pipeline or the catalogue cannot be used\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_pipeline = {"pipeline",
                                           "check|explain|diff|lock|show|dot|schema|add|list|remove [ARGUMENT]... [OPTION]...",
                                           "Checks, explains, compares and keeps pipelines.", help, run};

static const struct {
  const char *name;
  int (*run)(const WeftPipelineOptions *options);
  guint n_least, n_most; /* words after it */
} actions[] = {{"check", weft_pipeline_check, 1, 1},     {"explain", weft_pipeline_explain, 1, 2},
               {"diff", weft_pipeline_diff, 2, 2},       {"lock", weft_pipeline_lock, 1, 1},
               {"show", weft_pipeline_show, 1, 1},       {"dot", weft_pipeline_draw, 1, 1},
               {"schema", weft_pipeline_schema, 0, 0}};
static const char *const shelf_actions[] = {"add", "list", "remove"};

WeftSession *weft_pipeline_session(const WeftPipelineOptions *options, const char *file, int *code)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftSession) session = weft_session_new(&options->session, &error);
  *code = WEFT_EXIT_PIPELINE;
  if (!session) {
    weft_command_refuse_error(&weft_command_pipeline, *code, error);
    return NULL;
  }
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(file);
  gboolean good = weft_session_load(session, file, diagnostics);
  weft_print_diagnostics(diagnostics, options->json && !good);
  if (!good)
    return NULL;
  *code = WEFT_EXIT_OK;
  return g_steal_pointer(&session);
}

static int unknown_option(const char *word)
{
  static const char *const names[] = {"--json", "--isolate", "--precision", "--catalogue", "--set", "--locked", "-o", "--help"};
  const char *closest = weft_closest(word, names, G_N_ELEMENTS(names));
  return weft_command_usage_error(&weft_command_pipeline, "%s is not an option%s%s%s", word,
                                  closest ? "; did you mean " : "", closest ? closest : "", closest ? "?" : "");
}

/* An option with a value; -1: it is none. */
static int take_valued(WeftPipelineOptions *options, const char *word, const char *value)
{
  static const char *const names[] = {"--isolate", "--precision", "--catalogue", "-o", "--set", NULL};
  if (!g_strv_contains(names, word))
    return -1;
  if (!value || !*value)
    return weft_command_usage_error(&weft_command_pipeline, "%s: a value is missing", word);
  if (strcmp(word, "--set") == 0)
    return weft_given_set(&weft_command_pipeline, value, &options->session.variables);
  if (strcmp(word, "--isolate") == 0)
    options->session.build.isolate = value;
  else if (strcmp(word, "--precision") == 0)
    options->session.build.precision = value;
  else if (strcmp(word, "--catalogue") == 0)
    options->session.catalogue = value;
  else
    options->output = value;
  return WEFT_EXIT_OK;
}

static int parse(WeftPipelineOptions *options, int argc, char **argv)
{
  for (int i = 2; i < argc; i++) {
    const char *word = argv[i];
    int code = take_valued(options, word, i + 1 < argc ? argv[i + 1] : NULL);
    if (code == WEFT_EXIT_OK)
      i++;
    else if (code > 0)
      return code;
    else if (strcmp(word, "--json") == 0)
      options->json = TRUE;
    else if (strcmp(word, "--locked") == 0)
      options->locked = TRUE;
    else if (strcmp(word, "--help") == 0)
      options->help = TRUE;
    else if (word[0] == '-' && word[1] != '\0')
      return unknown_option(word);
    else if (options->n_words == G_N_ELEMENTS(options->words))
      return weft_command_usage_error(&weft_command_pipeline, "%s: unexpected argument", word);
    else
      options->words[options->n_words++] = word;
  }
  return WEFT_EXIT_OK;
}

/* An option that this action does not have; NULL: it has all that were given. */
static const char *stray_option(const WeftPipelineOptions *options, const char *action)
{
  static const char *const json[] = {"check", "diff", "schema", NULL};
  if (options->json && !g_strv_contains(json, action))
    return "--json";
  if (options->locked && strcmp(action, "check") != 0)
    return "--locked";
  return options->output && strcmp(action, "lock") != 0 ? "-o" : NULL;
}

static int act(const WeftPipelineOptions *options, const char *action)
{
  const char *names[G_N_ELEMENTS(actions) + G_N_ELEMENTS(shelf_actions)];
  guint n = 0;
  for (guint i = 0; i < G_N_ELEMENTS(actions); i++) {
    names[n++] = actions[i].name;
    if (strcmp(actions[i].name, action) != 0)
      continue;
    if (options->n_words > actions[i].n_most)
      return weft_command_usage_error(&weft_command_pipeline, "%s: unexpected argument after %s %s",
                                      options->words[actions[i].n_most], action,
                                      actions[i].n_most ? options->words[actions[i].n_most - 1] : "");
    if (options->n_words < actions[i].n_least)
      return weft_command_usage_error(&weft_command_pipeline, "%s: %s", action,
                                      actions[i].n_least == 2 ? "expected two pipelines" : "the pipeline file is missing");
    const char *stray = stray_option(options, action);
    if (stray)
      return weft_command_usage_error(&weft_command_pipeline, "%s takes no %s", action, stray);
    return actions[i].run(options);
  }
  for (guint i = 0; i < G_N_ELEMENTS(shelf_actions); i++)
    names[n++] = shelf_actions[i];
  const char *closest = weft_closest(action, names, n);
  return weft_command_usage_error(&weft_command_pipeline, "%s is not an action%s%s%s", action,
                                  closest ? "; did you mean " : "", closest ? closest : "", closest ? "?" : "");
}

static int run(int argc, char **argv)
{
  WeftPipelineOptions options = {.session.build.live = TRUE}; /* sources stand behind live inputs */
  if (argc < 2)
    return weft_command_usage_error(&weft_command_pipeline, "what to do is missing: check, explain, diff, lock, show, dot, "
                                    "schema, add, list or remove");
  for (guint i = 0; i < G_N_ELEMENTS(shelf_actions); i++)
    if (strcmp(argv[1], shelf_actions[i]) == 0)
      return weft_pipeline_shelf(argc, argv);
  int code = parse(&options, argc, argv);
  if (code == WEFT_EXIT_OK)
    code = options.help ? weft_command_help(&weft_command_pipeline) : act(&options, argv[1]);
  weft_variables_free(options.session.variables);
  return code;
}
