/* SPDX-License-Identifier: Apache-2.0 */
/* What providers have made out of a step's model, kept in the catalogue that holds it: packed weights. */
#include "resolve.h"

#include "derived-file.h"
#include "derived.h"
#include "digest.h"

#include <string.h>

static const WeftArtifactRow *row_of(const struct weft_step_setup *self)
{
  if (!self->step->node || self->step->node->model < 0)
    return NULL;
  return self->builder->revision->model_rows[self->step->node->model];
}

char *weft_step_derived_path(const struct weft_step_setup *self, const char *key)
{
  const WeftArtifactRow *row = row_of(self);
  return row && weft_derived_is_name(key) ? weft_derived_path(row->catalogue, row->digest, key) : NULL;
}

/* Once for a catalogue and a process: every model of it would say the same. */
static void warn(const WeftArtifactRow *row, const char *why)
{
  static GHashTable *told;
  if (!told)
    told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  if (g_hash_table_add(told, g_strdup(row->catalogue)))
    weft_host_table()->log(WEFT_LOG_WARNING, "packed weights of %s@%s cannot be kept: %s; every start packs them anew",
                           row->name, row->version, why);
}

int weft_step_derived_keep(struct weft_setup *setup, const struct weft_derived_key *key, const void *bytes,
                           struct weft_resource *out)
{
  struct weft_step_setup *self = (struct weft_step_setup *)setup;
  const WeftArtifactRow *row = row_of(self);
  char name[WEFT_DERIVED_KEY_BYTES];
  g_autoptr(GError) error = NULL;
  if (!row)
    return 0;
  weft_derived_name(key, name);
  g_autofree char *path = weft_step_derived_path(self, name), *digest = weft_digest_of(bytes, key->n_bytes);
  gsize n_head = weft_derived_header_bytes(key);
  g_autofree char *head = g_malloc(n_head);
  weft_derived_put_header(key, digest, head);
  g_autoptr(GBytes) header = g_bytes_new_static(head, n_head);
  if (!weft_derived_write(path, header, bytes, key->n_bytes, &error)) {
    warn(row, error->message);
    return 0;
  }
  struct weft_resource file;
  g_autofree char *resource = g_strconcat("derived/", name, NULL);
  weft_step_files_forget(self, path);
  return setup->resource_open(setup, resource, WEFT_RESOURCE_OPTIONAL, &file) == WEFT_OK && file.data &&
         weft_derived_payload(&file, key, out);
}
