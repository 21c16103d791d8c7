/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <math.h>
#include <string.h>

enum { NEEDS_CLASSES = 1, NEEDS_CONFIDENCE = 2, NEEDS_PROBABILITIES = 4, NEEDS_TWO = 8, NEEDS_NUMBERS = 16 };

static const char *const names[] = {"accuracy", "top-K", "macro-f1", "log-loss", "brier", "ece", "auroc", "aurc", "mae",
                                    "rmse", "per-class", "confusion", NULL};
static const guint needs[WEFT_N_METRICS] = {
  [WEFT_METRIC_ACCURACY] = NEEDS_CLASSES,
  [WEFT_METRIC_TOP_K] = NEEDS_CLASSES | NEEDS_PROBABILITIES,
  [WEFT_METRIC_MACRO_F1] = NEEDS_CLASSES,
  [WEFT_METRIC_LOG_LOSS] = NEEDS_CLASSES | NEEDS_PROBABILITIES,
  [WEFT_METRIC_BRIER] = NEEDS_CLASSES | NEEDS_PROBABILITIES,
  [WEFT_METRIC_ECE] = NEEDS_CLASSES | NEEDS_CONFIDENCE,
  [WEFT_METRIC_AUROC] = NEEDS_CLASSES | NEEDS_CONFIDENCE | NEEDS_TWO,
  [WEFT_METRIC_AURC] = NEEDS_CLASSES | NEEDS_CONFIDENCE,
  [WEFT_METRIC_MAE] = NEEDS_NUMBERS,
  [WEFT_METRIC_RMSE] = NEEDS_NUMBERS,
  [WEFT_METRIC_PER_CLASS] = NEEDS_CLASSES,
  [WEFT_METRIC_CONFUSION] = NEEDS_CLASSES};

const char *const *weft_metric_names(void)
{
  return names;
}

gboolean weft_metric_parse(const char *name, WeftMetric *metric)
{
  guint64 k = 0;
  *metric = (WeftMetric){0};
  if (g_str_has_prefix(name, "top-") && g_ascii_string_to_unsigned(name + 4, 10, 1, G_MAXUINT, &k, NULL)) {
    *metric = (WeftMetric){WEFT_METRIC_TOP_K, (guint)k};
    return TRUE;
  }
  for (guint i = 0; i < WEFT_N_METRICS; i++)
    if (i != WEFT_METRIC_TOP_K && strcmp(names[i], name) == 0) {
      metric->kind = (WeftMetricKind)i;
      return TRUE;
    }
  return FALSE;
}

char *weft_metric_name(const WeftMetric *metric)
{
  return metric->kind == WEFT_METRIC_TOP_K ? g_strdup_printf("top-%u", metric->k) : g_strdup(names[metric->kind]);
}

const char *weft_metric_lacks(const WeftMetric *metric, const WeftScores *scores)
{
  guint need = needs[metric->kind];
  if (need & NEEDS_NUMBERS)
    return scores->numbers ? NULL : "it compares numbers, and this output answers with labels";
  if (scores->numbers)
    return "it compares labels, and this output answers with numbers";
  if (need & NEEDS_TWO && scores->n_classes != 2)
    return "it is of two classes";
  if (need & NEEDS_PROBABILITIES && !scores->n_columns)
    return "it needs the probability of every class, which this output's node does not answer";
  if (need & NEEDS_CONFIDENCE && !scores->confident)
    return "it needs the probability of the answer, which this output's node does not answer";
  return NULL;
}

gboolean weft_metric_rises(const WeftMetric *metric)
{
  switch (metric->kind) {
  case WEFT_METRIC_ACCURACY:
  case WEFT_METRIC_TOP_K:
  case WEFT_METRIC_MACRO_F1:
  case WEFT_METRIC_AUROC: return TRUE;
  default: return FALSE;
  }
}

static guint32 weight_of(const guint32 *weight, guint row)
{
  return weight ? weight[row] : 1;
}

