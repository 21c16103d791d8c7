/* SPDX-License-Identifier: Apache-2.0 */
#include "decode.h"

#include <stdlib.h>

#define MAX_FRAMES (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static float block[DECODE_BLOCK_FRAMES * DECODE_MAX_CHANNELS];
  static const uint32_t cancel;
  struct decode decode = {0};
  float *samples = NULL;
  if (decode_begin(&decode, data, size, 10000) == WEFT_OK && decode.n_frames <= MAX_FRAMES) {
    samples = malloc((size_t)decode.n_frames * sizeof *samples);
    if (samples)
      decode_samples(&decode, samples, block, &cancel);
  }
  decode_end(&decode);
  free(samples);
  return 0;
}
