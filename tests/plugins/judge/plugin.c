/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A filter, a node that is not pure, one that reads an asset, and a head whose
 * outputs conditions compare: for tests of the pipeline language.
 */
#include <weft/entry.h>
#include <weft/filter.h>

#include <stdlib.h>
#include <string.h>

#define TEXT_PORT(port_name, kind, term) \
  {.name = port_name, .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1}, .n_split_levels = 1, .rows_kind = kind, \
   .n_terms = 1, .terms = term}

struct judge {
  char letters[4];
  char *said;
  uint64_t n_said;
};

static const struct weft_host *host;
static const struct weft_rows_term text_rows = {0, WEFT_COUNT_ROWS, 1}, one_row = {-1, WEFT_COUNT_ITEMS, 1},
                                   five_rows = {-1, WEFT_COUNT_ITEMS, 5}, said_rows = {-1, WEFT_COUNT_ITEMS, 256};

static void destroy(void *instance)
{
  struct judge *self = instance;
  if (self)
    free(self->said);
  free(self);
}

static weft_status read_assets(struct weft_setup *setup, const struct weft_config *config, struct judge *self)
{
  struct weft_resource bytes;
  if (weft_parameter_find(config, "letters")) {
    weft_status status = host->resource_open(setup, "asset/letters", WEFT_RESOURCE_OPTIONAL, &bytes);
    if (status == WEFT_OK && bytes.data && bytes.n_bytes >= sizeof self->letters)
      memcpy(self->letters, bytes.data, sizeof self->letters);
    return status;
  }
  if (!weft_parameter_find(config, "text"))
    return WEFT_OK;
  weft_status status = host->resource_open(setup, "asset/text", 0, &bytes);
  if (status != WEFT_OK)
    return status;
  self->n_said = bytes.n_bytes > 256 ? 256 : bytes.n_bytes;
  self->said = malloc(self->n_said + 1);
  if (!self->said)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the text");
  memcpy(self->said, bytes.data, self->n_said);
  return WEFT_OK;
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  struct judge *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  memcpy(self->letters, "UADR", sizeof self->letters);
  weft_status status = read_assets(setup, config, self);
  if (status == WEFT_OK)
    *instance = self;
  else
    destroy(self);
  return status;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static void deactivate(void *instance) {}

static weft_status judge_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port ports[] = {
    {.name = "verdict", .dtype = {WEFT_DTYPE_INT, 32, 1}, .rank = 1, .dims = {-1}},
    TEXT_PORT("text", WEFT_ROWS_EXACT, &text_rows), TEXT_PORT("rules", WEFT_ROWS_BOUNDED, &one_row)};
  *out = (struct weft_ports){ports, 3};
  return WEFT_OK;
}

static weft_status text_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port ports[] = {TEXT_PORT("text", WEFT_ROWS_EXACT, &text_rows)};
  *out = (struct weft_ports){ports, 1};
  return WEFT_OK;
}

static weft_status says_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port ports[] = {TEXT_PORT("text", WEFT_ROWS_BOUNDED, &said_rows)};
  *out = (struct weft_ports){ports, 1};
  return WEFT_OK;
}

static weft_status gauge_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_attribute labels = {"labels", "[\"short\", \"long\", \"fraud\"]"};
  static const struct weft_port ports[] = {
    TEXT_PORT("label", WEFT_ROWS_BOUNDED, &five_rows),
    {.name = "probability", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 1, .dims = {-1}},
    {.name = "probabilities", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, 3}, .n_attributes = 1,
     .attributes = &labels},
    {.name = "length", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 1, .dims = {-1}},
    {.name = "loud", .dtype = {WEFT_DTYPE_BOOL, 8, 1}, .rank = 1, .dims = {-1}}};
  *out = (struct weft_ports){ports, 5};
  return WEFT_OK;
}

static weft_status both_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port ports[] = {
    {.name = "fused", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, 16}}};
  *out = (struct weft_ports){ports, 1};
  return WEFT_OK;
}

static weft_status both_process(void *instance, struct weft_call *call)
{
  struct weft_tensor *fused = &call->outputs[0].tensor;
  if (call->outputs[0].wanted && fused->n_bytes)
    memset(fused->data, 0, (size_t)fused->n_bytes);
  return WEFT_OK;
}

