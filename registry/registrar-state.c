/* SPDX-License-Identifier: Apache-2.0 */
/* What a registrar changes of files that have rows: removal, states, release from quarantine, garbage. */
#include "artifact-private.h"

#include <string.h>
#include <sys/stat.h>

/* The names of a file's plugins, from their rows. */
static gboolean names_of(WeftRegistrar *registrar, gboolean installed, const char *sha256, GPtrArray *out, GError **error)
{
  return weft_registrar_collect(
    registrar, out, error,
    installed ? "SELECT id || '@' || version FROM plugin WHERE sha256 = ? ORDER BY id"
              : "SELECT id || '@' || version FROM quarantine_plugin p JOIN quarantine q ON q.sha256 = p.sha256 "
                "WHERE p.sha256 = ? ORDER BY id", sha256, NULL);
}

static gboolean insert_event(WeftRegistrar *registrar, const WeftFileEvent *event, GError **error)
{
  g_autofree char *user = weft_audit_user();
  g_autofree char *file = g_strdup_printf(
    "INSERT INTO install_event (at, what, path, file_name, sha256, code, reason, user) SELECT ?, ?, source, "
    "replace(source, rtrim(source, replace(source, '/', '')), ''), sha256, ?, ?, ? FROM %s WHERE sha256 = ?",
    event->quarantined ? "quarantine" : "plugin_file");
  const char *plugins = event->quarantined
                            ? "INSERT INTO install_event_plugin (event, id, version, kind) SELECT last_insert_rowid(), id, "
                              "version, kind FROM quarantine_plugin p JOIN quarantine q ON q.sha256 = p.sha256 WHERE "
                              "p.sha256 = ?"
                            : "INSERT INTO install_event_plugin (event, id, version, kind) SELECT last_insert_rowid(), id, "
                              "version, kind FROM plugin WHERE sha256 = ?";
  return weft_database_run(registrar->database, error, file, "isssss", g_get_real_time() / G_USEC_PER_SEC, event->what,
                           event->code, event->reason, user, event->sha256) &&
         weft_database_run(registrar->database, error, plugins, "s", event->sha256);
}

gboolean weft_registrar_event_of(WeftRegistrar *registrar, const WeftFileEvent *event, GPtrArray *names, GError **error)
{
  g_autoptr(GPtrArray) own = g_ptr_array_new_with_free_func(g_free);
  if (!names_of(registrar, !event->quarantined, event->sha256, own, error))
    return FALSE;
  if (own->len == 0)
    return TRUE;
  for (guint i = 0; names && i < own->len; i++)
    g_ptr_array_add(names, g_strdup(g_ptr_array_index(own, i)));
  g_ptr_array_add(own, NULL);
  g_autofree char *object = g_strjoinv(", ", (char **)own->pdata);
  return insert_event(registrar, event, error) &&
         weft_audit_note(registrar->database, event->what, object, event->sha256, event->reason, error);
}

typedef struct {
  const char *id, *version, *sha256, *reason;
  GPtrArray *files, *names;
} Change;

#define CHANGE_INIT(id, version, reason)                                                                             \
  {id, version, NULL, reason, g_ptr_array_new_with_free_func(g_free), g_ptr_array_new_with_free_func(g_free)}

static void change_clear(Change *change)
{
  g_ptr_array_unref(change->files);
  g_ptr_array_unref(change->names);
}

static gboolean not_there(WeftRegistrar *registrar, const Change *change, const char *what, GError **error)
{
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND, "%s: no plugin \"%s%s%s\" is %s there",
              registrar->folder, change->id, change->version ? "@" : "", change->version ? change->version : "", what);
  return FALSE;
}

