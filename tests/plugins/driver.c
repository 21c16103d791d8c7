/* SPDX-License-Identifier: Apache-2.0 */
#include "driver.h"

#include "hosttable.h"
#include "manifest.h"
#include "module.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_BYTES 64
#define FILL 0xA5

typedef struct {
  struct weft_output *output; /* in call.outputs */
  const struct weft_port *port;
  guint8 *memory;             /* guarded block, or the address range of a dynamic output */
  gsize n_memory;
  gboolean dynamic;
} Slot;

struct WeftDriver {
  WeftManifest *manifest;
  const WeftPluginSpec *spec;
  const struct weft_node *node;
  void *instance;
  gboolean active;
  struct weft_setup setup;
  char *model_folder, *model_digest;
  GHashTable *files;        /* name -> GBytes */
  GHashTable *params;       /* name -> text */
  GArray *bound;            /* struct weft_port */
  gboolean bound_by_test;
  GPtrArray *owned;         /* g_free'd with the driver: texts, attributes, tensors */
  GPtrArray *aligned;       /* free'd with the driver */
  int64_t n_items_max, n_rows_max, n_groups_max;
  guint64 dynamic_max;
  uint64_t n_scratch_bytes;
  struct weft_ports ports;
  GHashTable *unwanted;
  uint32_t cancel;

  struct weft_call call;
  struct weft_call_host call_host;
  Slot *slots;
  guint8 *scratch;
  char (*item_messages)[WEFT_MESSAGE_BYTES];
  char call_message[WEFT_MESSAGE_BYTES];
};

static WeftDriver *driver_of(struct weft_call_host *host)
{
  return (WeftDriver *)((char *)host - G_STRUCT_OFFSET(WeftDriver, call_host));
}

static void fail_cb(struct weft_call_host *host, const struct weft_call *call, uint32_t item, weft_status status,
                    const char *message)
{
  WeftDriver *d = driver_of(host);
  if (item == WEFT_ALL_ITEMS) {
    g_strlcpy(d->call_message, message, sizeof d->call_message);
    return;
  }
  g_assert_cmpuint(item, <, call->n_items);
  call->item_status[item] = status;
  g_strlcpy(d->item_messages[item], message, WEFT_MESSAGE_BYTES);
}

static weft_status reserve_cb(struct weft_call_host *host, const struct weft_call *call, uint32_t output,
                              int64_t n_rows)
{
  WeftDriver *d = driver_of(host);
  g_assert_cmpuint(output, <, call->n_outputs);
  Slot *slot = &d->slots[output];
  g_assert_true(slot->dynamic);
  g_assert_cmpint(n_rows, >=, 0);
  guint64 row_bytes = (guint64)weft_row_bytes(&slot->output->tensor);
  if ((guint64)n_rows > d->dynamic_max / row_bytes)
    return WEFT_NO_MEMORY;
  if (n_rows > slot->output->n_rows_max || !slot->output->tensor.data) {
    gsize page = (gsize)sysconf(_SC_PAGESIZE), n = ((guint64)n_rows * row_bytes + page) / page * page;
    g_assert_cmpint(mprotect(slot->memory, MIN(n, slot->n_memory), PROT_READ | PROT_WRITE), ==, 0);
    slot->output->tensor.data = slot->memory;
    slot->output->n_rows_max = n_rows;
  }
  return WEFT_OK;
}

static weft_status open_cb(struct weft_setup *setup, const char *name, uint32_t flags, struct weft_resource *out)
{
  WeftDriver *d = setup->data;
  memset(out, 0, sizeof *out);
  GBytes *bytes = g_hash_table_lookup(d->files, name);
  if (!bytes && d->model_folder && g_str_has_prefix(name, "model/")) {
    g_autofree char *path = g_build_filename(d->model_folder, name + strlen("model/"), NULL);
    char *data;
    gsize n;
    if (g_file_get_contents(path, &data, &n, NULL)) {
      bytes = g_bytes_new_take(data, n);
      g_hash_table_insert(d->files, g_strdup(name), bytes);
    }
  }
  if (!bytes)
    return flags & WEFT_RESOURCE_OPTIONAL
               ? WEFT_OK
               : weft_host_table()->fail(setup, WEFT_BAD_CONFIG, "%s is missing", name);
  gsize n;
  out->data = g_bytes_get_data(bytes, &n);
  out->n_bytes = n;
  out->id = (guint64)(gsize)bytes;
  return WEFT_OK;
}

