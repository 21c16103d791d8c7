/* SPDX-License-Identifier: Apache-2.0 */
#include "safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  return weft_safetensors_fuzz(data, size);
}
