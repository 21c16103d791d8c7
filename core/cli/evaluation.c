/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluation.h"

#include "manifest.h"
#include <string.h>

static void target_free(gpointer data)
{
  WeftTarget *t = data;
  g_ptr_array_unref(t->classes);
  weft_scores_free(t->scores);
  g_array_unref(t->lines);
  g_free(t->confidence_key);
  g_free(t->probabilities_key);
  g_strfreev(t->labels);
  g_ptr_array_unref(t->expected);
  g_ptr_array_unref(t->given);
  g_array_unref(t->confidence);
  g_array_unref(t->probabilities);
  g_array_unref(t->expected_number);
  g_array_unref(t->given_number);
  g_free(t);
}

static WeftTarget *target_new(const char *name, WeftTargetKind kind)
{
  WeftTarget *t = g_new0(WeftTarget, 1);
  t->name = name;
  t->kind = kind;
  t->classes = g_ptr_array_new();
  t->lines = g_array_new(FALSE, FALSE, sizeof(guint));
  t->expected = g_ptr_array_new();
  t->given = g_ptr_array_new();
  t->confidence = g_array_new(FALSE, FALSE, sizeof(double));
  t->probabilities = g_array_new(FALSE, FALSE, sizeof(double));
  t->expected_number = g_array_new(FALSE, FALSE, sizeof(double));
  t->given_number = g_array_new(FALSE, FALSE, sizeof(double));
  return t;
}

/* The names of the classes as the port tells them, or NULL. */
static char **labels_of(const struct weft_port *port)
{
  const char *text = weft_attribute_find(port, WEFT_ATTRIBUTE_LABELS);
  json_t *list = text ? json_loads(text, 0, NULL) : NULL;
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (size_t i = 0; i < json_array_size(list); i++)
    g_ptr_array_add(names, g_strdup(json_string_value(json_array_get(list, i))));
  gboolean complete = names->len > 0 && !g_ptr_array_find(names, NULL, NULL);
  json_decref(list);
  g_ptr_array_add(names, NULL);
  char **all = (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
  if (complete)
    return all;
  g_strfreev(all);
  return NULL;
}

static void find_head(WeftTarget *target, WeftRevision *revision, const char *node)
{
  guint n = 0;
  const WeftRevisionExplain *ports = weft_revision_explain(revision, &n);
  for (guint i = 0; i < n; i++) {
    if (strcmp(ports[i].node, node) != 0)
      continue;
    char **key = strcmp(ports[i].port_name, "probability") == 0     ? &target->confidence_key
                 : strcmp(ports[i].port_name, "probabilities") == 0 ? &target->probabilities_key
                                                                    : NULL;
    if (!key)
      continue;
    *key = g_strdup_printf("%s.%s", node, ports[i].port_name);
    if (key == &target->probabilities_key && !(target->labels = labels_of(ports[i].port)))
      g_clear_pointer(key, g_free);
  }
}

/* Whether some output is the label of this node. */
static gboolean answers_label(WeftRevision *revision, const char *node)
{
  guint n = 0;
  const WeftRevisionOutput *outputs = weft_revision_outputs(revision, &n);
  for (guint i = 0; i < n; i++)
    if (strcmp(outputs[i].node, node) == 0 && strcmp(outputs[i].port->name, "label") == 0)
      return TRUE;
  return FALSE;
}

static WeftTarget *target_of(WeftRevision *revision, const WeftRevisionOutput *output)
{
  const struct weft_port *port = output->port;
  WeftTarget *target = NULL;
  if (weft_dtype_equal(port->dtype, weft_u8()) && port->rank == 1 && port->n_split_levels > 0) {
    target = target_new(output->name, WEFT_TARGET_LABEL);
    if (strcmp(port->name, "label") == 0)
      find_head(target, revision, output->node);
  } else if (port->rank == 1 && port->n_split_levels == 0 && port->dtype.code != WEFT_DTYPE_BOOL) {
    target = target_new(output->name, WEFT_TARGET_NUMBER);
    target->beside = strcmp(port->name, "probability") == 0 && answers_label(revision, output->node);
  } else if (port->rank == 2 && port->n_split_levels == 0 && port->dtype.code == WEFT_DTYPE_FLOAT) {
    char **labels = labels_of(port);
    if (labels) {
      target = target_new(output->name, WEFT_TARGET_PROBABILITIES);
      target->labels = labels;
      target->beside = answers_label(revision, output->node);
    }
  }
  return target;
}

WeftEvaluation *weft_evaluation_new(WeftRevision *revision)
{
  WeftEvaluation *evaluation = g_new0(WeftEvaluation, 1);
  guint n = 0;
  const WeftRevisionOutput *outputs = weft_revision_outputs(revision, &n);
  evaluation->targets = g_ptr_array_new_with_free_func(target_free);
  evaluation->errors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < n; i++) {
    WeftTarget *target = target_of(revision, &outputs[i]);
    if (target)
      g_ptr_array_add(evaluation->targets, target);
  }
  return evaluation;
}

