/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file profilereport.h
 * What `weft profile` measured as one object, `weft.profile/1`
 * (docs/commands.md), and as a table.
 */
#ifndef WEFT_CLI_PROFILEREPORT_H
#define WEFT_CLI_PROFILEREPORT_H

#include "memoryuse.h"
#include "recorder.h"
#include "usage.h"

#include <jansson.h>

typedef struct {
  WeftRevision *revision;
  const WeftRecorder *recorder;
  const WeftHistogram *latency;         /**< of requests, as their clients saw them, ns */
  const struct weft_counters *before;   /**< [graph nodes] when the measurement began */
  guint64 n_requests, n_failed;
  double seconds, cpu_seconds;          /**< cpu_seconds: of this process, workers not included */
} WeftMeasurement;

/** A `weft.profile/1` without data and options; caller frees with json_decref. No frame is in flight. */
json_t *weft_profile_report(const WeftMeasurement *measurement);
/** Prints it on standard output for people. */
void weft_profile_print(const json_t *report);

#endif
