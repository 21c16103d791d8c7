/* SPDX-License-Identifier: Apache-2.0 */
/* Experts that do as they are told, and nodes that call them: for tests of slots. */
#include <weft/entry.h>
#include <weft/expert.h>
#include <weft/slots.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_SLOTS 4

struct node {
  const char *how;
  float factor, mark;
  int64_t d, n_items_max;
  uint32_t n_slots;
  struct weft_attribute attribute;
  struct weft_port outputs[2];
};

static const struct weft_host *host;
static const struct weft_slots *slots;

static struct node *node_new(const struct weft_config *config)
{
  struct node *self = calloc(1, sizeof *self);
  if (!self)
    return NULL;
  self->d = config->inputs[0].rank == 2 ? config->inputs[0].dims[1] : 4;
  self->outputs[0] = (struct weft_port){.name = "y", .dtype = weft_f32(), .rank = 2, .dims = {-1, self->d}};
  self->outputs[1] = (struct weft_port){.name = "s", .dtype = weft_f32(), .rank = 2, .dims = {-1, self->d}};
  return self;
}

static const char *keep_word(const char *word)
{
  static const char *const words[] = {"none", "fail", "leave", "segv", "hang", "slow",  "create", "slot",
                                      "items", "item", "inputs", "data", "slots", "rows", "splits", "width"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (!strcmp(words[i], word))
      return words[i];
  return "none";
}

static weft_status ports_one(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){((struct node *)instance)->outputs, 1};
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  struct node *self = instance;
  weft_status status = WEFT_OK;
  self->n_items_max = limits->n_items;
  for (uint32_t s = 0; s < self->n_slots && status == WEFT_OK; s++)
    status = slots->activate(setup, s, limits);
  *n_scratch_bytes = (uint64_t)(limits->n_items * self->d) * sizeof(float);
  return status;
}

static void deactivate(void *instance)
{
}

static const float *row(const struct weft_tensor *x, uint32_t item, int64_t d)
{
  struct weft_rows rows = weft_rows_of(x, item);
  return rows.present ? (const float *)x->data + rows.begin * d : NULL;
}

/* ---- scale ---- */

static weft_status scale_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  const char *how = keep_word(weft_parameter_find(config, "how")->text);
  if (!strcmp(how, "create"))
    return host->fail(setup, WEFT_BAD_CONFIG, "scale: it fails at create, as it was told to");
  struct node *self = node_new(config);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "scale: no memory");
  self->how = how;
  self->factor = (float)weft_parameter_find(config, "factor")->number;
  self->mark = (float)weft_parameter_find(config, "mark")->number;
  *instance = self;
  return WEFT_OK;
}

/* A sanitizer leaves the signal to the kernel. */
__attribute__((no_sanitize("undefined"))) static weft_status misbehave(const struct node *self, struct weft_call *call, uint32_t i)
{
  static const struct timespec piece = {0, 1000000};
  volatile int *nowhere = NULL;
  if (!strcmp(self->how, "fail"))
    host->fail_item(call, i, WEFT_INTERNAL, "scale: the row is marked");
  if (!strcmp(self->how, "leave"))
    call->outputs[0].slots[i] = -1;
  if (!strcmp(self->how, "segv"))
    *nowhere = 1;
  while (!strcmp(self->how, "hang"))
    pause();
  while (!strcmp(self->how, "slow")) {
    nanosleep(&piece, NULL);
    if (weft_cancelled(call))
      return WEFT_CANCELLED;
  }
  return WEFT_OK;
}

static weft_status scale_process(void *instance, struct weft_call *call)
{
  const struct node *self = instance;
  struct weft_output *y = &call->outputs[0];
  for (uint32_t i = 0; i < call->n_items; i++) {
    const float *x = row(call->inputs[0], i, self->d);
    float *to = (float *)y->tensor.data + (int64_t)i * self->d;
    y->slots[i] = (int32_t)i;
    for (int64_t k = 0; k < self->d; k++)
      to[k] = x ? x[k] * self->factor : 0;
    weft_status status = x && x[0] == self->mark ? misbehave(self, call, i) : WEFT_OK;
    if (status != WEFT_OK)
      return status;
  }
  y->tensor.slots = y->slots;
  return WEFT_OK;
}

/* ---- embed, narrow ---- */

static weft_status plain_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  *instance = node_new(config);
  return *instance ? WEFT_OK : host->fail(setup, WEFT_NO_MEMORY, "no memory");
}

static weft_status embed_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  struct node *self = instance;
  self->outputs[0].name = "x";
  *out = (struct weft_ports){self->outputs, 1};
  return WEFT_OK;
}

static weft_status zero_process(void *instance, struct weft_call *call)
{
  for (uint32_t o = 0; o < call->n_outputs; o++)
    if (call->outputs[o].wanted)
      memset(call->outputs[o].tensor.data, 0, (size_t)call->outputs[o].tensor.n_bytes);
  return WEFT_OK;
}

/* ---- average ---- */

static weft_status make_slots(struct node *self, struct weft_setup *setup, const struct weft_config *config)
{
  struct weft_port x = config->inputs[0];
  struct weft_ports made;
  weft_status status = WEFT_OK;
  self->n_slots = slots->count(setup);
  x.name = NULL;
  for (uint32_t s = 0; s < self->n_slots && status == WEFT_OK; s++)
    status = slots->create(setup, s, &x, 1, &made);
  return status;
}

