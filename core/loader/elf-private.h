/* SPDX-License-Identifier: Apache-2.0 */
/** @file elf-private.h  A checked view of an ELF file in memory, shared by reading and stamping. */
#ifndef WEFT_CORE_ELF_PRIVATE_H
#define WEFT_CORE_ELF_PRIVATE_H

#include <elf.h>
#include <glib.h>

typedef struct {
  const guint8 *data;
  gsize n_bytes;
  const char *source;
  Elf64_Ehdr header;
  Elf64_Shdr names;     /**< section of the section names */
  guint n_sections, names_index;
} WeftElfView;

gboolean weft_elf_view(const void *data, gsize n_bytes, const char *source, WeftElfView *view, GError **error);
/** The bytes at offset, or NULL when they are not all inside the file. */
const void *weft_elf_at(const WeftElfView *view, guint64 offset, guint64 n_bytes);
gboolean weft_elf_section(const WeftElfView *view, guint index, Elf64_Shdr *out);
/** A string that ends inside its table, or NULL. */
const char *weft_elf_string(const WeftElfView *view, const Elf64_Shdr *table, guint64 index);
/** Index of the section of that name, or -1. */
gint weft_elf_find(const WeftElfView *view, const char *name, Elf64_Shdr *out);

#endif
