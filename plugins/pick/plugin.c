/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pick: y of an item is the y of the slot that the host chose for it. The rows
 * of each slot's items are copied together, so that an expert gets its own rows
 * and no others, wherever it runs.
 */
#include <weft/entry.h>
#include <weft/expert.h>
#include <weft/manifest.h>
#include <weft/slots.h>

#include <stdlib.h>
#include <string.h>

struct pick {
  int64_t d, d_out;
  uint32_t n_slots;
  int ragged, passes;
  int64_t n_items_max, n_rows_max; /* since activate */
  struct weft_attribute attribute;
  char *space;
  struct weft_rows_term rows;
  struct weft_port y;
};

static const struct weft_host *host;
static const struct weft_slots *slots;

static void destroy(void *instance)
{
  struct pick *self = instance;
  if (!self)
    return;
  free(self->space);
  free(self);
}

/* Rows of one width, in the form of x. */
static weft_status check_output(const struct pick *self, struct weft_setup *setup, const struct weft_slot *slot,
                                const struct weft_ports *ports)
{
  const struct weft_port *y = &ports->outputs[0];
  if (!ports->n_outputs || !weft_dtype_equal(y->dtype, weft_f32()) || y->rank != 2 ||
      y->n_split_levels != (uint32_t)self->ragged)
    return host->fail(setup, WEFT_BAD_CONFIG, "slot \"%s\" (%s) gives no f32 [*, d] %s: its first output is to be y of an "
                      "expert", slot->name, slot->plugin, self->ragged ? "ragged" : "of one row an item");
  if (self->d_out && y->dims[1] != self->d_out)
    return host->fail(setup, WEFT_BAD_CONFIG, "slot \"%s\" gives rows of %lld numbers, %s %lld: all stand in one output",
                      slot->name, (long long)y->dims[1], self->passes ? "those that are passed on have" : "those before it",
                      (long long)self->d_out);
  return WEFT_OK;
}

/* The space that all alternatives have in common. */
static weft_status merge_space(struct pick *self, struct weft_setup *setup, const char *space, int first)
{
  if (first && space) {
    size_t n = strlen(space) + 1;
    self->space = malloc(n);
    if (!self->space)
      return host->fail(setup, WEFT_NO_MEMORY, "no memory for the output's attributes");
    memcpy(self->space, space, n);
  } else if (!first && self->space && (!space || strcmp(space, self->space) != 0)) {
    free(self->space);
    self->space = NULL;
  }
  return WEFT_OK;
}

static weft_status make_slot(struct pick *self, struct weft_setup *setup, const struct weft_port *x, uint32_t s)
{
  struct weft_slot slot;
  struct weft_ports ports;
  struct weft_port given = *x;
  given.name = "x";
  weft_status status = slots->describe(setup, s, &slot);
  if (status == WEFT_OK)
    status = slots->create(setup, s, &given, 1, &ports);
  if (status == WEFT_OK)
    status = check_output(self, setup, &slot, &ports);
  if (status != WEFT_OK)
    return status;
  const char *space = weft_attribute_find(&ports.outputs[0], WEFT_ATTRIBUTE_SPACE);
  int first = !self->d_out;
  self->d_out = ports.outputs[0].dims[1];
  return merge_space(self, setup, space, first);
}

static weft_status make_slots(struct pick *self, struct weft_setup *setup, const struct weft_config *config)
{
  const struct weft_port *x = &config->inputs[0];
  weft_status status = WEFT_OK;
  if (self->passes) {
    self->d_out = self->d;
    status = merge_space(self, setup, weft_attribute_find(x, WEFT_ATTRIBUTE_SPACE), 1);
  }
  for (uint32_t s = 0; s < self->n_slots && status == WEFT_OK; s++)
    status = make_slot(self, setup, x, s);
  return status;
}

