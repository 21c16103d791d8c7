/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file evalreport.h
 * What `weft eval` found as one object, `weft.eval/1` (docs/commands.md), and
 * as text.
 */
#ifndef WEFT_CLI_EVALREPORT_H
#define WEFT_CLI_EVALREPORT_H

#include "evaluation.h"

/** `NAME[:OUTPUT]` of --metric. */
typedef struct {
  WeftMetric metric;
  const char *output; /**< NULL: every output that has it; borrowed from the text */
} WeftMetricSpec;

typedef enum { WEFT_IS_AT_LEAST, WEFT_IS_ABOVE, WEFT_IS_AT_MOST, WEFT_IS_BELOW, WEFT_IS_EQUAL } WeftRelation;

/** `NAME[:OUTPUT]>=NUMBER` of --require. */
typedef struct {
  const char *text;    /**< as written, borrowed */
  char *name, *output; /**< output: NULL: every output that has it */
  WeftRelation relation;
  double bound;
} WeftRequirement;

typedef struct {
  GArray *metrics;       /**< of WeftMetricSpec; empty: what each output allows */
  GPtrArray *requirements; /**< of WeftRequirement */
  guint n_rounds;        /**< of the bootstrap; 0: no intervals */
  guint64 seed;
  const char *by;        /**< NULL: no groups */
  GPtrArray *groups;     /**< [lines] the group of each; with `by` */
} WeftEvalOptions;

/** FALSE: error names what is known. evaluation: NULL: outputs are not looked at. */
gboolean weft_metric_spec_parse(const char *text, const WeftEvaluation *evaluation, WeftMetricSpec *spec, GError **error);
/** Metrics, coverage, accuracy-all, failed, refused, abstained. Caller frees with weft_requirement_free. */
WeftRequirement *weft_requirement_parse(const char *text, const WeftEvaluation *evaluation, GError **error);
void weft_requirement_free(gpointer requirement);

/** A `weft.eval/1` without pipeline and data; caller frees with json_decref. The evaluation is finished. */
json_t *weft_eval_report(const WeftEvaluation *evaluation, const WeftEvalOptions *options);
/** Whether every requirement is met, and, where none speaks of failed requests, none has failed. */
gboolean weft_eval_passed(const json_t *report);
/** Prints it on standard output for people. */
void weft_eval_print(const json_t *report);

#endif
