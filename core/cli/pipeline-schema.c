/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline-private.h"

int weft_pipeline_schema(const WeftPipelineOptions *options)
{
  (void)options;
  return WEFT_EXIT_OK;
}
