/* SPDX-License-Identifier: Apache-2.0 */
/* Loading shared objects, and the table that they get. */
#include "hosttable.h"
#include "module.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

static char *plugin_path(const char *id)
{
  g_autofree char *name = g_strdup_printf("test-%s.so", id);
  return g_build_filename(g_getenv("G_TEST_BUILDDIR"), "tests", "plugins", name, NULL);
}

static struct weft_module *load(const char *id)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_module *module = NULL;
  g_autofree char *path = plugin_path(id);
  weft_status status = weft_module_load(path, &module, message);
  g_assert_cmpstr(message, ==, "");
  g_assert_cmpint(status, ==, WEFT_OK);
  g_assert_nonnull(module);
  return module;
}

static void check_refused(const char *path, weft_status expected, const char *text)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_module *module = NULL;
  g_assert_cmpint(weft_module_load(path, &module, message), ==, expected);
  g_assert_null(module);
  if (!strstr(message, text) || !g_str_has_prefix(message, path))
    g_error("expected \"%s: ... %s\", found \"%s\"", path, text, message);
}

static void test_module_loads_once(void)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_module *module = load("pass");
  g_assert_true(load("pass") == module);
  g_assert_nonnull(weft_module_node(module, "pass", message));
  g_assert_null(weft_module_node(module, "passe", message));
  g_assert_nonnull(strstr(message, "get_node knows no \"passe\""));
  g_assert_null(weft_module_extension(module, "pass", "weft.compute/1"));
}

static void test_module_refuses(void)
{
  static const struct {
    const char *id;
    weft_status status;
    const char *text;
  } cases[] = {{"other-draft-entry", WEFT_CONTRACT, "built for draft 999 of the plugin contract, this host speaks draft 1"},
               {"no-entry", WEFT_CONTRACT, "no symbol weft_entry"},
               {"init-refuses", WEFT_UNSUPPORTED, "init refuses to work here: status 3, unsupported"},
               {"missing-dependency", WEFT_UNAVAILABLE, "libweft-does-not-exist.so.9: cannot open shared object file"}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *path = plugin_path(cases[i].id);
    check_refused(path, cases[i].status, cases[i].text);
  }
  check_refused("/nonexistent/x.so", WEFT_UNAVAILABLE, "No such file or directory");
  check_refused("libm.so.6", WEFT_BAD_CONFIG, "expected a path with a `/`");
}

static void test_module_node_must_be_whole(void)
{
  char message[WEFT_MESSAGE_BYTES];
  g_assert_null(weft_module_node(load("bad-node"), "bad-node", message));
  g_assert_nonnull(strstr(message, "node \"bad-node\" has no process function; all six are needed"));
}

static void test_module_short_entry_reads_as_zeros(void)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_module *module = load("short-entry");
  g_assert_nonnull(weft_module_node(module, "short-entry", message));
  g_assert_null(weft_module_extension(module, "short-entry", "weft.compute/1"));
}

static gboolean keeps_denormals(void)
{
  volatile float tiny = 1.17549435e-38f;
  tiny *= 0.25f;
  return tiny != 0;
}

static void test_module_restores_floating_point(void)
{
  g_assert_true(keeps_denormals());
  load("fast-math");
  g_assert_true(keeps_denormals());
}

/* ---- the host's table ---- */

typedef struct {
  struct weft_call_host host; /* first: what call->host_data points at */
  uint32_t item;
  weft_status status;
  char message[WEFT_MESSAGE_BYTES];
  int64_t n_rows;
} Caller;

static void record(struct weft_call_host *self, const struct weft_call *call, uint32_t item, weft_status status,
                   const char *message)
{
  Caller *caller = (Caller *)self;
  caller->item = item;
  caller->status = status;
  g_strlcpy(caller->message, message, sizeof caller->message);
}

static weft_status reserve(struct weft_call_host *self, const struct weft_call *call, uint32_t output, int64_t n_rows)
{
  ((Caller *)self)->n_rows = n_rows;
  return n_rows > 100 ? WEFT_NO_MEMORY : WEFT_OK;
}

static void test_host_records_failures_of_items(void)
{
  const struct weft_host *host = weft_host_table();
  Caller caller = {.host = {record, reserve}};
  weft_status statuses[2] = {WEFT_OK, WEFT_OK};
  struct weft_call call = {.n_items = 2, .item_status = statuses, .host_data = &caller};
  g_assert_cmpint(host->fail_item(&call, 1, WEFT_BAD_INPUT, "bad %d", 7), ==, WEFT_BAD_INPUT);
  g_assert_cmpint(statuses[0], ==, WEFT_OK);
  g_assert_cmpint(statuses[1], ==, WEFT_BAD_INPUT);
  g_assert_cmpuint(caller.item, ==, 1);
  g_assert_cmpstr(caller.message, ==, "bad 7");
  g_assert_cmpint(host->fail_call(&call, WEFT_INTERNAL, "all of it"), ==, WEFT_INTERNAL);
  g_assert_cmpuint(caller.item, ==, WEFT_ALL_ITEMS);
  /* an item that is not there fails all; codes that no failure has */
  g_assert_cmpint(host->fail_item(&call, 2, WEFT_BAD_INPUT, "x"), ==, WEFT_CONTRACT);
  g_assert_cmpuint(caller.item, ==, WEFT_ALL_ITEMS);
  g_assert_cmpstr(caller.message, ==, "fail_item named item 2; the call has items 0..1");
  g_assert_cmpint(host->fail_item(&call, 0, WEFT_OK, "x"), ==, WEFT_CONTRACT);
  g_assert_cmpint(host->fail_call(&call, 99, "x"), ==, WEFT_CONTRACT);
}

