/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an ELF file: read, and stamped so that the new manifest is what is read, or an error with a message. */
#include "manifest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftElf) elf = weft_elf_parse(data, size, "fuzz.so", &error);
  if ((elf == NULL) != (error != NULL))
    abort();
  g_autoptr(GBytes) file = g_bytes_new_static(data, size);
  g_autoptr(GBytes) manifest = g_bytes_new_static("{}", 2);
  g_autoptr(GBytes) stamped = weft_elf_stamp(file, manifest, "fuzz.so", NULL);
  gsize n_stamped = 0;
  const void *bytes = stamped ? g_bytes_get_data(stamped, &n_stamped) : NULL;
  g_autoptr(WeftElf) again = elf && bytes ? weft_elf_parse(bytes, n_stamped, "fuzz.so", NULL) : NULL;
  if (again && !g_bytes_equal(again->manifest, manifest))
    abort();
  return 0;
}
