/* SPDX-License-Identifier: Apache-2.0 */
#include "derived.h"

#include "digest.h"
#include "disk.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART ".part-"

char *weft_derived_path(const char *folder, const char *model_digest, const char *key)
{
  return g_strdup_printf("%s/derived/%s.%s", folder, model_digest, key);
}

static gboolean fill(int fd, const char *path, GBytes *head, const void *body, gsize n_body, GError **error)
{
  gsize n_head = g_bytes_get_size(head);
  return weft_disk_write(fd, path, 0, g_bytes_get_data(head, NULL), n_head, error) &&
         weft_disk_write(fd, path, (gint64)n_head, body, n_body, error) && weft_disk_sync(fd, path, error);
}

gboolean weft_derived_write(const char *path, GBytes *head, const void *body, gsize n_body, GError **error)
{
  static guint n_written;
  g_autofree char *folder = g_path_get_dirname(path);
  g_autofree char *part = g_strdup_printf("%s" PART "%d-%u", path, (int)getpid(), n_written++);
  if (!weft_disk_make_folder(folder, error) || !weft_disk_remove(part, error))
    return FALSE;
  int fd = weft_disk_create(part, error);
  if (fd < 0)
    return FALSE;
  gboolean ok = fill(fd, part, head, body, n_body, error);
  if (ok)
    fchmod(fd, 0444);
  close(fd);
  ok = ok && weft_disk_rename(part, path, error);
  if (!ok)
    weft_disk_remove(part, NULL);
  return ok && weft_disk_sync_folder(folder, error);
}

void weft_derived_file_free(WeftDerivedFile *file)
{
  g_free(file->path);
  g_free(file->model_digest);
  g_free(file->key);
  g_free(file);
}

static gint by_path(gconstpointer a, gconstpointer b)
{
  return strcmp((*(WeftDerivedFile *const *)a)->path, (*(WeftDerivedFile *const *)b)->path);
}

GPtrArray *weft_derived_list(const char *folder, const char *model_digest)
{
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)weft_derived_file_free);
  g_autofree char *inner = g_build_filename(folder, "derived", NULL);
  g_autoptr(GDir) dir = g_dir_open(inner, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    struct stat about;
    if (strlen(name) <= WEFT_DIGEST_HEX + 1 || name[WEFT_DIGEST_HEX] != '.' || strstr(name, PART) ||
        (model_digest && strncmp(name, model_digest, WEFT_DIGEST_HEX) != 0))
      continue;
    g_autofree char *path = g_build_filename(inner, name, NULL);
    if (lstat(path, &about) != 0 || !S_ISREG(about.st_mode))
      continue;
    WeftDerivedFile *file = g_new0(WeftDerivedFile, 1);
    *file = (WeftDerivedFile){g_steal_pointer(&path), g_strndup(name, WEFT_DIGEST_HEX), g_strdup(name + WEFT_DIGEST_HEX + 1),
                              about.st_size};
    g_ptr_array_add(list, file);
  }
  g_ptr_array_sort(list, by_path);
  return list;
}

gboolean weft_derived_remove(const WeftDerivedFile *file, GError **error)
{
  return weft_disk_remove(file->path, error);
}

void weft_derived_sweep(const char *folder)
{
  g_autofree char *inner = g_build_filename(folder, "derived", NULL);
  g_autoptr(GDir) dir = g_dir_open(inner, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    const char *part = strstr(name, PART);
    gint64 pid = part ? g_ascii_strtoll(part + strlen(PART), NULL, 10) : 0;
    g_autofree char *path = g_build_filename(inner, name, NULL);
    if (pid > 0 && pid <= G_MAXINT && kill((pid_t)pid, 0) != 0 && errno == ESRCH)
      weft_disk_remove(path, NULL);
  }
}
