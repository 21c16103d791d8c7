/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A filter that does what the text says: one that begins with `!redact`,
 * `!refuse`, `!undecided`, `!range` (a verdict nobody knows), `!never` (none is
 * written), `!fail`, `!call` (the call fails), `!null`, `!shape`, `!abort`,
 * `!hang`; any other text is allowed.
 */
#include <weft/entry.h>
#include <weft/filter.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct weft_host *host;

static weft_status filter_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static char shared_instance;
  *instance = &shared_instance;
  return WEFT_OK;
}

static weft_status filter_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_rows_term same[] = {{0, WEFT_COUNT_ROWS, 1}}, few[] = {{-1, WEFT_COUNT_ITEMS, 32}};
  static const struct weft_port outputs[] = {
    {.name = "verdict", .dtype = {WEFT_DTYPE_INT, 32, 1}, .rank = 1, .dims = {-1}},
    {.name = "text", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1}, .n_split_levels = 1, .n_terms = 1, .terms = same},
    {.name = "rules", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1}, .n_split_levels = 1,
     .rows_kind = WEFT_ROWS_BOUNDED, .n_terms = 1, .terms = few}};
  out->outputs = outputs;
  out->n_outputs = 3;
  return WEFT_OK;
}

static weft_status filter_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                   uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

struct item {
  const char *text;
  int64_t n;
};

static int says(const struct item *item, const char *word)
{
  size_t n = strlen(word);
  return item->n > (int64_t)n && item->text[0] == '!' && memcmp(item->text + 1, word, n) == 0;
}

/* Anything that the text may want beside a verdict. */
static weft_status misbehave(const struct weft_call *call, uint32_t i, const struct item *item)
{
  if (says(item, "abort"))
    abort();
  while (says(item, "hang"))
    pause();
  if (says(item, "fail"))
    host->fail_item(call, i, WEFT_INTERNAL, "filter: \"%.*s\" fails, as it was told to", (int)item->n, item->text);
  if (says(item, "call"))
    return host->fail_call(call, WEFT_INTERNAL, "filter: the call fails, as it was told to");
  return WEFT_OK;
}

static int verdict_of(const struct item *item)
{
  return says(item, "redact")      ? WEFT_VERDICT_REDACT
         : says(item, "refuse")    ? WEFT_VERDICT_REFUSE
         : says(item, "undecided") ? WEFT_VERDICT_UNDECIDED
         : says(item, "range")     ? WEFT_N_VERDICTS
                                   : WEFT_VERDICT_ALLOW;
}

static weft_status filter_process(void *instance, struct weft_call *call)
{
  struct weft_output *verdict = &call->outputs[0], *text = &call->outputs[1], *rules = &call->outputs[2];
  int64_t n_rules = 0;
  int null = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i), to = weft_rows_of(&text->tensor, i);
    struct item item = {(const char *)call->inputs[0]->data + rows.begin, rows.end - rows.begin};
    weft_status status = misbehave(call, i, &item);
    if (status != WEFT_OK)
      return status;
    int word = verdict_of(&item);
    const char *spoke = word == WEFT_VERDICT_REDACT ? "letters" : word == WEFT_VERDICT_REFUSE ? "marked,first" : "";
    if (verdict->wanted && !says(&item, "never"))
      ((int32_t *)verdict->tensor.data)[i] = word;
    for (int64_t k = 0; text->wanted && k < item.n; k++)
      ((char *)text->tensor.data)[to.begin + k] = word == WEFT_VERDICT_REDACT ? '*' : item.text[k];
    if (rules->wanted) {
      rules->splits[0][i] = n_rules;
      memcpy((char *)rules->tensor.data + n_rules, spoke, strlen(spoke));
      n_rules += (int64_t)strlen(spoke);
      rules->splits[0][i + 1] = n_rules;
      rules->tensor.dims[0] = n_rules;
    }
    null |= says(&item, "null");
    if (says(&item, "shape"))
      verdict->tensor.rank = 2;
  }
  if (null)
    verdict->tensor.data = NULL;
  return WEFT_OK;
}

static void filter_deactivate(void *instance) {}
static void filter_destroy(void *instance) {}

static weft_status filter_init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *filter_get_node(const char *node_id)
{
  static const struct weft_node node = {sizeof node,     0,              filter_create,     filter_ports,
                                        filter_activate, filter_process, filter_deactivate, filter_destroy};
  return strcmp(node_id, "filter") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, filter_init, NULL, filter_get_node, NULL};
