/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a catalogue holds: lists, events and states. */
#include "catalogue-private.h"

#include <string.h>

void weft_install_event_free(WeftInstallEvent *event)
{
  if (!event)
    return;
  g_free(event->what);
  g_free(event->user);
  g_free(event->path);
  g_free(event->sha256);
  g_free(event->code);
  g_free(event->reason);
  g_free(event->plugins);
  g_free(event->catalogue);
  g_free(event);
}

/* ---- states ---- */

static char *disabled_words(gint64 at, const char *user, const char *reason)
{
  g_autoptr(GDateTime) when = g_date_time_new_from_unix_local(at);
  g_autofree char *date = when ? g_date_time_format(when, "%F %R") : NULL;
  return g_strdup_printf("disabled by %s on %s%s%s", user, date ? date : "?", reason ? ": " : "", reason ? reason : "");
}

char *weft_catalogue_disabled(WeftCatalogue *catalogue, const char *id, const char *sha256, char **folder)
{
  for (guint i = 0; i < catalogue->databases->len; i++) {
    gboolean row = FALSE;
    WeftDatabase *database = g_ptr_array_index(catalogue->databases, i);
    g_autoptr(WeftStatement) statement = weft_database_query(
      database, NULL, "SELECT at, user, reason FROM plugin_state WHERE id = ? AND sha256 = ?", "ss", id, sha256);
    if (!statement || !weft_database_step(database, statement, &row, NULL) || !row)
      continue;
    if (folder)
      *folder = g_strdup(database->folder);
    return disabled_words(sqlite3_column_int64(statement, 0), (const char *)sqlite3_column_text(statement, 1),
                          (const char *)sqlite3_column_text(statement, 2));
  }
  return NULL;
}

/* `id sha256` -> words, of all catalogues; an earlier one's words win. NULL: none is disabled, the usual case. */
static GHashTable *all_disabled(WeftCatalogue *catalogue)
{
  GHashTable *out = NULL;
  for (guint i = 0; i < catalogue->databases->len; i++) {
    gboolean row = FALSE;
    WeftDatabase *database = g_ptr_array_index(catalogue->databases, i);
    g_autoptr(WeftStatement) statement =
        weft_database_query(database, NULL, "SELECT id || ' ' || sha256, at, user, reason FROM plugin_state", "");
    while (statement && weft_database_step(database, statement, &row, NULL) && row) {
      const char *key = (const char *)sqlite3_column_text(statement, 0);
      if (!out)
        out = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
      if (key && !g_hash_table_contains(out, key))
        g_hash_table_insert(out, g_strdup(key),
                            disabled_words(sqlite3_column_int64(statement, 1),
                                           (const char *)sqlite3_column_text(statement, 2),
                                           (const char *)sqlite3_column_text(statement, 3)));
    }
  }
  return out;
}

/* ---- lines ---- */

#define CACHED_PAGES "16"

typedef struct {
  WeftPluginLines public;
  GArray *array;         /* of WeftPluginLine */
  GStringChunk *texts;   /* theirs */
  GHashTable *disabled;
  WeftLineFilter filter;
} Lines;

void weft_plugin_lines_free(WeftPluginLines *lines)
{
  Lines *own = (Lines *)lines;
  if (!own)
    return;
  g_array_unref(own->array);
  g_string_chunk_free(own->texts);
  g_clear_pointer(&own->disabled, g_hash_table_unref);
  g_free(own);
}

static const char *text(Lines *lines, sqlite3_stmt *statement, int column)
{
  const char *value = (const char *)sqlite3_column_text(statement, column);
  return value ? g_string_chunk_insert_len(lines->texts, value, sqlite3_column_bytes(statement, column)) : NULL;
}

/* Of a column that the schema demands. */
static const char *sure(Lines *lines, sqlite3_stmt *statement, int column)
{
  const char *value = text(lines, statement, column);
  return value ? value : "";
}

static const char *state_of(Lines *lines, const WeftPluginLine *line, const char **reason)
{
  g_autofree char *key = lines->disabled ? g_strconcat(line->id, " ", line->sha256, NULL) : NULL;
  const char *words = key ? g_hash_table_lookup(lines->disabled, key) : NULL;
  *reason = words;
  return words ? "disabled" : line->bundled ? "bundled" : "installed";
}

/* Kinds and versions repeat: a text like the one of the row before is kept once. */
static const char *repeated(Lines *lines, sqlite3_stmt *statement, int column, const char *last)
{
  const char *value = (const char *)sqlite3_column_text(statement, column);
  return last && value && strcmp(last, value) == 0 ? last : sure(lines, statement, column);
}

