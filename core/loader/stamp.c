/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a manifest into a finished ELF file: the manifest, a table of section
 * names that has one more, and all section headers are appended; only the
 * file header changes in place. Nothing that is loaded moves, so this works
 * for any linker and any machine.
 */
#include "manifest.h"

#include "elf-private.h"

#include <string.h>

static guint64 append(GByteArray *out, const void *data, gsize n_bytes)
{
  static const guint8 zeros[8] = {0};
  g_byte_array_append(out, zeros, (8 - out->len % 8) % 8);
  guint64 offset = out->len;
  g_byte_array_append(out, data, (guint)n_bytes);
  return offset;
}

/* Appends the names and one more; answers the new name's index. */
static guint32 append_names(GByteArray *out, const WeftElfView *view, Elf64_Shdr *names)
{
  g_autoptr(GByteArray) table = g_byte_array_new();
  const void *old = weft_elf_at(view, view->names.sh_offset, view->names.sh_size);
  if (old)
    g_byte_array_append(table, old, (guint)view->names.sh_size);
  guint32 index = table->len;
  g_byte_array_append(table, (const guint8 *)WEFT_MANIFEST_SECTION, sizeof WEFT_MANIFEST_SECTION);
  *names = view->names;
  names->sh_offset = append(out, table->data, table->len);
  names->sh_size = table->len;
  return index;
}

GBytes *weft_elf_stamp(GBytes *file, GBytes *manifest, const char *source, GError **error)
{
  gsize n_bytes, n_manifest;
  const guint8 *data = g_bytes_get_data(file, &n_bytes);
  const void *bytes = g_bytes_get_data(manifest, &n_manifest);
  WeftElfView view;
  Elf64_Shdr section = {0};
  if (!weft_elf_view(data, n_bytes, source, &view, error))
    return NULL;
  gint index = weft_elf_find(&view, WEFT_MANIFEST_SECTION, &section);
  guint n_sections = view.n_sections + (index < 0);
  if (n_bytes + n_manifest > WEFT_ELF_MAX_BYTES || n_sections >= SHN_LORESERVE) {
    g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s: with the manifest the file would have more than %d bytes or %d "
                "sections", source, WEFT_ELF_MAX_BYTES, SHN_LORESERVE - 1);
    return NULL;
  }
  GByteArray *out = g_byte_array_new();
  g_byte_array_append(out, data, (guint)n_bytes);
  g_autofree Elf64_Shdr *headers = g_new0(Elf64_Shdr, n_sections);
  for (guint i = 0; i < view.n_sections; i++)
    weft_elf_section(&view, i, &headers[i]);
  if (index < 0) {
    index = (gint)view.n_sections;
    headers[index].sh_name = append_names(out, &view, &headers[view.names_index]);
  }
  /* Outside the loaded image: an old section may be part of a segment, the new one is not. */
  headers[index].sh_type = SHT_PROGBITS;
  headers[index].sh_flags = 0;
  headers[index].sh_addr = 0;
  headers[index].sh_addralign = 1;
  headers[index].sh_offset = append(out, bytes, n_manifest);
  headers[index].sh_size = n_manifest;
  view.header.e_shoff = append(out, headers, n_sections * sizeof *headers);
  view.header.e_shnum = (Elf64_Half)n_sections;
  memcpy(out->data, &view.header, sizeof view.header);
  return g_byte_array_free_to_bytes(out);
}
