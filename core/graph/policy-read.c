/* SPDX-License-Identifier: Apache-2.0 */
/* `on_missing`, `on_error`, `on_verdict` and `batch` of a node, as written. */
#include "literal.h"
#include "read.h"

#include <string.h>

const char *const weft_verdict_names[WEFT_N_VERDICTS + 1] = {"undecided", "allow", "redact", "refuse", NULL};

void weft_policy_free(WeftNodePolicy *policy)
{
  if (!policy)
    return;
  weft_when_free(policy->when);
  g_clear_pointer(&policy->on_missing, g_array_unref);
  g_free(policy);
}

/* A word that is none of `words`. */
static void bad_word(WeftReader *reader, const WeftYaml *value, const char *node, const char *what,
                     const char *const *words, const char *expected)
{
  WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "bad-value", "%s is %s, found \"%s\"", what, expected,
                                     value->text);
  weft_diagnostic_at(fault, node, NULL);
  weft_diagnostic_closest(fault, value->text, words, g_strv_length((char **)(gpointer)words));
}

static gboolean take_missing(WeftReader *reader, const WeftYaml *value, const char *node, const char *what,
                             struct weft_input_policy *policy)
{
  static const char *const words[] = {"mask", "degrade", "fail", "hold", NULL};
  const char *text = weft_read_text(reader, value, node, what, "mask, hold 30 s, degrade or fail");
  if (!text)
    return FALSE;
  if (strcmp(text, "hold") == 0 || g_str_has_prefix(text, "hold ")) {
    const char *time = text + strlen("hold");
    time += strspn(time, " ");
    policy->missing = WEFT_MISSING_HOLD;
    if (!*time) {
      WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "bad-value", "%s: hold needs how long", what);
      weft_diagnostic_hint(weft_diagnostic_at(fault, node, NULL), "such as hold 30 s");
      return FALSE;
    }
    g_autofree char *name = g_strconcat(what, ": hold", NULL);
    policy->hold_ns = weft_read_time_ns(reader, value, time, node, name);
    return policy->hold_ns > 0;
  }
  policy->missing = strcmp(text, "degrade") == 0 ? WEFT_MISSING_DEGRADE
                    : strcmp(text, "fail") == 0  ? WEFT_MISSING_FAIL
                                                 : WEFT_MISSING_MASK;
  if (g_strv_contains(words, text))
    return TRUE;
  bad_word(reader, value, node, what, words, "mask, hold TIME, degrade or fail");
  return FALSE;
}

void weft_read_on_missing(WeftReader *reader, const WeftYaml *value, const char *node, WeftNodePolicy *policy)
{
  policy->on_missing = g_array_new(FALSE, TRUE, sizeof(WeftMissingDecl));
  if (value->kind == WEFT_YAML_LIST) {
    weft_read_map(reader, value, node, "on_missing", "mask or {speech: hold 30 s}");
    return;
  }
  guint n = value->kind == WEFT_YAML_MAP ? weft_yaml_n(value) : 1;
  for (guint i = 0; i < n; i++) {
    WeftMissingDecl decl = {.at = value};
    g_autofree char *what = NULL;
    const WeftYaml *given = value;
    if (value->kind == WEFT_YAML_MAP) {
      decl.at = weft_yaml_key(value, i);
      decl.key = decl.at->text;
      given = weft_yaml_item(value, i);
      what = g_strdup_printf("on_missing of \"%s\"", decl.key);
    }
    if (take_missing(reader, given, node, what ? what : "on_missing", &decl.policy))
      g_array_append_val(policy->on_missing, decl);
  }
}

/* N of `retry N` or `retry N then absent`; 0: it is not that. */
static guint take_retries(const char *text, gboolean *absent)
{
  g_auto(GStrv) words = g_strsplit(text, " ", -1);
  guint n_words = g_strv_length(words);
  guint64 n = 0;
  *absent = n_words == 4 && strcmp(words[2], "then") == 0 && strcmp(words[3], "absent") == 0;
  if ((n_words != 2 && !*absent) || strcmp(words[0], "retry") != 0 ||
      !g_ascii_string_to_unsigned(words[1], 10, 1, G_MAXUINT, &n, NULL))
    return 0;
  return (guint)n;
}

void weft_read_on_error(WeftReader *reader, const WeftYaml *value, const char *node, WeftNodePolicy *policy)
{
  static const char *const words[] = {"fail", "absent", NULL};
  const char *text = weft_read_text(reader, value, node, "on_error", "absent or retry 2");
  gboolean absent = FALSE;
  policy->on_error_at = value;
  if (!text)
    return;
  policy->n_retries = take_retries(text, &absent);
  if (absent || strcmp(text, "absent") == 0)
    policy->on_error = WEFT_ON_ERROR_ABSENT;
  if (policy->n_retries > WEFT_RETRIES_MAX)
    weft_diagnostic_at(weft_fault(reader->diagnostics, value, "too-many", "on_error: %u retries, at most %d are made "
                                  "(WEFT_RETRIES_MAX)", policy->n_retries, WEFT_RETRIES_MAX), node, NULL);
  else if (!policy->n_retries && !g_strv_contains(words, text))
    bad_word(reader, value, node, "on_error", words, "fail, absent, retry N or retry N then absent");
}