static gboolean files_of(WeftRegistrar *registrar, const char *table, Change *change, GError **error)
{
  g_autofree char *sql = g_strdup_printf(
    strcmp(table, "plugin") == 0
        ? "SELECT DISTINCT sha256 FROM plugin WHERE id = ?%s"
        : "SELECT DISTINCT p.sha256 FROM quarantine_plugin p JOIN quarantine q ON q.sha256 = p.sha256 WHERE id = ?%s",
    change->version ? " AND version = ?" : "");
  return weft_registrar_collect(registrar, change->files, error, sql, change->id, change->version);
}

/* ---- removal ---- */

static gboolean delete_rows(WeftRegistrar *registrar, gpointer data, GError **error)
{
  Change *removal = data;
  if (!files_of(registrar, "plugin", removal, error) || !files_of(registrar, "quarantine", removal, error))
    return FALSE;
  for (guint i = 0; i < removal->files->len; i++) {
    const char *sha256 = g_ptr_array_index(removal->files, i);
    WeftFileEvent installed = {.what = "removed", .sha256 = sha256};
    WeftFileEvent quarantined = {.what = "removed", .sha256 = sha256, .quarantined = TRUE};
    if (!weft_registrar_event_of(registrar, &installed, removal->names, error) ||
        !weft_registrar_event_of(registrar, &quarantined, removal->names, error) ||
        !weft_database_run(registrar->database, error, "DELETE FROM plugin_file WHERE sha256 = ?", "s", sha256) ||
        !weft_database_run(registrar->database, error, "DELETE FROM quarantine WHERE sha256 = ?", "s", sha256) ||
        !weft_database_run(registrar->database, error, "DELETE FROM plugin_state WHERE sha256 = ?", "s", sha256))
      return FALSE;
  }
  return removal->files->len > 0 || not_there(registrar, removal, "installed", error);
}

/* Rows first: a file without a row is swept at the next opening, a row without a file would be a broken promise. */
static gboolean remove_locked(WeftRegistrar *registrar, Change *removal, GError **error)
{
  if (!weft_registrar_transact(registrar, delete_rows, removal, error))
    return FALSE;
  for (guint i = 0; i < removal->files->len; i++)
    if (!weft_artifact_release(registrar, g_ptr_array_index(removal->files, i), error))
      return FALSE;
  return TRUE;
}

static gboolean changed(WeftRegistrar *registrar, gboolean (*work)(WeftRegistrar *, Change *, GError **), Change *change,
                        char ***names, GError **error)
{
  if (!weft_registrar_lock(registrar, error))
    return FALSE;
  gboolean ok = work(registrar, change, error);
  weft_registrar_unlock(registrar);
  if (!ok)
    return FALSE;
  g_ptr_array_add(change->names, NULL);
  *names = (char **)g_ptr_array_steal(change->names, NULL);
  return TRUE;
}

gboolean weft_registrar_remove(WeftRegistrar *registrar, const char *id, const char *version, char ***names,
                               GError **error)
{
  Change removal = CHANGE_INIT(id, version, NULL);
  gboolean ok = changed(registrar, remove_locked, &removal, names, error);
  change_clear(&removal);
  return ok;
}

/* ---- release ---- */

/* A plugin of that name that was installed since stays what it is. */
static gboolean check_free(WeftRegistrar *registrar, const Change *release, const char *sha256, GError **error)
{
  g_autoptr(GPtrArray) taken = g_ptr_array_new_with_free_func(g_free);
  if (!weft_registrar_collect(registrar, taken, error,
                              "SELECT p.id || '@' || p.version FROM plugin p JOIN quarantine_plugin w ON w.id = p.id JOIN "
                              "quarantine q ON q.sha256 = w.sha256 AND q.version = p.version WHERE q.sha256 = ?", sha256,
                              NULL))
    return FALSE;
  if (taken->len == 0)
    return TRUE;
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED,
              "%s: %s is installed from another file; remove that one first: weft plugin remove %s", registrar->folder,
              (const char *)g_ptr_array_index(taken, 0), (const char *)g_ptr_array_index(taken, 0));
  return FALSE;
}