WeftDriver *weft_driver_new(const char *plugin, const char *node_id)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *file = g_strdup_printf("%s.so", plugin);
  g_autofree char *path =
      strchr(plugin, '/') ? g_strdup(plugin) : g_test_build_filename(G_TEST_BUILT, "plugins", file, NULL);
  char message[WEFT_MESSAGE_BYTES] = "";
  struct weft_module *module;
  if (weft_module_load(path, &module, message) != WEFT_OK)
    g_error("%s: %s", path, message);
  WeftDriver *d = g_new0(WeftDriver, 1);
  d->node = weft_module_node(module, node_id, message);
  if (!d->node)
    g_error("%s: node %s: %s", path, node_id, message);
  g_autoptr(WeftElf) elf = weft_elf_read(path, &error);
  if (elf) {
    gsize n;
    const char *json = g_bytes_get_data(elf->manifest, &n);
    d->manifest = weft_manifest_parse(json, n, path, &error);
  }
  if (!d->manifest)
    g_error("%s", error->message);
  d->spec = weft_manifest_find(d->manifest, node_id);
  g_assert_nonnull(d->spec);
  d->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
  d->params = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  d->unwanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  d->bound = g_array_new(FALSE, TRUE, sizeof(struct weft_port));
  d->owned = g_ptr_array_new_with_free_func(g_free);
  d->aligned = g_ptr_array_new_with_free_func(free);
  d->setup.resource_open = open_cb;
  d->setup.data = d;
  d->call_host.fail = fail_cb;
  d->call_host.reserve = reserve_cb;
  weft_driver_limits(d, 8, 1 << 20, 64);
  d->dynamic_max = 256u << 20;
  return d;
}

static void clear_call(WeftDriver *d)
{
  for (uint32_t i = 0; i < d->call.n_outputs; i++) {
    struct weft_output *output = &d->call.outputs[i];
    if (d->slots[i].dynamic)
      munmap(d->slots[i].memory, d->slots[i].n_memory);
    else
      free(d->slots[i].memory);
    g_free(output->slots);
    g_free(output->splits[0]);
    g_free(output->splits[1]);
  }
  g_clear_pointer(&d->slots, g_free);
  g_clear_pointer(&d->item_messages, g_free);
  g_free((void *)d->call.items);
  g_free(d->call.outputs);
  g_free(d->call.item_status);
  free(d->scratch);
  d->scratch = NULL;
  memset(&d->call, 0, sizeof d->call);
}

void weft_driver_free(WeftDriver *d)
{
  if (!d)
    return;
  clear_call(d);
  if (d->active)
    d->node->deactivate(d->instance);
  d->node->destroy(d->instance);
  g_hash_table_unref(d->files);
  g_hash_table_unref(d->params);
  g_hash_table_unref(d->unwanted);
  g_array_unref(d->bound);
  g_ptr_array_unref(d->owned);
  g_ptr_array_unref(d->aligned);
  weft_manifest_free(d->manifest);
  g_free(d->model_folder);
  g_free(d->model_digest);
  g_free(d);
}

void weft_driver_model(WeftDriver *d, const char *folder, const char *digest)
{
  g_free(d->model_folder);
  g_free(d->model_digest);
  d->model_folder = g_strdup(folder);
  d->model_digest = g_strdup(digest);
}

void weft_driver_set(WeftDriver *d, const char *name, const char *value)
{
  g_hash_table_insert(d->params, g_strdup(name), g_strdup(value));
}