/* Sum over the rows of one number each, divided by the sum of weights. */
static double mean(const WeftScores *s, const guint32 *weight, double (*of)(const WeftScores *s, guint row, guint k),
                   guint k)
{
  double sum = 0, n = 0;
  for (guint i = 0; i < s->n; i++) {
    guint32 w = weight_of(weight, i);
    if (w)
      sum += w * of(s, i, k);
    n += w;
  }
  return n > 0 ? sum / n : NAN;
}

static double hit(const WeftScores *s, guint i, guint k)
{
  return s->expected[i] == s->given[i];
}

static double probability_of(const WeftScores *s, guint i, guint class)
{
  return class < s->n_columns ? s->probabilities[(gsize)i * s->n_columns + class] : 0;
}

/* Of equal probabilities the first class wins, as in a classifier. */
static double hit_among(const WeftScores *s, guint i, guint k)
{
  double p = probability_of(s, i, s->expected[i]);
  guint rank = 0;
  if (s->expected[i] >= s->n_columns)
    return 0;
  for (guint c = 0; c < s->n_columns; c++) {
    double other = probability_of(s, i, c);
    rank += other > p || (other == p && c < s->expected[i]);
  }
  return rank < k;
}

static double surprise(const WeftScores *s, guint i, guint k)
{
  return -log(CLAMP(probability_of(s, i, s->expected[i]), WEFT_LOG_LOSS_EPSILON, 1));
}

static double brier(const WeftScores *s, guint i, guint k)
{
  double sum = s->expected[i] >= s->n_columns ? 1 : 0; /* a class that the model does not know has probability 0 */
  for (guint c = 0; c < s->n_columns; c++) {
    double difference = probability_of(s, i, c) - (c == s->expected[i]);
    sum += difference * difference;
  }
  return sum;
}

static double distance(const WeftScores *s, guint i, guint k)
{
  return fabs(s->given_number[i] - s->expected_number[i]);
}

static double square(const WeftScores *s, guint i, guint k)
{
  return distance(s, i, k) * distance(s, i, k);
}

/* Over the classes that are expected or answered at all, as scikit-learn's. */
static double macro_f1(const WeftScores *s, const guint32 *weight)
{
  g_autofree double *count = g_new0(double, (gsize)3 * s->n_classes + 1);
  double *expected = count, *given = count + s->n_classes, *right = given + s->n_classes, sum = 0;
  guint n = 0;
  for (guint i = 0; i < s->n; i++) {
    guint32 w = weight_of(weight, i);
    expected[s->expected[i]] += w;
    given[s->given[i]] += w;
    right[s->given[i]] += s->expected[i] == s->given[i] ? w : 0;
  }
  for (guint c = 0; c < s->n_classes; c++) {
    if (expected[c] + given[c] == 0)
      continue;
    sum += 2 * right[c] / (expected[c] + given[c]);
    n++;
  }
  return n ? sum / n : NAN;
}

static guint bin_of(double confidence)
{
  double at = ceil(confidence * WEFT_ECE_BINS) - 1;
  return at > 0 ? (guint)MIN(at, WEFT_ECE_BINS - 1) : 0;
}

static double ece(const WeftScores *s, const guint32 *weight)
{
  double n[WEFT_ECE_BINS] = {0}, confidence[WEFT_ECE_BINS] = {0}, right[WEFT_ECE_BINS] = {0}, total = 0, sum = 0;
  for (guint i = 0; i < s->n; i++) {
    guint32 w = weight_of(weight, i);
    guint b = bin_of(s->confidence[i]);
    n[b] += w;
    confidence[b] += w * s->confidence[i];
    right[b] += s->expected[i] == s->given[i] ? w : 0;
    total += w;
  }
  for (guint b = 0; b < WEFT_ECE_BINS; b++)
    sum += fabs(confidence[b] - right[b]);
  return total > 0 ? sum / total : NAN;
}

