/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file language-fixture.h
 * Pipelines of the test plugins, parsed and built, and the messages about them.
 */
#ifndef WEFT_TEST_LANGUAGE_FIXTURE_H
#define WEFT_TEST_LANGUAGE_FIXTURE_H

#include "resolve.h"

/** The first lines of every file here; further keys follow. */
#define HEAD "weft: 1\nname: t\ninputs: {words: {type: bytes}, more: {type: bytes, optional: true}}\n"

typedef struct {
  WeftDiagnostics *diagnostics;
  WeftPipeline *pipeline;
  WeftRevision *revision; /* NULL: refused */
  char *text;             /* all messages */
} Built;

/** worker: NULL: everything in this process, otherwise everything isolated. variables: NULL: none. */
Built language_build_with(const char *text, const char *worker, WeftVariables *variables);
Built language_build(const char *text);
void language_clear(Built *built);
/** Builds the text, whose messages are exactly these. */
void language_expect(const char *text, const char *messages);
/** The node of that name as the runtime got it. */
const struct weft_graph_node *language_node(const Built *built, const char *name);
/** Writes a file beside the pipelines. */
void language_file(const char *name, const char *text);
/** Installs the plugins: arguments are PROBE WORKER PLUGIN.so... */
void language_begin(int argc, char **argv);
void language_end(void);
const char *language_worker(void);

#endif
