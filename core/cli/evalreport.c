/* SPDX-License-Identifier: Apache-2.0 */
#include "evalreport.h"

#include "manifest.h"
#include <math.h>
#include <string.h>

/* Classes of which the tables are made without being asked for. */
#define SHOWN_CLASSES 20
/* Kinds of errors that are told, the most frequent first. */
#define SHOWN_ERRORS 5

static const double thresholds[] = {0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99};

/* JSON has no word for NaN. */
static json_t *number(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}

static const WeftTarget *target_at(const WeftEvaluation *evaluation, guint i)
{
  return evaluation->targets->pdata[i];
}

static json_t *estimate_of(const WeftEstimate *estimate)
{
  json_t *one = json_object();
  json_object_set_new(one, "value", number(estimate->value));
  if (!isnan(estimate->low)) {
    json_object_set_new(one, "low", number(estimate->low));
    json_object_set_new(one, "high", number(estimate->high));
  }
  return one;
}

static json_t *per_class(const WeftTarget *t)
{
  g_autofree WeftClassScore *scores = g_new0(WeftClassScore, t->classes->len + 1);
  json_t *list = json_array();
  weft_class_scores(t->scores, scores);
  for (guint c = 0; c < t->classes->len; c++)
    json_array_append_new(list, json_pack("{s:s, s:f, s:f, s:f, s:i, s:i}", "class", (char *)t->classes->pdata[c],
                                          "precision", scores[c].precision, "recall", scores[c].recall, "f1",
                                          scores[c].f1, "n_expected", (int)scores[c].n_expected, "n_answered",
                                          (int)scores[c].n_given));
  return list;
}

static json_t *confusion(const WeftTarget *t)
{
  guint n = t->classes->len;
  g_autofree guint *counts = g_new0(guint, (gsize)n * n + 1);
  json_t *rows = json_array();
  weft_confusion(t->scores, counts);
  for (guint r = 0; r < n; r++) {
    json_t *row = json_array();
    for (guint c = 0; c < n; c++)
      json_array_append_new(row, json_integer(counts[(gsize)r * n + c]));
    json_array_append_new(rows, row);
  }
  return rows;
}

static json_t *reliability(const WeftTarget *t)
{
  WeftReliabilityBin bins[WEFT_ECE_BINS];
  json_t *list = json_array();
  weft_reliability(t->scores, bins);
  for (guint b = 0; b < WEFT_ECE_BINS; b++)
    if (bins[b].n)
      json_array_append_new(list, json_pack("{s:f, s:f, s:i, s:f, s:f}", "above", bins[b].low, "up_to", bins[b].high,
                                            "n", (int)bins[b].n, "confidence", bins[b].confidence, "accuracy",
                                            bins[b].accuracy));
  return list;
}

static json_t *risk_coverage(const WeftTarget *t)
{
  WeftRiskPoint points[G_N_ELEMENTS(thresholds)];
  json_t *list = json_array();
  weft_risk_coverage(t->scores, thresholds, G_N_ELEMENTS(thresholds), points);
  for (guint i = 0; i < G_N_ELEMENTS(thresholds); i++) {
    json_t *one = json_pack("{s:f, s:i}", "threshold", points[i].threshold, "n", (int)points[i].n);
    json_object_set_new(one, "coverage", number(points[i].coverage));
    json_object_set_new(one, "risk", number(points[i].risk));
    json_array_append_new(list, one);
  }
  return list;
}

static void add_metric(GArray *list, WeftMetric metric)
{
  for (guint i = 0; i < list->len; i++)
    if (g_array_index(list, WeftMetric, i).kind == metric.kind && g_array_index(list, WeftMetric, i).k == metric.k)
      return;
  g_array_append_val(list, metric);
}

static gboolean is_worth_showing(const WeftMetric *metric, const WeftTarget *t)
{
  return metric->kind < WEFT_METRIC_PER_CLASS || t->classes->len <= SHOWN_CLASSES;
}

/* What is computed of one target: what was asked for and what requirements speak of, or everything that it allows. */
static GArray *metrics_of(const WeftTarget *t, const WeftEvalOptions *options)
{
  GArray *list = g_array_new(FALSE, FALSE, sizeof(WeftMetric));
  for (guint i = 0; i < options->metrics->len; i++) {
    const WeftMetricSpec *spec = &g_array_index(options->metrics, WeftMetricSpec, i);
    if (!spec->output || strcmp(spec->output, t->name) == 0)
      add_metric(list, spec->metric);
  }
  for (guint k = 0; options->metrics->len == 0 && k < WEFT_N_METRICS; k++) {
    WeftMetric metric = {(WeftMetricKind)k, 3};
    if (k != WEFT_METRIC_TOP_K && !weft_metric_lacks(&metric, t->scores) && is_worth_showing(&metric, t)) {
      metric.k = 0;
      add_metric(list, metric);
    }
  }
  for (guint i = 0; i < options->requirements->len; i++) {
    const WeftRequirement *r = options->requirements->pdata[i];
    WeftMetric metric;
    if (weft_metric_parse(r->name, &metric) && (!r->output || strcmp(r->output, t->name) == 0))
      add_metric(list, metric);
  }
  return list;
}

