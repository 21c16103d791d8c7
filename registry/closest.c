/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"

#include <string.h>

/* Longer words are not compared: names are at most 64 bytes, and the table below is quadratic. */
#define CLOSEST_MAX_BYTES 128

/* Damerau-Levenshtein (optimal string alignment): insert, delete, replace, swap two neighbours. */
static gsize distance(const char *a, gsize n, const char *b, gsize m)
{
  gsize rows[3][CLOSEST_MAX_BYTES + 1];
  for (gsize j = 0; j <= m; j++)
    rows[0][j] = j;
  for (gsize i = 1; i <= n; i++) {
    gsize *row = rows[i % 3], *before = rows[(i + 2) % 3], *before2 = rows[(i + 1) % 3];
    row[0] = i;
    for (gsize j = 1; j <= m; j++) {
      gsize best = before[j - 1] + (a[i - 1] != b[j - 1]);
      best = MIN(best, MIN(before[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best = MIN(best, before2[j - 2] + 1);
      row[j] = best;
    }
  }
  return rows[n % 3][m];
}

const char *weft_closest(const char *word, const char *const *names, gsize n_names)
{
  gsize n = strlen(word), best_distance = G_MAXSIZE;
  const char *best = NULL;
  if (n > CLOSEST_MAX_BYTES)
    return NULL;
  for (gsize i = 0; i < n_names; i++) {
    gsize m = strlen(names[i]);
    if (m > CLOSEST_MAX_BYTES)
      continue;
    gsize d = distance(word, n, names[i], m);
    /* A third of the longer word may differ: "vti" finds "vit", "xyz" finds nothing. */
    if (d <= MAX((gsize)1, MAX(n, m) / 3) && d < MAX(n, m) && d < best_distance) {
      best_distance = d;
      best = names[i];
    }
  }
  return best;
}
