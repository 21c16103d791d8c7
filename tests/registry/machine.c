/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include "disk.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

/* One change of content: bytes at an offset, or bytes NULL: cut to offset. */
typedef struct {
  gint64 offset;
  GBytes *bytes;
} Change;

typedef struct {
  GByteArray *durable;
  GArray *pending; /* of Change */
} File;

/* One change of names: path gets file (NULL: none); from: also loses it; a folder has is_folder. */
typedef struct {
  char *path, *from;
  File *file;
  gboolean is_folder;
} Naming;

struct Machine {
  char *folder;
  guint n_ops, at;
  GPtrArray *files;        /* all that ever were */
  GHashTable *now;         /* path -> File, as the system shows it */
  GHashTable *durable;     /* path -> File, or NULL for a folder: as the disk has it */
  GArray *pending;         /* of Naming, in order */
};

static File *file_new(Machine *machine)
{
  File *file = g_new0(File, 1);
  file->durable = g_byte_array_new();
  file->pending = g_array_new(FALSE, FALSE, sizeof(Change));
  g_ptr_array_add(machine->files, file);
  return file;
}

static void apply(GByteArray *content, const Change *change, gsize n_kept)
{
  gsize n = 0, before = content->len;
  const guint8 *data = change->bytes ? g_bytes_get_data(change->bytes, &n) : NULL;
  gsize end = (gsize)change->offset + MIN(n, n_kept);
  if (!change->bytes || end > before)
    g_byte_array_set_size(content, (guint)end);
  if (end > before)
    memset(content->data + before, 0, end - before);
  if (data)
    memcpy(content->data + change->offset, data, MIN(n, n_kept));
}

static void forget(File *file)
{
  for (guint i = 0; i < file->pending->len; i++)
    g_clear_pointer(&g_array_index(file->pending, Change, i).bytes, g_bytes_unref);
  g_array_set_size(file->pending, 0);
}

static void sync_content(File *file)
{
  for (guint i = 0; i < file->pending->len; i++)
    apply(file->durable, &g_array_index(file->pending, Change, i), G_MAXSIZE);
  forget(file);
}

static void name(Machine *machine, const Naming *naming)
{
  if (naming->from)
    g_hash_table_remove(machine->durable, naming->from);
  if (naming->file || naming->is_folder)
    g_hash_table_insert(machine->durable, g_strdup(naming->path), naming->file);
  else
    g_hash_table_remove(machine->durable, naming->path);
}

static gboolean lies_in(const char *path, const char *folder)
{
  g_autofree char *parent = path ? g_path_get_dirname(path) : NULL;
  return parent && strcmp(parent, folder) == 0;
}

static void naming_clear(Naming *naming)
{
  g_free(naming->path);
  g_free(naming->from);
}

static void sync_names(Machine *machine, const char *folder)
{
  for (guint i = 0; i < machine->pending->len;) {
    Naming *naming = &g_array_index(machine->pending, Naming, i);
    if (!lies_in(naming->path, folder) && !lies_in(naming->from, folder)) {
      i++;
      continue;
    }
    name(machine, naming);
    naming_clear(naming);
    g_array_remove_index(machine->pending, i);
  }
}

static void add_naming(Machine *machine, const char *path, const char *from, File *file, gboolean is_folder)
{
  Naming naming = {g_strdup(path), g_strdup(from), file, is_folder};
  g_array_append_val(machine->pending, naming);
}

static void rename_file(Machine *machine, const WeftDiskOp *op)
{
  File *file = g_hash_table_lookup(machine->now, op->path);
  g_assert_nonnull(file);
  add_naming(machine, op->to, op->path, file, FALSE);
  g_hash_table_insert(machine->now, g_strdup(op->to), file);
  g_hash_table_remove(machine->now, op->path);
}

static void add_change(Machine *machine, const WeftDiskOp *op)
{
  File *file = g_hash_table_lookup(machine->now, op->path);
  gboolean is_write = op->action == WEFT_DISK_WRITE;
  Change change = {is_write ? op->offset : (gint64)op->n_bytes, is_write ? g_bytes_new(op->data, op->n_bytes) : NULL};
  g_assert_nonnull(file);
  g_array_append_val(file->pending, change);
}

