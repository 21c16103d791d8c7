/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's system VFS, with every change told to the disk layer first (sqlite.org/vfs.html). */
#include "disk.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

typedef struct {
  sqlite3_file base;
  const char *path;      /* SQLite keeps the name of the file while it is open; NULL: a temporary file */
  gboolean sync_name;    /* a new journal: the system VFS syncs its folder with its first sync */
  sqlite3_file *real;    /* behind this struct */
} WeftVfsFile;

static sqlite3_vfs *real_vfs;

static sqlite3_file *real_of(sqlite3_file *file)
{
  return ((WeftVfsFile *)file)->real;
}

static int tell(sqlite3_file *file, const WeftDiskOp *op, int otherwise)
{
  int code = op->path ? weft_disk_tell(op) : 0;
  if (code == 0)
    return SQLITE_OK;
  return code == ENOSPC || code == EDQUOT ? SQLITE_FULL : otherwise;
}

static int file_close(sqlite3_file *file)
{
  return real_of(file)->pMethods ? real_of(file)->pMethods->xClose(real_of(file)) : SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *out, int n, sqlite3_int64 offset)
{
  return real_of(file)->pMethods->xRead(real_of(file), out, n, offset);
}

static int file_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 offset)
{
  WeftDiskOp op = {.action = WEFT_DISK_WRITE, .path = ((WeftVfsFile *)file)->path, .offset = offset,
                   .n_bytes = (gsize)n, .data = data};
  int code = tell(file, &op, SQLITE_IOERR_WRITE);
  return code ? code : real_of(file)->pMethods->xWrite(real_of(file), data, n, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 n)
{
  WeftDiskOp op = {.action = WEFT_DISK_TRUNCATE, .path = ((WeftVfsFile *)file)->path, .n_bytes = (gsize)n};
  int code = tell(file, &op, SQLITE_IOERR_TRUNCATE);
  return code ? code : real_of(file)->pMethods->xTruncate(real_of(file), n);
}

static int tell_folder(const char *path)
{
  g_autofree char *folder = g_path_get_dirname(path);
  WeftDiskOp op = {.action = WEFT_DISK_SYNC_FOLDER, .path = folder};
  return weft_disk_tell(&op) ? SQLITE_IOERR_DIR_FSYNC : SQLITE_OK;
}

static int file_sync(sqlite3_file *file, int flags)
{
  WeftVfsFile *own = (WeftVfsFile *)file;
  WeftDiskOp op = {.action = WEFT_DISK_SYNC, .path = own->path};
  int code = tell(file, &op, SQLITE_IOERR_FSYNC);
  if (!code && own->path && own->sync_name)
    code = tell_folder(own->path);
  own->sync_name = FALSE;
  return code ? code : own->real->pMethods->xSync(own->real, flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *out)
{
  return real_of(file)->pMethods->xFileSize(real_of(file), out);
}

static int file_lock(sqlite3_file *file, int level)
{
  return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
  return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_check_reserved(sqlite3_file *file, int *out)
{
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int file_control(sqlite3_file *file, int op, void *argument)
{
  return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int file_sector(sqlite3_file *file)
{
  return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_device(sqlite3_file *file)
{
  return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int file_shm_map(sqlite3_file *file, int page, int n, int extend, void volatile **out)
{
  return real_of(file)->pMethods->xShmMap(real_of(file), page, n, extend, out);
}

static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
  return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
  real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int file_shm_unmap(sqlite3_file *file, int remove)
{
  return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static int file_fetch(sqlite3_file *file, sqlite3_int64 offset, int n, void **out)
{
  return real_of(file)->pMethods->xFetch(real_of(file), offset, n, out);
}

static int file_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *data)
{
  return real_of(file)->pMethods->xUnfetch(real_of(file), offset, data);
}

static const sqlite3_io_methods file_methods = {
  3, file_close, file_read, file_write, file_truncate, file_sync, file_size, file_lock, file_unlock,
  file_check_reserved, file_control, file_sector, file_device, file_shm_map, file_shm_lock, file_shm_barrier,
  file_shm_unmap, file_fetch, file_unfetch};

/* Whether opening makes the file: then the watcher may refuse it. */
static int tell_create(const char *name, int flags)
{
  int exists = 0;
  WeftDiskOp op = {.action = WEFT_DISK_CREATE, .path = name};
  if (!name || !(flags & SQLITE_OPEN_CREATE))
    return SQLITE_OK;
  real_vfs->xAccess(real_vfs, name, SQLITE_ACCESS_EXISTS, &exists);
  return !exists && weft_disk_tell(&op) ? SQLITE_CANTOPEN : SQLITE_OK;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
  WeftVfsFile *own = (WeftVfsFile *)file;
  memset(own, 0, sizeof *own);
  own->real = (sqlite3_file *)(own + 1);
  own->path = flags & SQLITE_OPEN_DELETEONCLOSE ? NULL : name;
  own->sync_name = (flags & SQLITE_OPEN_CREATE) && (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL));
  int code = tell_create(own->path, flags);
  if (!code)
    code = real_vfs->xOpen(real_vfs, name, own->real, flags, out_flags);
  /* SQLite closes what has methods, also after a failure. */
  if (!code || own->real->pMethods)
    own->base.pMethods = &file_methods;
  return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
  int exists = 0;
  WeftDiskOp op = {.action = WEFT_DISK_REMOVE, .path = name};
  real_vfs->xAccess(real_vfs, name, SQLITE_ACCESS_EXISTS, &exists);
  if (exists && weft_disk_tell(&op))
    return SQLITE_IOERR_DELETE;
  if (exists && sync_folder && tell_folder(name))
    return SQLITE_IOERR_DIR_FSYNC;
  return real_vfs->xDelete(real_vfs, name, sync_folder);
}

static gpointer register_vfs(gpointer unused)
{
  static sqlite3_vfs vfs;
  sqlite3_initialize();
  real_vfs = sqlite3_vfs_find(NULL);
  vfs = *real_vfs;
  vfs.pNext = NULL;
  vfs.zName = "weft-disk";
  vfs.szOsFile = (int)sizeof(WeftVfsFile) + real_vfs->szOsFile;
  vfs.xOpen = vfs_open;
  vfs.xDelete = vfs_delete;
  sqlite3_vfs_register(&vfs, 0);
  return (gpointer)vfs.zName;
}

const char *weft_disk_vfs(void)
{
  static GOnce once = G_ONCE_INIT;
  return g_once(&once, register_vfs, NULL);
}
