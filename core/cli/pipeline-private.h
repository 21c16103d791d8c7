/* SPDX-License-Identifier: Apache-2.0 */
/** @file pipeline-private.h  What the subcommands of `weft pipeline` share: one subcommand, one file. */
#ifndef WEFT_CLI_PIPELINE_PRIVATE_H
#define WEFT_CLI_PIPELINE_PRIVATE_H

#include "command.h"
#include "session.h"

typedef struct {
  const char *words[3];  /**< arguments after the action: files, or pipelines in one line */
  guint n_words;
  gboolean json, help, locked;
  const char *output;    /**< -o FILE; NULL: not given */
  WeftSessionOptions session;
} WeftPipelineOptions;

int weft_pipeline_check(const WeftPipelineOptions *options);
int weft_pipeline_draw(const WeftPipelineOptions *options);
int weft_pipeline_show(const WeftPipelineOptions *options);
int weft_pipeline_diff(const WeftPipelineOptions *options);
int weft_pipeline_lock(const WeftPipelineOptions *options);
int weft_pipeline_explain(const WeftPipelineOptions *options);
int weft_pipeline_schema(const WeftPipelineOptions *options);
/** add, list and remove, which have options of their own. */
int weft_pipeline_shelf(int argc, char **argv);

/**
 * A session with `file` loaded and its messages on standard error; NULL: *code
 * says how to end. Caller frees.
 */
WeftSession *weft_pipeline_session(const WeftPipelineOptions *options, const char *file, int *code);

#endif
