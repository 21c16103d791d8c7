/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue-private.h"

#include "store.h"
#include "version.h"

#include <string.h>
#include <unistd.h>

#ifndef WEFT_SYSTEM_CATALOGUE
#define WEFT_SYSTEM_CATALOGUE "/var/lib/weft/catalogue"
#endif

void weft_plugin_row_free(WeftPluginRow *row)
{
  if (!row)
    return;
  g_free(row->id);
  g_free(row->version);
  g_free(row->kind);
  g_free(row->summary);
  g_free(row->path);
  g_free(row->sha256);
  g_free(row->manifest);
  g_free(row->catalogue);
  g_free(row->reads_type);
  g_free(row->reason);
  g_free(row);
}

void weft_install_event_free(WeftInstallEvent *event)
{
  if (!event)
    return;
  g_free(event->what);
  g_free(event->path);
  g_free(event->sha256);
  g_free(event->code);
  g_free(event->reason);
  g_free(event->plugins);
  g_free(event->catalogue);
  g_free(event);
}

static char *user_folder(void)
{
  return g_build_filename(g_get_user_data_dir(), "weft", "catalogue", NULL);
}

/* WEFT_CATALOGUE in its parts; NULL when it is not set or empty. */
static char **named_folders(void)
{
  const char *value = g_getenv("WEFT_CATALOGUE");
  if (!value || !*value)
    return NULL;
  return g_strsplit(value, ":", -1);
}

char *weft_catalogue_default_folder(void)
{
  g_auto(GStrv) named = named_folders();
  for (guint i = 0; named && named[i]; i++)
    if (*named[i])
      return g_strdup(named[i]);
  return user_folder();
}

static gboolean add(WeftCatalogue *catalogue, const char *folder, gboolean must_exist, GError **error)
{
  g_autofree char *path = g_build_filename(folder, "catalogue.db", NULL);
  if (!must_exist && access(path, F_OK) != 0)
    return TRUE;
  WeftDatabase *database = weft_database_open(folder, WEFT_DATABASE_READ, error);
  if (!database)
    return FALSE;
  for (guint i = 0; i < catalogue->databases->len; i++) {
    if (strcmp(((WeftDatabase *)g_ptr_array_index(catalogue->databases, i))->folder, database->folder) != 0)
      continue;
    weft_database_close(database);
    return TRUE;
  }
  g_ptr_array_add(catalogue->databases, database);
  return TRUE;
}

WeftCatalogue *weft_catalogue_open(const char *bundled, GError **error)
{
  g_autoptr(WeftCatalogue) catalogue = g_new0(WeftCatalogue, 1);
  g_auto(GStrv) named = named_folders();
  g_autofree char *user = user_folder();
  catalogue->databases = g_ptr_array_new_with_free_func((GDestroyNotify)weft_database_close);
  catalogue->cache_folder = weft_catalogue_default_folder();
  for (guint i = 0; named && named[i]; i++)
    if (*named[i] && !add(catalogue, named[i], TRUE, error))
      return NULL;
  if (!named && (!add(catalogue, user, FALSE, error) || !add(catalogue, WEFT_SYSTEM_CATALOGUE, FALSE, error)))
    return NULL;
  if (bundled && !add(catalogue, bundled, TRUE, error))
    return NULL;
  return g_steal_pointer(&catalogue);
}

void weft_catalogue_free(WeftCatalogue *catalogue)
{
  if (!catalogue)
    return;
  g_ptr_array_unref(catalogue->databases);
  weft_database_close(catalogue->own_cache);
  g_free(catalogue->cache_folder);
  g_free(catalogue);
}

#define ROW_COLUMNS                                                                                                   \
  "plugin.id, plugin.version, plugin.kind, plugin.summary, plugin.sha256, plugin.reads_type, plugin_file.manifest, " \
  "plugin_file.bundled FROM plugin JOIN plugin_file ON plugin_file.sha256 = plugin.sha256"

static WeftPluginRow *read_row(const WeftDatabase *database, sqlite3_stmt *statement)
{
  WeftPluginRow *row = g_new0(WeftPluginRow, 1);
  row->id = weft_column_text(statement, 0);
  row->version = weft_column_text(statement, 1);
  row->kind = weft_column_text(statement, 2);
  row->summary = weft_column_text(statement, 3);
  row->sha256 = weft_column_text(statement, 4);
  row->reads_type = weft_column_text(statement, 5);
  row->manifest = weft_column_text(statement, 6);
  row->bundled = sqlite3_column_int(statement, 7);
  row->catalogue = g_strdup(database->folder);
  row->path = weft_store_path(database->folder, row->sha256);
  row->usable = TRUE;
  return row;
}

