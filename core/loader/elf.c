/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the manifest and the needed libraries out of an ELF file of any machine, without running code. */
#include "manifest.h"

#include "elf-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void weft_elf_free(WeftElf *elf)
{
  if (!elf)
    return;
  g_clear_pointer(&elf->manifest, g_bytes_unref);
  g_strfreev(elf->needed);
  g_strfreev(elf->exported);
  g_free(elf);
}

static gboolean fail(const WeftElfView *view, GError **error, const char *text)
{
  g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s: %s", view->source, text);
  return FALSE;
}

const void *weft_elf_at(const WeftElfView *view, guint64 offset, guint64 n_bytes)
{
  if (offset > view->n_bytes || n_bytes > view->n_bytes - offset)
    return NULL;
  return view->data + offset;
}

gboolean weft_elf_section(const WeftElfView *view, guint index, Elf64_Shdr *out)
{
  const void *p = weft_elf_at(view, view->header.e_shoff + (guint64)index * sizeof *out, sizeof *out);
  if (index >= view->n_sections || !p)
    return FALSE;
  memcpy(out, p, sizeof *out);
  return TRUE;
}

const char *weft_elf_string(const WeftElfView *view, const Elf64_Shdr *table, guint64 index)
{
  const char *base = table->sh_type == SHT_STRTAB ? weft_elf_at(view, table->sh_offset, table->sh_size) : NULL;
  if (!base || index >= table->sh_size || !memchr(base + index, 0, table->sh_size - index))
    return NULL;
  return base + index;
}

gboolean weft_elf_view(const void *data, gsize n_bytes, const char *source, WeftElfView *view, GError **error)
{
  memset(view, 0, sizeof *view);
  view->data = data;
  view->n_bytes = n_bytes;
  view->source = source;
  Elf64_Ehdr *h = &view->header;
  if (n_bytes < SELFMAG || memcmp(data, ELFMAG, SELFMAG) != 0)
    return fail(view, error, "not an ELF file; expected a plugin built as a shared object (.so)");
  if (n_bytes < sizeof *h)
    return fail(view, error, "the ELF header is cut off");
  memcpy(h, data, sizeof *h);
  if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB)
    return fail(view, error, "not a 64-bit little-endian ELF file");
  if (h->e_type != ET_DYN)
    return fail(view, error, "not a shared object; link the plugin with -shared");
  if (h->e_shoff == 0 || h->e_shentsize != sizeof(Elf64_Shdr))
    return fail(view, error, "the ELF file has no section headers (removed by sstrip or the like?); strip keeps them");
  view->n_sections = h->e_shnum;
  view->names_index = h->e_shstrndx;
  if (h->e_shoff > n_bytes || (guint64)view->n_sections * sizeof(Elf64_Shdr) > n_bytes - h->e_shoff)
    return fail(view, error, "the section headers lie outside the file; it is cut off or damaged");
  if (!weft_elf_section(view, view->names_index, &view->names))
    return fail(view, error, "the table of section names is missing");
  return TRUE;
}

gint weft_elf_find(const WeftElfView *view, const char *name, Elf64_Shdr *out)
{
  for (guint i = 0; i < view->n_sections; i++) {
    const char *found = NULL;
    if (weft_elf_section(view, i, out))
      found = weft_elf_string(view, &view->names, out->sh_name);
    if (found && strcmp(found, name) == 0)
      return (gint)i;
  }
  return -1;
}

static gboolean read_manifest(const WeftElfView *view, WeftElf *elf, GError **error)
{
  Elf64_Shdr section;
  if (weft_elf_find(view, WEFT_MANIFEST_SECTION, &section) < 0)
    return fail(view, error, "no section " WEFT_MANIFEST_SECTION ": this is no plugin of Weft; put its manifest in with "
                             "`weft-manifest stamp FILE.so manifest.json`");
  const void *bytes = section.sh_type == SHT_NOBITS ? NULL : weft_elf_at(view, section.sh_offset, section.sh_size);
  if (!bytes)
    return fail(view, error, "the section " WEFT_MANIFEST_SECTION " lies outside the file; it is cut off or damaged");
  if (section.sh_size == 0 || section.sh_size > WEFT_MANIFEST_MAX_BYTES) {
    g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s: a manifest has 1 to %u bytes, the section " WEFT_MANIFEST_SECTION
                " has %" G_GUINT64_FORMAT, view->source, WEFT_MANIFEST_MAX_BYTES, (guint64)section.sh_size);
    return FALSE;
  }
  elf->manifest = g_bytes_new(bytes, section.sh_size);
  return TRUE;
}

static gboolean read_needed(const WeftElfView *view, WeftElf *elf, GError **error)
{
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  Elf64_Shdr dynamic = {0}, strings;
  guint n = 0;
  gboolean found = FALSE;
  for (guint i = 0; i < view->n_sections && !found; i++)
    found = weft_elf_section(view, i, &dynamic) && dynamic.sh_type == SHT_DYNAMIC;
  guint64 n_entries = found ? dynamic.sh_size / sizeof(Elf64_Dyn) : 0;
  const guint8 *entries = found ? weft_elf_at(view, dynamic.sh_offset, dynamic.sh_size) : NULL;
  if (found && (!entries || !weft_elf_section(view, dynamic.sh_link, &strings)))
    return fail(view, error, "the dynamic section lies outside the file; it is cut off or damaged");
  for (guint64 i = 0; i < n_entries; i++) {
    Elf64_Dyn entry;
    memcpy(&entry, entries + i * sizeof entry, sizeof entry);
    if (entry.d_tag == DT_NULL)
      break;
    if (entry.d_tag != DT_NEEDED)
      continue;
    const char *name = weft_elf_string(view, &strings, entry.d_un.d_val);
    if (!name)
      return fail(view, error, "the name of a needed library lies outside the file");
    if (++n > WEFT_ELF_MAX_NEEDED)
      return fail(view, error, "more than " G_STRINGIFY(WEFT_ELF_MAX_NEEDED) " needed libraries");
    g_strv_builder_add(names, name);
  }
  elf->needed = g_strv_builder_end(names);
  return TRUE;
}

