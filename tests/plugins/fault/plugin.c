/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin that misbehaves on demand. Where it does not, y[k] is the number of
 * bytes of the text plus k, so that the answers of the other items can be checked.
 */
#include <weft/entry.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define D 16

enum how { NONE, SEGV, ABORT, HANG, EXIT, FAIL, INTERNAL, SLOW };

struct fault {
  enum how how;
  int marked_only;
  int64_t ms;
  const char *at;
};

static const struct weft_host *host;

static enum how how_of(const char *word)
{
  static const char *const words[] = {"none", "segv", "abort", "hang", "exit", "fail", "internal", "slow"};
  for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i], word) == 0)
      return (enum how)i;
  return NONE;
}

/* Sleeps in pieces of a millisecond; ends early when `call` (NULL: none) is cancelled. */
static weft_status sleep_ms(const struct weft_call *call, int64_t ms)
{
  const struct timespec piece = {0, 1000000};
  for (int64_t i = 0; i < ms; i++) {
    if (call && weft_cancelled(call))
      return WEFT_CANCELLED;
    nanosleep(&piece, NULL);
  }
  return WEFT_OK;
}

/* What ends or delays the process; failures by status are the caller's. A sanitizer leaves the signal to the kernel. */
__attribute__((no_sanitize("undefined"))) static weft_status misbehave(const struct fault *fault, const struct weft_call *call)
{
  volatile int *nowhere = NULL;
  switch (fault->how) {
  case SEGV: *nowhere = 1; return WEFT_OK;
  case ABORT: abort();
  case EXIT: exit(3);
  case SLOW: return sleep_ms(call, fault->ms);
  case HANG:
    for (;;)
      pause();
  default: return WEFT_OK;
  }
}

static weft_status set_up(const struct fault *fault, struct weft_setup *setup, const char *at)
{
  if (strcmp(fault->at, at) != 0)
    return WEFT_OK;
  if (fault->how == FAIL)
    return host->fail(setup, WEFT_BAD_CONFIG, "fault: %s fails, as it was told to", at);
  if (fault->how == INTERNAL)
    return host->fail(setup, WEFT_INTERNAL, "fault: %s has a bug, as it was told to", at);
  return misbehave(fault, NULL);
}

static weft_status fault_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static const char *const places[] = {"create", "ports", "activate", "process"};
  struct fault *fault = host->alloc(sizeof *fault);
  if (!fault)
    return host->fail(setup, WEFT_NO_MEMORY, "fault: no memory");
  fault->how = how_of(weft_parameter_find(config, "how")->text);
  fault->marked_only = strcmp(weft_parameter_find(config, "when")->text, "marked") == 0;
  fault->ms = weft_parameter_find(config, "ms")->integer;
  fault->at = places[3];
  for (int i = 0; i < 4; i++)
    if (strcmp(places[i], weft_parameter_find(config, "at")->text) == 0)
      fault->at = places[i];
  weft_status status = set_up(fault, setup, "create");
  if (status != WEFT_OK)
    host->free(fault);
  else
    *instance = fault;
  return status;
}

static weft_status fault_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port output = {
    .name = "y", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, D}, .rows_kind = WEFT_ROWS_EXACT};
  out->outputs = &output;
  out->n_outputs = 1;
  return set_up(instance, setup, "ports");
}

static weft_status fault_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                  uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return set_up(instance, setup, "activate");
}

static int is_marked(const struct weft_tensor *text, uint32_t item)
{
  struct weft_rows rows = weft_rows_of(text, item);
  return rows.end > rows.begin && ((const uint8_t *)text->data)[rows.begin] == '!';
}

static weft_status fail_items(const struct fault *fault, const struct weft_call *call)
{
  if (!fault->marked_only) {
    weft_status status = fault->how == FAIL ? WEFT_BAD_INPUT : WEFT_INTERNAL;
    return host->fail_call(call, status, "fault: the call fails, as it was told to");
  }
  for (uint32_t i = 0; i < call->n_items; i++)
    if (is_marked(call->inputs[0], i))
      host->fail_item(call, i, fault->how == FAIL ? WEFT_BAD_INPUT : WEFT_INTERNAL, "fault: the text begins with `!`");
  return WEFT_OK;
}

static weft_status fault_process(void *instance, struct weft_call *call)
{
  const struct fault *fault = instance;
  struct weft_tensor *y = &call->outputs[0].tensor;
  int due = strcmp(fault->at, "process") == 0 && !fault->marked_only;
  for (uint32_t i = 0; i < call->n_items && fault->marked_only; i++)
    due |= is_marked(call->inputs[0], i);
  weft_status status = WEFT_OK;
  if (due)
    status = fault->how == FAIL || fault->how == INTERNAL ? fail_items(fault, call) : misbehave(fault, call);
  if (status != WEFT_OK || !call->outputs[0].wanted)
    return status;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[0], i), to = weft_rows_of(y, i);
    for (int64_t k = 0; from.present && to.present && k < D; k++)
      ((float *)y->data)[to.begin * D + k] = (float)(from.end - from.begin + k);
  }
  return WEFT_OK;
}

static void fault_deactivate(void *instance) {}

static void fault_destroy(void *instance)
{
  host->free(instance);
}

static weft_status fault_init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *fault_get_node(const char *node_id)
{
  static const struct weft_node node = {sizeof node,    0,             fault_create,     fault_ports,
                                        fault_activate, fault_process, fault_deactivate, fault_destroy};
  return strcmp(node_id, "fault") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, fault_init, NULL, fault_get_node, NULL};
