/* SPDX-License-Identifier: Apache-2.0 */
/* weft.slots/1: hands on to whoever sets the node up, or called it. */
#include "hosttable.h"

static uint32_t count(struct weft_setup *setup)
{
  return setup->slots ? setup->slots->n : 0;
}

static int is_selected(struct weft_setup *setup)
{
  return setup->slots && setup->slots->is_selected;
}

static weft_status none(struct weft_setup *setup, uint32_t slot)
{
  return weft_host_table()->fail(setup, WEFT_CONTRACT, "the plugin asked for slot %u; the node has %u", slot, count(setup));
}

static weft_status describe(struct weft_setup *setup, uint32_t slot, struct weft_slot *out)
{
  *out = (struct weft_slot){0};
  return slot < count(setup) ? setup->slots->describe(setup, slot, out) : none(setup, slot);
}

static weft_status create(struct weft_setup *setup, uint32_t slot, const struct weft_port *inputs, uint32_t n_inputs,
                          struct weft_ports *out)
{
  *out = (struct weft_ports){0};
  return slot < count(setup) ? setup->slots->create(setup, slot, inputs, n_inputs, out) : none(setup, slot);
}

static weft_status activate(struct weft_setup *setup, uint32_t slot, const struct weft_limits *limits)
{
  return slot < count(setup) ? setup->slots->activate(setup, slot, limits) : none(setup, slot);
}

static weft_status call_slot(const struct weft_call *call, uint32_t slot, struct weft_slot_call *slot_call)
{
  struct weft_call_host *host = call->host_data;
  return host->call_slot ? host->call_slot(host, call, slot, slot_call) : WEFT_CONTRACT;
}

static const char *message(const struct weft_call *call, uint32_t slot, uint32_t item)
{
  struct weft_call_host *host = call->host_data;
  return host->slot_message ? host->slot_message(host, slot, item) : "this call has no slots";
}

const struct weft_slots *weft_slots_table(void)
{
  static const struct weft_slots table = {.count = count, .is_selected = is_selected, .describe = describe,
                                          .create = create, .activate = activate, .call = call_slot, .message = message};
  return &table;
}
