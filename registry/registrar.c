/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, locking, transactions and repair; what is changed stands in registrar-record.c and registrar-state.c. */
#include "artifact-private.h"

#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLL_MS 10

void weft_registrar_free(WeftRegistrar *registrar)
{
  if (!registrar)
    return;
  weft_database_close(registrar->database);
  weft_database_close(registrar->audit);
  if (registrar->lock >= 0)
    close(registrar->lock);
  g_free(registrar->folder);
  g_free(registrar);
}

/* ---- the lock ---- */

static gboolean fail_lock(const char *path, int code, GError **error)
{
  g_set_error(error, WEFT_CATALOGUE_ERROR,
              code == EACCES || code == EROFS ? WEFT_CATALOGUE_ERROR_READ_ONLY : WEFT_CATALOGUE_ERROR_FAILED,
              "%s: cannot be locked: %s", path, g_strerror(code));
  return FALSE;
}

static int wait_limit_s(void)
{
  guint64 seconds;
  const char *text = g_getenv("WEFT_LOCK_WAIT");
  if (text && g_ascii_string_to_unsigned(text, 10, 0, WEFT_REGISTRAR_WAIT_MAX_S, &seconds, NULL))
    return (int)seconds;
  return WEFT_REGISTRAR_WAIT_S;
}

/* The holder writes its number into the file. */
static gboolean fail_waited(const WeftRegistrar *registrar, int fd, GError **error)
{
  char text[32] = "";
  gssize n = pread(fd, text, sizeof text - 1, 0);
  long pid = n > 0 ? strtol(text, NULL, 10) : 0;
  g_autofree char *who = pid > 0 ? g_strdup_printf("process %ld", pid) : g_strdup("another process");
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_LOCKED,
              "%s: locked by %s, which is changing the catalogue (waited %d s); try again when it has ended",
              registrar->folder, who, wait_limit_s());
  return FALSE;
}

/* A restored catalogue has another file of that name: the old one's lock guards nothing. */
static gboolean is_current(int fd, const char *path)
{
  struct stat open_file, named;
  return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 && open_file.st_ino == named.st_ino &&
         open_file.st_dev == named.st_dev;
}

static void sign(int fd)
{
  char text[32];
  int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
  /* Only for messages: where it cannot be written they name nobody. */
  if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) != n)
    (void)ftruncate(fd, 0);
}

static gboolean wait_for(WeftRegistrar *registrar, int fd, const char *path, int *waited, GError **error)
{
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return fail_lock(path, errno, error);
    if (*waited >= wait_limit_s() * 1000)
      return fail_waited(registrar, fd, error);
    g_usleep(POLL_MS * 1000);
    *waited += POLL_MS;
  }
  return TRUE;
}

gboolean weft_registrar_lock(WeftRegistrar *registrar, GError **error)
{
  g_autofree char *path = g_build_filename(registrar->folder, "lock", NULL);
  int waited = 0;
  if (registrar->n_locks > 0) {
    registrar->n_locks++;
    return TRUE;
  }
  for (;;) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
      return fail_lock(path, errno, error);
    gboolean ok = wait_for(registrar, fd, path, &waited, error);
    if (ok && is_current(fd, path)) {
      sign(fd);
      registrar->lock = fd;
      registrar->n_locks = 1;
      return TRUE;
    }
    close(fd);
    if (!ok)
      return FALSE;
  }
}

void weft_registrar_unlock(WeftRegistrar *registrar)
{
  if (--registrar->n_locks > 0)
    return;
  close(registrar->lock);
  registrar->lock = -1;
}

/* ---- transactions ---- */

static gboolean run_locked(WeftRegistrar *registrar, WeftWork work, gpointer data, GError **error)
{
  WeftDatabase *database = registrar->database;
  /* What somebody who was killed since has left. */
  if (!weft_audit_drain(database, registrar->audit, TRUE, error) || !weft_database_begin(database, error))
    return FALSE;
  gboolean ok = weft_database_exec(database, "DELETE FROM audit_outbox", error) && work(registrar, data, error);
  return weft_database_end(database, ok, error) && weft_audit_drain(database, registrar->audit, FALSE, error);
}

gboolean weft_registrar_transact(WeftRegistrar *registrar, WeftWork work, gpointer data, GError **error)
{
  if (!weft_registrar_lock(registrar, error))
    return FALSE;
  gboolean ok = run_locked(registrar, work, data, error);
  weft_registrar_unlock(registrar);
  return ok;
}

gboolean weft_registrar_collect(WeftRegistrar *registrar, GPtrArray *out, GError **error, const char *sql,
                                const char *a, const char *b)
{
  gboolean row = FALSE;
  g_autoptr(WeftStatement) statement = weft_database_query(registrar->database, error, sql, b ? "ss" : a ? "s" : "", a, b);
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(registrar->database, statement, &row, error))
      return FALSE;
    if (!row)
      return TRUE;
    g_ptr_array_add(out, weft_column_sure(statement, 0));
  }
}

/* ---- repair ---- */

static void add_digest(void *data, const char *sha256)
{
  g_hash_table_add(data, g_strdup(sha256));
}

