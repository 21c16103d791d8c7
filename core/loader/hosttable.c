/* SPDX-License-Identifier: Apache-2.0 */
#include "hosttable.h"

#include "derived-file.h"

#include <weft/entry.h>

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Extensions that one process can offer; there are two today. */
#define MAX_OFFERS 32

static struct {
  const char *id;
  const void *table;
} offers[MAX_OFFERS];

static const void *(*finder)(void *data, const char *id);
static void *finder_data;
static void (*log_line)(void *data, uint32_t level, const char *line);
static void *log_data;
static uint64_t n_computing;

static atomic_uint_fast64_t n_allocations, n_live, fail_countdown;

void *weft_mem_alloc(size_t n_bytes)
{
  uint_fast64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
  while (left > 0 && !atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
    ;
  atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed);
  if (left == 1 || n_bytes > SIZE_MAX - WEFT_ALIGNMENT)
    return NULL;
  size_t rounded = (n_bytes + WEFT_ALIGNMENT - 1) / WEFT_ALIGNMENT * WEFT_ALIGNMENT;
  void *memory = aligned_alloc(WEFT_ALIGNMENT, rounded ? rounded : WEFT_ALIGNMENT);
  if (memory)
    atomic_fetch_add_explicit(&n_live, 1, memory_order_relaxed);
  return memory;
}

void weft_mem_free(void *memory)
{
  if (!memory)
    return;
  atomic_fetch_sub_explicit(&n_live, 1, memory_order_relaxed);
  free(memory);
}

void weft_mem_fail_at(uint64_t k)
{
  atomic_store(&fail_countdown, k);
}

uint64_t weft_mem_count(void)
{
  return atomic_load_explicit(&n_allocations, memory_order_relaxed);
}

uint64_t weft_mem_live(void)
{
  return atomic_load_explicit(&n_live, memory_order_relaxed);
}

static void *host_alloc(uint64_t n_bytes)
{
  return n_bytes > SIZE_MAX ? NULL : weft_mem_alloc((size_t)n_bytes);
}

/* A plugin that fails with WEFT_OK or a code nobody knows has broken the contract. */
static weft_status checked(weft_status status)
{
  return status > WEFT_OK && status < WEFT_N_STATUS ? status : WEFT_CONTRACT;
}

static weft_status host_fail(struct weft_setup *setup, weft_status status, const char *format, ...)
{
  va_list args;
  setup->status = checked(status);
  va_start(args, format);
  vsnprintf(setup->message, sizeof setup->message, format, args);
  va_end(args);
  return setup->status;
}

static weft_status fail_with(const struct weft_call *call, uint32_t item, weft_status status, const char *format,
                             va_list args)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_call_host *host = call->host_data;
  vsnprintf(message, sizeof message, format, args);
  host->fail(host, call, item, status, message);
  return status;
}

static weft_status host_fail_call(const struct weft_call *call, weft_status status, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  status = fail_with(call, WEFT_ALL_ITEMS, checked(status), format, args);
  va_end(args);
  return status;
}

static weft_status host_fail_item(const struct weft_call *call, uint32_t item, weft_status status, const char *format,
                                  ...)
{
  va_list args;
  status = checked(status);
  /* Which item was meant nobody knows, so none may be answered. */
  if (item >= call->n_items)
    return host_fail_call(call, WEFT_CONTRACT, "fail_item named item %u; the call has items 0..%u", item,
                          call->n_items - 1);
  call->item_status[item] = status;
  va_start(args, format);
  fail_with(call, item, status, format, args);
  va_end(args);
  return status;
}

static void host_log(uint32_t level, const char *format, ...)
{
  char line[WEFT_MESSAGE_BYTES];
  va_list args;
  if (!log_line)
    return;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  log_line(log_data, level > WEFT_LOG_DEBUG ? WEFT_LOG_DEBUG : level, line);
}

static weft_status host_resource_open(struct weft_setup *setup, const char *name, uint32_t flags,
                                      struct weft_resource *out)
{
  memset(out, 0, sizeof *out);
  if (setup->resource_open)
    return setup->resource_open(setup, name, flags, out);
  if (flags & WEFT_RESOURCE_OPTIONAL)
    return WEFT_OK;
  return host_fail(setup, WEFT_BAD_CONFIG, "no resources here: \"%s\" was asked for", name);
}

static weft_status host_output_reserve(const struct weft_call *call, uint32_t output, int64_t n_rows)
{
  struct weft_call_host *host = call->host_data;
  if (output >= call->n_outputs || call->outputs[output].rows_kind != WEFT_ROWS_DYNAMIC || n_rows < 0)
    return WEFT_CONTRACT;
  return host->reserve ? host->reserve(host, call, output, n_rows) : WEFT_UNSUPPORTED;
}

static const void *host_get_extension(const char *id)
{
  n_computing += strncmp(id, "weft.compute/", 13) == 0;
  for (uint32_t i = 0; i < MAX_OFFERS && offers[i].id; i++)
    if (offers[i].table && strcmp(offers[i].id, id) == 0)
      return offers[i].table;
  if (strcmp(id, WEFT_DERIVED_ID) == 0)
    return weft_derived_table();
  if (strcmp(id, WEFT_SLOTS_ID) == 0)
    return weft_slots_table();
  return finder ? finder(finder_data, id) : NULL;
}

uint64_t weft_host_n_computing(void)
{
  return n_computing;
}

/* A port that cannot be read is as good as none: the failure has its message all the same. */
static void host_takes(struct weft_setup *setup, uint32_t input, const struct weft_port *port)
{
  if (!setup->takes)
    return;
  if (port && (port->rank < 1 || port->rank > WEFT_MAX_RANK || port->n_split_levels > 2))
    return;
  for (uint32_t i = 0; port && i < port->n_attributes; i++)
    if (!port->attributes[i].key || !port->attributes[i].value)
      return;
  setup->takes(setup, input, port);
}

const struct weft_host *weft_host_table(void)
{
  static const struct weft_host table = {
    .contract = WEFT_CONTRACT_VERSION,
    .fail = host_fail,
    .fail_item = host_fail_item,
    .fail_call = host_fail_call,
    .log = host_log,
    .resource_open = host_resource_open,
    .output_reserve = host_output_reserve,
    .alloc = host_alloc,
    .free = weft_mem_free,
    .get_extension = host_get_extension,
    .takes = host_takes,
  };
  return &table;
}

weft_status weft_host_offer(const char *id, const void *table)
{
  for (uint32_t i = 0; i < MAX_OFFERS; i++) {
    if (offers[i].id && strcmp(offers[i].id, id) != 0)
      continue;
    offers[i].id = id;
    offers[i].table = table;
    return WEFT_OK;
  }
  return WEFT_NO_MEMORY;
}

void weft_host_set_finder(const void *(*find)(void *data, const char *id), void *data)
{
  finder = find;
  finder_data = data;
}

void weft_host_set_log(void (*log)(void *data, uint32_t level, const char *line), void *data)
{
  log_line = log;
  log_data = data;
}
