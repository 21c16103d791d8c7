/* SPDX-License-Identifier: Apache-2.0 */
/* Models, assets and pipelines into a catalogue: which files, from where, how large; then the store, then rows. */
#include "artifact-private.h"

#include "digest.h"
#include "disk.h"
#include "version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES (1 << 20)

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean refuse(GError **error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s", message);
  return FALSE;
}

/* What is being added. */
typedef struct {
  WeftRegistrar *registrar;
  const WeftArtifactSource *source;
  char *root;          /* models: the folder, without links */
  WeftArtifactRow *row;
  GPtrArray *staged;   /* of WeftStaged, one for each file; NULL: it was in the store */
} Addition;

static gint64 limit_of(WeftArtifactKind kind, const char **name)
{
  static const char *const names[] = {"WEFT_ARTIFACT_MODEL_MAX_BYTES", "WEFT_ARTIFACT_ASSET_MAX_BYTES",
                                      "WEFT_ARTIFACT_PIPELINE_MAX_BYTES"};
  static const gint64 limits[] = {WEFT_ARTIFACT_MODEL_MAX_BYTES, WEFT_ARTIFACT_ASSET_MAX_BYTES,
                                  WEFT_ARTIFACT_PIPELINE_MAX_BYTES};
  *name = names[kind];
  return limits[kind];
}

/* A model's card and licence travel with it, but are no part of its digest. */
static gboolean is_paper(const char *name)
{
  static const char *const papers[] = {"README.md", "card.md", "LICENSE", "LICENCE", NULL};
  return g_strv_contains(papers, name);
}

static gboolean lies_in(const char *path, const char *folder)
{
  gsize n = strlen(folder);
  return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* A link may lead within the folder, or, in a cache of the hub (NAME/snapshots/REVISION), into NAME/blobs. */
static gboolean link_is_sound(const Addition *addition, const char *name, const char *target, GError **error)
{
  if (lies_in(target, addition->root))
    return TRUE;
  g_autofree char *snapshots = g_path_get_dirname(addition->root);
  g_autofree char *word = g_path_get_basename(snapshots), *hub = g_path_get_dirname(snapshots);
  g_autofree char *blobs = g_build_filename(hub, "blobs", NULL);
  if (strcmp(word, "snapshots") == 0 && lies_in(target, blobs))
    return TRUE;
  return refuse(error, "%s/%s: is a link that leads outside of the model's folder, to %s; copy the file there",
                addition->source->path, name, target);
}

/* An open descriptor of a regular file within the limit, or -1. */
static int open_checked(const Addition *addition, const char *shown, const char *path, struct stat *about, GError **error)
{
  const char *limit_name;
  gint64 limit = limit_of(addition->source->kind, &limit_name);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    refuse(error, "%s: cannot be opened: %s", shown, g_strerror(errno));
    return -1;
  }
  gboolean ok = fstat(fd, about) == 0 || refuse(error, "%s: cannot be read: %s", shown, g_strerror(errno));
  if (ok && !S_ISREG(about->st_mode))
    ok = refuse(error, "%s: expected a file, found a %s", shown,
                S_ISDIR(about->st_mode) ? "folder" : "device, pipe or socket");
  if (ok && about->st_size > limit)
    ok = refuse(error, "%s: has %" G_GINT64_FORMAT " bytes; a file of %s %s has at most %" G_GINT64_FORMAT " (%s)", shown,
                (gint64)about->st_size, addition->source->kind == WEFT_ARTIFACT_ASSET ? "an" : "a",
                weft_artifact_kind_name(addition->source->kind), limit, limit_name);
  if (ok)
    return fd;
  close(fd);
  return -1;
}

static gboolean copy_all(int from, WeftStaged *to, const char *shown, GError **error)
{
  g_autofree guint8 *buffer = g_malloc(COPY_BYTES);
  gint64 offset = 0;
  gssize n;
  while ((n = pread(from, buffer, COPY_BYTES, offset)) != 0) {
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return refuse(error, "%s: cannot be read: %s", shown, g_strerror(errno));
    if (!weft_disk_write(to->fd, to->path, offset, buffer, (gsize)n, error))
      return FALSE;
    offset += n;
  }
  return TRUE;
}

static gboolean is_stored(const WeftArtifactFile *file)
{
  struct stat about;
  return lstat(file->path, &about) == 0 && S_ISREG(about.st_mode) && about.st_size == file->n_bytes;
}

/* Somebody may have written to the stored file: only bytes that were read again are known to be there. */
static gboolean is_sound(const WeftArtifactFile *file)
{
  int fd = is_stored(file) ? open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
  g_autofree char *found = fd >= 0 ? weft_digest_of_fd(fd) : NULL;
  if (fd >= 0)
    close(fd);
  return g_strcmp0(found, file->sha256) == 0;
}