static void add_tables(json_t *out, const WeftTarget *t, const GArray *metrics)
{
  for (guint i = 0; i < metrics->len; i++) {
    const WeftMetric *metric = &g_array_index(metrics, WeftMetric, i);
    if (weft_metric_lacks(metric, t->scores))
      continue;
    switch (metric->kind) {
    case WEFT_METRIC_PER_CLASS: json_object_set_new(out, "per_class", per_class(t)); break;
    case WEFT_METRIC_CONFUSION: json_object_set_new(out, "confusion", confusion(t)); break;
    case WEFT_METRIC_ECE: json_object_set_new(out, "reliability", reliability(t)); break;
    case WEFT_METRIC_AURC: json_object_set_new(out, "risk_coverage", risk_coverage(t)); break;
    default: break;
    }
  }
}

/* Metrics with a value of some rows, by name; what lacks something goes into `lacking` with the reason. */
static json_t *values_of(const GArray *metrics, const WeftScores *scores, const WeftEvalOptions *options, json_t *lacking)
{
  json_t *values = json_object();
  g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(WeftMetric));
  for (guint i = 0; i < metrics->len; i++) {
    const WeftMetric *metric = &g_array_index(metrics, WeftMetric, i);
    const char *lacks = weft_metric_lacks(metric, scores);
    g_autofree char *name = weft_metric_name(metric);
    if (lacks && lacking)
      json_object_set_new(lacking, name, json_string(lacks));
    else if (!lacks && metric->kind < WEFT_METRIC_PER_CLASS)
      g_array_append_val(list, *metric);
  }
  g_autofree WeftEstimate *estimates = g_new0(WeftEstimate, list->len + 1);
  const WeftMetric *all = (const WeftMetric *)(const void *)list->data;
  weft_metrics_estimate(all, list->len, scores, options->n_rounds, options->seed, estimates);
  for (guint i = 0; i < list->len; i++) {
    g_autofree char *name = weft_metric_name(&all[i]);
    json_object_set_new(values, name, estimate_of(&estimates[i]));
  }
  return values;
}

static json_t *output_of(const WeftTarget *t, const GArray *metrics, const WeftEvalOptions *options)
{
  json_t *out = json_object(), *lacking = json_object();
  guint n_right = 0;
  json_object_set_new(out, "kind", json_string(t->scores->numbers ? "number" : "label"));
  json_object_set_new(out, "n_expected", json_integer(t->n_expected));
  json_object_set_new(out, "n_answered", json_integer(t->n_answered));
  json_object_set_new(out, "n_abstained", json_integer(t->n_abstained));
  json_object_set_new(out, "n_failed", json_integer(t->n_failed));
  json_object_set_new(out, "n_refused", json_integer(t->n_refused));
  json_object_set_new(out, "coverage", number((double)t->n_answered / t->n_expected));
  if (!t->scores->numbers) {
    json_t *classes = json_array();
    for (guint c = 0; c < t->classes->len; c++)
      json_array_append_new(classes, json_string(t->classes->pdata[c]));
    for (guint i = 0; i < t->scores->n; i++)
      n_right += t->scores->expected[i] == t->scores->given[i];
    json_object_set_new(out, "accuracy-all", number((double)n_right / t->n_expected));
    json_object_set_new(out, "classes", classes);
    json_object_set_new(out, "n_unknown_labels", json_integer(t->n_unknown));
    if (t->classes->len == 2)
      json_object_set_new(out, "positive", json_string(t->classes->pdata[t->scores->positive]));
  }
  json_object_set_new(out, "metrics", values_of(metrics, t->scores, options, lacking));
  if (json_object_size(lacking) > 0)
    json_object_set(out, "lacking", lacking);
  json_decref(lacking);
  add_tables(out, t, metrics);
  return out;
}

static int by_text(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of each group, in the order of their names: rows and metrics of one target. */
static json_t *groups_of(const WeftTarget *t, const GArray *metrics, const WeftEvalOptions *options)
{
  g_autoptr(GHashTable) rows = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_array_unref);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < t->lines->len; i++) {
    char *name = options->groups->pdata[g_array_index(t->lines, guint, i)];
    GArray *list = g_hash_table_lookup(rows, name);
    if (!list) {
      list = g_array_new(FALSE, FALSE, sizeof(guint));
      g_hash_table_insert(rows, name, list);
      g_ptr_array_add(names, name);
    }
    g_array_append_val(list, i);
  }
  g_ptr_array_sort(names, by_text);
  json_t *groups = json_object();
  for (guint g = 0; g < names->len; g++) {
    GArray *list = g_hash_table_lookup(rows, names->pdata[g]);
    g_autoptr(WeftScores) scores = weft_scores_subset(t->scores, (const guint *)(const void *)list->data, list->len);
    json_t *one = json_object();
    json_object_set_new(one, "n", json_integer(list->len));
    json_object_set_new(one, "metrics", values_of(metrics, scores, options, NULL));
    json_object_set_new(groups, names->pdata[g], one);
  }
  return groups;
}

