/* SPDX-License-Identifier: Apache-2.0 */
/* The arrays of weft eval: made, cut down to some rows, sorted. */
#include "metrics.h"

#include <string.h>

WeftScores *weft_scores_new(guint n, guint n_classes, guint n_columns)
{
  WeftScores *s = g_new0(WeftScores, 1);
  s->n = n;
  s->n_classes = n_classes;
  s->n_columns = n_columns;
  s->expected = g_new0(guint, n + 1);
  s->given = g_new0(guint, n + 1);
  s->confidence = g_new0(double, n + 1);
  s->probabilities = g_new0(double, (gsize)n * n_columns + 1);
  s->expected_number = g_new0(double, n + 1);
  s->given_number = g_new0(double, n + 1);
  s->by_confidence = g_new0(guint, n + 1);
  s->by_positive = g_new0(guint, n + 1);
  return s;
}

void weft_scores_free(WeftScores *s)
{
  if (!s)
    return;
  g_free(s->expected);
  g_free(s->given);
  g_free(s->confidence);
  g_free(s->probabilities);
  g_free(s->expected_number);
  g_free(s->given_number);
  g_free(s->by_confidence);
  g_free(s->by_positive);
  g_free(s);
}

WeftScores *weft_scores_subset(const WeftScores *from, const guint *rows, guint n)
{
  WeftScores *s = weft_scores_new(n, from->n_classes, from->n_columns);
  s->numbers = from->numbers;
  s->positive = from->positive;
  s->confident = from->confident;
  for (guint i = 0; i < n; i++) {
    s->expected[i] = from->expected[rows[i]];
    s->given[i] = from->given[rows[i]];
    s->confidence[i] = from->confidence[rows[i]];
    s->expected_number[i] = from->expected_number[rows[i]];
    s->given_number[i] = from->given_number[rows[i]];
    memcpy(s->probabilities + (gsize)i * s->n_columns, from->probabilities + (gsize)rows[i] * s->n_columns,
           s->n_columns * sizeof *s->probabilities);
  }
  weft_scores_sort(s);
  return s;
}

static int falling(gconstpointer a, gconstpointer b, gpointer data)
{
  const double *score = data;
  guint x = *(const guint *)a, y = *(const guint *)b;
  return (score[x] < score[y]) - (score[x] > score[y]);
}

void weft_scores_sort(WeftScores *s)
{
  g_autofree double *positive = g_new(double, s->n + 1);
  for (guint i = 0; i < s->n; i++) {
    s->by_confidence[i] = s->by_positive[i] = i;
    positive[i] = s->positive < s->n_columns        ? s->probabilities[(gsize)i * s->n_columns + s->positive]
                  : s->given[i] == s->positive ? s->confidence[i]
                                               : 1 - s->confidence[i];
  }
  g_qsort_with_data(s->by_confidence, (gint)s->n, sizeof(guint), falling, s->confidence);
  g_qsort_with_data(s->by_positive, (gint)s->n, sizeof(guint), falling, positive);
}