/* Rows of plugin_file and quarantine must have their file. */
static gboolean compare(WeftRegistrar *registrar, GHashTable *files, GPtrArray *lost, GError **error)
{
  g_autoptr(GPtrArray) named = g_ptr_array_new_with_free_func(g_free), others = g_ptr_array_new_with_free_func(g_free);
  if (!weft_registrar_collect(registrar, named, error,
                              "SELECT sha256 FROM plugin_file UNION SELECT sha256 FROM quarantine", NULL, NULL) ||
      !weft_registrar_collect(registrar, others, error, "SELECT sha256 FROM artifact_file", NULL, NULL))
    return FALSE;
  for (guint i = 0; i < named->len; i++) {
    const char *sha256 = g_ptr_array_index(named, i);
    gboolean lacks = FALSE;
    if (g_hash_table_contains(files, sha256))
      continue;
    if (!weft_store_lacks(registrar->folder, sha256, &lacks, error))
      return FALSE;
    if (lacks)
      g_ptr_array_add(lost, g_strdup(sha256));
  }
  for (guint i = 0; i < named->len; i++)
    g_hash_table_remove(files, g_ptr_array_index(named, i));
  for (guint i = 0; i < others->len; i++)
    g_hash_table_remove(files, g_ptr_array_index(others, i));
  return TRUE;
}

GPtrArray *weft_registrar_orphans(WeftRegistrar *registrar, GPtrArray *lost, GError **error)
{
  g_autoptr(GHashTable) files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer sha256;
  if (!weft_store_sweep(registrar->folder, add_digest, files, error) || !compare(registrar, files, lost, error))
    return NULL;
  GPtrArray *orphans = g_ptr_array_new_with_free_func(g_free);
  g_hash_table_iter_init(&iter, files);
  while (g_hash_table_iter_next(&iter, &sha256, NULL))
    g_ptr_array_add(orphans, g_strdup(sha256));
  return orphans;
}

static gboolean record_lost(WeftRegistrar *registrar, gpointer data, GError **error)
{
  const GPtrArray *lost = data;
  for (guint i = 0; i < 2 * lost->len; i++) {
    const char *sha256 = g_ptr_array_index(lost, i / 2);
    g_autofree char *path = weft_store_path(registrar->folder, sha256);
    g_autofree char *reason = g_strconcat("its file was no longer in the store: ", path, NULL);
    WeftFileEvent event = {.what = "lost", .sha256 = sha256, .quarantined = i % 2, .code = "lost", .reason = reason};
    if (!weft_registrar_event_of(registrar, &event, NULL, error))
      return FALSE;
  }
  for (guint i = 0; i < lost->len; i++) {
    const char *sha256 = g_ptr_array_index(lost, i);
    if (!weft_database_run(registrar->database, error, "DELETE FROM plugin_file WHERE sha256 = ?", "s", sha256) ||
        !weft_database_run(registrar->database, error, "DELETE FROM quarantine WHERE sha256 = ?", "s", sha256))
      return FALSE;
  }
  return TRUE;
}

static gboolean repair(WeftRegistrar *registrar, gboolean sweep, GError **error)
{
  g_autoptr(GPtrArray) lost = g_ptr_array_new_with_free_func(g_free);
  if (!weft_audit_drain(registrar->database, registrar->audit, TRUE, error))
    return FALSE;
  if (!sweep)
    return TRUE;
  g_autoptr(GPtrArray) orphans = weft_registrar_orphans(registrar, lost, error);
  if (!orphans)
    return FALSE;
  /* Beside a catalogue.db that was older than the trail they may be what a newer one named: only gc removes them. */
  gboolean replaced = FALSE;
  if (orphans->len && !weft_audit_replaced(registrar->audit, &replaced, error))
    return FALSE;
  for (guint i = 0; i < orphans->len && !replaced; i++)
    if (!weft_store_remove(registrar->folder, g_ptr_array_index(orphans, i), error))
      return FALSE;
  return (lost->len == 0 || weft_registrar_transact(registrar, record_lost, lost, error)) &&
         weft_artifact_repair(registrar, error);
}

static gboolean open_databases(WeftRegistrar *registrar, WeftDatabaseMode mode, gboolean sweep, GError **error)
{
  registrar->database = weft_database_open(registrar->folder, mode, error);
  if (registrar->database)
    registrar->audit = weft_database_open_file(&weft_schema_audit, registrar->folder, mode, error);
  return registrar->audit && weft_store_prepare(registrar->folder, error) && repair(registrar, sweep, error);
}

static WeftRegistrar *open_registrar(const char *folder, WeftDatabaseMode mode, gboolean sweep, GError **error)
{
  g_autoptr(WeftRegistrar) registrar = g_new0(WeftRegistrar, 1);
  registrar->lock = -1;
  registrar->folder = g_canonicalize_filename(folder, NULL);
  if (strcmp(registrar->folder, WEFT_SYSTEM_CATALOGUE) == 0)
    mode = WEFT_DATABASE_SHARED;
  if (!weft_disk_make_folder(registrar->folder, error) || !weft_registrar_lock(registrar, error))
    return NULL;
  gboolean ok = open_databases(registrar, mode, sweep, error);
  weft_registrar_unlock(registrar);
  return ok ? g_steal_pointer(&registrar) : NULL;
}

WeftRegistrar *weft_registrar_open(const char *folder, gboolean shared, GError **error)
{
  return open_registrar(folder, shared ? WEFT_DATABASE_SHARED : WEFT_DATABASE_USER, TRUE, error);
}

WeftRegistrar *weft_registrar_open_unswept(const char *folder, GError **error)
{
  return open_registrar(folder, WEFT_DATABASE_USER, FALSE, error);
}

WeftStaged *weft_registrar_stage(WeftRegistrar *registrar, const void *data, gsize n_bytes, const char *sha256,
                                 GError **error)
{
  return weft_store_stage(registrar->folder, sha256, data, n_bytes, error);
}
