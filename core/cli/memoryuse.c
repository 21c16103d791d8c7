/* SPDX-License-Identifier: Apache-2.0 */
#include "memoryuse.h"

#include <string.h>

/* One file of smaps, all its mappings together. */
typedef struct {
  guint64 size, resident;
  gboolean runs; /* some of it is executable or writable: a program or library */
} File;

static guint64 kilobytes(const char *line, const char *key)
{
  gsize n = strlen(key);
  return strncmp(line, key, n) == 0 ? g_ascii_strtoull(line + n, NULL, 10) * 1024 : 0;
}

/* The path of a mapping's first line ("55d0-55d1 r--p 0000 08:01 123   /path"), or NULL: no such line, or no file. */
static const char *path_of(const char *line, gboolean *is_mapping)
{
  const char *space = strchr(line, ' '), *dash = strchr(line, '-');
  *is_mapping = space && dash && dash < space && g_ascii_isxdigit(line[0]) && !g_ascii_isupper(line[0]);
  const char *path = *is_mapping ? strchr(line, '/') : NULL;
  return path;
}

static void parse_smaps(const char *smaps, WeftMemoryUse *use)
{
  g_autoptr(GHashTable) files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_auto(GStrv) lines = g_strsplit(smaps, "\n", -1);
  File *file = NULL;
  for (guint i = 0; lines[i]; i++) {
    gboolean is_mapping = FALSE;
    const char *path = path_of(lines[i], &is_mapping);
    if (is_mapping) {
      file = path ? g_hash_table_lookup(files, path) : NULL;
      if (path && !file)
        g_hash_table_insert(files, g_strdup(path), file = g_new0(File, 1));
      const char *rights = strchr(lines[i], ' ') + 1;
      if (file)
        file->runs = file->runs || memchr(rights, 'x', MIN(4, strlen(rights))) || memchr(rights, 'w', MIN(4, strlen(rights)));
    } else if (file) {
      file->size += kilobytes(lines[i], "Size:");
      file->resident += kilobytes(lines[i], "Rss:");
    }
  }
  GHashTableIter iter;
  gpointer name, value;
  g_hash_table_iter_init(&iter, files);
  while (g_hash_table_iter_next(&iter, &name, &value)) {
    const File *one = value;
    if (one->runs || one->size < WEFT_WEIGHTS_LEAST_BYTES || g_str_has_prefix(name, "/usr/lib/") ||
        g_str_has_prefix(name, "/memfd:")) /* the segments of isolated nodes */
      continue;
    use->weights_mapped += one->size;
    use->weights_resident += one->resident;
  }
}

void weft_memory_parse(const char *status, const char *smaps, WeftMemoryUse *use)
{
  *use = (WeftMemoryUse){0};
  g_auto(GStrv) lines = g_strsplit(status ? status : "", "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    use->resident += kilobytes(lines[i], "VmRSS:");
    use->anonymous += kilobytes(lines[i], "RssAnon:");
    use->peak += kilobytes(lines[i], "VmHWM:");
  }
  if (smaps)
    parse_smaps(smaps, use);
}

gboolean weft_memory_use(gint pid, WeftMemoryUse *use)
{
  g_autofree char *folder = pid ? g_strdup_printf("/proc/%d", pid) : g_strdup("/proc/self");
  g_autofree char *status_path = g_build_filename(folder, "status", NULL), *status = NULL;
  g_autofree char *smaps_path = g_build_filename(folder, "smaps", NULL), *smaps = NULL;
  gboolean known = g_file_get_contents(status_path, &status, NULL, NULL);
  g_file_get_contents(smaps_path, &smaps, NULL, NULL);
  weft_memory_parse(status, smaps, use);
  return known;
}
