/* SPDX-License-Identifier: Apache-2.0 */
/** @file pipeline-load.h A pipeline for benchmarks, whose graph is called without the session's JSON. */
#ifndef WEFT_BENCH_PIPELINE_LOAD_H
#define WEFT_BENCH_PIPELINE_LOAD_H

#include "session.h"

struct bench_pipeline {
  const char *work; /* scratch folder with a catalogue; NULL: the search order */
  int quick;
  WeftSession *session;
  struct weft_graph *graph;
};

/** Loads a pipeline; path NULL: the text, written into the scratch folder. 0: told on stderr. */
int bench_load(struct bench_pipeline *b, const char *path, const char *text);
void bench_unload(struct bench_pipeline *b);
/** Value of an output of the pipeline. */
guint bench_value(const struct bench_pipeline *b, const char *name);
/** Requests that bring one input each: values borrowed. Caller frees with g_free. */
struct weft_request *bench_requests(const struct bench_pipeline *b, const char *input, GBytes *const *values, guint n);

#endif