/* Installed plugins that a query names: of WeftPluginRow, added to out. */
static gboolean select_rows(WeftDatabase *database, const char *where, const char *word, GPtrArray *out, GError **error)
{
  gboolean row = FALSE;
  g_autofree char *sql = g_strconcat("SELECT " ROW_COLUMNS, where, NULL);
  g_autoptr(WeftStatement) statement = weft_database_query(database, error, sql, word ? "s" : "", word);
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(database, statement, &row, error))
      return FALSE;
    if (!row)
      return TRUE;
    g_ptr_array_add(out, read_row(database, statement));
  }
}

static int by_version(const WeftPluginRow *a, const WeftPluginRow *b)
{
  WeftVersion va, vb;
  weft_version_parse(a->version, &va);
  weft_version_parse(b->version, &vb);
  return weft_version_compare(&va, &vb);
}

/* The newest of rows within range, taken out of rows; NULL: none. */
static WeftPluginRow *newest(GPtrArray *rows, const WeftVersionRange *range)
{
  guint best = G_MAXUINT;
  for (guint i = 0; i < rows->len; i++) {
    WeftVersion version;
    const WeftPluginRow *row = g_ptr_array_index(rows, i);
    if (!weft_version_parse(row->version, &version) || !weft_version_range_has(range, &version))
      continue;
    if (best == G_MAXUINT || by_version(row, g_ptr_array_index(rows, best)) > 0)
      best = i;
  }
  return best == G_MAXUINT ? NULL : g_ptr_array_steal_index_fast(rows, best);
}

static GPtrArray *rows_new(void)
{
  return g_ptr_array_new_with_free_func((GDestroyNotify)weft_plugin_row_free);
}

/* ---- not found: why ---- */

static gboolean texts(WeftDatabase *database, const char *sql, const char *word, GPtrArray *out, GError **error)
{
  gboolean row = FALSE;
  g_autoptr(WeftStatement) statement = weft_database_query(database, error, sql, word ? "s" : "", word);
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(database, statement, &row, error))
      return FALSE;
    if (!row)
      return TRUE;
    g_ptr_array_add(out, weft_column_text(statement, 0));
  }
}

static char *search_order(const WeftCatalogue *catalogue)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < catalogue->databases->len; i++)
    g_string_append_printf(text, "%s%s", i ? ", " : "",
                           ((WeftDatabase *)g_ptr_array_index(catalogue->databases, i))->folder);
  if (!text->len)
    g_string_append(text, "no catalogue is there: install a plugin, or name one with WEFT_CATALOGUE");
  return g_string_free(text, FALSE);
}

static WeftPluginRow *not_found(WeftCatalogue *catalogue, const char *id, const char *range, GError **error)
{
  g_autoptr(GPtrArray) versions = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < catalogue->databases->len; i++) {
    WeftDatabase *database = g_ptr_array_index(catalogue->databases, i);
    if (!texts(database, "SELECT version FROM plugin WHERE id = ? ORDER BY version", id, versions, error) ||
        !texts(database, "SELECT reason FROM install_event JOIN install_event_plugin ON event = number "
                         "WHERE id = ? AND what IN ('refused', 'lost') ORDER BY number DESC LIMIT 1", id, reasons,
               error) ||
        !texts(database, "SELECT DISTINCT id FROM plugin", NULL, ids, error))
      return NULL;
  }
  if (versions->len) {
    g_ptr_array_add(versions, NULL);
    g_autofree char *list = g_strjoinv(", ", (char **)versions->pdata);
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND,
                range && *range ? "plugin \"%s\" is installed, but not in a version %s; there is %s"
                                : "plugin \"%s\" is installed only as a prerelease, which must be named exactly%s: %s",
                id, range && *range ? range : "", list);
    return NULL;
  }
  const char *closest = weft_closest(id, (const char *const *)ids->pdata, ids->len);
  g_autofree char *order = search_order(catalogue);
  if (reasons->len)
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND, "plugin \"%s\" was refused: %s", id,
                (const char *)g_ptr_array_index(reasons, 0));
  else if (closest)
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND,
                "no plugin \"%s\" is installed; did you mean \"%s\"?", id, closest);
  else
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND,
                "no plugin \"%s\" is installed (searched: %s)", id, order);
  return NULL;
}

WeftPluginRow *weft_catalogue_find(WeftCatalogue *catalogue, const char *id, const char *range, GError **error)
{
  WeftVersionRange parsed;
  if (!weft_version_range_parse(range, &parsed)) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_RANGE,
                "\"%s\" is not a version range; expected 1.2.3, ^1.2, ~1.2, or none for the newest", range);
    return NULL;
  }
  for (guint i = 0; i < catalogue->databases->len; i++) {
    g_autoptr(GPtrArray) rows = rows_new();
    if (!select_rows(g_ptr_array_index(catalogue->databases, i), " WHERE plugin.id = ?", id, rows, error))
      return NULL;
    WeftPluginRow *row = newest(rows, &parsed);
    if (row)
      return row;
  }
  return not_found(catalogue, id, range, error);
}

