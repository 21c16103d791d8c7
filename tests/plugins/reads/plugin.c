/* SPDX-License-Identifier: Apache-2.0 */
/*
 * y = the first 16 bytes of model/a in every row. On the way it checks what
 * resource_open promises: equal ids for equal names, optional ones may be
 * missing, an empty one is there, a pool that works in create.
 */
#include <weft/entry.h>

#include <pthread.h>
#include <string.h>

#define D 16

static const struct weft_host *host;
static struct weft_resource resource;

static void count(void *arg, uint32_t chunk)
{
  ((uint32_t *)arg)[chunk]++;
}

static void *do_nothing(void *arg)
{
  for (;;)
    pthread_testcancel();
  return arg;
}

static weft_status open_all(struct weft_setup *setup)
{
  struct weft_resource again, missing, empty;
  weft_status status = host->resource_open(setup, "model/a", 0, &resource);
  if (status != WEFT_OK)
    return status;
  status = host->resource_open(setup, "model/a", 0, &again);
  if (status != WEFT_OK || again.id != resource.id || again.n_bytes != resource.n_bytes)
    return host->fail(setup, WEFT_INTERNAL, "reads: model/a differs when opened again");
  status = host->resource_open(setup, "model/b", WEFT_RESOURCE_OPTIONAL, &missing);
  if (status != WEFT_OK || missing.data)
    return host->fail(setup, WEFT_INTERNAL, "reads: model/b should be missing");
  status = host->resource_open(setup, "model/empty", 0, &empty);
  if (status != WEFT_OK || !empty.data || empty.n_bytes)
    return host->fail(setup, WEFT_INTERNAL, "reads: model/empty should be there and empty");
  return resource.n_bytes < D ? host->fail(setup, WEFT_BAD_CONFIG, "reads: model/a is too short") : WEFT_OK;
}

static weft_status reads_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static char shared_instance;
  pthread_t thread;
  uint32_t counts[8] = {0};
  const struct weft_pool *pool = host->get_extension(WEFT_POOL_ID);
  weft_status status = open_all(setup);
  if (status != WEFT_OK)
    return status;
  if (pool) {
    pool->parallel(8, count, counts);
    for (int i = 0; i < 8; i++)
      if (counts[i] != 1)
        return host->fail(setup, WEFT_INTERNAL, "reads: the pool ran chunk %d %u times", i, counts[i]);
  }
  const struct weft_parameter *parameter = weft_parameter_find(config, "thread");
  if (parameter && parameter->integer)
    pthread_create(&thread, NULL, do_nothing, NULL);
  *instance = &shared_instance;
  return WEFT_OK;
}

static weft_status reads_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_attribute attributes[] = {{"space", "abc/tokens"}, {"modality", "text"}};
  static const struct weft_port output = {.name = "y", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, D},
                                          .rows_kind = WEFT_ROWS_EXACT, .n_attributes = 2, .attributes = attributes};
  out->outputs = &output;
  out->n_outputs = 1;
  return WEFT_OK;
}

static weft_status reads_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                  uint64_t *n_scratch_bytes)
{
  host->log(WEFT_LOG_WARNING, "activated for %lld items", (long long)limits->n_items);
  *n_scratch_bytes = 4096;
  return WEFT_OK;
}

static weft_status reads_process(void *instance, struct weft_call *call)
{
  uint32_t counts[8] = {0};
  const struct weft_pool *pool = host->get_extension(WEFT_POOL_ID);
  if (pool)
    pool->parallel(8, count, counts);
  if (call->n_scratch_bytes < 4096)
    return host->fail_call(call, WEFT_INTERNAL, "reads: too little scratch");
  memset(call->scratch, 0xff, 4096);
  for (uint32_t i = 0; i < call->n_items; i++)
    for (int k = 0; k < D; k++)
      ((float *)call->outputs[0].tensor.data)[i * D + (uint32_t)k] = ((const uint8_t *)resource.data)[k];
  return WEFT_OK;
}

static void reads_deactivate(void *instance) {}
static void reads_destroy(void *instance) {}

static weft_status reads_init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *reads_get_node(const char *node_id)
{
  static const struct weft_node node = {sizeof node,    0,             reads_create,     reads_ports,
                                        reads_activate, reads_process, reads_deactivate, reads_destroy};
  return strcmp(node_id, "reads") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, reads_init, NULL, reads_get_node, NULL};
