/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics against scikit-learn (tests/golden/make_metrics.py) and against numbers worked out by hand. */
#include "metrics.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static json_t *golden(const char *name)
{
  g_autofree char *file = g_strconcat(name, ".json", NULL);
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, "tests", "cli", "metrics", file, NULL);
  json_error_t problem;
  json_t *object = json_load_file(path, 0, &problem);
  if (!object)
    g_error("%s: %s", path, problem.text);
  return object;
}

static WeftScores *scores_of(const json_t *file)
{
  const json_t *rows = json_object_get(file, "rows");
  guint n = (guint)json_array_size(rows), k = (guint)json_array_size(json_object_get(file, "classes"));
  WeftScores *s = weft_scores_new(n, k, k);
  s->confident = TRUE;
  s->positive = k - 1;
  for (guint i = 0; i < n; i++) {
    const json_t *p = json_array_get(json_array_get(rows, i), 1);
    s->expected[i] = (guint)json_integer_value(json_array_get(json_array_get(rows, i), 0));
    for (guint c = 0; c < k; c++)
      s->probabilities[(gsize)i * k + c] = json_number_value(json_array_get(p, c));
    for (guint c = 1; c < k; c++)
      if (s->probabilities[(gsize)i * k + c] > s->probabilities[(gsize)i * k + s->given[i]])
        s->given[i] = c;
    s->confidence[i] = s->probabilities[(gsize)i * k + s->given[i]];
  }
  weft_scores_sort(s);
  return s;
}

static void check_metrics(const json_t *file, const WeftScores *s)
{
  const char *name;
  json_t *expected;
  json_object_foreach(json_object_get(file, "metrics"), name, expected)
  {
    WeftMetric metric;
    g_assert_true(weft_metric_parse(name, &metric));
    g_assert_cmpstr(weft_metric_lacks(&metric, s), ==, NULL);
    double value = weft_metric_value(&metric, s, NULL);
    g_test_message("%s %.15g, scikit-learn %.15g", name, value, json_number_value(expected));
    g_assert_cmpfloat_with_epsilon(value, json_number_value(expected), 1e-12);
  }
}

static void check_tables(const json_t *file, const WeftScores *s)
{
  g_autofree WeftClassScore *classes = g_new0(WeftClassScore, s->n_classes);
  g_autofree guint *counts = g_new0(guint, s->n_classes * s->n_classes);
  weft_class_scores(s, classes);
  weft_confusion(s, counts);
  for (guint c = 0; c < s->n_classes; c++) {
    const json_t *one = json_array_get(json_object_get(file, "per_class"), c);
    g_assert_cmpfloat_with_epsilon(classes[c].precision, json_number_value(json_object_get(one, "precision")), 1e-12);
    g_assert_cmpfloat_with_epsilon(classes[c].recall, json_number_value(json_object_get(one, "recall")), 1e-12);
    g_assert_cmpfloat_with_epsilon(classes[c].f1, json_number_value(json_object_get(one, "f1")), 1e-12);
    g_assert_cmpfloat(classes[c].n_expected, ==, json_number_value(json_object_get(one, "support")));
    for (guint k = 0; k < s->n_classes; k++)
      g_assert_cmpint(counts[c * s->n_classes + k], ==,
                      json_integer_value(json_array_get(json_array_get(json_object_get(file, "confusion"), c), k)));
  }
}

static void test_metrics_labels(gconstpointer name)
{
  json_t *file = golden(name);
  g_autoptr(WeftScores) s = scores_of(file);
  check_metrics(file, s);
  check_tables(file, s);
  json_decref(file);
}

/* The class alone and its probability, as a head without `probabilities` answers, lead to the same AUROC. */
static void test_metrics_auroc_by_confidence(void)
{
  json_t *file = golden("two-classes");
  g_autoptr(WeftScores) s = scores_of(file);
  WeftMetric auroc = {WEFT_METRIC_AUROC, 0}, loss = {WEFT_METRIC_LOG_LOSS, 0};
  s->n_columns = 0;
  weft_scores_sort(s);
  g_assert_nonnull(weft_metric_lacks(&loss, s));
  g_assert_cmpstr(weft_metric_lacks(&auroc, s), ==, NULL);
  g_assert_cmpfloat_with_epsilon(weft_metric_value(&auroc, s, NULL),
                                 json_number_value(json_object_get(json_object_get(file, "metrics"), "auroc")), 1e-12);
  json_decref(file);
}

