/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

#include "catalogue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
  WeftDiskWatcher watcher;
  void *data;
} watch;

void weft_disk_watch(WeftDiskWatcher watcher, void *data)
{
  watch.watcher = watcher;
  watch.data = data;
}

int weft_disk_tell(const WeftDiskOp *op)
{
  return watch.watcher ? watch.watcher(watch.data, op) : 0;
}

/* Always FALSE. */
static gboolean fail(const char *path, const char *doing, int code, GError **error)
{
  const char *advice = code == ENOSPC || code == EDQUOT || code == EFBIG
                           ? "; what was there before is unchanged: make room and try again" : "";
  WeftCatalogueError kind = code == EROFS || code == EACCES || code == EPERM ? WEFT_CATALOGUE_ERROR_READ_ONLY
                                                                             : WEFT_CATALOGUE_ERROR_FAILED;
  g_set_error(error, WEFT_CATALOGUE_ERROR, kind, "%s: cannot %s: %s%s", path, doing, g_strerror(code), advice);
  return FALSE;
}

/* 0, or the errno of an action that the watcher or the system refuses. */
static int done(WeftDiskAction action, const char *path, const char *to)
{
  WeftDiskOp op = {.action = action, .path = path, .to = to};
  int code = weft_disk_tell(&op), result = 0;
  if (code)
    return code;
  switch (action) {
  case WEFT_DISK_RENAME: result = rename(path, to); break;
  case WEFT_DISK_REMOVE: result = unlink(path); break;
  case WEFT_DISK_MAKE_FOLDER: result = mkdir(path, 0755); break;
  default: break;
  }
  return result == 0 ? 0 : errno;
}

int weft_disk_create(const char *path, GError **error)
{
  WeftDiskOp op = {.action = WEFT_DISK_CREATE, .path = path};
  int code = weft_disk_tell(&op);
  int fd = code ? -1 : open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0)
    fail(path, "make the file", code ? code : errno, error);
  return fd;
}

gboolean weft_disk_write(int fd, const char *path, gint64 offset, const void *bytes, gsize n_bytes, GError **error)
{
  WeftDiskOp op = {.action = WEFT_DISK_WRITE, .path = path, .offset = offset, .n_bytes = n_bytes, .data = bytes};
  int code = weft_disk_tell(&op);
  for (gsize at = 0; !code && at < n_bytes;) {
    gssize n = pwrite(fd, (const guint8 *)bytes + at, n_bytes - at, offset + (gint64)at);
    if (n > 0)
      at += (gsize)n;
    else if (n == 0 || errno != EINTR)
      code = n == 0 ? ENOSPC : errno;
  }
  return code == 0 || fail(path, "write the file", code, error);
}

gboolean weft_disk_sync(int fd, const char *path, GError **error)
{
  WeftDiskOp op = {.action = WEFT_DISK_SYNC, .path = path};
  int code = weft_disk_tell(&op);
  if (!code && fsync(fd) != 0)
    code = errno;
  return code == 0 || fail(path, "write the file", code, error);
}

gboolean weft_disk_rename(const char *path, const char *to, GError **error)
{
  int code = done(WEFT_DISK_RENAME, path, to);
  return code == 0 || fail(to, "give the file its name", code, error);
}

gboolean weft_disk_exchange(const char *a, const char *b, GError **error)
{
  if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0)
    return TRUE;
  if (errno == EINVAL || errno == ENOSYS)
    return FALSE;
  return fail(b, "be exchanged", errno, error);
}

gboolean weft_disk_remove(const char *path, GError **error)
{
  int code = done(WEFT_DISK_REMOVE, path, NULL);
  return code == 0 || code == ENOENT || fail(path, "remove the file", code, error);
}

gboolean weft_disk_sync_folder(const char *path, GError **error)
{
  WeftDiskOp op = {.action = WEFT_DISK_SYNC_FOLDER, .path = path};
  int code = weft_disk_tell(&op);
  int fd = code ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!code && (fd < 0 || fsync(fd) != 0))
    code = errno;
  if (fd >= 0)
    close(fd);
  return code == 0 || fail(path, "sync the folder", code, error);
}

static gboolean is_folder(const char *path)
{
  struct stat about;
  return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

gboolean weft_disk_make_folder(const char *path, GError **error)
{
  if (is_folder(path))
    return TRUE;
  /* From the first that is missing on, without recursion. */
  g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
  for (char *each = g_strdup(path); !is_folder(each);) {
    g_ptr_array_add(missing, each);
    each = g_path_get_dirname(each);
    if (strcmp(each, g_ptr_array_index(missing, missing->len - 1)) != 0 && !is_folder(each))
      continue;
    g_free(each);
    break;
  }
  for (guint i = missing->len; i > 0; i--) {
    const char *each = g_ptr_array_index(missing, i - 1);
    g_autofree char *parent = g_path_get_dirname(each);
    int code = done(WEFT_DISK_MAKE_FOLDER, each, NULL);
    if (code && !(code == EEXIST && is_folder(each)))
      return fail(each, "make the folder", code, error);
    if (!weft_disk_sync_folder(parent, error))
      return FALSE;
  }
  return TRUE;
}

gboolean weft_disk_remove_folder(const char *path, GError **error)
{
  g_autoptr(GDir) dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
  const char *name;
  if (!dir)
    return weft_disk_remove(path, error);
  while ((name = g_dir_read_name(dir))) {
    g_autofree char *inner = g_build_filename(path, name, NULL);
    if (!weft_disk_remove_folder(inner, error))
      return FALSE;
  }
  return rmdir(path) == 0 || fail(path, "remove the folder", errno, error);
}