static const char *text_of(const struct weft_call *call, uint32_t item, int64_t *n)
{
  struct weft_rows rows = weft_rows_of(call->inputs[0], item);
  *n = rows.end - rows.begin;
  return (const char *)call->inputs[0]->data + rows.begin;
}

static void copy_text(struct weft_call *call, uint32_t output)
{
  struct weft_tensor *text = &call->outputs[output].tensor;
  for (uint32_t i = 0; call->outputs[output].wanted && i < call->n_items; i++) {
    int64_t n = 0;
    const char *from = text_of(call, i, &n);
    if (n)
      memcpy((char *)text->data + weft_rows_of(text, i).begin, from, (size_t)n);
  }
}

/* Sets the bytes of item `item` behind those of the items before it. */
static void put_text(struct weft_output *output, uint32_t item, const char *text, uint64_t n)
{
  if (!output->wanted)
    return;
  int64_t at = item ? output->splits[0][item] : 0;
  output->splits[0][0] = 0;
  if (n)
    memcpy((char *)output->tensor.data + at, text, n);
  output->splits[0][item + 1] = at + (int64_t)n;
  output->tensor.dims[0] = at + (int64_t)n;
}

static weft_status judge_process(void *instance, struct weft_call *call)
{
  const struct judge *self = instance;
  int32_t *verdicts = call->outputs[0].tensor.data;
  copy_text(call, 1);
  for (uint32_t i = 0; i < call->n_items; i++) {
    int64_t n = 0;
    const char *text = text_of(call, i, &n);
    int32_t verdict = WEFT_VERDICT_ALLOW;
    for (int32_t v = 0; n && v < WEFT_N_VERDICTS; v++)
      if (text[0] == self->letters[v])
        verdict = v;
    if (call->outputs[0].wanted)
      verdicts[i] = verdict;
    if (call->outputs[1].wanted && verdict == WEFT_VERDICT_REDACT)
      ((char *)call->outputs[1].tensor.data)[weft_rows_of(&call->outputs[1].tensor, i).begin] = '*';
    put_text(&call->outputs[2], i, text, verdict == WEFT_VERDICT_ALLOW ? 0 : 1);
  }
  return WEFT_OK;
}

static weft_status text_process(void *instance, struct weft_call *call)
{
  copy_text(call, 0);
  return WEFT_OK;
}

static weft_status says_process(void *instance, struct weft_call *call)
{
  const struct judge *self = instance;
  for (uint32_t i = 0; i < call->n_items; i++)
    put_text(&call->outputs[0], i, self->said, self->n_said);
  return WEFT_OK;
}

static weft_status gauge_process(void *instance, struct weft_call *call)
{
  float *probability = call->outputs[1].tensor.data, *all = call->outputs[2].tensor.data,
        *length = call->outputs[3].tensor.data;
  uint8_t *loud = call->outputs[4].tensor.data;
  for (uint32_t i = 0; i < call->n_items; i++) {
    int64_t n = 0;
    const char *text = text_of(call, i, &n);
    const char *label = n && text[0] == 'F' ? "fraud" : n < 5 ? "short" : "long";
    put_text(&call->outputs[0], i, label, strlen(label));
    if (call->outputs[1].wanted)
      probability[i] = (float)n / 10;
    for (int k = 0; call->outputs[2].wanted && k < 3; k++)
      all[3 * i + (uint32_t)k] = 1.0f / 3;
    if (call->outputs[3].wanted)
      length[i] = (float)n;
    if (call->outputs[4].wanted)
      loud[i] = n && text[0] >= 'A' && text[0] <= 'Z';
  }
  return WEFT_OK;
}

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

#define NODE(ports, process) {sizeof(struct weft_node), 0, create, ports, activate, process, deactivate, destroy}

static const struct weft_node *get_node(const char *node_id)
{
  static const struct {
    const char *id;
    struct weft_node node;
  } nodes[] = {{"judge", NODE(judge_ports, judge_process)}, {"judge-wrong", NODE(text_ports, text_process)},
               {"acts", NODE(text_ports, text_process)},
               {"says", NODE(says_ports, says_process)},
               {"both", NODE(both_ports, both_process)}, {"gauge", NODE(gauge_ports, gauge_process)}};
  for (unsigned i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
    if (strcmp(nodes[i].id, node_id) == 0)
      return &nodes[i].node;
  return NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