/* A copy beside the store, made without the lock: a model may be large. */
static gboolean stage(Addition *addition, int fd, const char *shown, const WeftArtifactFile *file, GError **error)
{
  WeftStaged *staged = NULL;
  if (!is_sound(file)) {
    staged = weft_store_stage(addition->registrar->folder, file->sha256, NULL, 0, error);
    if (!staged)
      return FALSE;
  }
  g_ptr_array_add(addition->staged, staged);
  return !staged || copy_all(fd, staged, shown, error);
}

/* One file: name within the artifact, path where it lies. */
static gboolean take_file(Addition *addition, const char *name, const char *path, GError **error)
{
  struct stat about;
  g_autofree char *shown = addition->root ? g_build_filename(addition->source->path, name, NULL)
                                          : g_strdup(addition->source->path);
  int fd = open_checked(addition, shown, path, &about, error);
  if (fd < 0)
    return FALSE;
  WeftArtifactFile *file = g_new0(WeftArtifactFile, 1);
  g_ptr_array_add(addition->row->files, file);
  file->name = g_strdup(name);
  file->n_bytes = about.st_size;
  file->sha256 = weft_digest_of_fd(fd);
  gboolean ok = file->sha256 || refuse(error, "%s: cannot be read: %s", shown, g_strerror(errno));
  if (ok)
    file->path = weft_store_path(addition->registrar->folder, file->sha256);
  ok = ok && stage(addition, fd, shown, file, error);
  addition->row->n_bytes += file->n_bytes;
  close(fd);
  return ok;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static gboolean list_folder(const Addition *addition, GPtrArray *names, GError **error)
{
  g_autoptr(GDir) dir = g_dir_open(addition->root, 0, NULL);
  const char *name;
  gboolean has_config = FALSE;
  if (!dir)
    return refuse(error, "%s: the folder cannot be read: %s", addition->source->path, g_strerror(errno));
  while ((name = g_dir_read_name(dir))) {
    has_config = has_config || strcmp(name, "config.json") == 0;
    if (weft_model_file_counts(name) || is_paper(name))
      g_ptr_array_add(names, g_strdup(name));
  }
  if (!has_config)
    return refuse(error, "%s: is no model folder, it has no config.json", addition->source->path);
  if (names->len > WEFT_ARTIFACT_MAX_FILES)
    return refuse(error, "%s: has %u files of a model; at most %u are taken (WEFT_ARTIFACT_MAX_FILES)",
                  addition->source->path, names->len, WEFT_ARTIFACT_MAX_FILES);
  g_ptr_array_sort(names, by_name);
  return TRUE;
}

static gboolean take_model(Addition *addition, GError **error)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GString) lines = g_string_new(NULL);
  char *root = realpath(addition->source->path, NULL);
  if (!root)
    return refuse(error, "%s: cannot be opened: %s", addition->source->path, g_strerror(errno));
  addition->root = g_strdup(root);
  free(root);
  if (!g_file_test(addition->root, G_FILE_TEST_IS_DIR))
    return refuse(error, "%s: a model is a folder, and this is a file", addition->source->path);
  if (!list_folder(addition, names, error))
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    const char *name = names->pdata[i];
    g_autofree char *path = g_build_filename(addition->root, name, NULL);
    g_autofree char *target = realpath(path, NULL); /* freed with g_free: GLib's allocator is malloc */
    if (!target)
      return refuse(error, "%s/%s: cannot be opened: %s", addition->source->path, name, g_strerror(errno));
    if (!link_is_sound(addition, name, target, error) || !take_file(addition, name, target, error))
      return FALSE;
    const WeftArtifactFile *file = addition->row->files->pdata[i];
    if (weft_model_file_counts(name))
      g_string_append_printf(lines, "%s  %s\n", file->sha256, name);
  }
  addition->row->digest = weft_digest_of(lines->str, lines->len);
  addition->row->path = weft_artifact_folder(addition->registrar->folder, addition->row->digest);
  return TRUE;
}

static gboolean take_single(Addition *addition, GError **error)
{
  g_autofree char *name = g_path_get_basename(addition->source->path);
  if (!take_file(addition, name, addition->source->path, error))
    return FALSE;
  const WeftArtifactFile *file = addition->row->files->pdata[0];
  addition->row->digest = g_strdup(file->sha256);
  addition->row->path = g_strdup(file->path);
  return TRUE;
}

static gboolean check_words(const WeftArtifactSource *source, GError **error)
{
  WeftVersion version;
  if (!weft_artifact_name_is_sound(source->name))
    return refuse(error, "\"%s\" is no name for %s %s: letters, digits, \"_\" and \"-\", at most %d, beginning with a "
                  "letter; give one with --name", source->name, source->kind == WEFT_ARTIFACT_ASSET ? "an" : "a",
                  weft_artifact_kind_name(source->kind), WEFT_ARTIFACT_MAX_NAME);
  if (!weft_version_parse(source->version, &version))
    return refuse(error, "\"%s\" is not a version: expected MAJOR.MINOR.PATCH, such as 1.0.0", source->version);
  return TRUE;
}