static gboolean move_rows(WeftRegistrar *registrar, gpointer data, GError **error)
{
  Change *release = data;
  WeftDatabase *database = registrar->database;
  if (!files_of(registrar, "quarantine", release, error))
    return FALSE;
  if (release->files->len == 0)
    return not_there(registrar, release, "in quarantine", error);
  for (guint i = 0; i < release->files->len; i++) {
    const char *sha256 = g_ptr_array_index(release->files, i);
    WeftFileEvent event = {.what = "released", .sha256 = sha256, .quarantined = TRUE, .reason = release->reason};
    if (!check_free(registrar, release, sha256, error) ||
        !weft_registrar_event_of(registrar, &event, release->names, error) ||
        !weft_database_run(database, error,
                           "INSERT INTO plugin_file (sha256, n_bytes, machine, name, version, licence, contract, manifest, "
                           "source, bundled, installed_at) SELECT sha256, n_bytes, machine, name, version, licence, "
                           "contract, manifest, source, 0, ? FROM quarantine WHERE sha256 = ?", "is",
                           g_get_real_time() / G_USEC_PER_SEC, sha256) ||
        !weft_database_run(database, error,
                           "INSERT INTO plugin (id, version, sha256, kind, summary, reads_type, bundled) SELECT id, version, "
                           "p.sha256, kind, summary, reads_type, 0 FROM quarantine_plugin p JOIN quarantine q ON q.sha256 = "
                           "p.sha256 WHERE p.sha256 = ?", "s", sha256) ||
        !weft_database_run(database, error, "DELETE FROM quarantine WHERE sha256 = ?", "s", sha256))
      return FALSE;
  }
  return TRUE;
}

static gboolean release_locked(WeftRegistrar *registrar, Change *release, GError **error)
{
  return weft_registrar_transact(registrar, move_rows, release, error);
}

gboolean weft_registrar_release(WeftRegistrar *registrar, const char *id, const char *version, const char *reason,
                                char ***names, GError **error)
{
  Change release = CHANGE_INIT(id, version, reason);
  gboolean ok = changed(registrar, release_locked, &release, names, error);
  change_clear(&release);
  return ok;
}

/* ---- states ---- */

static gboolean state_event(WeftRegistrar *registrar, const char *what, const Change *change, GError **error)
{
  WeftRegistrarPlugin plugin = {change->id, "", NULL, NULL};
  WeftRegistrarFile file = {.path = "", .sha256 = change->sha256, .version = change->version, .plugins = &plugin,
                            .n_plugins = 1};
  return weft_registrar_event(registrar, what, &file, NULL, change->reason, error);
}

static gboolean insert_state(WeftRegistrar *registrar, gpointer data, GError **error)
{
  const Change *change = data;
  g_autofree char *user = weft_audit_user();
  return weft_database_run(registrar->database, error,
                           "INSERT OR REPLACE INTO plugin_state (sha256, id, version, state, at, user, reason) "
                           "VALUES (?, ?, ?, 'disabled', ?, ?, ?)",
                           "sssiss", change->sha256, change->id, change->version, g_get_real_time() / G_USEC_PER_SEC, user,
                           change->reason) &&
         state_event(registrar, "disabled", change, error);
}

static gboolean delete_state(WeftRegistrar *registrar, gpointer data, GError **error)
{
  Change *change = data;
  if (!weft_database_run(registrar->database, error, "DELETE FROM plugin_state WHERE id = ? AND sha256 = ?", "ss", change->id,
                         change->sha256))
    return FALSE;
  if (sqlite3_changes(registrar->database->handle) == 0)
    return not_there(registrar, change, "disabled", error);
  return state_event(registrar, "enabled", change, error);
}

gboolean weft_registrar_disable(WeftRegistrar *registrar, const char *id, const char *version, const char *sha256,
                                const char *reason, GError **error)
{
  Change change = {.id = id, .version = version, .sha256 = sha256, .reason = reason};
  return weft_registrar_transact(registrar, insert_state, &change, error);
}