/* What linkers and instrumenting compilers add by themselves. */
static gboolean is_run_time(const char *name)
{
  static const char *const exact[] = {"_init", "_fini", "_edata", "_end", "__bss_start", "__data_start"};
  static const char *const prefixes[] = {"__odr_asan", "__asan_", "__ubsan_", "__tsan_", "__gcov_", "__sancov_",
                                         "__start_", "__stop_"};
  for (gsize i = 0; i < G_N_ELEMENTS(exact); i++)
    if (strcmp(exact[i], name) == 0)
      return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
    if (g_str_has_prefix(name, prefixes[i]))
      return TRUE;
  return FALSE;
}

static gboolean read_exported(const WeftElfView *view, WeftElf *elf, GError **error)
{
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  Elf64_Shdr table = {0}, strings;
  guint n = 0;
  gboolean found = FALSE;
  for (guint i = 0; i < view->n_sections && !found; i++)
    found = weft_elf_section(view, i, &table) && table.sh_type == SHT_DYNSYM;
  const guint8 *symbols = found ? weft_elf_at(view, table.sh_offset, table.sh_size) : NULL;
  if (found && (!symbols || !weft_elf_section(view, table.sh_link, &strings)))
    return fail(view, error, "the table of symbols lies outside the file; it is cut off or damaged");
  guint64 n_symbols = found ? table.sh_size / sizeof(Elf64_Sym) : 0;
  for (guint64 i = 0; i < n_symbols && n < WEFT_ELF_MAX_EXPORTED; i++) {
    Elf64_Sym symbol;
    memcpy(&symbol, symbols + i * sizeof symbol, sizeof symbol);
    guint visibility = ELF64_ST_VISIBILITY(symbol.st_other);
    if (symbol.st_shndx == SHN_UNDEF || ELF64_ST_BIND(symbol.st_info) == STB_LOCAL || visibility == STV_HIDDEN ||
        visibility == STV_INTERNAL)
      continue;
    const char *name = weft_elf_string(view, &strings, symbol.st_name);
    if (!name)
      return fail(view, error, "the name of a symbol lies outside the file");
    if (is_run_time(name))
      continue;
    g_strv_builder_add(names, name);
    n++;
  }
  elf->exported = g_strv_builder_end(names);
  return TRUE;
}

WeftElf *weft_elf_parse(const void *data, gsize n_bytes, const char *source, GError **error)
{
  WeftElfView view;
  if (!weft_elf_view(data, n_bytes, source, &view, error))
    return NULL;
  g_autoptr(WeftElf) elf = g_new0(WeftElf, 1);
  elf->machine = view.header.e_machine;
  if (!read_manifest(&view, elf, error) || !read_needed(&view, elf, error) ||
      !read_exported(&view, elf, error))
    return NULL;
  return g_steal_pointer(&elf);
}

static gboolean system_error(const char *path, const char *what, int number, GError **error)
{
  g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s: %s: %s", path, what, g_strerror(number));
  return FALSE;
}

static gboolean read_all(int fd, gsize n_bytes, const char *path, GBytes **out, GError **error)
{
  g_autofree guint8 *data = g_try_malloc(MAX(n_bytes, 1));
  gsize n = 0;
  if (!data)
    return system_error(path, "cannot be read", ENOMEM, error);
  while (n < n_bytes) {
    gssize got = read(fd, data + n, n_bytes - n);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return system_error(path, "cannot be read", errno, error);
    if (got == 0)
      break;
    n += (gsize)got;
  }
  *out = g_bytes_new_take(g_steal_pointer(&data), n);
  return TRUE;
}

GBytes *weft_elf_load(const char *path, GError **error)
{
  /* Not blocking: opening a pipe without a writer must not hang. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat about;
  GBytes *bytes = NULL;
  if (fd < 0) {
    system_error(path, "cannot be opened", errno, error);
    return NULL;
  }
  if (fstat(fd, &about) != 0)
    system_error(path, "cannot be read", errno, error);
  else if (!S_ISREG(about.st_mode))
    g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s: expected a plugin (a regular .so file), found a %s", path,
                S_ISDIR(about.st_mode) ? "directory" : "device, pipe or socket");
  else if (about.st_size > WEFT_ELF_MAX_BYTES)
    g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s: a plugin file has at most %d bytes, this has %" G_GINT64_FORMAT,
                path, WEFT_ELF_MAX_BYTES, (gint64)about.st_size);
  else
    read_all(fd, (gsize)about.st_size, path, &bytes, error);
  close(fd);
  return bytes;
}

WeftElf *weft_elf_read(const char *path, GError **error)
{
  g_autoptr(GBytes) bytes = weft_elf_load(path, error);
  if (!bytes)
    return NULL;
  gsize n_bytes;
  const void *data = g_bytes_get_data(bytes, &n_bytes);
  return weft_elf_parse(data, n_bytes, path, error);
}