/* ASSET.KEY */
static void take_message(WeftReader *reader, const WeftYaml *value, const char *node, WeftVerdictDecl *decl)
{
  static const char *const words[] = {"continue", "refuse", NULL};
  const char *dot = strchr(value->text, '.');
  if (!dot || dot == value->text || !dot[1]) {
    bad_word(reader, value, node, "what to do on a verdict", words, "continue, refuse or ASSET.KEY (a message)");
    return;
  }
  g_autofree char *name = g_strndup(value->text, (gsize)(dot - value->text));
  guint found = GPOINTER_TO_UINT(g_hash_table_lookup(reader->pipeline->asset_index, name));
  decl->key = dot + 1;
  decl->asset = (int)found - 1;
  if (found) {
    weft_asset_at(reader->pipeline, found - 1)->used = TRUE;
    return;
  }
  weft_unknown_asset(reader->diagnostics, reader->pipeline, value, name, node);
}

void weft_read_on_verdict(WeftReader *reader, const WeftYaml *value, const char *node, WeftNodePolicy *policy)
{
  policy->on_verdict_at = value;
  if (!weft_read_map(reader, value, node, "on_verdict", "{refuse: replies.blocked, redact: continue}"))
    return;
  static const char *const later[] = {NULL};
  weft_read_keys(reader, value, "on_verdict", node, weft_verdict_names, later);
  for (guint v = 0; v < WEFT_N_VERDICTS; v++) {
    const WeftYaml *given = weft_yaml_get(value, weft_verdict_names[v]);
    const char *text = given ? weft_read_text(reader, given, node, weft_verdict_names[v], "continue or refuse") : NULL;
    WeftVerdictDecl *decl = &policy->verdicts[v];
    decl->asset = -1;
    if (!text)
      continue;
    decl->at = given;
    decl->refuses = strcmp(text, "continue") != 0;
    if (decl->refuses && strcmp(text, "refuse") != 0)
      take_message(reader, given, node, decl);
  }
}

static gboolean take_count(WeftReader *reader, const WeftYaml *value, const char *node, const char *what, gint64 most,
                           gint64 *out)
{
  WeftLiteral literal = {.type = WEFT_LITERAL_TEXT};
  if (value->kind == WEFT_YAML_SCALAR)
    literal = weft_literal_of(value);
  *out = literal.integer;
  if (literal.type == WEFT_LITERAL_INT && literal.integer >= 1 && literal.integer <= most)
    return TRUE;
  WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "bad-value", "%s is a whole number from 1 to %"
                                     G_GINT64_FORMAT ", found %s", what, most,
                                     value->kind == WEFT_YAML_SCALAR ? value->text : weft_yaml_kind_name(value));
  weft_diagnostic_at(fault, node, NULL);
  return FALSE;
}

static void take_wait(WeftReader *reader, const WeftYaml *value, const char *node, WeftNodePolicy *policy)
{
  const char *text = weft_read_text(reader, value, node, "wait of batch", "2 ms");
  if (text)
    policy->batch_wait_ns = weft_read_time_ns(reader, value, text, node, "wait of batch");
  if (policy->batch_wait_ns > WEFT_BATCH_MAX_WAIT_S * G_GUINT64_CONSTANT(1000000000))
    weft_diagnostic_at(weft_fault(reader->diagnostics, value, "bad-time", "wait of batch \"%s\" is longer than %d s "
                                  "(WEFT_BATCH_MAX_WAIT_S)", text, WEFT_BATCH_MAX_WAIT_S), node, NULL);
}

void weft_read_batch(WeftReader *reader, const WeftYaml *value, const char *node, WeftNodePolicy *policy)
{
  static const char *const known[] = {"items", "wait", "cost", NULL}, *const later[] = {NULL};
  policy->batch_at = value;
  if (value->kind == WEFT_YAML_SCALAR && weft_literal_of(value).type == WEFT_LITERAL_BOOL) {
    policy->batch = weft_literal_of(value).boolean;
    return;
  }
  if (!weft_read_map(reader, value, node, "batch", "{items: 32, wait: 2 ms, cost: 8192}, or true or false"))
    return;
  policy->batch = TRUE;
  weft_read_keys(reader, value, "batch", node, known, later);
  const WeftYaml *items = weft_yaml_get(value, "items"), *wait = weft_yaml_get(value, "wait");
  gint64 n = 0;
  policy->cost_at = weft_yaml_get(value, "cost");
  if (items && take_count(reader, items, node, "items of batch", WEFT_BATCH_MAX_ITEMS, &n))
    policy->n_batch_items = (guint)n;
  if (wait)
    take_wait(reader, wait, node, policy);
  if (policy->cost_at)
    take_count(reader, policy->cost_at, node, "cost of batch", G_GINT64_CONSTANT(1) << 40, &policy->batch_cost);
}