gboolean weft_registrar_enable(WeftRegistrar *registrar, const char *id, const char *version, const char *sha256,
                               GError **error)
{
  Change change = {.id = id, .version = version, .sha256 = sha256};
  return weft_registrar_transact(registrar, delete_state, &change, error);
}

/* ---- garbage ---- */

void weft_garbage_free(WeftGarbage *garbage)
{
  if (!garbage)
    return;
  g_free(garbage->sha256);
  g_free(garbage->what);
  g_free(garbage->plugins);
  g_free(garbage);
}

static void add_garbage(WeftRegistrar *registrar, GPtrArray *out, const char *sha256, const char *what)
{
  struct stat about;
  g_autofree char *path = weft_store_path(registrar->folder, sha256);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  WeftGarbage *garbage = g_new0(WeftGarbage, 1);
  garbage->sha256 = g_strdup(sha256);
  garbage->what = g_strdup(what);
  garbage->n_bytes = stat(path, &about) == 0 ? (gint64)about.st_size : 0;
  if (names_of(registrar, FALSE, sha256, names, NULL) && names->len) {
    g_ptr_array_add(names, NULL);
    garbage->plugins = g_strjoinv(", ", (char **)names->pdata);
  }
  g_ptr_array_add(out, garbage);
}

static gboolean delete_quarantine(WeftRegistrar *registrar, gpointer data, GError **error)
{
  const GPtrArray *garbage = data;
  for (guint i = 0; i < garbage->len; i++) {
    const WeftGarbage *each = g_ptr_array_index(garbage, i);
    WeftFileEvent event = {.what = "removed", .sha256 = each->sha256, .quarantined = TRUE, .reason = "removed by gc"};
    if (strcmp(each->what, "quarantine") == 0 &&
        (!weft_registrar_event_of(registrar, &event, NULL, error) ||
         !weft_database_run(registrar->database, error, "DELETE FROM quarantine WHERE sha256 = ?", "s", each->sha256)))
      return FALSE;
  }
  return TRUE;
}

static gboolean collect_garbage(WeftRegistrar *registrar, gboolean quarantine, GPtrArray *out, GError **error)
{
  g_autoptr(GPtrArray) lost = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) orphans = weft_registrar_orphans(registrar, lost, error);
  if (!orphans || (quarantine && !weft_registrar_collect(registrar, kept, error, "SELECT sha256 FROM quarantine", NULL, NULL)))
    return FALSE;
  for (guint i = 0; i < orphans->len; i++)
    add_garbage(registrar, out, g_ptr_array_index(orphans, i), "orphan");
  for (guint i = 0; i < kept->len; i++)
    add_garbage(registrar, out, g_ptr_array_index(kept, i), "quarantine");
  return TRUE;
}

static gboolean remove_garbage(WeftRegistrar *registrar, GPtrArray *garbage, GError **error)
{
  if (garbage->len && !weft_registrar_transact(registrar, delete_quarantine, garbage, error))
    return FALSE;
  for (guint i = 0; i < garbage->len; i++)
    /* An asset, or a plugin that another process saw pass its probe, may be of the same bytes. */
    if (!weft_artifact_release(registrar, ((WeftGarbage *)g_ptr_array_index(garbage, i))->sha256, error))
      return FALSE;
  return TRUE;
}

GPtrArray *weft_registrar_gc(WeftRegistrar *registrar, gboolean quarantine, gboolean dry_run, GError **error)
{
  g_autoptr(GPtrArray) garbage = g_ptr_array_new_with_free_func((GDestroyNotify)weft_garbage_free);
  if (!weft_registrar_lock(registrar, error))
    return NULL;
  gboolean ok = collect_garbage(registrar, quarantine, garbage, error) &&
                (dry_run || remove_garbage(registrar, garbage, error));
  weft_registrar_unlock(registrar);
  return ok ? g_steal_pointer(&garbage) : NULL;
}