static void bind_spec(WeftDriver *d, const WeftPortSpec *spec, const char *key, int64_t size)
{
  struct weft_port port = {.name = spec->name, .dtype = spec->dtype, .rank = spec->rank,
                           .n_split_levels = spec->n_splits};
  if (key) {
    char *copy = g_strdup(key);
    g_ptr_array_add(d->owned, copy);
    port.key = copy;
  }
  for (guint i = 0; i < spec->rank; i++)
    port.dims[i] = spec->dims[i].size > 0 ? spec->dims[i].size : -1;
  if (size >= 0 && spec->rank > 1)
    port.dims[1] = size;
  g_array_append_val(d->bound, port);
  for (guint i = 0; i < spec->attributes->len; i++) {
    const WeftAttribute *attribute = g_ptr_array_index(spec->attributes, i);
    weft_driver_bind_attribute(d, attribute->key, attribute->value);
  }
}

void weft_driver_bind(WeftDriver *d, const char *name, const char *key, int64_t size)
{
  const WeftPortSpec *spec = weft_plugin_spec_input(d->spec, name);
  if (!spec)
    g_error("no input '%s'", name);
  d->bound_by_test = TRUE;
  bind_spec(d, spec, key, size);
}

void weft_driver_bind_attribute(WeftDriver *d, const char *key, const char *value)
{
  g_assert_cmpuint(d->bound->len, >, 0);
  struct weft_port *port = &g_array_index(d->bound, struct weft_port, d->bound->len - 1);
  struct weft_attribute *all = g_new(struct weft_attribute, port->n_attributes + 1);
  if (port->n_attributes)
    memcpy(all, port->attributes, port->n_attributes * sizeof *all);
  char *key_copy = g_strdup(key), *value_copy = g_strdup(value);
  all[port->n_attributes++] = (struct weft_attribute){key_copy, value_copy};
  port->attributes = all;
  g_ptr_array_add(d->owned, all);
  g_ptr_array_add(d->owned, key_copy);
  g_ptr_array_add(d->owned, value_copy);
}

void weft_driver_limits(WeftDriver *d, int64_t n_items, int64_t n_rows, int64_t n_groups)
{
  d->n_items_max = n_items;
  d->n_rows_max = n_rows;
  d->n_groups_max = n_groups;
}

void weft_driver_dynamic_max(WeftDriver *d, uint64_t n_bytes)
{
  d->dynamic_max = n_bytes;
}

static struct weft_parameter parameter_of(WeftDriver *d, const WeftParamSpec *spec)
{
  struct weft_parameter p = {.name = spec->name, .type = spec->type};
  const char *text = g_hash_table_lookup(d->params, spec->name);
  if (!text && !spec->has_default)
    g_error("parameter '%s' has no default", spec->name);
  p.text = text ? text : spec->default_text;
  if (spec->type == WEFT_PARAMETER_TEXT || spec->type == WEFT_PARAMETER_ASSET)
    return p;
  if (spec->type == WEFT_PARAMETER_BOOL)
    p.number = text ? g_str_equal(text, "true") : spec->default_number;
  else
    p.number = text ? g_ascii_strtod(text, NULL) : spec->default_number;
  p.integer = (int64_t)p.number;
  return p;
}

