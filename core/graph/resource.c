/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `model/FILE` and `asset/PARAMETER` of a step. Files of the store never
 * change: a model's are mapped, and processes share their pages. Others are the
 * user's and may change under us: they are read into memory. A file that two
 * steps open is opened once.
 */
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  void *data;
  guint64 n_bytes, id;
  gboolean mapped;
} Bytes;

void weft_files_free(gpointer data)
{
  Bytes *bytes = data;
  if (bytes->mapped)
    munmap(bytes->data, bytes->n_bytes);
  else
    free(bytes->data);
  g_free(bytes);
}

static weft_status fail(struct weft_setup *setup, weft_status status, const char *format, ...) G_GNUC_PRINTF(3, 4);
static weft_status fail(struct weft_setup *setup, weft_status status, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_vsnprintf(setup->message, sizeof setup->message, format, arguments);
  va_end(arguments);
  setup->status = status;
  return status;
}

/* FALSE with errno: the file cannot be read as a whole. */
static gboolean read_all(int fd, Bytes *bytes)
{
  struct stat info;
  if (fstat(fd, &info) != 0)
    return FALSE;
  if (!S_ISREG(info.st_mode) || info.st_size < 0 || (guint64)info.st_size > WEFT_RESOURCE_MAX_BYTES) {
    errno = S_ISREG(info.st_mode) ? EFBIG : S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    return FALSE;
  }
  gsize size = (gsize)info.st_size, done = 0;
  bytes->data = aligned_alloc(WEFT_ALIGNMENT, (size + WEFT_ALIGNMENT) / WEFT_ALIGNMENT * WEFT_ALIGNMENT);
  if (!bytes->data)
    return FALSE;
  while (done < size) {
    gssize n = read(fd, (char *)bytes->data + done, size - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      errno = n < 0 ? errno : EIO;
      return FALSE;
    }
    done += (gsize)n;
  }
  bytes->n_bytes = size;
  return TRUE;
}

/* FALSE with errno. Of another size than the catalogue says (-1: it says none) it is no file of the store any more. */
static gboolean map_all(int fd, gint64 n_stored, Bytes *bytes)
{
  struct stat info;
  if (fstat(fd, &info) != 0)
    return FALSE;
  if (!S_ISREG(info.st_mode) || (n_stored >= 0 && info.st_size != n_stored)) {
    errno = ESTALE;
    return FALSE;
  }
  if (info.st_size == 0)
    return read_all(fd, bytes);
  void *data = mmap(NULL, (gsize)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED)
    return FALSE;
  *bytes = (Bytes){data, (guint64)info.st_size, 0, TRUE};
  return TRUE;
}

/* A file, and how messages speak of it. */
typedef struct {
  const char *path;
  const char *what;   /* `model "vit": file "config.json"` */
  const char *absent; /* all that is said where it is not there */
  const char *name;   /* of a model's file; NULL: an asset */
  const char *digest; /* of an asset */
  const WeftArtifactFile *stored; /* in a store; NULL: elsewhere */
} Place;

/* The digest of a file: of the catalogue's it is known. Caller frees with g_free. */
static char *digest_of(const struct weft_step_setup *self, const Place *place)
{
  if (!place->name)
    return g_strdup(place->digest);
  if (place->stored)
    return g_strdup(place->stored->sha256);
  return weft_catalogue_file_digest(self->builder->catalogue, place->path, NULL);
}

/* Equal bytes have equal digests, and so equal ids, in every revision of this process. */
static guint64 id_of(const struct weft_step_setup *self, const Place *place)
{
  g_autofree char *digest = digest_of(self, place);
  g_autofree char *head = g_strndup(digest ? digest : "", 16);
  return g_ascii_strtoull(head, NULL, 16);
}

static gboolean name_is_sound(const char *name)
{
  if (!*name || g_path_is_absolute(name))
    return FALSE;
  g_auto(GStrv) parts = g_strsplit(name, "/", -1);
  return !g_strv_contains((const char *const *)parts, "..");
}

