/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small nodes under the names of the second pipeline of the design, so that
 * its file can be resolved and run as it stands.
 */
#include <weft/entry.h>
#include <weft/filter.h>

#include <stdlib.h>
#include <string.h>

#define D_POOLED 4
#define TEXT_PORT(port_name, kind, term) \
  {.name = port_name, .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1}, .n_split_levels = 1, .rows_kind = kind, \
   .n_terms = 1, .terms = term}

struct service {
  char *asset; /* of its parameter; NULL: it has none */
  uint64_t n_asset;
};

static const struct weft_host *host;
static const struct weft_rows_term same = {0, WEFT_COUNT_ROWS, 1}, eight = {-1, WEFT_COUNT_ITEMS, 8},
                                   line = {-1, WEFT_COUNT_ITEMS, 64}, page = {-1, WEFT_COUNT_ITEMS, 256};

static void destroy(void *instance)
{
  struct service *self = instance;
  if (self)
    free(self->asset);
  free(self);
}

static weft_status read_asset(struct weft_setup *setup, const struct weft_config *config, struct service *self)
{
  for (uint32_t i = 0; i < config->n_parameters; i++) {
    if (config->parameters[i].type != WEFT_PARAMETER_ASSET)
      continue;
    struct weft_resource bytes;
    char name[80] = "asset/";
    strncat(name, config->parameters[i].name, sizeof name - strlen(name) - 1);
    weft_status status = host->resource_open(setup, name, 0, &bytes);
    if (status != WEFT_OK)
      return status;
    self->n_asset = bytes.n_bytes > 256 ? 256 : bytes.n_bytes;
    self->asset = malloc(self->n_asset + 1);
    if (!self->asset)
      return host->fail(setup, WEFT_NO_MEMORY, "no memory for the asset");
    memcpy(self->asset, bytes.data, self->n_asset);
    self->asset[self->n_asset] = 0;
  }
  return WEFT_OK;
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  struct service *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  weft_status status = read_asset(setup, config, self);
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

static weft_status heard_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port ports[] = {TEXT_PORT("text", WEFT_ROWS_BOUNDED, &eight)};
  *out = (struct weft_ports){ports, 1};
  return WEFT_OK;
}

static weft_status first_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port ports[] = {{.name = "text", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1},
                                            .n_split_levels = 1, .rows_kind = WEFT_ROWS_DYNAMIC}};
  *out = (struct weft_ports){ports, 1};
  return WEFT_OK;
}

static weft_status filter_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port ports[] = {
    {.name = "verdict", .dtype = {WEFT_DTYPE_INT, 32, 1}, .rank = 1, .dims = {-1}},
    TEXT_PORT("text", WEFT_ROWS_EXACT, &same), TEXT_PORT("rules", WEFT_ROWS_BOUNDED, &line)};
  *out = (struct weft_ports){ports, 3};
  return WEFT_OK;
}

static weft_status bert_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port ports[] = {
    {.name = "pooled", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, D_POOLED}}};
  *out = (struct weft_ports){ports, 1};
  return WEFT_OK;
}

static weft_status classifier_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_attribute labels = {"labels", "[\"order\", \"question\"]"};
  static const struct weft_port ports[] = {
    TEXT_PORT("label", WEFT_ROWS_BOUNDED, &eight),
    {.name = "probability", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 1, .dims = {-1}},
    {.name = "probabilities", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, 2}, .n_attributes = 1,
     .attributes = &labels}};
  *out = (struct weft_ports){ports, 3};
  return WEFT_OK;
}

static weft_status template_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port ports[] = {TEXT_PORT("text", WEFT_ROWS_BOUNDED, &page)};
  *out = (struct weft_ports){ports, 1};
  return WEFT_OK;
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

static weft_status heard_process(void *instance, struct weft_call *call)
{
  for (uint32_t i = 0; i < call->n_items; i++)
    put_text(&call->outputs[0], i, "sound", 5);
  return WEFT_OK;
}

/* Bytes of the first input that item has. */
static struct weft_rows first_of(const struct weft_call *call, uint32_t item, const char **text)
{
  struct weft_rows rows = {0, 0, 0};
  for (uint32_t k = 0; k < call->n_inputs && !rows.present; k++) {
    rows = weft_rows_of(call->inputs[k], item);
    *text = (const char *)call->inputs[k]->data + rows.begin;
  }
  return rows;
}

static weft_status first_process(void *instance, struct weft_call *call)
{
  const char *text = "";
  int64_t n = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = first_of(call, i, &text);
    n += rows.end - rows.begin;
  }
  if (!call->outputs[0].wanted)
    return WEFT_OK;
  weft_status status = host->output_reserve(call, 0, n);
  for (uint32_t i = 0; status == WEFT_OK && i < call->n_items; i++) {
    struct weft_rows rows = first_of(call, i, &text);
    put_text(&call->outputs[0], i, text, (uint64_t)(rows.end - rows.begin));
  }
  return status;
}

static weft_status filter_process(void *instance, struct weft_call *call)
{
  const struct service *self = instance;
  size_t n_word = strcspn(self->asset, ":\n");
  int32_t *verdicts = call->outputs[0].tensor.data;
  struct weft_tensor *text = &call->outputs[1].tensor;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    const char *from = (const char *)call->inputs[0]->data + rows.begin;
    int refused = memmem(from, (size_t)(rows.end - rows.begin), self->asset, n_word) != NULL;
    verdicts[i] = refused ? WEFT_VERDICT_REFUSE : WEFT_VERDICT_ALLOW;
    if (call->outputs[1].wanted && rows.end > rows.begin)
      memcpy((char *)text->data + weft_rows_of(text, i).begin, from, (size_t)(rows.end - rows.begin));
    put_text(&call->outputs[2], i, self->asset, refused ? n_word : 0);
  }
  return WEFT_OK;
}

static weft_status bert_process(void *instance, struct weft_call *call)
{
  float *pooled = call->outputs[0].tensor.data;
  for (uint32_t i = 0; call->outputs[0].wanted && i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    for (uint32_t d = 0; d < D_POOLED; d++)
      pooled[i * D_POOLED + d] = (float)(rows.end - rows.begin);
  }
  return WEFT_OK;
}

static weft_status classifier_process(void *instance, struct weft_call *call)
{
  const float *features = call->inputs[0]->data;
  float *probability = call->outputs[1].tensor.data, *all = call->outputs[2].tensor.data;
  for (uint32_t i = 0; i < call->n_items; i++) {
    float length = features[weft_rows_of(call->inputs[0], i).begin * D_POOLED];
    float p = length >= 10 ? 0.9f : 0.5f;
    put_text(&call->outputs[0], i, "order", 5);
    if (call->outputs[1].wanted)
      probability[i] = p;
    if (call->outputs[2].wanted) {
      all[2 * i] = p;
      all[2 * i + 1] = 1 - p;
    }
  }
  return WEFT_OK;
}

static weft_status template_process(void *instance, struct weft_call *call)
{
  const struct service *self = instance;
  for (uint32_t i = 0; i < call->n_items; i++)
    put_text(&call->outputs[0], i, self->asset, self->n_asset);
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
  } nodes[] = {{"wav2vec2-ctc", NODE(heard_ports, heard_process)},
               {"first-present", NODE(first_ports, first_process)},
               {"filter-rules", NODE(filter_ports, filter_process)},
               {"bert", NODE(bert_ports, bert_process)},
               {"classifier", NODE(classifier_ports, classifier_process)},
               {"template", NODE(template_ports, template_process)}};
  for (unsigned i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
    if (strcmp(nodes[i].id, node_id) == 0)
      return &nodes[i].node;
  return NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