weft_status weft_driver_start(WeftDriver *d)
{
  g_assert_null(d->instance);
  GPtrArray *specs = d->spec->params;
  struct weft_parameter *parameters = g_new0(struct weft_parameter, specs->len + 1);
  g_ptr_array_add(d->owned, parameters);
  for (guint i = 0; i < specs->len; i++)
    parameters[i] = parameter_of(d, g_ptr_array_index(specs, i));
  for (guint i = 0; i < d->spec->inputs->len && !d->bound_by_test; i++) {
    const WeftPortSpec *spec = g_ptr_array_index(d->spec->inputs, i);
    if (!spec->variadic)
      bind_spec(d, spec, NULL, -1);
  }
  struct weft_config config = {.node_name = "node", .parameters = parameters, .n_parameters = specs->len,
                               .inputs = (const struct weft_port *)(void *)d->bound->data,
                               .n_inputs = d->bound->len, .model_digest = d->model_digest};
  weft_status status = d->node->create(&d->setup, &config, &d->instance);
  if (status != WEFT_OK) {
    g_assert_null(d->instance);
    g_assert_cmpstr(d->setup.message, !=, "");
    return status;
  }
  status = d->node->ports(d->instance, &d->setup, &d->ports);
  if (status != WEFT_OK)
    return status;
  g_assert_cmpuint(d->ports.n_outputs, ==, d->spec->outputs->len);
  for (guint i = 0; i < d->ports.n_outputs; i++) {
    const WeftPortSpec *spec = g_ptr_array_index(d->spec->outputs, i);
    const struct weft_port *port = &d->ports.outputs[i];
    g_assert_cmpstr(port->name, ==, spec->name);
    g_assert_cmpuint(port->rank, ==, spec->rank);
    g_assert_true(weft_dtype_equal(port->dtype, spec->dtype));
    g_assert_cmpuint(port->n_split_levels, ==, spec->n_splits);
    g_assert_cmpint(port->dims[0], ==, -1);
  }
  int64_t *rows = g_new(int64_t, d->bound->len + 1), *groups = g_new(int64_t, d->bound->len + 1);
  g_ptr_array_add(d->owned, rows);
  g_ptr_array_add(d->owned, groups);
  for (guint i = 0; i < d->bound->len; i++) {
    rows[i] = d->n_rows_max;
    groups[i] = d->n_groups_max;
  }
  struct weft_limits limits = {d->n_items_max, rows, groups};
  status = d->node->activate(d->instance, &d->setup, &limits, &d->n_scratch_bytes);
  d->active = status == WEFT_OK;
  return status;
}

const char *weft_driver_message(const WeftDriver *d)
{
  return d->call_message[0] ? d->call_message : d->setup.message;
}

const struct weft_ports *weft_driver_ports(const WeftDriver *d)
{
  return &d->ports;
}

static void *aligned_of(WeftDriver *d, gsize n_bytes)
{
  void *memory = NULL;
  g_assert_cmpint(posix_memalign(&memory, WEFT_ALIGNMENT, MAX(n_bytes, 1)), ==, 0);
  if (d)
    g_ptr_array_add(d->aligned, memory);
  return memory;
}

const struct weft_tensor *weft_driver_tensor(WeftDriver *d, const struct weft_tensor *shape, const void *data,
                                             uint32_t n_items, const int64_t *splits)
{
  struct weft_tensor *tensor = g_new0(struct weft_tensor, 1);
  g_ptr_array_add(d->owned, tensor);
  tensor->dtype = shape->dtype;
  tensor->rank = shape->rank;
  tensor->device = WEFT_DEVICE_CPU;
  memcpy(tensor->dims, shape->dims, sizeof tensor->dims);
  tensor->n_bytes = tensor->dims[0] * weft_row_bytes(tensor);
  tensor->data = aligned_of(d, (gsize)tensor->n_bytes);
  if (tensor->n_bytes)
    memcpy(tensor->data, data, (gsize)tensor->n_bytes);
  tensor->n_slots = n_items;
  if (splits) {
    int64_t *copy = g_memdup2(splits, (n_items + 1) * sizeof *copy);
    g_ptr_array_add(d->owned, copy);
    tensor->splits[0] = copy;
  }
  return tensor;
}

const struct weft_tensor *weft_driver_bytes(WeftDriver *d, uint32_t n_items, GBytes *const *items)
{
  g_autoptr(GByteArray) all = g_byte_array_new();
  g_autofree int64_t *splits = g_new0(int64_t, n_items + 1);
  int32_t *slots = g_new(int32_t, n_items + 1);
  g_ptr_array_add(d->owned, slots);
  uint32_t n_present = 0;
  for (uint32_t i = 0; i < n_items; i++) {
    slots[i] = -1;
    if (!items[i])
      continue;
    gsize n;
    const guint8 *data = g_bytes_get_data(items[i], &n);
    if (n)
      g_byte_array_append(all, data, (guint)n);
    slots[i] = (int32_t)n_present++;
    splits[n_present] = all->len;
  }
  struct weft_tensor shape = {.dtype = weft_u8(), .rank = 1, .dims = {all->len}};
  struct weft_tensor *tensor = (struct weft_tensor *)weft_driver_tensor(d, &shape, all->data, n_present, splits);
  if (n_present != n_items)
    tensor->slots = slots;
  return tensor;
}