void weft_evaluation_free(WeftEvaluation *evaluation)
{
  if (!evaluation)
    return;
  g_ptr_array_unref(evaluation->targets);
  g_hash_table_unref(evaluation->errors);
  g_free(evaluation);
}

static WeftTarget *target_at(const WeftEvaluation *evaluation, guint i)
{
  return evaluation->targets->pdata[i];
}

static gboolean bad(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean bad(GError **error, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error_literal(error, WEFT_ERROR, WEFT_BAD_INPUT, message);
  return FALSE;
}

static gboolean fits(const WeftTarget *target, const json_t *value)
{
  return target->kind == WEFT_TARGET_NUMBER ? json_is_number(value)
                                            : json_is_string(value) || json_is_integer(value) || json_is_boolean(value);
}

static gboolean has_number(const WeftEvaluation *evaluation)
{
  for (guint i = 0; i < evaluation->targets->len; i++)
    if (target_at(evaluation, i)->kind == WEFT_TARGET_NUMBER && !target_at(evaluation, i)->beside)
      return TRUE;
  return FALSE;
}

/* What is expected of one target; NULL: nothing. */
static const json_t *expectation(const WeftEvaluation *evaluation, const WeftTarget *target, const json_t *expect)
{
  if (json_is_object(expect)) {
    const json_t *value = json_object_get(expect, target->name);
    return json_is_null(value) ? NULL : value;
  }
  if (!expect || json_is_null(expect) || target->beside || !fits(target, expect))
    return NULL;
  if (json_is_number(expect) && target->kind != WEFT_TARGET_NUMBER && has_number(evaluation))
    return NULL;
  return expect;
}

gboolean weft_evaluation_check(const WeftEvaluation *evaluation, const json_t *expect, GError **error)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  gboolean any = FALSE;
  for (guint i = 0; i < evaluation->targets->len; i++) {
    any = any || expectation(evaluation, target_at(evaluation, i), expect);
    g_ptr_array_add(names, (gpointer)target_at(evaluation, i)->name);
  }
  if (json_is_object(expect)) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)expect, key, value)
    {
      guint at = 0;
      while (at < names->len && strcmp(names->pdata[at], key) != 0)
        at++;
      const char *closest = at < names->len ? NULL : weft_closest(key, (const char *const *)names->pdata, names->len);
      if (at == names->len)
        return bad(error, "$expect: \"%s\" is no output that can be compared (a label, probabilities or a number)%s%s%s",
                   key, closest ? "; did you mean \"" : "", closest ? closest : "", closest ? "\"?" : "");
      if (!json_is_null(value) && !fits(target_at(evaluation, at), value))
        return bad(error, "$expect: the output \"%s\" answers with a %s, expected one here", key,
                   target_at(evaluation, at)->kind == WEFT_TARGET_NUMBER ? "number" : "label");
    }
    return TRUE;
  }
  if (any || !expect || json_is_null(expect))
    return TRUE;
  return bad(error, "$expect: no output can be compared with %s; give a label, a number, or a map output -> label",
             json_is_array(expect) ? "a list" : json_is_string(expect) ? "a text" : "this value");
}

static const char *text_of(const json_t *value)
{
  char number[32];
  if (json_is_string(value))
    return g_intern_string(json_string_value(value));
  if (json_is_boolean(value))
    return json_is_true(value) ? "true" : "false";
  g_snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
  return g_intern_string(number);
}

static void append_number(GArray *array, double value)
{
  g_array_append_val(array, value);
}

/* The index of the largest number of a list. */
static guint best_of(const json_t *list)
{
  guint best = 0;
  for (guint i = 1; i < json_array_size(list); i++)
    if (json_number_value(json_array_get(list, i)) > json_number_value(json_array_get(list, best)))
      best = i;
  return best;
}

static void add_label(WeftTarget *t, const json_t *value, const json_t *recorded, const json_t *expected)
{
  const json_t *all = t->kind == WEFT_TARGET_PROBABILITIES ? value
                      : t->probabilities_key               ? json_object_get(recorded, t->probabilities_key)
                                                           : NULL;
  guint n = t->labels ? g_strv_length(t->labels) : 0;
  double confidence = t->confidence_key ? json_number_value(json_object_get(recorded, t->confidence_key)) : 0;
  if (t->kind == WEFT_TARGET_PROBABILITIES) {
    guint best = best_of(value);
    confidence = json_number_value(json_array_get(value, best));
    g_ptr_array_add(t->given, (gpointer)g_intern_string(best < n ? t->labels[best] : ""));
  } else {
    g_ptr_array_add(t->given, (gpointer)text_of(value));
  }
  g_ptr_array_add(t->expected, (gpointer)text_of(expected));
  append_number(t->confidence, confidence);
  for (guint c = 0; c < n; c++)
    append_number(t->probabilities, json_number_value(json_array_get(all, c)));
}

static void add_value(WeftTarget *t, guint index, const json_t *expected, const json_t *answer)
{
  const json_t *value = json_object_get(json_object_get(answer, "outputs"), t->name);
  if (!value || json_is_null(value)) {
    t->n_abstained++;
    return;
  }
  t->n_answered++;
  g_array_append_val(t->lines, index);
  if (t->kind != WEFT_TARGET_NUMBER) {
    add_label(t, value, json_object_get(json_object_get(answer, "explain"), "values"), expected);
    return;
  }
  append_number(t->expected_number, json_number_value(expected));
  append_number(t->given_number, json_number_value(value));
}