#define FILTER "(?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR id GLOB ?2)"

static gboolean add_installed(Lines *lines, WeftDatabase *database, GError **error)
{
  gboolean row = FALSE;
  const char *kind = NULL, *version = NULL;
  gboolean needs_digest = lines->disabled || !lines->filter.no_digests;
  gboolean all = !lines->filter.kind && !lines->filter.pattern;
  g_autoptr(WeftStatement) statement = weft_database_query(
    database, error,
    all ? "SELECT id, version, kind, summary, sha256, bundled FROM plugin ORDER BY id, version"
        : "SELECT id, version, kind, summary, sha256, bundled FROM plugin WHERE " FILTER " ORDER BY id, version",
    all ? "" : "ss", lines->filter.kind, lines->filter.pattern);
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(database, statement, &row, error))
      return FALSE;
    if (!row)
      return TRUE;
    version = repeated(lines, statement, 1, version);
    kind = repeated(lines, statement, 2, kind);
    WeftPluginLine line = {sure(lines, statement, 0), version, kind, needs_digest ? sure(lines, statement, 4) : NULL,
                           database->folder, sure(lines, statement, 3), NULL, NULL, sqlite3_column_int(statement, 5) != 0};
    line.state = state_of(lines, &line, &line.reason);
    g_array_append_val(lines->array, line);
  }
}

/* From the few bad events to their plugins: without its statistics SQLite would go through all plugins instead. */
#define REFUSED                                                                                                        \
  "FROM install_event e INDEXED BY install_event_bad CROSS JOIN install_event_plugin p ON p.event = e.number WHERE "   \
  "e.what IN ('refused', 'lost') AND e.number = (SELECT max(event) FROM install_event_plugin q WHERE q.id = p.id AND " \
  "q.version = p.version) AND NOT EXISTS (SELECT 1 FROM plugin WHERE plugin.id = p.id AND plugin.version = p.version)"

/* Names whose latest event is a refusal or a loss. */
static gboolean add_refused(Lines *lines, WeftDatabase *database, GError **error)
{
  gboolean row = FALSE;
  g_autoptr(WeftStatement) statement =
      weft_database_query(database, error, "SELECT p.id, p.version, p.kind, e.sha256, e.reason, e.what, EXISTS (SELECT 1 "
                          "FROM quarantine WHERE quarantine.sha256 = e.sha256) " REFUSED " AND " FILTER, "ss", lines->filter.kind,
                          lines->filter.pattern);
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(database, statement, &row, error))
      return FALSE;
    if (!row)
      return TRUE;
    gboolean kept = sqlite3_column_int(statement, 6) != 0;
    const char *what = sure(lines, statement, 5);
    WeftPluginLine line = {sure(lines, statement, 0), sure(lines, statement, 1), sure(lines, statement, 2),
                           text(lines, statement, 3), database->folder, NULL, kept ? "quarantine" : what,
                           text(lines, statement, 4), FALSE};
    g_array_append_val(lines->array, line);
  }
}

static gint compare_lines(gconstpointer a, gconstpointer b)
{
  const WeftPluginLine *x = a, *y = b;
  int c = strcmp(x->id, y->id);
  return c ? c : weft_catalogue_compare_versions(x->version, y->version);
}

/* One catalogue's rows come in order but for versions such as 1.10 and 1.9. */
static gboolean is_sorted(const GArray *array)
{
  for (guint i = 1; i < array->len; i++)
    if (compare_lines(&g_array_index(array, WeftPluginLine, i - 1), &g_array_index(array, WeftPluginLine, i)) > 0)
      return FALSE;
  return TRUE;
}

WeftPluginLines *weft_catalogue_lines(WeftCatalogue *catalogue, const WeftLineFilter *filter, GError **error)
{
  Lines *lines = g_new0(Lines, 1);
  g_autoptr(WeftPluginLines) out = &lines->public;
  lines->array = g_array_new(FALSE, FALSE, sizeof(WeftPluginLine));
  lines->texts = g_string_chunk_new(1 << 16);
  lines->disabled = all_disabled(catalogue);
  if (filter)
    lines->filter = *filter;
  for (guint i = 0; i < catalogue->databases->len; i++) {
    WeftDatabase *database = g_ptr_array_index(catalogue->databases, i);
    /* Rows are read once and in order: few pages are kept, so that the same memory takes all of them. */
    sqlite3_exec(database->handle, "PRAGMA cache_size = " CACHED_PAGES, NULL, NULL, NULL);
    if (!add_installed(lines, database, error) || !add_refused(lines, database, error))
      return NULL;
  }
  if (!is_sorted(lines->array))
    g_array_sort(lines->array, compare_lines);
  out->lines = (const WeftPluginLine *)lines->array->data;
  out->n = lines->array->len;
  return g_steal_pointer(&out);
}