void weft_driver_cancel_next(WeftDriver *d)
{
  d->cancel = 1;
}

void weft_driver_unwanted(WeftDriver *d, const char *output)
{
  g_hash_table_add(d->unwanted, g_strdup(output));
}

/* Rows that the terms of a port give to one item. */
static int64_t rows_of_item(const struct weft_port *port, const struct weft_tensor *const *inputs, uint32_t item)
{
  int64_t n = 0;
  for (uint32_t t = 0; t < port->n_terms; t++) {
    const struct weft_rows_term *term = &port->terms[t];
    int64_t count = 1;
    if (term->of != WEFT_COUNT_ITEMS) {
      const struct weft_tensor *input = inputs[term->input];
      struct weft_rows rows = weft_rows_of(input, item);
      count = rows.end - rows.begin;
      if (term->of == WEFT_COUNT_GROUPS)
        count = rows.present ? input->splits[0][item + 1] - input->splits[0][item] : 0;
    }
    n += term->factor * count;
  }
  return n;
}

static void prepare_output(WeftDriver *d, uint32_t index, const struct weft_tensor *const *inputs)
{
  const struct weft_port *port = &d->ports.outputs[index];
  struct weft_output *output = &d->call.outputs[index];
  Slot *slot = &d->slots[index];
  uint32_t n_items = d->call.n_items;
  slot->output = output;
  slot->port = port;
  output->tensor = (struct weft_tensor){.dtype = port->dtype, .rank = port->rank, .device = WEFT_DEVICE_CPU,
                                        .n_slots = n_items};
  memcpy(output->tensor.dims, port->dims, sizeof port->dims);
  output->tensor.dims[0] = 0;
  output->wanted = !g_hash_table_contains(d->unwanted, port->name);
  output->rows_kind = port->n_split_levels ? port->rows_kind : WEFT_ROWS_EXACT;
  output->slots = g_new(int32_t, n_items);
  memset(output->slots, FILL, n_items * sizeof(int32_t));
  int64_t n_rows = port->n_split_levels ? 0 : n_items;
  if (port->n_split_levels) {
    output->splits[0] = g_new(int64_t, n_items + 1);
    output->splits[0][0] = 0;
    for (uint32_t i = 0; i < n_items; i++) {
      n_rows += rows_of_item(port, inputs, i);
      output->splits[0][i + 1] = output->rows_kind == WEFT_ROWS_EXACT ? n_rows : -1;
    }
    output->tensor.splits[0] = output->splits[0];
  }
  if (port->n_split_levels > 1) {
    output->n_groups_max = d->n_groups_max;
    output->splits[1] = g_new0(int64_t, d->n_groups_max + 1);
    output->tensor.splits[1] = output->splits[1];
  }
  if (!output->wanted)
    return;
  if (output->rows_kind == WEFT_ROWS_DYNAMIC) {
    slot->dynamic = TRUE;
    slot->n_memory = d->dynamic_max + (1u << 16);
    slot->memory = mmap(NULL, slot->n_memory, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    g_assert_true(slot->memory != MAP_FAILED);
    return;
  }
  gsize n_bytes = (gsize)(n_rows * weft_row_bytes(&output->tensor));
  slot->n_memory = n_bytes + GUARD_BYTES;
  slot->memory = aligned_of(NULL, slot->n_memory);
  memset(slot->memory, FILL, slot->n_memory);
  output->tensor.data = slot->memory;
  output->n_rows_max = n_rows;
  if (output->rows_kind == WEFT_ROWS_EXACT)
    output->tensor.dims[0] = n_rows;
}

static void check_guard(const guint8 *end, const char *name)
{
  for (guint i = 0; i < GUARD_BYTES; i++)
    if (end[i] != FILL)
      g_error("'%s' was written past its end", name);
}

static void check_output(WeftDriver *d, uint32_t index)
{
  Slot *slot = &d->slots[index];
  struct weft_output *output = slot->output;
  struct weft_tensor *tensor = &output->tensor;
  if (!output->wanted)
    return;
  if (!slot->dynamic)
    check_guard(slot->memory + slot->n_memory - GUARD_BYTES, slot->port->name);
  if (d->call_message[0])
    return;
  g_assert_cmpint(tensor->dims[0], >=, 0);
  g_assert_cmpint(tensor->dims[0], <=, output->n_rows_max);
  tensor->n_bytes = tensor->dims[0] * weft_row_bytes(tensor);
  if (slot->port->n_split_levels > 1) {
    g_assert_cmpint(tensor->n_groups, <=, output->n_groups_max);
    g_assert_cmpint(tensor->splits[0][tensor->n_slots], ==, tensor->n_groups);
    g_assert_cmpint(tensor->splits[1][tensor->n_groups], ==, tensor->dims[0]);
  }
  for (uint32_t i = 0; i < d->call.n_items; i++) {
    if (tensor->slots)
      g_assert_cmpint(tensor->slots[i], <, tensor->n_slots);
    struct weft_rows rows = weft_rows_of(tensor, i);
    g_assert_cmpint(rows.begin, >=, 0);
    g_assert_cmpint(rows.begin, <=, rows.end);
    g_assert_cmpint(rows.end, <=, tensor->dims[0]);
  }
}

weft_status weft_driver_run(WeftDriver *d, uint32_t n_items, const struct weft_tensor *const *inputs)
{
  g_assert_true(d->active);
  clear_call(d);
  d->call_message[0] = 0;
  d->item_messages = g_malloc0((gsize)n_items * WEFT_MESSAGE_BYTES + 1);
  d->slots = g_new0(Slot, d->ports.n_outputs);
  struct weft_item *items = g_new0(struct weft_item, n_items);
  for (uint32_t i = 0; i < n_items; i++)
    items[i].seed = i + 1;
  d->scratch = aligned_of(NULL, d->n_scratch_bytes + GUARD_BYTES);
  memset(d->scratch, FILL, d->n_scratch_bytes + GUARD_BYTES);
  d->call = (struct weft_call){.n_items = n_items, .n_inputs = d->bound->len, .n_outputs = d->ports.n_outputs,
                               .items = items, .inputs = inputs,
                               .outputs = g_new0(struct weft_output, d->ports.n_outputs),
                               .item_status = g_new0(weft_status, n_items + 1), .scratch = d->scratch,
                               .n_scratch_bytes = d->n_scratch_bytes, .cancel = &d->cancel,
                               .host_data = &d->call_host};
  for (uint32_t i = 0; i < d->ports.n_outputs; i++)
    prepare_output(d, i, inputs);
  weft_status status = d->node->process(d->instance, &d->call);
  d->cancel = 0;
  check_guard(d->scratch + d->n_scratch_bytes, "scratch");
  for (uint32_t i = 0; i < d->ports.n_outputs && status == WEFT_OK; i++)
    check_output(d, i);
  return status;
}

weft_status weft_driver_item_status(const WeftDriver *d, uint32_t item)
{
  return d->call.item_status[item];
}

const char *weft_driver_item_message(const WeftDriver *d, uint32_t item)
{
  return d->item_messages[item];
}

const struct weft_tensor *weft_driver_output(const WeftDriver *d, const char *name)
{
  for (uint32_t i = 0; i < d->call.n_outputs; i++)
    if (g_str_equal(d->ports.outputs[i].name, name))
      return &d->call.outputs[i].tensor;
  g_error("no output '%s'", name);
}