static void test_host_cuts_long_messages(void)
{
  const struct weft_host *host = weft_host_table();
  struct weft_setup setup = {0};
  g_autofree char *text = g_strnfill(2 * WEFT_MESSAGE_BYTES, 'x');
  g_assert_cmpint(host->fail(&setup, WEFT_BAD_CONFIG, "%s", text), ==, WEFT_BAD_CONFIG);
  g_assert_cmpint(setup.status, ==, WEFT_BAD_CONFIG);
  g_assert_cmpuint(strlen(setup.message), ==, WEFT_MESSAGE_BYTES - 1);
}

static void test_host_reserves_dynamic_outputs_only(void)
{
  const struct weft_host *host = weft_host_table();
  Caller caller = {.host = {record, reserve}};
  struct weft_output outputs[2] = {{.rows_kind = WEFT_ROWS_DYNAMIC}, {.rows_kind = WEFT_ROWS_BOUNDED}};
  struct weft_call call = {.n_outputs = 2, .outputs = outputs, .host_data = &caller};
  g_assert_cmpint(host->output_reserve(&call, 0, 100), ==, WEFT_OK);
  g_assert_cmpint(caller.n_rows, ==, 100);
  g_assert_cmpint(host->output_reserve(&call, 0, 101), ==, WEFT_NO_MEMORY);
  g_assert_cmpint(host->output_reserve(&call, 0, -1), ==, WEFT_CONTRACT);
  g_assert_cmpint(host->output_reserve(&call, 1, 1), ==, WEFT_CONTRACT);
  g_assert_cmpint(host->output_reserve(&call, 2, 1), ==, WEFT_CONTRACT);
}

static void test_host_resources_without_resolver(void)
{
  const struct weft_host *host = weft_host_table();
  struct weft_setup setup = {0};
  struct weft_resource resource = {&setup, 1, 1};
  g_assert_cmpint(host->resource_open(&setup, "model/config.json", 0, &resource), ==, WEFT_BAD_CONFIG);
  g_assert_nonnull(strstr(setup.message, "model/config.json"));
  g_assert_cmpint(host->resource_open(&setup, "model/config.json", WEFT_RESOURCE_OPTIONAL, &resource), ==, WEFT_OK);
  g_assert_null(resource.data);
}

static const void *find(void *data, const char *id)
{
  return strcmp(id, "found/1") == 0 ? data : NULL;
}

static void test_host_offers_extensions(void)
{
  static int table, other;
  const struct weft_host *host = weft_host_table();
  g_assert_null(host->get_extension("test/1"));
  g_assert_cmpint(weft_host_offer("test/1", &table), ==, WEFT_OK);
  g_assert_true(host->get_extension("test/1") == &table);
  weft_host_offer("test/1", &other);
  g_assert_true(host->get_extension("test/1") == &other);
  weft_host_offer("test/1", NULL);
  g_assert_null(host->get_extension("test/1"));
  weft_host_set_finder(find, &table);
  g_assert_true(host->get_extension("found/1") == &table);
  g_assert_null(host->get_extension("lost/1"));
  weft_host_set_finder(NULL, NULL);
}

static GString *logged;

static void keep(void *data, uint32_t level, const char *line)
{
  g_string_append_printf(logged, "%u %s\n", level, line);
}

static void test_host_logs_to_one_place(void)
{
  logged = g_string_new(NULL);
  weft_host_set_log(keep, NULL);
  weft_host_table()->log(WEFT_LOG_INFO, "one %d", 1);
  weft_host_table()->log(77, "two");
  weft_host_set_log(NULL, NULL);
  g_assert_cmpstr(logged->str, ==, "2 one 1\n3 two\n");
  g_string_free(logged, TRUE);
}

static void test_mem_fails_at_k(void)
{
  const struct weft_host *host = weft_host_table();
  uint64_t live = weft_mem_live(), count = weft_mem_count();
  void *kept[4];
  weft_mem_fail_at(3);
  for (int i = 0; i < 4; i++) {
    kept[i] = host->alloc(100);
    g_assert_cmpint(kept[i] == NULL, ==, i == 2);
    g_assert_cmpuint((uintptr_t)kept[i] % WEFT_ALIGNMENT, ==, 0);
  }
  g_assert_cmpuint(weft_mem_count() - count, ==, 4);
  g_assert_cmpuint(weft_mem_live() - live, ==, 3);
  for (int i = 0; i < 4; i++)
    host->free(kept[i]);
  g_assert_cmpuint(weft_mem_live(), ==, live);
  g_assert_null(host->alloc(UINT64_MAX));
  void *nothing = host->alloc(0);
  g_assert_nonnull(nothing);
  host->free(nothing);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/module/loads-once", test_module_loads_once);
  g_test_add_func("/module/refuses", test_module_refuses);
  g_test_add_func("/module/node-must-be-whole", test_module_node_must_be_whole);
  g_test_add_func("/module/short-entry-reads-as-zeros", test_module_short_entry_reads_as_zeros);
  g_test_add_func("/module/restores-floating-point", test_module_restores_floating_point);
  g_test_add_func("/host/records-failures-of-items", test_host_records_failures_of_items);
  g_test_add_func("/host/cuts-long-messages", test_host_cuts_long_messages);
  g_test_add_func("/host/reserves-dynamic-outputs-only", test_host_reserves_dynamic_outputs_only);
  g_test_add_func("/host/resources-without-resolver", test_host_resources_without_resolver);
  g_test_add_func("/host/offers-extensions", test_host_offers_extensions);
  g_test_add_func("/host/logs-to-one-place", test_host_logs_to_one_place);
  g_test_add_func("/mem/fails-at-k", test_mem_fails_at_k);
  return g_test_run();
}
