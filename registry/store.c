/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include "catalogue.h"
#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static gboolean fail(const char *path, const char *doing, GError **error)
{
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: cannot %s: %s", path, doing,
              g_strerror(errno));
  return FALSE;
}

char *weft_store_path(const char *folder, const char *sha256)
{
  char prefix[3] = {sha256[0], sha256[0] ? sha256[1] : 0, 0};
  return g_build_filename(folder, "sha256", prefix, sha256, NULL);
}

static gboolean write_all(int fd, const guint8 *data, gsize n_bytes)
{
  while (n_bytes > 0) {
    gssize n = write(fd, data, n_bytes);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return FALSE;
    data += n;
    n_bytes -= (gsize)n;
  }
  return TRUE;
}

static gboolean sync_folder(const char *path, GError **error)
{
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return fail(path, "open the folder", error);
  gboolean ok = fsync(fd) == 0 || fail(path, "sync the folder", error);
  close(fd);
  return ok;
}

char *weft_store_stage(const char *folder, const char *sha256, const void *data, gsize n_bytes, GError **error)
{
  g_autofree char *incoming = g_build_filename(folder, "incoming", NULL);
  g_autofree char *path = g_build_filename(incoming, sha256, NULL);
  if (g_mkdir_with_parents(incoming, 0755) != 0) {
    fail(incoming, "make the folder", error);
    return NULL;
  }
  unlink(path);
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) {
    fail(path, "make the file", error);
    return NULL;
  }
  gboolean ok = (write_all(fd, data, n_bytes) && fsync(fd) == 0) || fail(path, "write the file", error);
  close(fd);
  if (ok)
    return g_steal_pointer(&path);
  unlink(path);
  return NULL;
}

gboolean weft_store_commit(const char *folder, const char *staged, const char *sha256, GError **error)
{
  g_autofree char *path = weft_store_path(folder, sha256);
  g_autofree char *inner = g_path_get_dirname(path);
  g_autofree char *outer = g_path_get_dirname(inner);
  if (g_mkdir_with_parents(inner, 0755) != 0)
    return fail(inner, "make the folder", error);
  if (rename(staged, path) != 0)
    return fail(path, "rename the staged file", error);
  /* Both new folders and the new name must be there after a power loss, or the row would name nothing. */
  return sync_folder(inner, error) && sync_folder(outer, error) && sync_folder(folder, error);
}

gboolean weft_store_remove(const char *folder, const char *sha256, GError **error)
{
  g_autofree char *path = weft_store_path(folder, sha256);
  if (unlink(path) == 0 || errno == ENOENT)
    return TRUE;
  return fail(path, "remove the file", error);
}

static void sweep_incoming(const char *folder)
{
  g_autofree char *incoming = g_build_filename(folder, "incoming", NULL);
  g_autoptr(GDir) dir = g_dir_open(incoming, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *path = g_build_filename(incoming, name, NULL);
    unlink(path);
  }
}

static gboolean is_digest(const char *name)
{
  return strlen(name) == WEFT_DIGEST_HEX && strspn(name, "0123456789abcdef") == WEFT_DIGEST_HEX;
}

gboolean weft_store_sweep(const char *folder, void (*each)(void *data, const char *sha256), void *data, GError **error)
{
  g_autofree char *root = g_build_filename(folder, "sha256", NULL);
  sweep_incoming(folder);
  if (g_mkdir_with_parents(root, 0755) != 0)
    return fail(root, "make the folder", error);
  g_autoptr(GDir) dir = g_dir_open(root, 0, error);
  const char *prefix, *name;
  if (!dir)
    return FALSE;
  while ((prefix = g_dir_read_name(dir))) {
    g_autofree char *inner = g_build_filename(root, prefix, NULL);
    g_autoptr(GDir) files = g_dir_open(inner, 0, NULL);
    while (files && (name = g_dir_read_name(files)))
      if (is_digest(name))
        each(data, name);
  }
  return TRUE;
}