static void count_error(WeftEvaluation *evaluation, const json_t *answer)
{
  const json_t *error = json_object_get(answer, "error");
  const char *code = json_string_value(json_object_get(error, "code"));
  const char *message = json_string_value(json_object_get(error, "message"));
  if (!message)
    message = json_string_value(json_object_get(answer, "message"));
  g_autofree char *text = g_strdup_printf("%s: %s", code ? code : "refused", message ? message : "no message");
  gpointer count = g_hash_table_lookup(evaluation->errors, text);
  g_hash_table_insert(evaluation->errors, g_steal_pointer(&text), GUINT_TO_POINTER(GPOINTER_TO_UINT(count) + 1));
}

void weft_evaluation_add(WeftEvaluation *evaluation, guint index, const json_t *expect, const json_t *answer)
{
  const char *status = json_string_value(json_object_get(answer, "status"));
  gboolean refused = g_strcmp0(status, "refused") == 0, degraded = g_strcmp0(status, "degraded") == 0;
  gboolean answered = degraded || g_strcmp0(status, "ok") == 0;
  evaluation->n_lines++;
  evaluation->n_ok += answered;
  evaluation->n_degraded += degraded;
  evaluation->n_refused += refused;
  evaluation->n_failed += !answered && !refused;
  evaluation->n_unlabelled += !expect || json_is_null(expect);
  if (!answered)
    count_error(evaluation, answer);
  for (guint i = 0; i < evaluation->targets->len; i++) {
    WeftTarget *t = target_at(evaluation, i);
    const json_t *expected = expectation(evaluation, t, expect);
    if (!expected)
      continue;
    t->n_expected++;
    t->n_failed += !answered && !refused;
    t->n_refused += refused;
    if (answered)
      add_value(t, index, expected, answer);
  }
}

static int by_text(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The head's classes in its order, then every other that was expected or given, by name. */
static GHashTable *number_classes(WeftTarget *t)
{
  GHashTable *index = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GPtrArray) others = g_ptr_array_new();
  for (guint c = 0; t->labels && t->labels[c]; c++)
    if (!g_hash_table_contains(index, t->labels[c])) {
      g_hash_table_insert(index, t->labels[c], GUINT_TO_POINTER(t->classes->len));
      g_ptr_array_add(t->classes, t->labels[c]);
    }
  for (guint i = 0; i < t->expected->len; i++)
    t->n_unknown += t->labels && !g_hash_table_contains(index, t->expected->pdata[i]);
  for (guint i = 0; i < 2 * t->expected->len; i++) {
    gpointer name = i % 2 ? t->given->pdata[i / 2] : t->expected->pdata[i / 2];
    if (!g_hash_table_contains(index, name)) {
      g_hash_table_insert(index, name, NULL);
      g_ptr_array_add(others, name);
    }
  }
  g_ptr_array_sort(others, by_text);
  for (guint i = 0; i < others->len; i++) {
    g_hash_table_insert(index, others->pdata[i], GUINT_TO_POINTER(t->classes->len));
    g_ptr_array_add(t->classes, others->pdata[i]);
  }
  return index;
}

static void finish_target(WeftTarget *t, const char *positive)
{
  g_autoptr(GHashTable) index = number_classes(t);
  gboolean all = t->kind == WEFT_TARGET_PROBABILITIES || t->probabilities_key;
  guint n_columns = all && t->labels ? g_strv_length(t->labels) : 0;
  WeftScores *s = t->scores = weft_scores_new(t->n_answered, t->classes->len, n_columns);
  s->numbers = t->kind == WEFT_TARGET_NUMBER;
  s->confident = !s->numbers && (all || t->confidence_key);
  s->positive = t->classes->len ? t->classes->len - 1 : 0;
  if (positive && g_hash_table_contains(index, positive))
    s->positive = GPOINTER_TO_UINT(g_hash_table_lookup(index, positive));
  for (guint i = 0; s->numbers && i < s->n; i++) {
    s->expected_number[i] = g_array_index(t->expected_number, double, i);
    s->given_number[i] = g_array_index(t->given_number, double, i);
  }
  for (guint i = 0; !s->numbers && i < s->n; i++) {
    s->expected[i] = GPOINTER_TO_UINT(g_hash_table_lookup(index, t->expected->pdata[i]));
    s->given[i] = GPOINTER_TO_UINT(g_hash_table_lookup(index, t->given->pdata[i]));
    s->confidence[i] = g_array_index(t->confidence, double, i);
  }
  if (n_columns && s->n)
    memcpy(s->probabilities, t->probabilities->data, (gsize)s->n * n_columns * sizeof(double));
  weft_scores_sort(s);
}

void weft_evaluation_finish(WeftEvaluation *evaluation, const char *positive)
{
  for (guint i = 0; i < evaluation->targets->len; i++)
    finish_target(target_at(evaluation, i), positive);
}
