/* SPDX-License-Identifier: Apache-2.0 */
/* Products of rows with weights: which kernels a weight gets. */
#include "program.h"

const struct weft_product_kernels *weft_cpu_product_for(const struct weft_cpu_isa *isa, uint32_t precision)
{
  while (precision > WEFT_FORMAT_F32 && !isa->products[precision])
    precision--;
  return isa->products[precision];
}
