/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file planrun.h
 * Plans that plugins record, caught on their way to the provider: described,
 * and run again at another precision, with other weights, with values inside
 * looked at.
 *
 *     weft_plan_catch(compute);            from now on plugins get a provider that remembers
 *     weft_session_load(...), perhaps weft_session_run(...)
 *     weft_plan_caught(0)->plan ...
 *     weft_plan_catch_end();
 */
#ifndef WEFT_CLI_PLANRUN_H
#define WEFT_CLI_PLANRUN_H

#include <glib.h>
#include <weft/compute.h>

/** Items of requests that are kept of one plan. */
#define WEFT_PLAN_KEPT_ITEMS 256u

/** What one run was given. */
typedef struct {
  guint n_items;
  void **data;      /**< [n_inputs] rows, or i64 splits [n_items + 1] */
  gint64 *n_rows;   /**< [n_inputs] */
  guint n_inputs;
} WeftPlanInputs;

typedef struct {
  struct weft_plan plan;  /**< its arrays and names are the copy's own; weights' bytes are the resource's */
  struct weft_program *program;
  char *node;             /**< whose set-up compiled it; NULL: nobody's */
  GPtrArray *runs;        /**< of WeftPlanInputs */
  guint n_kept_items;
} WeftPlanCaught;

/** Offers compute, remembering, to plugins loaded and created from now on. [control thread, as all but run] */
void weft_plan_catch(const struct weft_compute *compute);
/** Ends it and frees what was caught; a plan is freed with its program before, since its weights' bytes go then. */
void weft_plan_catch_end(void);
guint weft_plan_n_caught(void);
WeftPlanCaught *weft_plan_caught(guint i);

/** Inputs that a plan accepts: Gaussian rows, ids within their tables, items of 1 to 48 rows. Same seed, same inputs.
    NULL: the plan has inputs that nothing can be made up for. */
WeftPlanInputs *weft_plan_inputs_new(const struct weft_plan *plan, guint n_items, guint32 seed);
void weft_plan_inputs_free(WeftPlanInputs *inputs);

/** Values of one run. */
typedef struct {
  float **data;     /**< [n] */
  gint64 *n_rows, *width;
  guint n;
} WeftPlanValues;

typedef struct {
  const struct weft_compute *compute;
  const struct weft_plan *plan;
  guint32 precision;            /**< WEFT_PRECISION_* */
  const WeftPlanInputs *inputs;
  const GArray *values;         /**< of weft_value, rows that operations write: what is answered; NULL: the plan's outputs */
  double *ms;                   /**< NULL, or gets the time of the fastest of three runs */
} WeftPlanRun;

/** Caller clears out. Errors: WEFT_ERROR. */
gboolean weft_plan_run(const WeftPlanRun *run, WeftPlanValues *out, GError **error);
void weft_plan_values_clear(WeftPlanValues *values);

/** Squared error over squared size; 0 where both are zeros. */
double weft_plan_nmse(const float *x, const float *expected, gsize n);
double weft_plan_cosine(const float *x, const float *y, gsize n);

#endif
