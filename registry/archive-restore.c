/* SPDX-License-Identifier: Apache-2.0 */
/* A backup becomes a catalogue again: unpacked beside, checked, then exchanged with what is there. */
#include "archive-private.h"

#include "audit-private.h"
#include "digest.h"
#include "disk.h"
#include "registrar-private.h"
#include "store.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static gboolean refuse(GError **error, WeftCatalogueError code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static gboolean refuse(GError **error, WeftCatalogueError code, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error_literal(error, WEFT_CATALOGUE_ERROR, code, text);
  return FALSE;
}

/* The names that a backup may hold: nothing of it is written elsewhere. */
static gboolean is_expected(const char *name)
{
  static const char *const databases[] = {"catalogue.db", "audit.db", "stats.db", NULL};
  const char *digest = strrchr(name, '/');
  if (!digest || !weft_store_is_digest(digest + 1))
    return g_strv_contains(databases, name);
  g_autofree char *path = weft_store_path("", digest + 1);
  return strcmp(path, name) == 0;
}

static gboolean unpack_chunks(WeftDatabase *pack, int fd, const char *path, const char *name, char **sha256, GError **error)
{
  gboolean row = FALSE;
  gint64 offset = 0;
  g_autoptr(WeftStatement) statement =
      weft_database_query(pack, error, "SELECT bytes FROM chunk WHERE name = ? ORDER BY number", "s", name);
  WeftDigest *digest = weft_digest_new();
  gboolean ok = statement != NULL;
  while (ok && (ok = weft_database_step(pack, statement, &row, error)) && row) {
    const void *bytes = sqlite3_column_blob(statement, 0);
    gsize n = (gsize)sqlite3_column_bytes(statement, 0);
    weft_digest_update(digest, bytes, n);
    ok = weft_disk_write(fd, path, offset, bytes, n, error);
    offset += (gint64)n;
  }
  *sha256 = weft_digest_end(digest);
  return ok && weft_disk_sync(fd, path, error);
}

static gboolean unpack_file(WeftDatabase *pack, const char *folder, const char *name, const char *expected, GError **error)
{
  g_autofree char *path = g_build_filename(folder, name, NULL), *inner = g_path_get_dirname(path), *found = NULL;
  if (!is_expected(name))
    return refuse(error, WEFT_CATALOGUE_ERROR_CORRUPT, "%s: a backup holds no file \"%s\"; it was changed", pack->schema->file,
                  name);
  const char *digest = strrchr(name, '/');
  if (digest && g_strcmp0(digest + 1, expected) != 0)
    return refuse(error, WEFT_CATALOGUE_ERROR_CORRUPT, "%s: its part %s is listed with another digest (%.12s); it was changed, "
                  "nothing was restored", pack->schema->file, name, expected ? expected : "none");
  if (!weft_disk_make_folder(inner, error))
    return FALSE;
  int fd = weft_disk_create(path, error);
  if (fd < 0)
    return FALSE;
  gboolean ok = unpack_chunks(pack, fd, path, name, &found, error);
  close(fd);
  if (ok && g_strcmp0(found, expected) != 0)
    return refuse(error, WEFT_CATALOGUE_ERROR_CORRUPT, "%s: its part %s is damaged (sha256 %.12s, expected %.12s); nothing was "
                  "restored", pack->schema->file, name, found, expected ? expected : "none");
  return ok && weft_disk_sync_folder(inner, error);
}

static gboolean unpack(WeftDatabase *pack, const char *folder, GError **error)
{
  gboolean row = FALSE;
  g_autoptr(WeftStatement) statement = weft_database_query(pack, error, "SELECT name, sha256 FROM content ORDER BY name", "");
  for (;;) {
    if (!statement || !weft_database_step(pack, statement, &row, error))
      return FALSE;
    if (!row)
      return TRUE;
    if (!unpack_file(pack, folder, (const char *)sqlite3_column_text(statement, 0),
                     (const char *)sqlite3_column_text(statement, 1), error))
      return FALSE;
  }
}

static gboolean note(WeftRegistrar *registrar, gpointer data, GError **error)
{
  return weft_audit_note(registrar->database, "restored", data, NULL, NULL, error);
}

