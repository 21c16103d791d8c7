/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "given.h"
#include "print.h"
#include "session.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "  check FILE   parses, resolves and builds the pipeline: every error with file, line, node and port\n"
    "  dot FILE     the graph as Graphviz text: weft pipeline dot FILE | dot -Tsvg > graph.svg\n\n"
    "  --json             check: the result as JSON, weft.diagnostics/1\n"
    "  --isolate none|all|NODE,...  as in weft run\n"
    "  --catalogue DIR    as in weft run\n"
    "  --set NAME=VALUE   as in weft run\n\n"
    "exit codes: 0 the pipeline is good; 2 options or arguments are wrong; 4 it is not\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_pipeline = {"pipeline", "check|dot FILE [OPTION]...",
                                           "Checks a pipeline file, or draws it.", help, run};

typedef struct {
  const char *action, *file;
  gboolean json, help;
  WeftSessionOptions session;
} Options;

static int take_word(Options *options, const char *word)
{
  if (!options->action)
    options->action = word;
  else if (!options->file)
    options->file = word;
  else
    return weft_command_usage_error(&weft_command_pipeline, "%s: unexpected argument after %s", word, options->file);
  return WEFT_EXIT_OK;
}

static int unknown_option(const char *word)
{
  static const char *const names[] = {"--json", "--isolate", "--catalogue", "--set", "--help"};
  const char *closest = weft_closest(word, names, G_N_ELEMENTS(names));
  return weft_command_usage_error(&weft_command_pipeline, "%s is not an option%s%s%s", word,
                                  closest ? "; did you mean " : "", closest ? closest : "", closest ? "?" : "");
}

static int parse(Options *options, int argc, char **argv)
{
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    int code = WEFT_EXIT_OK;
    if (strcmp(word, "--json") == 0)
      options->json = TRUE;
    else if (strcmp(word, "--help") == 0)
      options->help = TRUE;
    else if (strcmp(word, "--isolate") == 0 && i + 1 < argc)
      options->session.build.isolate = argv[++i];
    else if (strcmp(word, "--catalogue") == 0 && i + 1 < argc)
      options->session.catalogue = argv[++i];
    else if (strcmp(word, "--set") == 0 && i + 1 < argc)
      code = weft_given_set(&weft_command_pipeline, argv[++i], &options->session.variables);
    else if (strcmp(word, "--isolate") == 0 || strcmp(word, "--catalogue") == 0 || strcmp(word, "--set") == 0)
      code = weft_command_usage_error(&weft_command_pipeline, "%s: a value is missing", word);
    else if (word[0] == '-' && word[1] != '\0')
      code = unknown_option(word);
    else
      code = take_word(options, word);
    if (code != WEFT_EXIT_OK)
      return code;
  }
  if (options->help)
    return WEFT_EXIT_OK;
  if (!options->action)
    return weft_command_usage_error(&weft_command_pipeline, "what to do is missing: check or dot");
  if (strcmp(options->action, "check") != 0 && strcmp(options->action, "dot") != 0)
    return weft_command_usage_error(&weft_command_pipeline, "%s: expected check or dot", options->action);
  if (!options->file)
    return weft_command_usage_error(&weft_command_pipeline, "the pipeline file is missing");
  return WEFT_EXIT_OK;
}

static void print_good(WeftSession *session, const char *file)
{
  WeftRevision *revision = weft_session_revision(session);
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(revision, &n);
  printf("%s: good, revision %s@%.12s\n", file, weft_revision_name(revision), weft_revision_digest(revision));
  for (guint i = 0; i < n; i++) {
    printf("  %-12s %s@%s%s  <-", nodes[i].name, nodes[i].plugin, nodes[i].version,
           nodes[i].isolated ? " (worker)" : "");
    for (guint k = 0; nodes[i].inputs && nodes[i].inputs[k]; k++)
      printf(" %s", nodes[i].inputs[k]);
    putchar('\n');
  }
}

static int run_with(const Options *options)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftSession) session = weft_session_new(&options->session, &error);
  if (!session) {
    fprintf(stderr, "weft pipeline: %s\n", error->message);
    return WEFT_EXIT_PIPELINE;
  }
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(options->file);
  gboolean good = weft_session_load(session, options->file, diagnostics);
  if (good)
    weft_pipeline_warn_options(weft_session_pipeline(session), weft_run_options, diagnostics);
  if (options->json && strcmp(options->action, "check") == 0) {
    weft_print_diagnostics(diagnostics, TRUE);
    return good ? WEFT_EXIT_OK : WEFT_EXIT_PIPELINE;
  }
  weft_print_diagnostics(diagnostics, FALSE);
  if (!good)
    return WEFT_EXIT_PIPELINE;
  if (strcmp(options->action, "dot") == 0) {
    g_autofree char *dot = weft_pipeline_dot(weft_session_pipeline(session), weft_session_revision(session));
    fputs(dot, stdout);
  } else {
    print_good(session, options->file);
  }
  return WEFT_EXIT_OK;
}

static int run(int argc, char **argv)
{
  Options options = {.session.build.live = TRUE}; /* sources stand behind live inputs */
  int code = parse(&options, argc, argv);
  if (code == WEFT_EXIT_OK)
    code = options.help ? weft_command_help(&weft_command_pipeline) : run_with(&options);
  weft_variables_free(options.session.variables);
  return code;
}
