/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include "catalogue.h"
#include "digest.h"
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

char *weft_store_path(const char *folder, const char *sha256)
{
  char prefix[3] = {sha256[0], sha256[0] ? sha256[1] : 0, 0};
  return g_build_filename(folder, "sha256", prefix, sha256, NULL);
}

gboolean weft_store_is_digest(const char *text)
{
  return strlen(text) == WEFT_DIGEST_HEX && strspn(text, "0123456789abcdef") == WEFT_DIGEST_HEX;
}

/* A link would send what is written, or swept, to another place than the rows mean. */
static gboolean check_folder(const char *path, GError **error)
{
  struct stat about = {0};
  if (lstat(path, &about) == 0 && S_ISDIR(about.st_mode))
    return TRUE;
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED,
              "%s: expected a folder of the store, found %s; nothing was changed: move the files back there, or name "
              "another catalogue with --catalogue", path, S_ISLNK(about.st_mode) ? "a link" : "something else");
  return FALSE;
}

gboolean weft_store_prepare(const char *folder, GError **error)
{
  static const char *const names[] = {"sha256", "incoming"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    struct stat about;
    g_autofree char *path = g_build_filename(folder, names[i], NULL);
    if (lstat(path, &about) != 0 && errno == ENOENT && !weft_disk_make_folder(path, error))
      return FALSE;
    if (!check_folder(path, error))
      return FALSE;
  }
  return TRUE;
}

void weft_staged_free(WeftStaged *staged)
{
  if (!staged)
    return;
  if (staged->path)
    weft_disk_remove(staged->path, NULL);
  if (staged->fd >= 0)
    close(staged->fd);
  g_free(staged->path);
  g_free(staged);
}

/* A sweep of another process may take the file between its making and its lock: then it is made again. */
static int create_locked(const char *path, GError **error)
{
  for (;;) {
    struct stat about;
    int fd = weft_disk_create(path, error);
    if (fd < 0)
      return -1;
    if (flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &about) == 0 && about.st_nlink > 0)
      return fd;
    weft_disk_remove(path, NULL);
    close(fd);
  }
}

WeftStaged *weft_store_stage(const char *folder, const char *sha256, const void *data, gsize n_bytes, GError **error)
{
  static guint n_staged;
  g_autofree char *incoming = g_build_filename(folder, "incoming", NULL);
  g_autofree char *path = g_strdup_printf("%s/%s.%d.%u", incoming, sha256, (int)getpid(), n_staged++);
  if (!check_folder(incoming, error) || !weft_disk_remove(path, error))
    return NULL;
  int fd = create_locked(path, error);
  if (fd < 0)
    return NULL;
  WeftStaged *staged = g_new0(WeftStaged, 1);
  staged->path = g_steal_pointer(&path);
  staged->fd = fd;
  if (!data || weft_disk_write(fd, staged->path, 0, data, n_bytes, error))
    return staged;
  weft_staged_free(staged);
  return NULL;
}

gboolean weft_staged_holds(const WeftStaged *staged, const char *sha256)
{
  struct stat open_file, named;
  g_autofree char *found = weft_digest_of_fd(staged->fd);
  return found && strcmp(found, sha256) == 0 && fstat(staged->fd, &open_file) == 0 && lstat(staged->path, &named) == 0 &&
         open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

/* Others could reach the file: what is stored is what was looked at, or nothing. */
static gboolean is_same(const WeftStaged *staged, const char *sha256, GError **error)
{
  if (weft_staged_holds(staged, sha256))
    return TRUE;
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED,
              "%s: the file was changed before it was stored (expected sha256 %.12s); nothing was stored, try again",
              staged->path, sha256);
  return FALSE;
}

gboolean weft_store_commit(const char *folder, WeftStaged *staged, const char *sha256, GError **error)
{
  g_autofree char *path = weft_store_path(folder, sha256);
  g_autofree char *inner = g_path_get_dirname(path);
  g_autofree char *outer = g_path_get_dirname(inner);
  if (!weft_disk_sync(staged->fd, staged->path, error) || !is_same(staged, sha256, error) ||
      !check_folder(outer, error) || !weft_disk_make_folder(inner, error) || !check_folder(inner, error) ||
      !weft_disk_rename(staged->path, path, error))
    return FALSE;
  fchmod(staged->fd, 0444);
  g_clear_pointer(&staged->path, g_free);
  return TRUE;
}

gboolean weft_store_sync(const char *folder, const char *const *digests, guint n, GError **error)
{
  g_autoptr(GHashTable) folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer each;
  for (guint i = 0; i < n; i++) {
    g_autofree char *path = weft_store_path(folder, digests[i]);
    g_hash_table_add(folders, g_path_get_dirname(path));
  }
  g_hash_table_iter_init(&iter, folders);
  while (g_hash_table_iter_next(&iter, &each, NULL))
    if (!weft_disk_sync_folder(each, error))
      return FALSE;
  return TRUE;
}

gboolean weft_store_remove(const char *folder, const char *sha256, GError **error)
{
  g_autofree char *path = weft_store_path(folder, sha256);
  return weft_disk_remove(path, error);
}

static gboolean sweep_files(const char *root, void (*each)(void *data, const char *sha256), void *data, GError **error)
{
  g_autoptr(GDir) dir = g_dir_open(root, 0, error);
  const char *prefix, *name;
  if (!dir)
    return FALSE;
  while ((prefix = g_dir_read_name(dir))) {
    if (strlen(prefix) != 2)
      continue;
    g_autofree char *inner = g_build_filename(root, prefix, NULL);
    /* What cannot be read is not empty; a link would sweep another place. */
    g_autoptr(GDir) files = check_folder(inner, error) ? g_dir_open(inner, 0, error) : NULL;
    if (!files)
      return FALSE;
    while ((name = g_dir_read_name(files)))
      if (weft_store_is_digest(name))
        each(data, name);
  }
  return TRUE;
}

gboolean weft_store_lacks(const char *folder, const char *sha256, gboolean *lacks, GError **error)
{
  struct stat about;
  g_autofree char *path = weft_store_path(folder, sha256);
  *lacks = lstat(path, &about) != 0;
  if (!*lacks || errno == ENOENT)
    return TRUE;
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED,
              "%s: cannot be looked at: %s; nothing was changed", path, g_strerror(errno));
  return FALSE;
}

static void count(void *data, const char *sha256)
{
  ++*(guint *)data;
}

guint weft_store_count(const char *folder)
{
  guint n = 0;
  g_autofree char *root = g_build_filename(folder, "sha256", NULL);
  if (access(root, F_OK) != 0 && errno == ENOENT)
    return 0;
  return sweep_files(root, count, &n, NULL) ? n : MAX(n, 1);
}

static void sweep_incoming(const char *folder)
{
  g_autofree char *incoming = g_build_filename(folder, "incoming", NULL);
  g_autoptr(GDir) dir = g_dir_open(incoming, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *path = g_build_filename(incoming, name, NULL);
    /* Whoever stages a file holds it; a kill lets go of it. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
      weft_disk_remove(path, NULL);
    if (fd >= 0)
      close(fd);
  }
}

gboolean weft_store_sweep(const char *folder, void (*each)(void *data, const char *sha256), void *data, GError **error)
{
  g_autofree char *root = g_build_filename(folder, "sha256", NULL);
  sweep_incoming(folder);
  return sweep_files(root, each, data, error);
}
