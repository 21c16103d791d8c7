/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file disk.h
 * The one layer through which store and databases change files: calls of the
 * store's own, and an SQLite VFS over the system's. A test watches it to
 * simulate a power loss (what was never synced is dropped) or a full disk (an
 * action fails). Private to registry.
 */
#ifndef WEFT_DISK_H
#define WEFT_DISK_H

#include <glib.h>

typedef enum {
  WEFT_DISK_CREATE,      /**< path is there and empty */
  WEFT_DISK_WRITE,       /**< n_bytes of data at offset */
  WEFT_DISK_TRUNCATE,    /**< to n_bytes */
  WEFT_DISK_SYNC,        /**< content of path is durable */
  WEFT_DISK_RENAME,      /**< path is now called `to` */
  WEFT_DISK_REMOVE,
  WEFT_DISK_MAKE_FOLDER,
  WEFT_DISK_SYNC_FOLDER  /**< names in path are durable */
} WeftDiskAction;

typedef struct {
  WeftDiskAction action;
  const char *path;  /**< absolute, as all paths here: borrowed until return */
  const char *to;
  gint64 offset;
  gsize n_bytes;
  const void *data;
} WeftDiskOp;

/**
 * Told of every change before it is made; 0: go on; an errno: it fails with
 * that. NULL: nobody watches. For tests; set while nothing is open.
 */
typedef int (*WeftDiskWatcher)(void *data, const WeftDiskOp *op);
void weft_disk_watch(WeftDiskWatcher watcher, void *data);

/** A new file to be written, or -1 with error (it exists already, ...). Caller closes. */
int weft_disk_create(const char *path, GError **error);
gboolean weft_disk_write(int fd, const char *path, gint64 offset, const void *bytes, gsize n_bytes, GError **error);
gboolean weft_disk_sync(int fd, const char *path, GError **error);
gboolean weft_disk_rename(const char *path, const char *to, GError **error);
/** Exchanges two names at once. FALSE without error set: this file system cannot. */
gboolean weft_disk_exchange(const char *a, const char *b, GError **error);
/** That it is not there is no error. */
gboolean weft_disk_remove(const char *path, GError **error);
/** With its parents; a new one's name is durable. */
gboolean weft_disk_make_folder(const char *path, GError **error);
gboolean weft_disk_sync_folder(const char *path, GError **error);
/** A folder with all that is in it; links in it are removed, not followed. */
gboolean weft_disk_remove_folder(const char *path, GError **error);

/** Name of the SQLite VFS that goes through this layer. [any thread] */
const char *weft_disk_vfs(void);

/** Tells the watcher; 0 or the errno to fail with. Between the files of this layer. */
int weft_disk_tell(const WeftDiskOp *op);

#endif
