/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file modelgolden.h
 * Golden files of models, as make_models.py writes them: tests/golden/NAME/
 * golden.safetensors beside, or for shipped models apart from, the folder
 * whose weights it was made with. Tests only.
 */
#ifndef WEFT_TEST_MODELGOLDEN_H
#define WEFT_TEST_MODELGOLDEN_H

#include <glib.h>
#include <safetensors.h>

/** The project's bar: |error| <= WEFT_GOLDEN_ERROR * max(1, RMS of the layer). */
#define WEFT_GOLDEN_ERROR 1e-4

typedef struct {
  char *name, *model; /**< folder of the model, a full path */
  char *bytes;
  struct weft_safetensors *file;
} WeftGolden;

/** model: relative to the source root. NULL: no golden file, the test is skipped. Weights that differ end the test. */
WeftGolden *weft_golden_open(const char *name, const char *model);
/** NULL is allowed. */
void weft_golden_close(WeftGolden *golden);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftGolden, weft_golden_close)

/** The tensor ITEM.PART, or NULL. */
const struct weft_safetensors_tensor *weft_golden_tensor(const WeftGolden *golden, int item, const char *part);
/** Items that have a PART: 0, 1, ... */
int weft_golden_count(const WeftGolden *golden, const char *part);
/** Ends the test where actual, f32 in the tensor's shape, is beyond the bar; blocks of n_block numbers are layers. */
void weft_golden_check(const WeftGolden *golden, const float *actual, const struct weft_safetensors_tensor *expected,
                       int64_t n_block);

#endif
