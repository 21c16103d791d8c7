/* SPDX-License-Identifier: Apache-2.0 */
/* The mean length of a session's texts: sums holds their length and number. A text that begins with `!` fails. */
#include <weft/entry.h>

#include <string.h>

static const struct weft_host *host;

static weft_status mean_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static char shared_instance;
  *instance = &shared_instance;
  return WEFT_OK;
}

static weft_status mean_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port outputs[] = {
    {.name = "mean", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 1, .dims = {-1}},
    {.name = "sums", .dtype = {WEFT_DTYPE_FLOAT, 64, 1}, .rank = 2, .dims = {-1, 2}}};
  out->outputs = outputs;
  out->n_outputs = 2;
  return WEFT_OK;
}

static weft_status mean_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                 uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static weft_status mean_process(void *instance, struct weft_call *call)
{
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows text = weft_rows_of(call->inputs[0], i), state = weft_rows_of(call->inputs[1], i);
    const double *old = (const double *)call->inputs[1]->data + 2 * state.begin;
    double sum = (state.present ? old[0] : 0) + (double)(text.end - text.begin), n = (state.present ? old[1] : 0) + 1;
    if (text.end > text.begin && ((const char *)call->inputs[0]->data)[text.begin] == '!')
      host->fail_item(call, i, WEFT_BAD_INPUT, "state-mean: the text begins with `!`");
    if (call->outputs[0].wanted)
      ((float *)call->outputs[0].tensor.data)[i] = (float)(sum / n);
    if (call->outputs[1].wanted) {
      ((double *)call->outputs[1].tensor.data)[2 * i] = sum;
      ((double *)call->outputs[1].tensor.data)[2 * i + 1] = n;
    }
  }
  return WEFT_OK;
}

static void mean_deactivate(void *instance) {}
static void mean_destroy(void *instance) {}

static weft_status mean_init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *mean_get_node(const char *node_id)
{
  static const struct weft_node node = {sizeof node,   0,            mean_create,     mean_ports,
                                        mean_activate, mean_process, mean_deactivate, mean_destroy};
  return strcmp(node_id, "state-mean") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, mean_init, NULL, mean_get_node, NULL};
