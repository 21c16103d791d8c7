/* SPDX-License-Identifier: Apache-2.0 */
/** @file golden.h Files of the tree for tests of suite golden. Tests only: what is missing is a g_error. */
#ifndef WEFT_TEST_GOLDEN_H
#define WEFT_TEST_GOLDEN_H

#include "json.h"
#include "safetensors.h"

#include <glib.h>

/** The bytes of tests/golden/NAME; caller frees out->data with g_free. */
static inline void golden_read(const char *name, struct weft_resource *out)
{
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, "tests", "golden", name, NULL);
  g_autoptr(GError) error = NULL;
  char *data;
  gsize n;
  if (!g_file_get_contents(path, &data, &n, &error))
    g_error("%s", error->message);
  *out = (struct weft_resource){data, n, 0};
}

/** A JSON file of tests/golden; caller frees with weft_json_close. */
static inline struct weft_json *golden_json(const char *name)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_resource file;
  struct weft_json *json;
  golden_read(name, &file);
  if (weft_json_open(&file, name, &json, message) != WEFT_OK)
    g_error("%s", message);
  g_free((void *)file.data);
  return json;
}

/** A weight file of tests/golden; caller closes it, then frees resource->data with g_free. */
static inline struct weft_safetensors *golden_safetensors(const char *name, struct weft_resource *resource)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_safetensors *file;
  golden_read(name, resource);
  if (weft_safetensors_open(resource, name, &file, message) != WEFT_OK)
    g_error("%s", message);
  return file;
}

#endif
