/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file metrics.h
 * What `weft eval` computes, from arrays alone. Definitions are those of
 * scikit-learn where it has the metric; docs/commands.md words them.
 *
 *     WeftScores *s = weft_scores_new(n, n_classes, n_columns);
 *     s->expected[i] = 3; s->given[i] = 3; s->confidence[i] = .97; ...
 *     WeftMetric metric;
 *     weft_metric_parse("top-3", &metric);
 *     if (weft_metric_lacks(&metric, s) == NULL)
 *       double value = weft_metric_value(&metric, s, NULL);
 *
 * Rows are requests with an expected and a given answer. A row's weight is how
 * often it counts: bootstrap resamples are weights. Nothing here is aborted by
 * odd numbers: a metric of no rows is NaN.
 */
#ifndef WEFT_CLI_METRICS_H
#define WEFT_CLI_METRICS_H

#include <glib.h>

/** Bins of the reliability table and the ECE: equal widths, (low, high]; Guo et al. 2017, section 2. */
#define WEFT_ECE_BINS 15
/** Rounds of the bootstrap, where nothing else is said. */
#define WEFT_BOOTSTRAP_ROUNDS 1000
/** Log loss is cut off here, as scikit-learn's: the machine epsilon of double. */
#define WEFT_LOG_LOSS_EPSILON 2.220446049250313e-16

typedef struct {
  guint n;              /**< rows */
  gboolean numbers;     /**< numbers, not classes */
  guint n_classes;      /**< of expected and given */
  guint n_columns;      /**< of probabilities: the first classes; 0: unknown */
  guint positive;       /**< class that the AUROC is about */
  gboolean confident;   /**< confidence is known */
  guint *expected, *given;             /**< [n] */
  double *confidence;                  /**< [n] of the given class, 0..1 */
  double *probabilities;               /**< [n, n_columns] */
  double *expected_number, *given_number; /**< [n] */
  guint *by_confidence, *by_positive;  /**< [n] rows in falling order; made by weft_scores_sort */
} WeftScores;

/** Zeroed; all arrays are there. Caller frees with weft_scores_free. */
WeftScores *weft_scores_new(guint n, guint n_classes, guint n_columns);
void weft_scores_free(WeftScores *scores);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftScores, weft_scores_free)
/** The rows of that list alone, sorted. Caller frees with weft_scores_free. */
WeftScores *weft_scores_subset(const WeftScores *scores, const guint *rows, guint n);
/** Fills by_confidence and by_positive: once, after the rows are filled. */
void weft_scores_sort(WeftScores *scores);

typedef enum {
  WEFT_METRIC_ACCURACY,
  WEFT_METRIC_TOP_K,
  WEFT_METRIC_MACRO_F1,
  WEFT_METRIC_LOG_LOSS,
  WEFT_METRIC_BRIER,
  WEFT_METRIC_ECE,
  WEFT_METRIC_AUROC,
  WEFT_METRIC_AURC,
  WEFT_METRIC_MAE,
  WEFT_METRIC_RMSE,
  WEFT_METRIC_PER_CLASS, /**< tables from here on: they have no value */
  WEFT_METRIC_CONFUSION,
  WEFT_N_METRICS
} WeftMetricKind;

typedef struct {
  WeftMetricKind kind;
  guint k; /**< of top-K */
} WeftMetric;

/** accuracy, top-K, macro-f1, log-loss, brier, ece, auroc, aurc, mae, rmse, per-class, confusion. FALSE: none of them. */
gboolean weft_metric_parse(const char *name, WeftMetric *metric);
/** All names, NULL-terminated. */
const char *const *weft_metric_names(void);
/** "top-3"; caller frees with g_free. */
char *weft_metric_name(const WeftMetric *metric);
/** Why it cannot be computed from these scores, in words; NULL: it can. */
const char *weft_metric_lacks(const WeftMetric *metric, const WeftScores *scores);
/** Whether larger values are better. */
gboolean weft_metric_rises(const WeftMetric *metric);

/** weight: [n] how often each row counts; NULL: once. The metric lacks nothing and is no table. */
double weft_metric_value(const WeftMetric *metric, const WeftScores *scores, const guint32 *weight);

typedef struct {
  double value, low, high; /**< low, high: 95 %; NaN without a bootstrap */
} WeftEstimate;

/** Values and percentile intervals of n metrics over the same resamples; n_rounds 0: values alone. */
void weft_metrics_estimate(const WeftMetric *metrics, guint n, const WeftScores *scores, guint n_rounds, guint64 seed,
                           WeftEstimate *estimates);

typedef struct {
  guint n_expected, n_given, n_right; /**< support, answers, hits */
  double precision, recall, f1;       /**< 0 where nothing is divided by nothing */
} WeftClassScore;
/** out: [n_classes] */
void weft_class_scores(const WeftScores *scores, WeftClassScore *out);
/** out: [n_classes, n_classes] rows: expected, columns: given */
void weft_confusion(const WeftScores *scores, guint *out);

typedef struct {
  double low, high;            /**< confidence in (low, high] */
  guint n;
  double confidence, accuracy; /**< means over its rows; 0 without any */
} WeftReliabilityBin;
/** out: [WEFT_ECE_BINS]. Scores are confident. */
void weft_reliability(const WeftScores *scores, WeftReliabilityBin *out);

typedef struct {
  double threshold, coverage, risk; /**< of the rows with a confidence of threshold or more: their share, their errors */
  guint n;
} WeftRiskPoint;
/** out: [n], of the given thresholds. risk: NaN where nothing is covered. Scores are confident. */
void weft_risk_coverage(const WeftScores *scores, const double *thresholds, guint n, WeftRiskPoint *out);

/** The next number of a stream of random ones (splitmix64, Steele et al. 2014): the same on every machine. */
guint64 weft_random_next(guint64 *state);
/** Random order of 0..n-1 (Fisher and Yates). out: [n] */
void weft_random_order(guint64 *state, guint n, guint *out);

#endif