/* Probability of the positive class. */
static double positive_score(const WeftScores *s, guint i)
{
  if (s->positive < s->n_columns)
    return probability_of(s, i, s->positive);
  return s->given[i] == s->positive ? s->confidence[i] : 1 - s->confidence[i];
}

/* P(a positive scores above a negative), ties half: Mann and Whitney's U over the rows in falling order. */
static double auroc(const WeftScores *s, const guint32 *weight)
{
  double positives = 0, negatives = 0, area = 0;
  for (guint begin = 0, end; begin < s->n; begin = end) {
    double score = positive_score(s, s->by_positive[begin]), p = 0, n = 0;
    for (end = begin; end < s->n && positive_score(s, s->by_positive[end]) == score; end++) {
      guint row = s->by_positive[end];
      *(s->expected[row] == s->positive ? &p : &n) += weight_of(weight, row);
    }
    area += n * (positives + p / 2);
    positives += p;
    negatives += n;
  }
  return positives > 0 && negatives > 0 ? area / positives / negatives : NAN;
}

/* Mean risk over all coverages (Geifman and El-Yaniv 2017); within equal confidences the order is nobody's choice, so
   errors count as spread evenly. */
static double aurc(const WeftScores *s, const guint32 *weight)
{
  double covered = 0, errors = 0, sum = 0;
  for (guint begin = 0, end; begin < s->n; begin = end) {
    double confidence = s->confidence[s->by_confidence[begin]], n = 0, wrong = 0;
    for (end = begin; end < s->n && s->confidence[s->by_confidence[end]] == confidence; end++) {
      guint row = s->by_confidence[end];
      n += weight_of(weight, row);
      wrong += s->expected[row] != s->given[row] ? weight_of(weight, row) : 0;
    }
    for (double j = 1; j <= n; j++)
      sum += (errors + wrong * j / n) / (covered + j);
    covered += n;
    errors += wrong;
  }
  return covered > 0 ? sum / covered : NAN;
}

double weft_metric_value(const WeftMetric *metric, const WeftScores *s, const guint32 *weight)
{
  switch (metric->kind) {
  case WEFT_METRIC_ACCURACY: return mean(s, weight, hit, 0);
  case WEFT_METRIC_TOP_K: return mean(s, weight, hit_among, metric->k);
  case WEFT_METRIC_MACRO_F1: return macro_f1(s, weight);
  case WEFT_METRIC_LOG_LOSS: return mean(s, weight, surprise, 0);
  case WEFT_METRIC_BRIER: return mean(s, weight, brier, 0);
  case WEFT_METRIC_ECE: return ece(s, weight);
  case WEFT_METRIC_AUROC: return auroc(s, weight);
  case WEFT_METRIC_AURC: return aurc(s, weight);
  case WEFT_METRIC_MAE: return mean(s, weight, distance, 0);
  case WEFT_METRIC_RMSE: return sqrt(mean(s, weight, square, 0));
  default: return NAN;
  }
}