static void describe_output(struct pick *self)
{
  self->y = (struct weft_port){.name = "y", .dtype = weft_f32(), .rank = 2, .dims = {-1, self->d_out}};
  if (self->ragged) {
    self->rows = (struct weft_rows_term){0, WEFT_COUNT_ROWS, 1};
    self->y.n_split_levels = 1;
    self->y.rows_kind = WEFT_ROWS_EXACT;
    self->y.n_terms = 1;
    self->y.terms = &self->rows;
  }
  if (self->space) {
    self->attribute = (struct weft_attribute){WEFT_ATTRIBUTE_SPACE, self->space};
    self->y.attributes = &self->attribute;
    self->y.n_attributes = 1;
  }
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, int ragged, void **instance)
{
  if (config->n_inputs != 1 || config->inputs[0].rank != 2 || config->inputs[0].dims[1] < 1)
    return host->fail(setup, WEFT_BAD_CONFIG, "`x` is not connected to rows of a known width");
  if (!slots || !slots->is_selected(setup))
    return host->fail(setup, WEFT_BAD_CONFIG, "it sends each item to the slot that `select` names, and there is no select");
  struct pick *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  self->ragged = ragged;
  self->d = config->inputs[0].dims[1];
  self->n_slots = slots->count(setup);
  self->passes = strcmp(weft_parameter_find(config, "none")->text, "pass") == 0;
  weft_status status = make_slots(self, setup, config);
  describe_output(self);
  if (status == WEFT_OK)
    *instance = self;
  else
    destroy(self);
  return status;
}

static weft_status create_rows(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  return create(setup, config, 0, instance);
}

static weft_status create_tokens(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  return create(setup, config, 1, instance);
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  struct pick *self = instance;
  *out = (struct weft_ports){&self->y, 1};
  return WEFT_OK;
}

/* Scratch: rows of one slot's items, where each one's begin, which items they are. */
static size_t rounded(size_t n)
{
  return (n + WEFT_ALIGNMENT - 1) / WEFT_ALIGNMENT * WEFT_ALIGNMENT;
}

static size_t rows_bytes(const struct pick *self)
{
  return rounded((size_t)self->n_rows_max * (size_t)self->d * sizeof(float));
}

static size_t splits_bytes(const struct pick *self)
{
  return rounded(((size_t)self->n_items_max + 1) * sizeof(int64_t));
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  struct pick *self = instance;
  weft_status status = WEFT_OK;
  self->n_items_max = limits->n_items;
  self->n_rows_max = self->ragged ? limits->n_rows[0] : limits->n_items;
  for (uint32_t s = 0; s < self->n_slots && status == WEFT_OK; s++)
    status = slots->activate(setup, s, limits);
  *n_scratch_bytes = rows_bytes(self) + splits_bytes(self) + rounded((size_t)self->n_items_max * sizeof(uint32_t));
  return status;
}

static void deactivate(void *instance)
{
}

struct share {
  float *rows;
  int64_t *splits;
  uint32_t *items;
  uint32_t n_items;
};

/* The items of slot s, their rows one after the other. 0: more than announced. */
static int gather(const struct pick *self, const struct weft_call *call, int32_t s, struct share *share)
{
  const struct weft_tensor *x = call->inputs[0];
  int64_t n = 0;
  share->n_items = 0;
  share->splits[0] = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    if (call->items[i].slot != s)
      continue;
    struct weft_rows rows = weft_rows_of(x, i);
    int64_t count = rows.end - rows.begin;
    if (share->n_items == (uint32_t)self->n_items_max || n + count > self->n_rows_max)
      return 0;
    if (count)
      memcpy(share->rows + n * self->d, (const float *)x->data + rows.begin * self->d,
             (size_t)(count * self->d) * sizeof(float));
    n += count;
    share->items[share->n_items++] = i;
    share->splits[share->n_items] = n;
  }
  return 1;
}