/* Digest of kind, name and version, or *digest NULL: not there. */
static gboolean holds(WeftRegistrar *registrar, const WeftArtifactSource *source, char **digest, GError **error)
{
  gboolean has = FALSE;
  g_autoptr(WeftStatement) statement = weft_database_query(
    registrar->database, error, "SELECT digest FROM artifact WHERE kind = ? AND name = ? AND version = ?", "sss",
    weft_artifact_kind_name(source->kind), source->name, source->version);
  *digest = NULL;
  if (!statement || !weft_database_step(registrar->database, statement, &has, error))
    return FALSE;
  if (has)
    *digest = weft_column_sure(statement, 0);
  return TRUE;
}

static gboolean insert(WeftRegistrar *registrar, gpointer data, GError **error)
{
  const Addition *addition = data;
  const WeftArtifactSource *source = addition->source;
  const WeftArtifactRow *row = addition->row;
  WeftDatabase *database = registrar->database;
  if (!weft_database_run(database, error,
                         "INSERT INTO artifact (kind, name, version, digest, n_bytes, source, added_at) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?)",
                         "ssssisi", weft_artifact_kind_name(source->kind), source->name, source->version, row->digest,
                         row->n_bytes, source->path, g_get_real_time() / G_USEC_PER_SEC))
    return FALSE;
  gint64 number = sqlite3_last_insert_rowid(database->handle);
  for (guint i = 0; i < row->files->len; i++) {
    const WeftArtifactFile *file = row->files->pdata[i];
    if (!weft_database_run(database, error,
                           "INSERT INTO artifact_file (artifact, name, sha256, n_bytes) VALUES (?, ?, ?, ?)", "issi",
                           number, file->name, file->sha256, file->n_bytes))
      return FALSE;
  }
  g_autofree char *object = g_strdup_printf("%s %s@%s", weft_artifact_kind_name(source->kind), source->name,
                                            source->version);
  return weft_audit_note(database, "added", object, row->digest, source->path, error);
}

/* Under the lock: nobody sweeps what has no row yet. */
static gboolean store_all(const Addition *addition, GError **error)
{
  const char *folder = addition->registrar->folder;
  g_autoptr(GPtrArray) digests = g_ptr_array_new();
  for (guint i = 0; i < addition->row->files->len; i++) {
    const WeftArtifactFile *file = addition->row->files->pdata[i];
    WeftStaged *staged = addition->staged->pdata[i];
    g_ptr_array_add(digests, file->sha256);
    if (!staged && is_stored(file))
      continue;
    if (!staged)
      return refuse(error, "%s: was removed from the catalogue while it was added; try again", file->name);
    if (!weft_store_commit(folder, staged, file->sha256, error))
      return FALSE;
  }
  return weft_store_sync(folder, (const char *const *)digests->pdata, digests->len, error);
}

static gboolean enter(Addition *addition, gboolean *is_new, GError **error)
{
  const WeftArtifactSource *source = addition->source;
  g_autofree char *digest = NULL;
  if (!holds(addition->registrar, source, &digest, error))
    return FALSE;
  *is_new = digest == NULL;
  if (digest && strcmp(digest, addition->row->digest) != 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_EXISTS,
                "%s %s@%s is there already with other content (digest %.12s, this one has %.12s): give it another "
                "--version, or remove the old one first", weft_artifact_kind_name(source->kind), source->name,
                source->version, digest, addition->row->digest);
    return FALSE;
  }
  if (!store_all(addition, error) || (source->kind == WEFT_ARTIFACT_MODEL && !weft_artifact_link(addition->row, error)))
    return FALSE;
  return digest || weft_registrar_transact(addition->registrar, insert, addition, error);
}

static void staged_free(gpointer staged)
{
  weft_staged_free(staged);
}

gboolean weft_artifact_add(WeftRegistrar *registrar, const WeftArtifactSource *source, gboolean *is_new, GError **error)
{
  Addition addition = {.registrar = registrar, .source = source};
  if (!check_words(source, error))
    return FALSE;
  g_autoptr(WeftArtifactRow) row = weft_artifact_row_new(source->kind);
  g_autoptr(GPtrArray) staged = g_ptr_array_new_with_free_func(staged_free);
  addition.row = row;
  addition.staged = staged;
  gboolean ok = source->kind == WEFT_ARTIFACT_MODEL ? take_model(&addition, error) : take_single(&addition, error);
  ok = ok && weft_registrar_lock(registrar, error);
  if (ok) {
    /* Files that got into the store without rows are swept when the catalogue is next opened to be written. */
    ok = enter(&addition, is_new, error);
    weft_registrar_unlock(registrar);
  }
  g_free(addition.root);
  return ok;
}
