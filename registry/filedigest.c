/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of files outside the store, remembered by inode, size and times; digests of model folders. */
#include "catalogue-private.h"

#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Times have the resolution of the kernel's tick: a file changed that recently could change again unseen. */
#define SETTLED_NS (2 * G_GINT64_CONSTANT(1000000000))

static gint64 ns(struct timespec t)
{
  return (gint64)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The database that remembers; NULL: none can be written, and nothing is remembered. */
static WeftDatabase *cache(WeftCatalogue *catalogue)
{
  if (catalogue->cache_tried)
    return catalogue->cache;
  catalogue->cache_tried = TRUE;
  g_autofree char *folder = g_canonicalize_filename(catalogue->cache_folder, NULL);
  for (guint i = 0; i < catalogue->databases->len; i++) {
    WeftDatabase *database = g_ptr_array_index(catalogue->databases, i);
    if (strcmp(database->folder, folder) == 0) {
      catalogue->cache = database->writable ? database : NULL;
      return catalogue->cache;
    }
  }
  catalogue->own_cache = weft_database_open(folder, WEFT_DATABASE_USER, NULL);
  catalogue->cache = catalogue->own_cache;
  return catalogue->cache;
}

static char *remembered(WeftDatabase *database, const struct stat *about)
{
  gboolean row = FALSE;
  g_autoptr(WeftStatement) statement = weft_database_query(
    database, NULL,
    "SELECT sha256 FROM file_digest WHERE dev = ? AND inode = ? AND n_bytes = ? AND mtime_ns = ? AND ctime_ns = ?",
    "iiiii", (gint64)about->st_dev, (gint64)about->st_ino, (gint64)about->st_size, ns(about->st_mtim),
    ns(about->st_ctim));
  if (!statement || !weft_database_step(database, statement, &row, NULL) || !row)
    return NULL;
  return weft_column_text(statement, 0);
}

static void remember(WeftDatabase *database, const struct stat *about, const char *sha256)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (ns(now) - ns(about->st_mtim) < SETTLED_NS || ns(now) - ns(about->st_ctim) < SETTLED_NS)
    return;
  /* A cache: where it cannot be written the digest is computed again next time. */
  weft_database_run(database, NULL,
                    "INSERT OR REPLACE INTO file_digest (dev, inode, n_bytes, mtime_ns, ctime_ns, sha256) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    "iiiiis", (gint64)about->st_dev, (gint64)about->st_ino, (gint64)about->st_size, ns(about->st_mtim),
                    ns(about->st_ctim), sha256);
}

static gboolean same(const struct stat *a, const struct stat *b)
{
  return a->st_size == b->st_size && ns(a->st_mtim) == ns(b->st_mtim) && ns(a->st_ctim) == ns(b->st_ctim);
}

static char *digest_of_open(WeftCatalogue *catalogue, int fd, const char *path, GError **error)
{
  struct stat before, after;
  if (fstat(fd, &before) != 0 || !S_ISREG(before.st_mode)) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: expected a regular file, found a %s", path,
                S_ISDIR(before.st_mode) ? "directory" : "device, pipe or socket");
    return NULL;
  }
  WeftDatabase *database = cache(catalogue);
  char *sha256 = database ? remembered(database, &before) : NULL;
  if (sha256)
    return sha256;
  sha256 = weft_digest_of_fd(fd);
  if (!sha256 || fstat(fd, &after) != 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: cannot be read: %s", path,
                g_strerror(errno));
    g_free(sha256);
    return NULL;
  }
  if (database && same(&before, &after))
    remember(database, &before, sha256);
  return sha256;
}

char *weft_catalogue_file_digest(WeftCatalogue *catalogue, const char *path, GError **error)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: cannot be opened: %s", path,
                g_strerror(errno));
    return NULL;
  }
  char *sha256 = digest_of_open(catalogue, fd, path, error);
  close(fd);
  return sha256;
}

/* What a model is made of: config, weights, tokenizer, preprocessing; not its card, scripts or hidden files. */
gboolean weft_model_file_counts(const char *name)
{
  static const char *const endings[] = {".json", ".safetensors", ".txt", ".model"};
  for (guint i = 0; i < G_N_ELEMENTS(endings) && name[0] != '.'; i++)
    if (g_str_has_suffix(name, endings[i]))
      return TRUE;
  return FALSE;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

char *weft_catalogue_model_digest(WeftCatalogue *catalogue, const char *folder, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autoptr(GDir) dir = g_dir_open(folder, 0, &problem);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GString) lines = g_string_new(NULL);
  const char *name;
  if (!dir) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: expected a model folder: %s", folder,
                problem->message);
    return NULL;
  }
  while ((name = g_dir_read_name(dir)))
    if (weft_model_file_counts(name))
      g_ptr_array_add(names, g_strdup(name));
  if (names->len == 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED,
                "%s: expected a model folder with config.json and model.safetensors, found no such files", folder);
    return NULL;
  }
  g_ptr_array_sort(names, compare_names);
  for (guint i = 0; i < names->len; i++) {
    name = g_ptr_array_index(names, i);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *sha256 = weft_catalogue_file_digest(catalogue, path, error);
    if (!sha256)
      return NULL;
    g_string_append_printf(lines, "%s  %s\n", sha256, name);
  }
  return weft_digest_of(lines->str, lines->len);
}
