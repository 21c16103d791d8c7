/* SPDX-License-Identifier: Apache-2.0 */
/*
 * n: bytes of the text, and the process that counted them. `waits` sleeps as many
 * milliseconds as the text has bytes before it does, and looks at nothing meanwhile.
 */
#include <weft/entry.h>

#include <poll.h>
#include <string.h>
#include <unistd.h>

static weft_status waits_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static char shared_instance;
  *instance = &shared_instance;
  return WEFT_OK;
}

static weft_status waits_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port n = {
    .name = "n", .dtype = {WEFT_DTYPE_INT, 32, 1}, .rank = 2, .dims = {-1, 2}, .rows_kind = WEFT_ROWS_EXACT};
  out->outputs = &n;
  out->n_outputs = 1;
  return WEFT_OK;
}

static weft_status waits_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                  uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static void count(struct weft_call *call, int waits)
{
  int32_t *n = call->outputs[0].tensor.data;
  for (uint32_t i = 0; call->outputs[0].wanted && i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[0], i), to = weft_rows_of(&call->outputs[0].tensor, i);
    if (!from.present || !to.present)
      continue;
    if (waits)
      poll(NULL, 0, (int)(from.end - from.begin));
    n[2 * to.begin] = (int32_t)(from.end - from.begin);
    n[2 * to.begin + 1] = (int32_t)getpid();
  }
}

static weft_status waits_process(void *instance, struct weft_call *call)
{
  count(call, 1);
  return WEFT_OK;
}

static weft_status hurries_process(void *instance, struct weft_call *call)
{
  count(call, 0);
  return WEFT_OK;
}

static void waits_deactivate(void *instance) {}
static void waits_destroy(void *instance) {}

static weft_status waits_init(const struct weft_host *table)
{
  (void)table;
  return WEFT_OK;
}

static const struct weft_node *waits_get_node(const char *node_id)
{
  static const struct weft_node waits = {sizeof waits,   0,             waits_create,     waits_ports,
                                         waits_activate, waits_process, waits_deactivate, waits_destroy};
  static const struct weft_node hurries = {sizeof hurries, 0,               waits_create,     waits_ports,
                                           waits_activate, hurries_process, waits_deactivate, waits_destroy};
  return strcmp(node_id, "waits") == 0 ? &waits : strcmp(node_id, "hurries") == 0 ? &hurries : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, waits_init, NULL, waits_get_node, NULL};
