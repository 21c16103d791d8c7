/* SPDX-License-Identifier: Apache-2.0 */
/* seen[4 k ..]: rows of stream k, its first and last time, rows whose numbers are not their time or out of order. */
#include <weft/entry.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct look {
  int samples[3], times[3];
  int64_t ms;
  struct weft_port output;
};

static const struct weft_host *host;

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static const char *const names[3][2] = {{"a", "a.time"}, {"b", "b.time"}, {"c", "c.time"}};
  struct look *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  for (int k = 0; k < 3; k++) {
    self->samples[k] = weft_input_find(config, names[k][0]);
    self->times[k] = weft_input_find(config, names[k][1]);
  }
  self->ms = weft_parameter_find(config, "ms")->integer;
  self->output = (struct weft_port){.name = "seen", .dtype = weft_dtype_of(WEFT_DTYPE_INT, 64), .rank = 2,
                                    .dims = {-1, 12}};
  *instance = self;
  return WEFT_OK;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){&((struct look *)instance)->output, 1};
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static void look_at(const struct weft_call *call, int samples, int times, uint32_t item, int64_t *seen)
{
  if (samples < 0 || times < 0)
    return;
  struct weft_rows rows = weft_rows_of(call->inputs[samples], item), when = weft_rows_of(call->inputs[times], item);
  const float *row = (const float *)call->inputs[samples]->data + 3 * rows.begin;
  const int64_t *time = (const int64_t *)call->inputs[times]->data + when.begin;
  int64_t n = rows.end - rows.begin;
  seen[0] = n;
  if (n != when.end - when.begin)
    seen[3] = INT64_MAX;
  if (!n || seen[3])
    return;
  seen[1] = time[0];
  seen[2] = time[n - 1];
  for (int64_t i = 0; i < n; i++) {
    int64_t said = (int64_t)row[3 * i] * 1000000000 + (int64_t)row[3 * i + 1] * 1000000 + (int64_t)row[3 * i + 2];
    seen[3] += said != time[i] || (i && time[i] < time[i - 1]);
  }
}

static weft_status process(void *instance, struct weft_call *call)
{
  const struct look *self = instance;
  const struct timespec piece = {0, 1000000};
  for (int64_t i = 0; i < self->ms; i++) {
    if (weft_cancelled(call))
      return WEFT_CANCELLED;
    nanosleep(&piece, NULL);
  }
  for (uint32_t i = 0; i < call->n_items && call->outputs[0].wanted; i++) {
    int64_t *seen = (int64_t *)call->outputs[0].tensor.data + 12 * weft_rows_of(&call->outputs[0].tensor, i).begin;
    memset(seen, 0, 12 * sizeof *seen);
    for (int k = 0; k < 3; k++)
      look_at(call, self->samples[k], self->times[k], i, seen + 4 * k);
  }
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

static void destroy(void *instance)
{
  free(instance);
}

static const struct weft_node node = {sizeof node, 0, create, ports, activate, process, deactivate, destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "look") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
