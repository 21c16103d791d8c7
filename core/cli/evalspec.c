/* SPDX-License-Identifier: Apache-2.0 */
/* --metric NAME[:OUTPUT] and --require 'NAME[:OUTPUT]>=NUMBER'. */
#include "evalreport.h"

#include "manifest.h"
#include <math.h>
#include <string.h>

/* What a requirement may speak of beside metrics. */
static const char *const counts[] = {"coverage", "accuracy-all", "failed", "refused", "abstained", NULL};

static gboolean unknown_name(const char *name, gboolean with_counts, GError **error)
{
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  for (const char *const *n = weft_metric_names(); *n; n++)
    g_ptr_array_add(all, (gpointer)*n);
  for (guint i = 0; with_counts && counts[i]; i++)
    g_ptr_array_add(all, (gpointer)counts[i]);
  const char *closest = weft_closest(name, (const char *const *)all->pdata, all->len);
  g_ptr_array_add(all, NULL);
  g_autofree char *list = g_strjoinv(", ", (char **)all->pdata);
  g_set_error(error, WEFT_ERROR, WEFT_BAD_INPUT, "there is no metric \"%s\"%s%s%s; known are %s", name,
              closest ? ", did you mean \"" : "", closest ? closest : "", closest ? "\"?" : "", list);
  return FALSE;
}

static gboolean known_output(const char *output, const WeftEvaluation *evaluation, GError **error)
{
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  for (guint i = 0; output && evaluation && i < evaluation->targets->len; i++) {
    const WeftTarget *target = evaluation->targets->pdata[i];
    if (strcmp(target->name, output) == 0)
      return TRUE;
    g_ptr_array_add(all, (gpointer)target->name);
  }
  if (!output || !evaluation)
    return TRUE;
  g_ptr_array_add(all, NULL);
  g_autofree char *list = g_strjoinv(", ", (char **)all->pdata);
  g_set_error(error, WEFT_ERROR, WEFT_BAD_INPUT, "the pipeline has no output \"%s\" that can be compared; it has %s", output,
              *list ? list : "none");
  return FALSE;
}

gboolean weft_metric_spec_parse(const char *text, const WeftEvaluation *evaluation, WeftMetricSpec *spec, GError **error)
{
  const char *colon = strchr(text, ':');
  g_autofree char *name = g_strndup(text, colon ? (gsize)(colon - text) : strlen(text));
  spec->output = colon ? colon + 1 : NULL;
  if (!weft_metric_parse(name, &spec->metric))
    return unknown_name(name, FALSE, error);
  return known_output(spec->output, evaluation, error);
}

void weft_requirement_free(gpointer data)
{
  WeftRequirement *r = data;
  if (!r)
    return;
  g_free(r->name);
  g_free(r->output);
  g_free(r);
}

static gboolean parse_requirement(const char *text, const WeftEvaluation *evaluation, WeftRequirement *r, GError **error)
{
  static const struct {
    const char *sign;
    WeftRelation relation;
  } relations[] = {{">=", WEFT_IS_AT_LEAST}, {"<=", WEFT_IS_AT_MOST}, {"==", WEFT_IS_EQUAL},
                   {">", WEFT_IS_ABOVE},     {"<", WEFT_IS_BELOW}};
  gsize at = strcspn(text, "<>=");
  g_autofree char *left = g_strstrip(g_strndup(text, at));
  const char *sign = NULL;
  for (guint i = 0; !sign && i < G_N_ELEMENTS(relations); i++)
    if (g_str_has_prefix(text + at, relations[i].sign)) {
      sign = relations[i].sign;
      r->relation = relations[i].relation;
    }
  char *end = NULL;
  const char *right = sign ? text + at + strlen(sign) : "";
  r->bound = g_ascii_strtod(right, &end);
  if (!sign || !*left || end == right || end[strspn(end, " ")] != '\0' || !isfinite(r->bound)) {
    g_set_error(error, WEFT_ERROR, WEFT_BAD_INPUT, "\"%s\": expected NAME>=NUMBER, with >=, >, <=, < or ==", text);
    return FALSE;
  }
  char *colon = strchr(left, ':');
  r->text = text;
  r->output = colon ? g_strdup(colon + 1) : NULL;
  r->name = g_strndup(left, colon ? (gsize)(colon - left) : strlen(left));
  WeftMetric metric;
  gboolean valued = weft_metric_parse(r->name, &metric) && metric.kind < WEFT_METRIC_PER_CLASS;
  if (!valued && !g_strv_contains(counts, r->name))
    return unknown_name(r->name, TRUE, error);
  return known_output(r->output, evaluation, error);
}

WeftRequirement *weft_requirement_parse(const char *text, const WeftEvaluation *evaluation, GError **error)
{
  WeftRequirement *r = g_new0(WeftRequirement, 1);
  if (parse_requirement(text, evaluation, r, error))
    return r;
  weft_requirement_free(r);
  return NULL;
}
