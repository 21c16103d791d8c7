/* SPDX-License-Identifier: Apache-2.0 */
#include "packed.h"

#include "derived-file.h"
#include "derived.h"
#include "digest.h"

#include <stdio.h>
#include <string.h>

static void packed_free(gpointer data)
{
  WeftPacked *packed = data;
  g_free(packed->layout);
  g_free(packed->path);
  g_free(packed->key);
  g_free(packed);
}

static gint by_layout(gconstpointer a, gconstpointer b)
{
  const WeftPacked *x = *(WeftPacked *const *)a, *y = *(WeftPacked *const *)b;
  int layout = g_strcmp0(x->layout, y->layout);
  return layout ? layout : strcmp(x->key, y->key);
}

GPtrArray *weft_packed_list(const WeftArtifactRow *row)
{
  GPtrArray *list = g_ptr_array_new_with_free_func(packed_free);
  g_autoptr(GPtrArray) files = weft_derived_list(row->catalogue, row->digest);
  for (guint i = 0; i < files->len; i++) {
    const WeftDerivedFile *file = files->pdata[i];
    if (strcmp(file->key, WEFT_DERIVED_CHECK) == 0)
      continue;
    WeftPacked *packed = g_new0(WeftPacked, 1);
    const char *layout = NULL;
    g_autoptr(GMappedFile) map = g_mapped_file_new(file->path, FALSE, NULL);
    if (map && weft_derived_look(g_mapped_file_get_contents(map), g_mapped_file_get_length(map), &layout))
      packed->layout = g_strdup(layout);
    packed->path = g_strdup(file->path);
    packed->key = g_strdup(file->key);
    packed->n_bytes = file->n_bytes;
    g_ptr_array_add(list, packed);
  }
  g_ptr_array_sort(list, by_layout);
  return list;
}

void weft_packed_check(const WeftArtifactRow *row, GPtrArray *problems)
{
  g_autoptr(GPtrArray) files = weft_derived_list(row->catalogue, row->digest);
  for (guint i = 0; i < files->len; i++) {
    const WeftDerivedFile *file = files->pdata[i];
    if (strcmp(file->key, WEFT_DERIVED_CHECK) == 0)
      continue;
    const char *layout = NULL;
    g_autoptr(GMappedFile) map = g_mapped_file_new(file->path, FALSE, NULL);
    const char *bytes = map ? g_mapped_file_get_contents(map) : NULL;
    const struct weft_derived_header *header =
        bytes ? weft_derived_look(bytes, g_mapped_file_get_length(map), &layout) : NULL;
    g_autofree char *digest = header ? weft_digest_of(bytes + header->n_header, header->n_bytes) : NULL;
    if (!digest || strncmp(digest, header->digest, sizeof header->digest) != 0)
      g_ptr_array_add(problems, g_strdup_printf("its packed weights %s are damaged: \"weft model gc %s\" removes them, and the "
                                                "next start packs them anew", file->path, row->name));
  }
}

void weft_packed_print(const WeftArtifactRow *row)
{
  g_autoptr(GPtrArray) list = weft_packed_list(row);
  if (list->len)
    printf("packed\n");
  for (guint i = 0; i < list->len; i++) {
    const WeftPacked *packed = list->pdata[i];
    printf("  %-28s  %12" G_GINT64_FORMAT "  %.12s\n", packed->layout ? packed->layout : "damaged", packed->n_bytes, packed->key);
  }
}

json_t *weft_packed_json(const GPtrArray *list)
{
  json_t *all = json_array();
  for (guint i = 0; i < list->len; i++) {
    const WeftPacked *packed = list->pdata[i];
    json_array_append_new(all, json_pack("{s:o, s:I, s:s}", "layout", packed->layout ? weft_command_text(packed->layout)
                                                                                     : json_null(),
                                         "bytes", (json_int_t)packed->n_bytes, "key", packed->key));
  }
  return all;
}

/* ---- gc ---- */

static gboolean remove_files(const char *folder, const char *digest, guint *n, gint64 *n_bytes, GError **error)
{
  g_autoptr(GPtrArray) files = weft_derived_list(folder, digest);
  weft_derived_sweep(folder);
  for (guint i = 0; i < files->len; i++) {
    const WeftDerivedFile *file = files->pdata[i];
    if (strcmp(file->key, WEFT_DERIVED_CHECK) == 0)
      continue;
    if (!weft_derived_remove(file, error))
      return FALSE;
    *n += 1;
    *n_bytes += file->n_bytes;
  }
  return TRUE;
}

int weft_model_gc(const WeftArtifactOptions *options)
{
  g_autoptr(GError) error = NULL;
  guint n = 0;
  gint64 n_bytes = 0;
  if (options->words->len > 1)
    return weft_command_usage_error(options->command, "gc: expected one NAME[@RANGE], or none");
  const char *word = options->words->len ? options->words->pdata[0] : NULL;
  g_auto(GStrv) parts = word ? g_strsplit(word, "@", 2) : NULL;
  g_autofree char *folder = options->catalogue ? g_strdup(options->catalogue) : weft_catalogue_default_folder();
  g_autoptr(WeftCatalogue) catalogue = word ? weft_artifact_catalogue(options, &error) : NULL;
  g_autoptr(WeftArtifactRow) row =
      catalogue ? weft_artifact_find(catalogue, options->kind, parts[0] ? parts[0] : "", parts[0] ? parts[1] : NULL, &error)
                : NULL;
  gboolean ok = word ? row != NULL : weft_catalogue_is_there(folder, &error);
  ok = ok && remove_files(row ? row->catalogue : folder, row ? row->digest : NULL, &n, &n_bytes, &error);
  if (!ok)
    return weft_command_refuse_error(options->command, catalogue && !row ? WEFT_EXIT_FAILED : WEFT_EXIT_PIPELINE, error);
  g_autofree char *size = g_format_size_full((guint64)n_bytes, G_FORMAT_SIZE_IEC_UNITS);
  if (options->json)
    printf("{\"files\": %u, \"bytes\": %" G_GINT64_FORMAT "}\n", n, n_bytes);
  else
    printf("removed %u packed files, %s; the next start, or \"weft model pack\", makes them anew\n", n, size);
  return WEFT_EXIT_OK;
}