typedef struct {
  const char *text;
  guint n;
} Count;

static int by_count(gconstpointer a, gconstpointer b)
{
  const Count *x = a, *y = b;
  return x->n != y->n ? (x->n < y->n ? 1 : -1) : strcmp(x->text, y->text);
}

static json_t *errors_of(const WeftEvaluation *evaluation)
{
  g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(Count));
  GHashTableIter iter;
  gpointer text, n;
  g_hash_table_iter_init(&iter, evaluation->errors);
  while (g_hash_table_iter_next(&iter, &text, &n)) {
    Count count = {text, GPOINTER_TO_UINT(n)};
    g_array_append_val(list, count);
  }
  g_array_sort(list, by_count);
  json_t *errors = json_array();
  for (guint i = 0; i < MIN(list->len, SHOWN_ERRORS); i++)
    json_array_append_new(errors, json_pack("{s:s, s:i}", "error", g_array_index(list, Count, i).text, "n",
                                            (int)g_array_index(list, Count, i).n));
  return errors;
}

static gboolean holds(const WeftRequirement *r, double value)
{
  switch (r->relation) {
  case WEFT_IS_AT_LEAST: return value >= r->bound;
  case WEFT_IS_ABOVE: return value > r->bound;
  case WEFT_IS_AT_MOST: return value <= r->bound;
  case WEFT_IS_BELOW: return value < r->bound;
  default: return value == r->bound;
  }
}

static json_t *judged(const WeftRequirement *r, const char *output, const json_t *value)
{
  json_t *one = json_object();
  gboolean met = json_is_number(value) && holds(r, json_number_value(value));
  json_object_set_new(one, "require", json_string(r->text));
  if (output)
    json_object_set_new(one, "output", json_string(output));
  json_object_set_new(one, "value", json_is_number(value) ? number(json_number_value(value)) : json_null());
  json_object_set_new(one, "met", json_boolean(met));
  return one;
}

/* A requirement is of the lines, or of each output that has what it names; where none has, it is not met. */
static void judge(const WeftRequirement *r, const json_t *report, json_t *list)
{
  const json_t *lines = json_object_get(json_object_get(report, "lines"), r->name);
  const char *output;
  json_t *one;
  size_t n_before = json_array_size(list);
  if (lines && !r->output)
    json_array_append_new(list, judged(r, NULL, lines));
  json_object_foreach(json_object_get(report, "outputs"), output, one)
  {
    g_autofree char *count = g_strconcat("n_", r->name, NULL);
    const json_t *metric = json_object_get(json_object_get(one, "metrics"), r->name);
    const json_t *value = metric ? json_object_get(metric, "value") : json_object_get(one, r->name);
    if (!value && r->output)
      value = json_object_get(one, count);
    if (value && (r->output ? strcmp(r->output, output) == 0 : !lines))
      json_array_append_new(list, judged(r, output, value));
  }
  if (json_array_size(list) == n_before)
    json_array_append_new(list, judged(r, r->output, NULL));
}

json_t *weft_eval_report(const WeftEvaluation *evaluation, const WeftEvalOptions *options)
{
  json_t *report = json_object(), *outputs = json_object(), *groups = json_object(), *requirements = json_array();
  guint n_abstained = 0;
  for (guint i = 0; i < evaluation->targets->len; i++) {
    const WeftTarget *t = target_at(evaluation, i);
    n_abstained += t->n_abstained;
    if (t->n_expected == 0)
      continue;
    g_autoptr(GArray) metrics = metrics_of(t, options);
    json_object_set_new(outputs, t->name, output_of(t, metrics, options));
    if (options->by)
      json_object_set_new(groups, t->name, groups_of(t, metrics, options));
  }
  json_object_set_new(report, "schema", json_string("weft.eval/1"));
  json_object_set_new(report, "lines",
                      json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "total", (int)evaluation->n_lines, "answered",
                                (int)evaluation->n_ok, "degraded", (int)evaluation->n_degraded, "failed",
                                (int)evaluation->n_failed, "refused", (int)evaluation->n_refused, "abstained",
                                (int)n_abstained, "unlabelled", (int)evaluation->n_unlabelled));
  json_object_set_new(report, "errors", errors_of(evaluation));
  json_object_set_new(report, "outputs", outputs);
  if (options->by)
    json_object_set_new(report, "groups", json_pack("{s:s, s:O}", "by", options->by, "outputs", groups));
  json_decref(groups);
  for (guint i = 0; i < options->requirements->len; i++)
    judge(options->requirements->pdata[i], report, requirements);
  json_object_set_new(report, "requirements", requirements);
  return report;
}

gboolean weft_eval_passed(const json_t *report)
{
  size_t i;
  json_t *one;
  gboolean passed = TRUE, speaks = FALSE;
  json_array_foreach(json_object_get(report, "requirements"), i, one)
  {
    passed = passed && json_is_true(json_object_get(one, "met"));
    speaks = speaks || g_str_has_prefix(json_string_value(json_object_get(one, "require")), "failed");
  }
  return passed && (speaks || json_integer_value(json_object_get(json_object_get(report, "lines"), "failed")) == 0);
}
