/* SPDX-License-Identifier: Apache-2.0 */
/* The recordings that replay reads: the first byte chooses how the rest is taken. */
#include "media.h"

#include <stdlib.h>

#define ROWS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char *const columns[] = {"0", "1", "time", "-1"};
  static int64_t times[ROWS];
  struct media media = {0};
  if (size < 1)
    return 0;
  struct media_options options = {columns[data[0] & 3], (enum media_time)(data[0] >> 2 & 3), 1000, data[0] >> 4 & 1};
  uint8_t *bytes = malloc(size); /* of exactly that size, so that reading past it is seen */
  if (!bytes)
    return 0;
  for (size_t i = 1; i < size; i++)
    bytes[i - 1] = data[i];
  if (media_open(&media, bytes, size - 1, &options) == WEFT_OK) {
    float *rows = malloc(ROWS * (size_t)media.n_channels * sizeof *rows);
    for (int round = 0; rows && round < 2; round++) {
      for (int i = 0; i < 64 && media_read(&media, rows, times, ROWS) > 0; i++)
        ;
      media_rewind(&media);
    }
    free(rows);
  }
  media_close(&media);
  free(bytes);
  return 0;
}
