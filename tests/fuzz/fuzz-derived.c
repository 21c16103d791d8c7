/* SPDX-License-Identifier: Apache-2.0 */
/* A derived file (packed weights), and the key that it says it has: whatever is in it, its payload lies inside. */
#include "derived-file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const char *layout = NULL;
  uint8_t *file = malloc(size + !size); /* of exactly that size, so that reading past it is seen */
  if (!file)
    return 0;
  memcpy(file, data, size);
  const struct weft_derived_header *header = weft_derived_look(file, size, &layout);
  if (header) {
    const struct weft_derived_key key = {layout, layout + header->n_layout, header->n_content, header->n_bytes};
    struct weft_resource resource = {file, size, 0}, out = {0};
    if (!weft_derived_payload(&resource, &key, &out) || (const uint8_t *)out.data + out.n_bytes != file + size)
      abort();
    volatile size_t n = strlen(layout);
    volatile uint8_t last = out.n_bytes ? ((const uint8_t *)out.data)[out.n_bytes - 1] : 0;
    (void)n;
    (void)last;
  }
  free(file);
  return 0;
}