static weft_status read_file(struct weft_step_setup *self, const Place *place, guint32 flags, const Bytes **out)
{
  int fd = open(place->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT && (flags & WEFT_RESOURCE_OPTIONAL))
    return WEFT_OK;
  if (fd < 0 && errno == ENOENT)
    return fail(&self->setup, WEFT_BAD_CONFIG, "%s", place->absent);
  Bytes *bytes = g_new0(Bytes, 1);
  gboolean ok = fd >= 0 && (place->stored ? map_all(fd, place->stored->n_bytes, bytes) : read_all(fd, bytes));
  int problem = errno;
  if (fd >= 0)
    close(fd);
  if (!ok) {
    weft_files_free(bytes);
    if (problem == ESTALE)
      return fail(&self->setup, WEFT_BAD_CONFIG, "%s has another size than when it was added; \"weft model check\" compares "
                  "all of it, adding it again mends it", place->what);
    return fail(&self->setup, problem == ENOMEM ? WEFT_NO_MEMORY : WEFT_BAD_CONFIG, "%s cannot be read: %s", place->what,
                g_strerror(problem));
  }
  bytes->id = id_of(self, place);
  g_hash_table_insert(self->builder->revision->files, g_strdup(place->path), bytes);
  *out = bytes;
  return WEFT_OK;
}

/* A file of the step's model that lies in a store, or NULL. */
static const WeftArtifactFile *stored_file(const struct weft_step_setup *self, const char *name)
{
  const WeftArtifactRow *row = self->builder->revision->model_rows[self->step->node->model];
  for (guint i = 0; row && i < row->files->len; i++) {
    const WeftArtifactFile *file = row->files->pdata[i];
    if (strcmp(file->name, name) == 0)
      return file;
  }
  return NULL;
}

static weft_status open_model(struct weft_step_setup *self, const char *name, guint32 flags, const Bytes **out)
{
  if (!self->step->node || self->step->node->model < 0) {
    if (flags & WEFT_RESOURCE_OPTIONAL)
      return WEFT_OK;
    return fail(&self->setup, WEFT_BAD_CONFIG, "the node has no model, and so no \"model/%s\"", name);
  }
  const WeftModel *model = weft_model_at(self->builder->pipeline, self->step->node->model);
  const WeftArtifactFile *stored = stored_file(self, name);
  const char *folder = self->builder->revision->model_folders[self->step->node->model];
  g_autofree char *path = stored ? g_strdup(stored->path) : g_build_filename(folder, name, NULL);
  *out = g_hash_table_lookup(self->builder->revision->files, path);
  if (*out)
    return WEFT_OK;
  g_autofree char *what = g_strdup_printf("model \"%s\": file \"%s\"", model->name, name);
  g_autofree char *absent = g_strdup_printf("model \"%s\" has no file \"%s\" (folder \"%s\")", model->name, name,
                                            model->path);
  Place place = {.path = path, .what = what, .absent = absent, .name = name, .stored = stored};
  return read_file(self, &place, flags, out);
}

/* The texts of one entry, under a name that no path has. */
static weft_status take_json(struct weft_step_setup *self, const char *json, const Bytes **out)
{
  g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, json, -1);
  g_autofree char *key = g_strconcat("json:", digest, NULL), *head = g_strndup(digest, 16);
  *out = g_hash_table_lookup(self->builder->revision->files, key);
  if (*out)
    return WEFT_OK;
  gsize n = strlen(json);
  void *data = aligned_alloc(WEFT_ALIGNMENT, (n + WEFT_ALIGNMENT) / WEFT_ALIGNMENT * WEFT_ALIGNMENT);
  if (!data)
    return fail(&self->setup, WEFT_NO_MEMORY, "no memory for the texts of an asset");
  Bytes *bytes = g_new0(Bytes, 1);
  *bytes = (Bytes){memcpy(data, json, n), n, g_ascii_strtoull(head, NULL, 16), FALSE};
  g_hash_table_insert(self->builder->revision->files, g_steal_pointer(&key), bytes);
  *out = bytes;
  return WEFT_OK;
}

