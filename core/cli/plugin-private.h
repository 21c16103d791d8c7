/* SPDX-License-Identifier: Apache-2.0 */
/** @file plugin-private.h  Shared by the actions of `weft plugin`, `weft catalogue` and `weft audit`. */
#ifndef WEFT_CLI_PLUGIN_PRIVATE_H
#define WEFT_CLI_PLUGIN_PRIVATE_H

#include "catalogue.h"
#include "command.h"
#include "registrar.h"

typedef struct {
  const WeftCommand *command;
  const char *catalogue, *kind, *reason;
  gboolean json, help, dry_run, quarantine, force, quick;
  guint timeout_ms, last;
  GPtrArray *words; /* of const char *: arguments after the action */
} WeftActionOptions;

/** One action of a command: `weft plugin list`. */
typedef struct {
  const char *name;
  const char *options;  /**< those it takes besides --json, --catalogue and --help: "--kind --dry-run" */
  int (*run)(const WeftActionOptions *options);
} WeftAction;

/** Parses the options and runs the action that argv[1] names; answers the exit code. */
int weft_action_run(const WeftCommand *command, const WeftAction *actions, guint n, int argc, char **argv);

int weft_plugin_install(const WeftActionOptions *options);
int weft_plugin_list(const WeftActionOptions *options);
int weft_plugin_show(const WeftActionOptions *options);
int weft_plugin_why(const WeftActionOptions *options);
int weft_plugin_verify(const WeftActionOptions *options);
int weft_plugin_enable(const WeftActionOptions *options);
int weft_plugin_disable(const WeftActionOptions *options);
int weft_plugin_release(const WeftActionOptions *options);
int weft_plugin_remove(const WeftActionOptions *options);
int weft_plugin_gc(const WeftActionOptions *options);

/** Says what went wrong on standard error; answers the exit code. */
int weft_action_fail(const WeftActionOptions *options, const GError *error);
/** The search order, or the catalogue that --catalogue names alone. */
WeftCatalogue *weft_action_open(const WeftActionOptions *options, GError **error);
/** The folder that is written. Caller frees with g_free. */
char *weft_action_folder(const WeftActionOptions *options);
/** The registrar of that folder, which must hold a catalogue. NULL: said on standard error, *code is the exit code. */
WeftRegistrar *weft_action_registrar(const WeftActionOptions *options, gboolean swept, int *code);
/** The parts of the only argument, ID[@VERSION]; FALSE: said, usage. version: NULL without one. Caller frees with g_free. */
gboolean weft_action_name(const WeftActionOptions *options, const char *action, char **id, char **version);
/** Names in text or JSON: "removed pass@1.0.0". Frees names. */
void weft_action_print_names(const WeftActionOptions *options, const char *did, char **names);
/** Local date and time. Caller frees with g_free. */
char *weft_action_time(gint64 at);
/** A JSON string with its quotes, or null, appended to out: for output that must be fast. */
void weft_action_append_json(GString *out, const char *text);

#endif