static void test_metrics_numbers(void)
{
  json_t *file = golden("numbers");
  const json_t *rows = json_object_get(file, "numbers");
  g_autoptr(WeftScores) s = weft_scores_new((guint)json_array_size(rows), 0, 0);
  s->numbers = TRUE;
  for (guint i = 0; i < s->n; i++) {
    s->expected_number[i] = json_number_value(json_array_get(json_array_get(rows, i), 0));
    s->given_number[i] = json_number_value(json_array_get(json_array_get(rows, i), 1));
  }
  weft_scores_sort(s);
  check_metrics(file, s);
  WeftMetric accuracy = {WEFT_METRIC_ACCURACY, 0};
  g_assert_nonnull(weft_metric_lacks(&accuracy, s));
  json_decref(file);
}

/* Four rows by hand: confidences .9 .8 .8 .3, the second and the fourth wrong. */
static WeftScores *four(void)
{
  static const double confidence[] = {.9, .8, .8, .3};
  static const guint expected[] = {0, 1, 1, 0}, given[] = {0, 0, 1, 1};
  WeftScores *s = weft_scores_new(4, 2, 0);
  s->confident = TRUE;
  s->positive = 1;
  memcpy(s->confidence, confidence, sizeof confidence);
  memcpy(s->expected, expected, sizeof expected);
  memcpy(s->given, given, sizeof given);
  weft_scores_sort(s);
  return s;
}

static void test_metrics_by_hand(void)
{
  g_autoptr(WeftScores) s = four();
  WeftMetric metric = {WEFT_METRIC_ACCURACY, 0};
  g_assert_cmpfloat(weft_metric_value(&metric, s, NULL), ==, .5);
  metric.kind = WEFT_METRIC_AURC; /* coverages 1, 2, 3, 4: errors 0, 1/2 of the tied two, 1, 2 */
  g_assert_cmpfloat_with_epsilon(weft_metric_value(&metric, s, NULL), (0 + .5 / 2 + 1. / 3 + 2. / 4) / 4, 1e-15);
  metric.kind = WEFT_METRIC_ECE; /* bins of .9; .8 .8; .3 */
  g_assert_cmpfloat_with_epsilon(weft_metric_value(&metric, s, NULL), (.1 + .6 + .3) / 4, 1e-15);
  metric.kind = WEFT_METRIC_AUROC; /* scores of class 1: .1 (0), .2 (1), .8 (1), .3 (0): 3 of 4 pairs */
  g_assert_cmpfloat_with_epsilon(weft_metric_value(&metric, s, NULL), 3. / 4, 1e-15);
  metric.kind = WEFT_METRIC_MACRO_F1; /* class 0: 2*1/(2+2), class 1 the same */
  g_assert_cmpfloat_with_epsilon(weft_metric_value(&metric, s, NULL), .5, 1e-15);
  static const double thresholds[] = {0, .8, .95};
  WeftRiskPoint points[3];
  weft_risk_coverage(s, thresholds, 3, points);
  g_assert_cmpuint(points[0].n, ==, 4);
  g_assert_cmpfloat(points[0].risk, ==, .5);
  g_assert_cmpfloat(points[1].coverage, ==, .75);
  g_assert_cmpfloat_with_epsilon(points[1].risk, 1. / 3, 1e-15);
  g_assert_true(points[2].n == 0 && points[2].coverage == 0 && isnan(points[2].risk));
}

/* A weight is a repetition: the same value as with the row written so often. */
static void test_metrics_weights(void)
{
  static const guint rows[] = {0, 1, 1, 1, 3, 3};
  static const guint32 weight[] = {1, 3, 0, 2};
  g_autoptr(WeftScores) s = four();
  g_autoptr(WeftScores) repeated = weft_scores_subset(s, rows, G_N_ELEMENTS(rows));
  for (int kind = 0; kind < WEFT_METRIC_MAE; kind++) {
    WeftMetric metric = {(WeftMetricKind)kind, 1};
    if (!weft_metric_lacks(&metric, s))
      g_assert_cmpfloat_with_epsilon(weft_metric_value(&metric, s, weight), weft_metric_value(&metric, repeated, NULL), 1e-12);
  }
}

static void test_metrics_edges(void)
{
  g_autoptr(WeftScores) none = weft_scores_new(0, 2, 2);
  none->confident = TRUE;
  weft_scores_sort(none);
  for (int kind = 0; kind < WEFT_METRIC_MAE; kind++) {
    WeftMetric metric = {(WeftMetricKind)kind, 1};
    g_assert_true(isnan(weft_metric_value(&metric, none, NULL)));
  }
  /* One class alone has no AUROC; bins: 0 belongs to the first, 1 to the last, an edge to the lower one. */
  g_autoptr(WeftScores) s = four();
  static const double confidence[] = {0, 1, 1. / 15, 1.0000001};
  WeftReliabilityBin bins[WEFT_ECE_BINS];
  WeftMetric auroc = {WEFT_METRIC_AUROC, 0};
  memset(s->expected, 0, 4 * sizeof *s->expected);
  memcpy(s->confidence, confidence, sizeof confidence);
  weft_scores_sort(s);
  g_assert_true(isnan(weft_metric_value(&auroc, s, NULL)));
  weft_reliability(s, bins);
  g_assert_cmpuint(bins[0].n, ==, 2);
  g_assert_cmpuint(bins[WEFT_ECE_BINS - 1].n, ==, 2);
}

