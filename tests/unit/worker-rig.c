/* SPDX-License-Identifier: Apache-2.0 */
#include "worker-rig.h"

#include <string.h>

static void on_fail(struct weft_call_host *self, const struct weft_call *call, uint32_t item, weft_status status,
                    const char *message)
{
  Rig *rig = (Rig *)((char *)self - offsetof(Rig, host));
  g_strlcpy(item == WEFT_ALL_ITEMS ? rig->message : rig->item_message[item], message, WEFT_MESSAGE_BYTES);
}

void rig_init(Rig *rig, const char *plugin)
{
  memset(rig, 0, sizeof *rig);
  rig->input = (struct weft_port){.name = "text", .dtype = weft_u8(), .rank = 1, .dims = {-1}, .n_split_levels = 1};
  if (strcmp(plugin, "pass") == 0)
    rig->input = (struct weft_port){.name = "x", .dtype = weft_f32(), .rank = 2, .dims = {-1, RIG_D}};
  rig->config = (struct weft_config){.node_name = "x", .parameters = rig->params, .inputs = &rig->input, .n_inputs = 1};
  rig->spec.program = g_test_build_filename(G_TEST_BUILT, "core", "worker", "weft-worker", NULL);
  rig->spec.module = g_strdup_printf("%s/tests/plugins/test-%s.so", g_test_get_dir(G_TEST_BUILT), plugin);
  rig->spec.node_id = g_strdup(plugin);
  rig->spec.label = g_strdup_printf("%s@1.0.0", plugin);
  rig->spec.n_threads = 1;
  rig->spec.config = &rig->config;
  rig->spec.setup = &rig->setup;
  rig->host.fail = on_fail;
  if (strcmp(plugin, "fault") == 0) {
    rig_param(rig, "how", "none", 0);
    rig_param(rig, "when", "always", 0);
    rig_param(rig, "at", "process", 0);
    rig_param(rig, "ms", "100", 100);
  }
}

void rig_param(Rig *rig, const char *name, const char *text, int64_t integer)
{
  uint32_t i = 0;
  while (i < rig->config.n_parameters && strcmp(rig->params[i].name, name))
    i++;
  g_assert_cmpuint(i, <, G_N_ELEMENTS(rig->params));
  rig->params[i] = (struct weft_parameter){.name = name, .text = text, .number = (double)integer, .integer = integer};
  if (i == rig->config.n_parameters)
    rig->config.n_parameters++;
}

weft_status rig_start(Rig *rig)
{
  int64_t rows = 4096, groups = 0;
  struct weft_limits limits = {RIG_ITEMS, &rows, &groups};
  weft_status status = weft_worker_spawn(&rig->spec, &rig->worker);
  if (status == WEFT_OK)
    status = weft_worker_activate(rig->worker, &rig->setup, &limits);
  if (status != WEFT_OK)
    g_test_message("%s", rig->setup.message);
  return status;
}

void rig_stop(Rig *rig)
{
  weft_worker_free(rig->worker);
  g_free((char *)rig->spec.program);
  g_free((char *)rig->spec.module);
  g_free((char *)rig->spec.node_id);
  g_free((char *)rig->spec.label);
}

void rig_texts(Rig *rig, const char *const *texts)
{
  uint32_t n = 0;
  memset(rig->items, 0, sizeof rig->items);
  for (; texts[n]; n++) {
    size_t length = strlen(texts[n]);
    g_assert_cmpuint((gsize)rig->splits[n] + length, <=, sizeof rig->bytes);
    memcpy(rig->bytes + rig->splits[n], texts[n], length);
    rig->splits[n + 1] = rig->splits[n] + (int64_t)length;
    rig->items[n].seed = n;
  }
  rig->text = (struct weft_tensor){.data = rig->bytes, .n_bytes = rig->splits[n], .dims = {rig->splits[n]},
                                   .dtype = weft_u8(), .rank = 1, .device = WEFT_DEVICE_CPU, .n_slots = n,
                                   .splits = {rig->splits, NULL}};
  rig->call.n_items = n;
}

weft_status rig_call(Rig *rig, int *died)
{
  int dead = 0;
  uint32_t n = rig->call.n_items;
  rig->inputs[0] = &rig->text;
  rig->output = (struct weft_output){.tensor = {.data = rig->y, .n_bytes = n * RIG_D * 4, .dims = {n, RIG_D},
                                                .dtype = weft_f32(), .rank = 2, .device = WEFT_DEVICE_CPU, .n_slots = n},
                                     .slots = rig->slots, .n_rows_max = n, .wanted = 1, .rows_kind = WEFT_ROWS_EXACT};
  memset(rig->item_status, 0, sizeof rig->item_status);
  memset(rig->item_message, 0, sizeof rig->item_message);
  memset(rig->y, 0xA5, sizeof rig->y);
  rig->message[0] = '\0';
  rig->call.n_inputs = rig->call.n_outputs = 1;
  rig->call.items = rig->items;
  rig->call.inputs = rig->inputs;
  rig->call.outputs = &rig->output;
  rig->call.item_status = rig->item_status;
  rig->call.host_data = &rig->host;
  weft_status status = weft_worker_start(rig->worker, &rig->call);
  if (status != WEFT_OK)
    return status;
  g_assert_true(weft_worker_wait(rig->worker, 0));
  status = weft_worker_finish(rig->worker, &rig->call, died ? died : &dead);
  return status;
}
