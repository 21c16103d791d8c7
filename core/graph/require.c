/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a request brings the inputs that a pipeline needs, and what to do where it does not. */
#include "revision.h"

#include "resolve.h"

/* Every input that is not optional is there. */
static gboolean is_complete(const WeftPipeline *pipeline, const gboolean *present)
{
  for (guint i = 0; i < pipeline->inputs->len; i++)
    if (!present[i] && !weft_input_at(pipeline, i)->optional)
      return FALSE;
  return TRUE;
}

static gboolean is_met(const WeftPipeline *pipeline, const gboolean *present)
{
  gboolean any = FALSE;
  for (guint i = 0; i < pipeline->inputs->len; i++)
    any = any || present[i];
  return any && is_complete(pipeline, present) && (!pipeline->require || weft_expr_eval(pipeline->require, present));
}

/* Names of the chosen inputs, `last` between the last two: "a, b or c". */
static char *names_of(const WeftPipeline *pipeline, const gboolean *chosen, WeftGivenAs as, const char *last)
{
  GString *list = g_string_new(NULL);
  guint n = 0, k = 0;
  for (guint i = 0; i < pipeline->inputs->len; i++)
    n += chosen[i] != 0;
  for (guint i = 0; i < pipeline->inputs->len; i++) {
    if (!chosen[i])
      continue;
    const char *before = as == WEFT_GIVEN_AS_OPTION ? "--" : as == WEFT_GIVEN_AS_KEY ? "\"" : "";
    g_string_append_printf(list, "%s%s%s%s", k == 0 ? "" : k + 1 < n ? ", " : last, before, weft_input_at(pipeline, i)->name,
                           as == WEFT_GIVEN_AS_KEY ? "\"" : "");
    k++;
  }
  return g_string_free(list, FALSE);
}

/* Chooses the inputs each of which alone would do, left out where they are there, else added. FALSE: there is none. */
static gboolean would_do(const WeftPipeline *pipeline, const gboolean *present, gboolean there, gboolean *chosen)
{
  guint n = pipeline->inputs->len;
  gboolean any = FALSE;
  g_autofree gboolean *other = g_memdup2(present, n * sizeof *present);
  for (guint i = 0; i < n; i++) {
    chosen[i] = FALSE;
    if ((present[i] != 0) != there)
      continue;
    other[i] = !there;
    chosen[i] = is_met(pipeline, other);
    other[i] = there;
    any = any || chosen[i];
  }
  return any;
}

/* "; nothing was given: add --picture or --words" */
static void append_advice(GString *text, const WeftPipeline *pipeline, const gboolean *present, WeftGivenAs as)
{
  guint n = 0, n_inputs = pipeline->inputs->len;
  const char *what = NULL, *last = " or ";
  g_autofree gboolean *chosen = g_new0(gboolean, n_inputs);
  for (guint i = 0; i < n_inputs; i++)
    n += present[i] != 0;
  g_autofree char *given = names_of(pipeline, present, WEFT_GIVEN_BY_NONE, " and ");
  g_string_append_printf(text, "; %s %s given", n ? given : "nothing", n > 1 ? "were" : "was");
  if (!is_complete(pipeline, present)) {
    what = "add";
    last = " and ";
    for (guint i = 0; i < n_inputs; i++)
      chosen[i] = !present[i] && !weft_input_at(pipeline, i)->optional;
  } else if (would_do(pipeline, present, FALSE, chosen)) {
    what = "add";
  } else if (would_do(pipeline, present, TRUE, chosen)) {
    what = "leave out";
  }
  g_autofree char *names = names_of(pipeline, chosen, as, last);
  if (what && as != WEFT_GIVEN_BY_NONE)
    g_string_append_printf(text, ": %s %s", what, names);
}

gboolean weft_revision_require(const WeftRevision *revision, const gboolean *present, WeftGivenAs as, char **missing)
{
  const WeftPipeline *pipeline = revision->pipeline;
  if (is_met(pipeline, present))
    return TRUE;
  if (!missing)
    return FALSE;
  gboolean complete = is_complete(pipeline, present);
  GString *text = g_string_new("the pipeline ");
  g_autofree gboolean *listed = g_new0(gboolean, pipeline->inputs->len);
  for (guint i = 0; i < pipeline->inputs->len; i++)
    listed[i] = complete || (!present[i] && !weft_input_at(pipeline, i)->optional);
  g_autofree char *list = names_of(pipeline, listed, WEFT_GIVEN_BY_NONE, ", ");
  if (!complete)
    g_string_append_printf(text, "needs the input %s", list);
  else if (pipeline->require)
    g_string_append_printf(text, "requires %s", pipeline->require_at->text);
  else
    g_string_append_printf(text, "needs at least one of its inputs: %s", list);
  append_advice(text, pipeline, present, as);
  *missing = g_string_free(text, FALSE);
  return FALSE;
}
