/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of struct weft_tensor is frozen: it must be what tensor.layout
 * says. The other structs are those of a draft: they may change, but never
 * without somebody noticing and raising WEFT_CONTRACT_VERSION.
 */
#include <weft/compute.h>
#include <weft/entry.h>

#include <glib.h>

#define FIELD(type, field) \
  g_string_append_printf(out, "%s %zu %zu\n", #field, offsetof(struct type, field), sizeof(((struct type *)0)->field))

static char *tensor_layout(void)
{
  GString *out = g_string_new(NULL);
  g_string_append_printf(out, "weft_tensor %zu\n", sizeof(struct weft_tensor));
  FIELD(weft_tensor, data);
  FIELD(weft_tensor, n_bytes);
  FIELD(weft_tensor, dims);
  FIELD(weft_tensor, dtype);
  FIELD(weft_tensor, rank);
  FIELD(weft_tensor, device);
  FIELD(weft_tensor, flags);
  FIELD(weft_tensor, slots);
  FIELD(weft_tensor, n_slots);
  FIELD(weft_tensor, splits);
  FIELD(weft_tensor, n_groups);
  return g_string_free(out, FALSE);
}

static void test_layout_tensor_is_frozen(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(g_getenv("G_TEST_SRCDIR"), "tests", "headers", "tensor.layout", NULL);
  g_autofree char *golden = NULL, *found = tensor_layout();
  g_file_get_contents(path, &golden, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(found, ==, golden);
}

static void test_layout_codes_are_those_of_dlpack(void)
{
  g_assert_cmpint(WEFT_DTYPE_INT, ==, 0);
  g_assert_cmpint(WEFT_DTYPE_UINT, ==, 1);
  g_assert_cmpint(WEFT_DTYPE_FLOAT, ==, 2);
  g_assert_cmpint(WEFT_DTYPE_BFLOAT, ==, 4);
  g_assert_cmpint(WEFT_DTYPE_BOOL, ==, 6);
  g_assert_cmpint(WEFT_DEVICE_CPU, ==, 1);
}

/* Draft 1, on 64-bit machines. */
G_STATIC_ASSERT(WEFT_CONTRACT_VERSION == 1);
G_STATIC_ASSERT(offsetof(struct weft_entry, init) == 16);
G_STATIC_ASSERT(offsetof(struct weft_entry, get_extension) == 40);
G_STATIC_ASSERT(sizeof(struct weft_entry) == 48);
G_STATIC_ASSERT(offsetof(struct weft_node, create) == 8);
G_STATIC_ASSERT(offsetof(struct weft_node, process) == 32);
G_STATIC_ASSERT(sizeof(struct weft_node) == 56);
G_STATIC_ASSERT(offsetof(struct weft_host, fail) == 8);
G_STATIC_ASSERT(offsetof(struct weft_host, get_extension) == 72);
G_STATIC_ASSERT(offsetof(struct weft_host, takes) == 80);
G_STATIC_ASSERT(sizeof(struct weft_host) == 88);
G_STATIC_ASSERT(sizeof(struct weft_item) == 40);
G_STATIC_ASSERT(offsetof(struct weft_call, items) == 16);
G_STATIC_ASSERT(offsetof(struct weft_call, host_data) == 72);
G_STATIC_ASSERT(sizeof(struct weft_call) == 80);
G_STATIC_ASSERT(offsetof(struct weft_output, slots) == sizeof(struct weft_tensor));
G_STATIC_ASSERT(sizeof(struct weft_output) == sizeof(struct weft_tensor) + 48);
G_STATIC_ASSERT(sizeof(struct weft_port) == 120);
G_STATIC_ASSERT(sizeof(struct weft_parameter) == 40);
G_STATIC_ASSERT(sizeof(struct weft_config) == 48);

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/layout/tensor-is-frozen", test_layout_tensor_is_frozen);
  g_test_add_func("/layout/codes-are-those-of-dlpack", test_layout_codes_are_those_of_dlpack);
  return g_test_run();
}