static gint compare_rows(gconstpointer a, gconstpointer b)
{
  const WeftPluginRow *x = *(WeftPluginRow *const *)a, *y = *(WeftPluginRow *const *)b;
  int c = strcmp(x->id, y->id);
  return c ? c : by_version(x, y);
}

GPtrArray *weft_catalogue_readers(WeftCatalogue *catalogue, const char *type, GError **error)
{
  g_autoptr(GPtrArray) out = rows_new();
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  const WeftVersionRange any = {.any = TRUE};
  for (guint i = 0; i < catalogue->databases->len; i++) {
    g_autoptr(GPtrArray) rows = rows_new();
    if (!select_rows(g_ptr_array_index(catalogue->databases, i), " WHERE plugin.reads_type = ? ORDER BY plugin.id", type,
                     rows, error))
      return NULL;
    /* An earlier catalogue hides a later one's reader of the same id. */
    for (WeftPluginRow *row; (row = newest(rows, &any));) {
      if (g_hash_table_contains(seen, row->id)) {
        weft_plugin_row_free(row);
        continue;
      }
      g_hash_table_add(seen, row->id);
      g_ptr_array_add(out, row);
    }
  }
  g_ptr_array_sort(out, compare_rows);
  return g_steal_pointer(&out);
}

/* Ids whose latest event is a refusal or a loss: listed with the reason, without a path. */
static gboolean select_refused(WeftDatabase *database, GPtrArray *out, GError **error)
{
  gboolean has = FALSE;
  g_autoptr(WeftStatement) statement = weft_database_query(
    database, error,
    "SELECT p.id, p.version, p.kind, e.sha256, e.reason FROM install_event_plugin p JOIN install_event e "
    "ON e.number = p.event WHERE e.what IN ('refused', 'lost') AND e.number = (SELECT max(event) FROM "
    "install_event_plugin q WHERE q.id = p.id AND q.version = p.version) AND NOT EXISTS (SELECT 1 FROM plugin "
    "WHERE plugin.id = p.id AND plugin.version = p.version)",
    "");
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(database, statement, &has, error))
      return FALSE;
    if (!has)
      return TRUE;
    WeftPluginRow *row = g_new0(WeftPluginRow, 1);
    row->id = weft_column_text(statement, 0);
    row->version = weft_column_text(statement, 1);
    row->kind = weft_column_text(statement, 2);
    row->sha256 = weft_column_text(statement, 3);
    row->reason = weft_column_text(statement, 4);
    row->catalogue = g_strdup(database->folder);
    g_ptr_array_add(out, row);
  }
}

GPtrArray *weft_catalogue_list(WeftCatalogue *catalogue, GError **error)
{
  g_autoptr(GPtrArray) out = rows_new();
  for (guint i = 0; i < catalogue->databases->len; i++) {
    WeftDatabase *database = g_ptr_array_index(catalogue->databases, i);
    if (!select_rows(database, "", NULL, out, error) || !select_refused(database, out, error))
      return NULL;
  }
  g_ptr_array_sort(out, compare_rows);
  return g_steal_pointer(&out);
}

static gboolean select_events(WeftDatabase *database, const char *word, GPtrArray *out, GError **error)
{
  gboolean row = FALSE;
  g_autoptr(WeftStatement) statement = weft_database_query(
    database, error,
    "SELECT at, what, path, sha256, code, reason, (SELECT group_concat(id || '@' || version, ', ') FROM "
    "install_event_plugin WHERE event = number) FROM install_event WHERE number IN (SELECT event FROM "
    "install_event_plugin WHERE id = ?) OR path = ? OR substr(path, -length(?)) = ? ORDER BY number DESC",
    "ssss", word, word, word, word);
  g_autofree char *tail = g_strconcat("/", word, NULL);
  if (!statement)
    return FALSE;
  sqlite3_bind_text(statement, 3, tail, -1, SQLITE_STATIC);
  sqlite3_bind_text(statement, 4, tail, -1, SQLITE_STATIC);
  for (;;) {
    if (!weft_database_step(database, statement, &row, error))
      return FALSE;
    if (!row)
      return TRUE;
    WeftInstallEvent *event = g_new0(WeftInstallEvent, 1);
    event->at = sqlite3_column_int64(statement, 0);
    event->what = weft_column_text(statement, 1);
    event->path = weft_column_text(statement, 2);
    event->sha256 = weft_column_text(statement, 3);
    event->code = weft_column_text(statement, 4);
    event->reason = weft_column_text(statement, 5);
    event->plugins = weft_column_text(statement, 6);
    event->catalogue = g_strdup(database->folder);
    g_ptr_array_add(out, event);
  }
}

GPtrArray *weft_catalogue_events(WeftCatalogue *catalogue, const char *word, GError **error)
{
  g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func((GDestroyNotify)weft_install_event_free);
  for (guint i = 0; i < catalogue->databases->len; i++)
    if (!select_events(g_ptr_array_index(catalogue->databases, i), word, out, error))
      return NULL;
  return g_steal_pointer(&out);
}
