/* SPDX-License-Identifier: Apache-2.0 */
#include "decode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const struct decode_limits limits = {512, 65536, 255};
  static const uint32_t cancel;
  struct decode decode = {0};
  uint8_t *pixels = NULL;
  if (decode_begin(&decode, data, size, &limits) == WEFT_OK) {
    pixels = malloc(decode_room(&decode));
    if (pixels)
      decode_pixels(&decode, pixels, &cancel);
  }
  decode_end(&decode);
  free(pixels);
  return 0;
}