/* An expected class that the head does not know is never right, and costs the cut-off log loss. */
static void test_metrics_unknown_class(void)
{
  g_autoptr(WeftScores) s = weft_scores_new(1, 3, 2);
  s->expected[0] = 2;
  s->probabilities[0] = 1;
  weft_scores_sort(s);
  WeftMetric loss = {WEFT_METRIC_LOG_LOSS, 0}, top = {WEFT_METRIC_TOP_K, 3}, brier = {WEFT_METRIC_BRIER, 0};
  g_assert_cmpfloat_with_epsilon(weft_metric_value(&loss, s, NULL), -log(WEFT_LOG_LOSS_EPSILON), 1e-12);
  g_assert_cmpfloat(weft_metric_value(&top, s, NULL), ==, 0);
  g_assert_cmpfloat(weft_metric_value(&brier, s, NULL), ==, 2);
}

static void test_metrics_intervals(void)
{
  json_t *file = golden("seven-classes");
  g_autoptr(WeftScores) s = scores_of(file);
  const WeftMetric metrics[] = {{WEFT_METRIC_ACCURACY, 0}, {WEFT_METRIC_LOG_LOSS, 0}};
  WeftEstimate first[2], again[2], other[2];
  weft_metrics_estimate(metrics, 2, s, 1000, 7, first);
  weft_metrics_estimate(metrics, 2, s, 1000, 7, again);
  weft_metrics_estimate(metrics, 2, s, 1000, 8, other);
  g_assert_cmpmem(first, sizeof first, again, sizeof again);
  g_assert_true(memcmp(first, other, sizeof first) != 0);
  /* Near the interval of the binomial distribution. */
  double half = 1.96 * sqrt(first[0].value * (1 - first[0].value) / s->n);
  g_assert_cmpfloat_with_epsilon(first[0].low, first[0].value - half, .015);
  g_assert_cmpfloat_with_epsilon(first[0].high, first[0].value + half, .015);
  weft_metrics_estimate(metrics, 2, s, 0, 7, first);
  g_assert_true(isnan(first[0].low) && !isnan(first[0].value));
  json_decref(file);
}

static void test_metrics_names(void)
{
  WeftMetric metric;
  g_autofree char *name = NULL;
  g_assert_true(weft_metric_parse("top-3", &metric));
  g_assert_cmpuint(metric.k, ==, 3);
  name = weft_metric_name(&metric);
  g_assert_cmpstr(name, ==, "top-3");
  static const char *const wrong[] = {"top-0", "top-", "top-K", "top-x", "Accuracy", "", "accuracy "};
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
    g_assert_false(weft_metric_parse(wrong[i], &metric));
  for (guint i = 0; i < WEFT_N_METRICS; i++)
    g_assert_true(i == WEFT_METRIC_TOP_K || weft_metric_parse(weft_metric_names()[i], &metric));
}

static void test_metrics_random_order(void)
{
  guint64 state = 3;
  guint order[50], seen[50] = {0}, n_moved = 0;
  weft_random_order(&state, 50, order);
  for (guint i = 0; i < 50; i++) {
    seen[order[i]]++;
    n_moved += order[i] != i;
  }
  for (guint i = 0; i < 50; i++)
    g_assert_cmpuint(seen[i], ==, 1);
  g_assert_cmpuint(n_moved, >, 40);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_data_func("/metrics/seven-classes", "seven-classes", test_metrics_labels);
  g_test_add_data_func("/metrics/two-classes", "two-classes", test_metrics_labels);
  g_test_add_func("/metrics/auroc-by-confidence", test_metrics_auroc_by_confidence);
  g_test_add_func("/metrics/numbers", test_metrics_numbers);
  g_test_add_func("/metrics/by-hand", test_metrics_by_hand);
  g_test_add_func("/metrics/weights", test_metrics_weights);
  g_test_add_func("/metrics/edges", test_metrics_edges);
  g_test_add_func("/metrics/unknown-class", test_metrics_unknown_class);
  g_test_add_func("/metrics/intervals", test_metrics_intervals);
  g_test_add_func("/metrics/names", test_metrics_names);
  g_test_add_func("/metrics/random-order", test_metrics_random_order);
  return g_test_run();
}