static weft_status calling_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  struct node *self = node_new(config);
  const struct weft_parameter *how = weft_parameter_find(config, "how");
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory");
  self->how = how ? keep_word(how->text) : "none";
  self->outputs[1] = (struct weft_port){.name = "n", .dtype = weft_f32(), .rank = 1, .dims = {-1}};
  weft_status status = make_slots(self, setup, config);
  if (status == WEFT_OK)
    *instance = self;
  else
    free(self);
  return status;
}

static weft_status ports_two(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){((struct node *)instance)->outputs, 2};
  return WEFT_OK;
}

/* The sum over the slots, and how many there were. */
static weft_status add_slot(const struct node *self, struct weft_call *call, uint32_t s)
{
  struct weft_slot_call c = {.n_items = call->n_items, .n_inputs = 1, .inputs = call->inputs};
  weft_status status = slots->call(call, s, &c);
  if (status != WEFT_OK)
    return host->fail_call(call, status, "%s", slots->message(call, s, 0));
  for (uint32_t i = 0; i < call->n_items; i++) {
    const float *y = c.status[i] == WEFT_OK && c.outputs[0] ? row(c.outputs[0], i, self->d) : NULL;
    float *sum = (float *)call->outputs[0].tensor.data + (int64_t)i * self->d;
    for (int64_t k = 0; y && k < self->d; k++)
      sum[k] += y[k];
    ((float *)call->outputs[1].tensor.data)[i] += y != NULL;
  }
  return WEFT_OK;
}

static weft_status average_process(void *instance, struct weft_call *call)
{
  const struct node *self = instance;
  float *y = call->outputs[0].tensor.data, *n = call->outputs[1].tensor.data;
  weft_status status = WEFT_OK;
  if (!call->outputs[0].wanted || !call->outputs[1].wanted)
    return host->fail_call(call, WEFT_BAD_CONFIG, "average: read both of its outputs");
  memset(y, 0, (size_t)call->outputs[0].tensor.n_bytes);
  memset(n, 0, (size_t)call->outputs[1].tensor.n_bytes);
  for (uint32_t s = 0; s < self->n_slots && status == WEFT_OK; s++)
    status = add_slot(self, call, s);
  for (uint32_t i = 0; i < call->n_items && status == WEFT_OK; i++) {
    if (!n[i])
      host->fail_item(call, i, WEFT_INTERNAL, "average: no slot answers");
    for (int64_t k = 0; n[i] && k < self->d; k++)
      y[i * self->d + k] /= n[i];
  }
  return status;
}

/* ---- careless ---- */

static weft_status careless_process(void *instance, struct weft_call *call)
{
  const struct node *self = instance;
  struct weft_tensor x = *call->inputs[0];
  const struct weft_tensor *inputs[] = {&x, &x};
  const uint32_t far[] = {call->n_items};
  const int32_t beyond[] = {(int32_t)x.n_slots};
  const int64_t splits[] = {0, 1};
  struct weft_slot_call c = {.n_items = 1, .n_inputs = 1, .inputs = inputs};
  uint32_t s = 0;
  if (!strcmp(self->how, "slot"))
    s = 1;
  if (!strcmp(self->how, "items"))
    c.n_items = (uint32_t)self->n_items_max + 1;
  if (!strcmp(self->how, "item"))
    c.items = far;
  if (!strcmp(self->how, "inputs"))
    c.n_inputs = 2;
  if (!strcmp(self->how, "data"))
    x.data = (char *)x.data + 4;
  if (!strcmp(self->how, "slots"))
    x.slots = beyond;
  if (!strcmp(self->how, "rows"))
    x.dims[0]++;
  if (!strcmp(self->how, "splits"))
    x.splits[0] = splits;
  if (!strcmp(self->how, "width"))
    x.dims[1]++;
  weft_status status = slots->call(call, s, &c);
  return host->fail_call(call, status != WEFT_OK ? status : WEFT_INTERNAL, "%s",
                         status != WEFT_OK ? slots->message(call, s, 0) : "careless: it was called all the same");
}

static const struct weft_node scale = {sizeof scale, 0,             scale_create, ports_one,
                                       activate,     scale_process, deactivate,   free};
static const struct weft_node embed = {sizeof embed, 0,            plain_create, embed_ports,
                                       activate,     zero_process, deactivate,   free};
static const struct weft_node plain = {sizeof plain, 0,            plain_create, ports_one,
                                       activate,     zero_process, deactivate,   free};
static const struct weft_node memory = {sizeof memory, 0,            plain_create, ports_two,
                                        activate,      zero_process, deactivate,   free};
static const struct weft_node average = {sizeof average, 0,               calling_create, ports_two,
                                         activate,       average_process, deactivate,     free};
static const struct weft_node careless = {sizeof careless, 0,                calling_create, ports_one,
                                          activate,        careless_process, deactivate,     free};

static weft_status init(const struct weft_host *table)
{
  host = table;
  slots = host->get_extension(WEFT_SLOTS_ID);
  return slots ? WEFT_OK : WEFT_UNSUPPORTED;
}

static const struct weft_node *get_node(const char *id)
{
  static const struct {
    const char *id;
    const struct weft_node *node;
  } nodes[] = {{"scale", &scale},     {"scale-alone", &scale}, {"narrow", &plain},      {"embed", &embed},
               {"average", &average}, {"forgetful", &plain},   {"careless", &careless}, {"remembers", &memory}};
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
    if (!strcmp(nodes[i].id, id))
      return nodes[i].node;
  return NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