static weft_status open_asset(struct weft_step_setup *self, const char *param, guint32 flags, const Bytes **out)
{
  const WeftRevisionAsset *use = NULL;
  for (guint i = 0; self->step->assets && i < self->step->assets->len; i++) {
    if (strcmp(g_array_index(self->step->assets, WeftRevisionAsset, i).param, param) == 0)
      use = &g_array_index(self->step->assets, WeftRevisionAsset, i);
  }
  if (!use && (flags & WEFT_RESOURCE_OPTIONAL))
    return WEFT_OK;
  if (!use)
    return fail(&self->setup, WEFT_BAD_CONFIG, "no parameter \"%s\" names an asset, and so there is no \"asset/%s\"", param,
                param);
  if (use->json)
    return take_json(self, use->json, out);
  guint asset = GPOINTER_TO_UINT(g_hash_table_lookup(self->builder->pipeline->asset_index, use->name)) - 1;
  const char *path = self->builder->revision->asset_paths[asset];
  *out = g_hash_table_lookup(self->builder->revision->files, path);
  if (*out)
    return WEFT_OK;
  g_autofree char *what = g_strdup_printf("asset \"%s\" (%s)", use->name, use->path);
  g_autofree char *absent = g_strconcat(what, " is gone", NULL);
  Place place = {.path = path, .what = what, .absent = absent, .digest = use->digest};
  return read_file(self, &place, flags, out);
}

void weft_step_files_forget(struct weft_step_setup *self, const char *path)
{
  static guint n_forgotten;
  gpointer key = NULL, bytes = NULL;
  if (!g_hash_table_steal_extended(self->builder->revision->files, path, &key, &bytes))
    return;
  g_hash_table_insert(self->builder->revision->files, g_strdup_printf("forgotten:%u", n_forgotten++), bytes);
  g_free(key);
}

/* Its header says whether it is whole: whoever asks looks. */
static weft_status open_derived(struct weft_step_setup *self, const char *key, const Bytes **out)
{
  g_autofree char *path = weft_step_derived_path(self, key);
  *out = path ? g_hash_table_lookup(self->builder->revision->files, path) : NULL;
  int fd = path && !*out ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
  if (fd < 0)
    return WEFT_OK;
  Bytes *bytes = g_new0(Bytes, 1);
  if (map_all(fd, -1, bytes)) {
    g_hash_table_insert(self->builder->revision->files, g_steal_pointer(&path), bytes);
    *out = bytes;
  } else {
    weft_files_free(bytes);
  }
  close(fd);
  return WEFT_OK;
}

static weft_status resource_open(struct weft_setup *setup, const char *name, uint32_t flags, struct weft_resource *out)
{
  struct weft_step_setup *self = (struct weft_step_setup *)setup;
  const Bytes *bytes = NULL;
  weft_status status;
  memset(out, 0, sizeof *out);
  if (g_str_has_prefix(name, "asset/"))
    status = open_asset(self, name + strlen("asset/"), flags, &bytes);
  else if (g_str_has_prefix(name, "derived/"))
    status = open_derived(self, name + strlen("derived/"), &bytes);
  else if (g_str_has_prefix(name, "model/") && name_is_sound(name + strlen("model/")))
    status = open_model(self, name + strlen("model/"), flags, &bytes);
  else
    return fail(setup, WEFT_BAD_CONFIG, "there is no resource \"%s\": resources are called model/FILE and asset/PARAMETER",
                name);
  if (bytes) {
    out->data = bytes->data;
    out->n_bytes = bytes->n_bytes;
    out->id = bytes->id;
  }
  return status;
}

static int resource_fd(struct weft_setup *setup, const struct weft_resource *resource)
{
  GHashTableIter files;
  gpointer path, bytes;
  g_hash_table_iter_init(&files, ((struct weft_step_setup *)setup)->builder->revision->files);
  while (g_hash_table_iter_next(&files, &path, &bytes))
    if (((Bytes *)bytes)->data == resource->data)
      return ((Bytes *)bytes)->mapped ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  return -1;
}

void weft_step_setup_init(struct weft_step_setup *setup, WeftBuilder *builder, const WeftStep *step)
{
  memset(setup, 0, sizeof *setup);
  setup->setup.resource_open = resource_open;
  setup->setup.takes = weft_step_note_taken;
  setup->refused_input = -1;
  setup->setup.resource_fd = resource_fd;
  setup->setup.derived_keep = weft_step_derived_keep;
  setup->builder = builder;
  setup->step = step;
  setup->setup.node = step->name;
}