/* ---- rows with manifests ---- */

static gint compare_rows(gconstpointer a, gconstpointer b)
{
  const WeftPluginRow *x = *(WeftPluginRow *const *)a, *y = *(WeftPluginRow *const *)b;
  int c = strcmp(x->id, y->id);
  return c ? c : weft_catalogue_compare_versions(x->version, y->version);
}

static gboolean select_refused(WeftDatabase *database, GPtrArray *out, GError **error)
{
  gboolean has = FALSE;
  g_autoptr(WeftStatement) statement =
      weft_database_query(database, error, "SELECT p.id, p.version, p.kind, e.sha256, e.reason " REFUSED, "");
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(database, statement, &has, error))
      return FALSE;
    if (!has)
      return TRUE;
    WeftPluginRow *row = g_new0(WeftPluginRow, 1);
    row->id = weft_column_sure(statement, 0);
    row->version = weft_column_sure(statement, 1);
    row->kind = weft_column_sure(statement, 2);
    row->sha256 = weft_column_sure(statement, 3);
    row->reason = weft_column_text(statement, 4);
    row->catalogue = g_strdup(database->folder);
    g_ptr_array_add(out, row);
  }
}

static void mark_disabled(WeftCatalogue *catalogue, GPtrArray *rows)
{
  GHashTable *disabled = all_disabled(catalogue);
  for (guint i = 0; disabled && i < rows->len; i++) {
    WeftPluginRow *row = g_ptr_array_index(rows, i);
    g_autofree char *key = g_strconcat(row->id, " ", row->sha256 ? row->sha256 : "", NULL);
    const char *words = g_hash_table_lookup(disabled, key);
    if (!words || !row->usable)
      continue;
    row->usable = FALSE;
    row->reason = g_strdup(words);
  }
  g_clear_pointer(&disabled, g_hash_table_unref);
}

GPtrArray *weft_catalogue_list(WeftCatalogue *catalogue, GError **error)
{
  g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func((GDestroyNotify)weft_plugin_row_free);
  for (guint i = 0; i < catalogue->databases->len; i++) {
    WeftDatabase *database = g_ptr_array_index(catalogue->databases, i);
    if (!weft_catalogue_select(database, "", NULL, out, error) || !select_refused(database, out, error))
      return NULL;
  }
  mark_disabled(catalogue, out);
  g_ptr_array_sort(out, compare_rows);
  return g_steal_pointer(&out);
}

/* ---- events ---- */

static WeftInstallEvent *read_event(const WeftDatabase *database, sqlite3_stmt *statement)
{
  WeftInstallEvent *event = g_new0(WeftInstallEvent, 1);
  event->at = sqlite3_column_int64(statement, 0);
  event->what = weft_column_sure(statement, 1);
  event->path = weft_column_sure(statement, 2);
  event->sha256 = weft_column_text(statement, 3);
  event->code = weft_column_text(statement, 4);
  event->reason = weft_column_text(statement, 5);
  event->plugins = weft_column_text(statement, 6);
  event->user = weft_column_sure(statement, 7);
  event->catalogue = g_strdup(database->folder);
  return event;
}

/* word: an id, or a path as it was given, absolute, or the end of one. */
static gboolean select_events(WeftDatabase *database, const char *word, GPtrArray *out, GError **error)
{
  gboolean row = FALSE;
  g_autofree char *name = g_path_get_basename(word);
  g_autofree char *absolute = g_canonicalize_filename(word, NULL);
  g_autofree char *tail = g_strconcat("/", word, NULL);
  g_autoptr(WeftStatement) statement = weft_database_query(
    database, error,
    "SELECT at, what, path, sha256, code, reason, (SELECT group_concat(id || '@' || version, ', ') FROM "
    "install_event_plugin WHERE event = number), user FROM install_event WHERE number IN (SELECT event FROM "
    "install_event_plugin WHERE id = ?1 UNION SELECT number FROM install_event WHERE file_name = ?2 AND (path = ?1 OR path "
    "= ?3 OR substr(path, -length(?4)) = ?4)) ORDER BY number DESC",
    "ssss", word, name, absolute, tail);
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(database, statement, &row, error))
      return FALSE;
    if (!row)
      return TRUE;
    g_ptr_array_add(out, read_event(database, statement));
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