/* What was unpacked must be sound as a catalogue before it replaces another. */
static gboolean check(const char *folder, const char *file, GError **error)
{
  g_autoptr(GPtrArray) problems = weft_archive_check(folder, FALSE, error);
  if (!problems)
    return FALSE;
  if (problems->len)
    return refuse(error, WEFT_CATALOGUE_ERROR_CORRUPT, "%s: nothing was restored: %s", file,
                  ((WeftProblem *)g_ptr_array_index(problems, 0))->message);
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(folder, FALSE, error);
  return registrar && weft_registrar_transact(registrar, note, (gpointer)file, error);
}

static char *place_of_old(const char *folder)
{
  time_t now = time(NULL);
  struct tm parts;
  char text[32];
  localtime_r(&now, &parts);
  strftime(text, sizeof text, "%Y%m%d-%H%M%S", &parts);
  char *path = g_strdup_printf("%s.old-%s", folder, text);
  for (guint i = 2; access(path, F_OK) == 0; i++) {
    g_free(path);
    path = g_strdup_printf("%s.old-%s-%u", folder, text, i);
  }
  return path;
}

/* At every moment folder is the old catalogue or the new one, and the old one is kept. */
static gboolean exchange(const char *fresh, const char *folder, char **old, GError **error)
{
  g_autofree char *kept = place_of_old(folder);
  g_autoptr(GError) problem = NULL;
  WeftRegistrar lock = {.folder = (char *)folder, .lock = -1};
  if (!weft_registrar_lock(&lock, error))
    return FALSE;
  /* From here on a kill leaves both under names that nobody clears away. */
  gboolean ok = weft_disk_rename(fresh, kept, error);
  if (ok && !weft_disk_exchange(kept, folder, &problem)) {
    g_autofree char *aside = g_strconcat(kept, "-aside", NULL);
    ok = !problem && weft_disk_rename(folder, aside, &problem) && weft_disk_rename(kept, folder, &problem) &&
         weft_disk_rename(aside, kept, &problem);
  }
  weft_registrar_unlock(&lock);
  if (problem)
    g_propagate_error(error, g_steal_pointer(&problem));
  if (ok)
    *old = g_steal_pointer(&kept);
  return ok;
}

static gboolean put_in_place(const char *fresh, const char *folder, char **old, GError **error)
{
  g_autofree char *parent = g_path_get_dirname(folder);
  gboolean there = access(folder, F_OK) == 0;
  return (there ? exchange(fresh, folder, old, error) : weft_disk_rename(fresh, folder, error)) &&
         weft_disk_sync_folder(parent, error);
}

static WeftDatabase *open_pack(const WeftSchema *schema, const char *file, GError **error)
{
  g_autofree char *absolute = g_canonicalize_filename(file, NULL), *parent = g_path_get_dirname(absolute);
  gint64 n = 0;
  if (access(absolute, R_OK) != 0) {
    refuse(error, WEFT_CATALOGUE_ERROR_FAILED, "%s: cannot be opened: %s", file, g_strerror(errno));
    return NULL;
  }
  g_autoptr(WeftDatabase) pack = weft_database_open_read_only(schema, parent, NULL);
  if (pack && weft_database_number(pack, "SELECT count(*) FROM content WHERE name = 'catalogue.db'", &n, NULL) && n == 1)
    return g_steal_pointer(&pack);
  refuse(error, WEFT_CATALOGUE_ERROR_CORRUPT, "%s: is no backup that `weft catalogue backup` made, or it is damaged", file);
  return NULL;
}

gboolean weft_archive_restore(const char *file, const char *folder, gboolean force, char **old, GError **error)
{
  g_autofree char *place = g_canonicalize_filename(folder, NULL), *name = g_path_get_basename(file);
  g_autofree char *fresh = g_strdup_printf("%s.restoring-%d", place, (int)getpid());
  g_autofree char *database = g_build_filename(place, "catalogue.db", NULL);
  const WeftSchema schema = {name, weft_archive_steps, G_N_ELEMENTS(weft_archive_steps)};
  *old = NULL;
  if (!force && access(database, F_OK) == 0)
    return refuse(error, WEFT_CATALOGUE_ERROR_FAILED, "%s: a catalogue is there; with --force it is moved aside (not removed), "
                  "or name another folder with --catalogue", folder);
  g_autoptr(WeftDatabase) pack = open_pack(&schema, file, error);
  if (!pack)
    return FALSE;
  weft_archive_clear(place, ".restoring-");
  gboolean ok = weft_disk_make_folder(fresh, error) && unpack(pack, fresh, error) && check(fresh, file, error) &&
                put_in_place(fresh, place, old, error);
  if (!ok)
    weft_disk_remove_folder(fresh, NULL);
  return ok;
}
