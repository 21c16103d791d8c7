/* SPDX-License-Identifier: Apache-2.0 */
#include "modelfolder.h"

#include <glib/gstdio.h>
#include <string.h>

static GString *read_file(const char *folder, const char *file)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(folder, file, NULL), *data = NULL;
  gsize n;
  if (!g_file_get_contents(path, &data, &n, &error))
    g_error("%s", error->message);
  return g_string_new_len(data, (gssize)n);
}

static void write_file(const char *folder, const char *file, GString *data)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(folder, file, NULL);
  if (!g_file_set_contents(path, data->str, (gssize)data->len, &error))
    g_error("%s", error->message);
  g_string_free(data, TRUE);
}

char *weft_test_model_copy(const char *folder)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *source = g_test_build_filename(G_TEST_DIST, folder, NULL);
  char *copy = g_dir_make_tmp("weft-model-XXXXXX", &error);
  GDir *dir = copy ? g_dir_open(source, 0, &error) : NULL;
  const char *name;
  if (!dir)
    g_error("%s", error->message);
  while ((name = g_dir_read_name(dir)))
    write_file(copy, name, read_file(source, name));
  g_dir_close(dir);
  return copy;
}

void weft_test_model_free(char *folder)
{
  GDir *dir = g_dir_open(folder, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_unlink(path);
  }
  if (dir)
    g_dir_close(dir);
  g_rmdir(folder);
  g_free(folder);
}

void weft_test_model_edit(const char *folder, const char *file, const char *from, const char *to)
{
  GString *data = read_file(folder, file);
  g_assert_cmpuint(g_string_replace(data, from, to, 0), >, 0);
  write_file(folder, file, data);
}

void weft_test_model_edit_header(const char *folder, const char *from, const char *to)
{
  GString *data = read_file(folder, "model.safetensors");
  guint64 n;
  g_assert_cmpuint(data->len, >, sizeof n);
  memcpy(&n, data->str, sizeof n);
  n = GUINT64_FROM_LE(n);
  g_autoptr(GString) header = g_string_new_len(data->str + sizeof n, (gssize)n);
  g_assert_cmpuint(g_string_replace(header, from, to, 0), >, 0);
  guint64 after = GUINT64_TO_LE((guint64)header->len);
  g_string_erase(data, 0, (gssize)(sizeof n + n));
  g_string_prepend_len(data, header->str, (gssize)header->len);
  g_string_prepend_len(data, (const char *)&after, sizeof after);
  write_file(folder, "model.safetensors", data);
}

void weft_test_refused(WeftDriver *driver, weft_status status, ...)
{
  va_list texts;
  const char *text;
  weft_status found = weft_driver_start(driver);
  if (found != status)
    g_error("expected status %d, found %d: %s", status, found, weft_driver_message(driver));
  va_start(texts, status);
  while ((text = va_arg(texts, const char *)))
    if (!strstr(weft_driver_message(driver), text))
      g_error("no '%s' in: %s", text, weft_driver_message(driver));
  va_end(texts);
  weft_driver_free(driver);
}