static int by_double(gconstpointer a, gconstpointer b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The q-quantile of sorted values, between neighbours. */
static double quantile(const double *values, guint n, double q)
{
  double at = q * (n - 1);
  guint low = (guint)at, high = MIN(low + 1, n - 1);
  return values[low] + (at - low) * (values[high] - values[low]);
}

static void interval(double *values, guint n_rounds, WeftEstimate *estimate)
{
  guint n = 0;
  for (guint r = 0; r < n_rounds; r++)
    if (!isnan(values[r]))
      values[n++] = values[r]; /* a resample without one of the classes has no AUROC */
  if (n == 0)
    return;
  qsort(values, n, sizeof *values, by_double);
  estimate->low = quantile(values, n, 0.025);
  estimate->high = quantile(values, n, 0.975);
}

void weft_metrics_estimate(const WeftMetric *metrics, guint n, const WeftScores *scores, guint n_rounds, guint64 seed,
                           WeftEstimate *estimates)
{
  for (guint m = 0; m < n; m++)
    estimates[m] = (WeftEstimate){weft_metric_value(&metrics[m], scores, NULL), NAN, NAN};
  if (n_rounds == 0 || scores->n == 0 || n == 0)
    return;
  g_autofree guint32 *weight = g_new(guint32, scores->n);
  g_autofree double *values = g_new(double, (gsize)n * n_rounds);
  guint64 state = seed;
  for (guint r = 0; r < n_rounds; r++) {
    memset(weight, 0, scores->n * sizeof *weight);
    for (guint i = 0; i < scores->n; i++)
      weight[weft_random_next(&state) % scores->n]++;
    for (guint m = 0; m < n; m++)
      values[(gsize)m * n_rounds + r] = weft_metric_value(&metrics[m], scores, weight);
  }
  for (guint m = 0; m < n; m++)
    interval(values + (gsize)m * n_rounds, n_rounds, &estimates[m]);
}

void weft_class_scores(const WeftScores *s, WeftClassScore *out)
{
  memset(out, 0, s->n_classes * sizeof *out);
  for (guint i = 0; i < s->n; i++) {
    out[s->expected[i]].n_expected++;
    out[s->given[i]].n_given++;
    out[s->given[i]].n_right += s->expected[i] == s->given[i];
  }
  for (guint c = 0; c < s->n_classes; c++) {
    WeftClassScore *one = &out[c];
    one->precision = one->n_given ? (double)one->n_right / one->n_given : 0;
    one->recall = one->n_expected ? (double)one->n_right / one->n_expected : 0;
    one->f1 = one->n_given + one->n_expected ? 2.0 * one->n_right / (one->n_given + one->n_expected) : 0;
  }
}

void weft_confusion(const WeftScores *s, guint *out)
{
  memset(out, 0, (gsize)s->n_classes * s->n_classes * sizeof *out);
  for (guint i = 0; i < s->n; i++)
    out[(gsize)s->expected[i] * s->n_classes + s->given[i]]++;
}

void weft_reliability(const WeftScores *s, WeftReliabilityBin *out)
{
  for (guint b = 0; b < WEFT_ECE_BINS; b++)
    out[b] = (WeftReliabilityBin){.low = (double)b / WEFT_ECE_BINS, .high = (b + 1.0) / WEFT_ECE_BINS};
  for (guint i = 0; i < s->n; i++) {
    WeftReliabilityBin *bin = &out[bin_of(s->confidence[i])];
    bin->n++;
    bin->confidence += s->confidence[i];
    bin->accuracy += s->expected[i] == s->given[i];
  }
  for (guint b = 0; b < WEFT_ECE_BINS; b++)
    if (out[b].n) {
      out[b].confidence /= out[b].n;
      out[b].accuracy /= out[b].n;
    }
}

void weft_risk_coverage(const WeftScores *s, const double *thresholds, guint n, WeftRiskPoint *out)
{
  for (guint t = 0; t < n; t++) {
    guint wrong = 0;
    out[t] = (WeftRiskPoint){.threshold = thresholds[t]};
    for (guint i = 0; i < s->n; i++)
      if (s->confidence[i] >= thresholds[t]) {
        out[t].n++;
        wrong += s->expected[i] != s->given[i];
      }
    out[t].coverage = s->n ? (double)out[t].n / s->n : NAN;
    out[t].risk = out[t].n ? (double)wrong / out[t].n : NAN;
  }
}

guint64 weft_random_next(guint64 *state)
{
  guint64 z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void weft_random_order(guint64 *state, guint n, guint *out)
{
  for (guint i = 0; i < n; i++)
    out[i] = i;
  for (guint i = n; i > 1; i--) {
    guint k = (guint)(weft_random_next(state) % i), swap = out[i - 1];
    out[i - 1] = out[k];
    out[k] = swap;
  }
}