static struct weft_tensor tensor_of(const struct pick *self, const struct share *share)
{
  int64_t n_rows = share->splits[share->n_items];
  struct weft_tensor t = {.data = share->rows, .n_bytes = n_rows * self->d * (int64_t)sizeof(float), .dims = {n_rows, self->d},
                          .dtype = weft_f32(), .rank = 2, .device = WEFT_DEVICE_CPU, .n_slots = share->n_items};
  if (self->ragged)
    t.splits[0] = share->splits;
  return t;
}

/* The rows of an item in y; without a value where there are none to be had. */
static void put(const struct pick *self, struct weft_output *y, uint32_t item, const struct weft_tensor *from, uint32_t of)
{
  int64_t slot = y->tensor.slots ? y->tensor.slots[item] : (int64_t)item;
  int64_t begin = self->ragged ? y->tensor.splits[0][slot] : slot, end = self->ragged ? y->tensor.splits[0][slot + 1] : slot + 1;
  float *to = (float *)y->tensor.data + begin * self->d_out;
  struct weft_rows rows = {0, 0, 0};
  if (from)
    rows = weft_rows_of(from, of);
  y->slots[item] = rows.present && rows.end - rows.begin == end - begin ? (int32_t)slot : -1;
  size_t n = (size_t)((end - begin) * self->d_out) * sizeof(float);
  if (n && y->slots[item] >= 0)
    memcpy(to, (const float *)from->data + rows.begin * self->d_out, n);
  else if (n)
    memset(to, 0, n);
}

static weft_status run_slot(const struct pick *self, struct weft_call *call, uint32_t s, struct share *share)
{
  struct weft_output *y = &call->outputs[0];
  if (!gather(self, call, (int32_t)s, share))
    return host->fail_call(call, WEFT_CONTRACT, "more rows in a call than the %lld that were announced",
                           (long long)self->n_rows_max);
  if (!share->n_items)
    return WEFT_OK;
  struct weft_tensor x = tensor_of(self, share);
  const struct weft_tensor *inputs[] = {&x};
  struct weft_slot_call c = {.n_items = share->n_items, .n_inputs = 1, .items = share->items, .inputs = inputs};
  weft_status status = slots->call(call, s, &c);
  if (status != WEFT_OK)
    return host->fail_call(call, status, "%s", slots->message(call, s, 0));
  for (uint32_t j = 0; j < share->n_items; j++) {
    put(self, y, share->items[j], c.status[j] == WEFT_OK ? c.outputs[0] : NULL, j);
    if (c.status[j] != WEFT_OK)
      host->fail_item(call, share->items[j], c.status[j], "%s", slots->message(call, s, j));
  }
  return WEFT_OK;
}

static weft_status process(void *instance, struct weft_call *call)
{
  const struct pick *self = instance;
  struct weft_output *y = &call->outputs[0];
  char *scratch = call->scratch;
  if (!y->wanted)
    return WEFT_OK;
  struct share share = {(float *)(void *)scratch, (int64_t *)(void *)(scratch + rows_bytes(self)),
                        (uint32_t *)(void *)(scratch + rows_bytes(self) + splits_bytes(self)), 0};
  weft_status status = WEFT_OK;
  for (uint32_t i = 0; i < call->n_items; i++)
    if (call->items[i].slot < 0)
      put(self, y, i, self->passes ? call->inputs[0] : NULL, i);
  for (uint32_t s = 0; s < self->n_slots && status == WEFT_OK; s++)
    status = weft_cancelled(call) ? WEFT_CANCELLED : run_slot(self, call, s, &share);
  y->tensor.slots = y->slots;
  return status;
}

static const struct weft_node of_rows = {sizeof of_rows, 0, create_rows, ports, activate, process, deactivate, destroy};
static const struct weft_node of_tokens = {sizeof of_tokens, 0,       create_tokens, ports,
                                           activate,         process, deactivate,    destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  slots = host->get_extension(WEFT_SLOTS_ID);
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "pick") == 0 ? &of_rows : strcmp(id, "pick-tokens") == 0 ? &of_tokens : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