static int watch(void *data, const WeftDiskOp *op)
{
  Machine *machine = data;
  File *file = g_hash_table_lookup(machine->now, op->path);
  if (machine_is_off(machine) || (machine->n_ops && ++machine->at >= machine->n_ops))
    return EIO;
  switch (op->action) {
  case WEFT_DISK_CREATE:
    file = file_new(machine);
    g_hash_table_insert(machine->now, g_strdup(op->path), file);
    add_naming(machine, op->path, NULL, file, FALSE);
    break;
  case WEFT_DISK_WRITE:
  case WEFT_DISK_TRUNCATE: add_change(machine, op); break;
  case WEFT_DISK_SYNC: sync_content(file); break;
  case WEFT_DISK_RENAME: rename_file(machine, op); break;
  case WEFT_DISK_REMOVE:
    if (g_hash_table_remove(machine->now, op->path))
      add_naming(machine, op->path, NULL, NULL, FALSE);
    break;
  case WEFT_DISK_MAKE_FOLDER: add_naming(machine, op->path, NULL, NULL, TRUE); break;
  case WEFT_DISK_SYNC_FOLDER: sync_names(machine, op->path); break;
  }
  return 0;
}

static void scan(Machine *machine, const char *folder)
{
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  const char *each;
  g_hash_table_insert(machine->durable, g_strdup(folder), NULL);
  while (dir && (each = g_dir_read_name(dir))) {
    g_autofree char *path = g_build_filename(folder, each, NULL), *bytes = NULL;
    gsize n_bytes;
    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
      scan(machine, path);
      continue;
    }
    File *file = file_new(machine);
    g_assert_true(g_file_get_contents(path, &bytes, &n_bytes, NULL));
    g_byte_array_append(file->durable, (const guint8 *)bytes, (guint)n_bytes);
    g_hash_table_insert(machine->now, g_strdup(path), file);
    g_hash_table_insert(machine->durable, g_strdup(path), file);
  }
}

Machine *machine_on(const char *folder, guint n_ops)
{
  Machine *machine = g_new0(Machine, 1);
  machine->folder = g_strdup(folder);
  machine->n_ops = n_ops;
  machine->files = g_ptr_array_new();
  machine->now = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  machine->durable = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  machine->pending = g_array_new(FALSE, FALSE, sizeof(Naming));
  scan(machine, folder);
  weft_disk_watch(watch, machine);
  return machine;
}

gboolean machine_is_off(const Machine *machine)
{
  return machine->n_ops && machine->at >= machine->n_ops;
}

/* Half of what was never synced is there all the same, some of it only in part. */
static void lose(Machine *machine)
{
  for (guint i = 0; i < machine->files->len; i++) {
    File *file = g_ptr_array_index(machine->files, i);
    for (guint k = 0; k < file->pending->len; k++) {
      int chance = g_test_rand_int_range(0, 8);
      if (chance < 5)
        apply(file->durable, &g_array_index(file->pending, Change, k), chance < 4 ? G_MAXSIZE : 512);
    }
    forget(file);
  }
  for (guint i = 0; i < machine->pending->len; i++) {
    Naming *naming = &g_array_index(machine->pending, Naming, i);
    if (g_test_rand_bit())
      name(machine, naming);
    naming_clear(naming);
  }
}

static gboolean has_folders(const Machine *machine, const char *path)
{
  g_autofree char *folder = g_path_get_dirname(path);
  if (strlen(folder) < strlen(machine->folder))
    return TRUE;
  return g_hash_table_contains(machine->durable, folder) && has_folders(machine, folder);
}

static void write_back(const Machine *machine)
{
  GHashTableIter iter;
  gpointer path, file;
  g_autofree char *command = g_strdup_printf("rm -rf '%s'", machine->folder);
  g_assert_cmpint(system(command), ==, 0);
  g_hash_table_iter_init(&iter, machine->durable);
  while (g_hash_table_iter_next(&iter, &path, &file)) {
    g_autofree char *folder = file ? g_path_get_dirname(path) : g_strdup(path);
    const File *content = file;
    if (!has_folders(machine, path))
      continue;
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_true(!content ||
                  g_file_set_contents(path, (const char *)content->durable->data, (gssize)content->durable->len, NULL));
  }
}

void machine_restart(Machine *machine)
{
  weft_disk_watch(NULL, NULL);
  lose(machine);
  write_back(machine);
  for (guint i = 0; i < machine->files->len; i++) {
    File *file = g_ptr_array_index(machine->files, i);
    g_byte_array_unref(file->durable);
    g_array_unref(file->pending);
    g_free(file);
  }
  g_ptr_array_unref(machine->files);
  g_hash_table_unref(machine->now);
  g_hash_table_unref(machine->durable);
  g_array_unref(machine->pending);
  g_free(machine->folder);
  g_free(machine);
}
