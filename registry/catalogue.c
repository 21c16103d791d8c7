/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue-private.h"

#include "store.h"
#include "version.h"

#include <string.h>
#include <unistd.h>

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

gboolean weft_catalogue_is_there(const char *folder, GError **error)
{
  g_autofree char *file = g_build_filename(folder, "catalogue.db", NULL);
  if (g_file_test(file, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_MISSING, "%s: no catalogue there; " WEFT_HOW_TO_MAKE_ONE,
              folder);
  return FALSE;
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

WeftPluginRow *weft_catalogue_read_row(const WeftDatabase *database, sqlite3_stmt *statement)
{
  WeftPluginRow *row = g_new0(WeftPluginRow, 1);
  row->id = weft_column_sure(statement, 0);
  row->version = weft_column_sure(statement, 1);
  row->kind = weft_column_sure(statement, 2);
  row->summary = weft_column_sure(statement, 3);
  row->sha256 = weft_column_sure(statement, 4);
  row->reads_type = weft_column_text(statement, 5);
  row->manifest = weft_column_sure(statement, 6);
  row->bundled = sqlite3_column_int(statement, 7);
  row->catalogue = g_strdup(database->folder);
  row->path = weft_store_path(database->folder, row->sha256);
  row->usable = TRUE;
  return row;
}

gboolean weft_catalogue_select(WeftDatabase *database, const char *where, const char *word, GPtrArray *out,
                               GError **error)
{
  gboolean row = FALSE;
  g_autofree char *sql = g_strconcat("SELECT " WEFT_ROW_COLUMNS, where, NULL);
  g_autoptr(WeftStatement) statement = weft_database_query(database, error, sql, word ? "s" : "", word);
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(database, statement, &row, error))
      return FALSE;
    if (!row)
      return TRUE;
    g_ptr_array_add(out, weft_catalogue_read_row(database, statement));
  }
}

int weft_catalogue_compare_versions(const char *a, const char *b)
{
  WeftVersion va, vb;
  if (!weft_version_parse(a, &va) || !weft_version_parse(b, &vb))
    return strcmp(a, b);
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
    const WeftPluginRow *other = best == G_MAXUINT ? NULL : g_ptr_array_index(rows, best);
    if (!other || weft_catalogue_compare_versions(row->version, other->version) > 0)
      best = i;
  }
  return best == G_MAXUINT ? NULL : g_ptr_array_steal_index_fast(rows, best);
}

/* The newest within range that nobody has disabled; *disabled: words on the newest that somebody has. */
static WeftPluginRow *newest_enabled(WeftCatalogue *catalogue, GPtrArray *rows, const WeftVersionRange *range,
                                     char **disabled)
{
  for (;;) {
    WeftPluginRow *row = newest(rows, range);
    g_autofree char *words = row ? weft_catalogue_disabled(catalogue, row->id, row->sha256, NULL) : NULL;
    if (!words)
      return row;
    if (disabled && !*disabled)
      *disabled = g_strdup_printf("\"%s\" (%s) is %s", row->id, row->version, words);
    weft_plugin_row_free(row);
  }
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
    g_ptr_array_add(out, weft_column_sure(statement, 0));
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
        !texts(database, "SELECT reason || CASE WHEN sha256 IN (SELECT sha256 FROM quarantine) THEN '; to use it all the same: "
                         "weft plugin release ' || id ELSE '' END FROM install_event JOIN install_event_plugin ON event = number "
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
  g_autofree char *disabled = NULL;
  for (guint i = 0; i < catalogue->databases->len; i++) {
    g_autoptr(GPtrArray) rows = rows_new();
    if (!weft_catalogue_select(g_ptr_array_index(catalogue->databases, i), " WHERE plugin.id = ?", id, rows, error))
      return NULL;
    WeftPluginRow *row = newest_enabled(catalogue, rows, &parsed, &disabled);
    if (row)
      return row;
  }
  if (!disabled)
    return not_found(catalogue, id, range, error);
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND, "plugin %s; to use it again: weft plugin enable %s",
              disabled, id);
  return NULL;
}

static gint compare_rows(gconstpointer a, gconstpointer b)
{
  const WeftPluginRow *x = *(WeftPluginRow *const *)a, *y = *(WeftPluginRow *const *)b;
  int c = strcmp(x->id, y->id);
  return c ? c : weft_catalogue_compare_versions(x->version, y->version);
}

GPtrArray *weft_catalogue_readers(WeftCatalogue *catalogue, const char *type, GError **error)
{
  g_autoptr(GPtrArray) out = rows_new();
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  const WeftVersionRange any = {.any = TRUE};
  for (guint i = 0; i < catalogue->databases->len; i++) {
    g_autoptr(GPtrArray) rows = rows_new();
    if (!weft_catalogue_select(g_ptr_array_index(catalogue->databases, i), " WHERE plugin.reads_type = ? ORDER BY plugin.id", type,
                     rows, error))
      return NULL;
    /* An earlier catalogue hides a later one's reader of the same id. */
    for (WeftPluginRow *row; (row = newest_enabled(catalogue, rows, &any, NULL));) {
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
