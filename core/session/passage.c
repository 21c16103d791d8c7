/* SPDX-License-Identifier: Apache-2.0 */
#include "passage.h"

#include "manifest.h"
#include "note.h"
#include <string.h>
#include <weft/filter.h>

static const char *const verdict_names[WEFT_N_VERDICTS] = {"undecided", "allow", "redact", "refuse"};

gboolean weft_passage_is_refused(const WeftPassage *passage)
{
  return weft_frame_status(passage->frame, passage->item) == WEFT_REFUSED;
}

gboolean weft_passage_is_allowed(const WeftPassage *passage)
{
  guint n = 0;
  weft_revision_filters(passage->revision, &n);
  return n == 0 || weft_frame_status(passage->frame, passage->item) == WEFT_OK;
}

/* Ids are separated by commas; blanks around them are no part of them. */
static json_t *rules_of(const struct weft_verdict *verdict)
{
  json_t *list = json_array();
  g_autofree char *text = g_utf8_make_valid(verdict->rules ? verdict->rules : "", (gssize)verdict->n_rules);
  g_auto(GStrv) ids = g_strsplit(text, ",", -1);
  for (guint i = 0; ids[i]; i++) {
    g_strstrip(ids[i]);
    if (*ids[i])
      json_array_append_new(list, json_string(ids[i]));
  }
  return list;
}

static json_t *verdict_of(const WeftRevisionFilter *filter, const struct weft_verdict *verdict)
{
  return json_pack("{s:s, s:s, s:o}", "node", filter->node, "verdict", verdict_names[verdict->verdict], "rules",
                   rules_of(verdict));
}

json_t *weft_passage_verdicts(const WeftPassage *passage)
{
  guint n = 0;
  const WeftRevisionFilter *filters = weft_revision_filters(passage->revision, &n);
  json_t *list = json_array();
  for (guint i = 0; i < n; i++) {
    struct weft_verdict verdict;
    if (weft_frame_verdict(passage->frame, filters[i].graph_node, passage->item, &verdict) && verdict.verdict >= 0)
      json_array_append_new(list, verdict_of(&filters[i], &verdict));
  }
  return list;
}

json_t *weft_passage_refusal(const WeftPassage *passage, const char **message)
{
  guint n = 0;
  const WeftRevisionFilter *filters = weft_revision_filters(passage->revision, &n);
  *message = NULL;
  for (guint i = 0; i < n; i++) {
    struct weft_verdict verdict;
    if (!weft_frame_verdict(passage->frame, filters[i].graph_node, passage->item, &verdict) || !verdict.refused)
      continue;
    *message = weft_revision_message(passage->revision, filters[i].graph_node, (guint)verdict.verdict, passage->language);
    return verdict_of(&filters[i], &verdict);
  }
  return json_object();
}

json_t *weft_passage_errors(const WeftPassage *passage)
{
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(passage->revision, &n);
  json_t *list = json_array();
  for (guint i = 0; i < n; i++) {
    struct weft_note note;
    if (nodes[i].graph_node == G_MAXUINT)
      continue;
    weft_frame_note(passage->frame, nodes[i].graph_node, passage->item, &note);
    if (note.status == WEFT_OK)
      continue;
    json_t *one = json_pack("{s:s, s:s}", "node", nodes[i].name, "code", weft_status_name(note.status));
    /* A plugin's message may quote what it was given. */
    g_autofree char *message = g_utf8_make_valid(note.message, -1);
    if (!weft_passage_is_refused(passage))
      json_object_set_new(one, "message", json_string(message));
    if (note.n_retries)
      json_object_set_new(one, "retries", json_integer(note.n_retries));
    json_array_append_new(list, one);
  }
  return list;
}

/* The key under `in:`, where the node tells its weights by these names; otherwise the reference. */
static const char *input_name(const WeftPassage *passage, const WeftRevisionNode *node, guint k)
{
  guint n = 0;
  const WeftRevisionWeights *weights = weft_revision_weights(passage->revision, &n);
  for (guint i = 0; i < n; i++)
    if (strcmp(weights[i].node, node->name) == 0)
      return weights[i].names[k];
  return node->inputs[k];
}

static void tell_absent(const WeftPassage *passage, const WeftRevisionNode *node, json_t *all)
{
  static const char *const words[] = {NULL, NULL, "late", "dead", "failed"};
  struct weft_note note;
  weft_frame_note(passage->frame, node->graph_node, passage->item, &note);
  gboolean ran = note.passage == WEFT_PASSAGE_RAN, fusion = ran && strcmp(node->kind, WEFT_KIND_FUSION) == 0;
  json_t *one = json_object();
  for (guint k = 0; node->inputs[k] && (fusion || note.held || note.lacked); k++) {
    gboolean held = k < 64 && note.held >> k & 1, lacked = k < 64 && note.lacked >> k & 1;
    enum weft_absence absence = weft_frame_absence(passage->frame, node->graph_node, k, passage->item);
    const char *word = absence == WEFT_ABSENCE_NEVER ? (ran ? "masked" : "absent") : words[absence];
    if (held || ((fusion || lacked) && word))
      json_object_set_new(one, input_name(passage, node, k), json_string(held ? "held" : word));
  }
  if (json_object_size(one) > 0)
    json_object_set(all, node->name, one);
  json_decref(one);
}

json_t *weft_passage_absent(const WeftPassage *passage)
{
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(passage->revision, &n);
  json_t *all = json_object();
  for (guint i = 0; i < n; i++)
    if (nodes[i].graph_node != G_MAXUINT && nodes[i].inputs)
      tell_absent(passage, &nodes[i], all);
  return all;
}

const char *weft_passage_of(const WeftPassage *passage, guint graph_node)
{
  struct weft_note note;
  if (graph_node == G_MAXUINT)
    return NULL;
  weft_frame_note(passage->frame, graph_node, passage->item, &note);
  switch (note.passage) {
  case WEFT_PASSAGE_RAN: return "ran";
  case WEFT_PASSAGE_ABSENT: return "absent";
  case WEFT_PASSAGE_WHEN: return "when";
  case WEFT_PASSAGE_FAILED: return "failed";
  default: return weft_passage_is_refused(passage) ? "refused" : "ended";
  }
}
