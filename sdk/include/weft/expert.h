/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file expert.h
 * Conventions of an expert: a representation in, the same rows transformed out.
 *
 * Input: `x: [*, d] f32`, one row an item (`fused` of a fusion, `pooled` of an
 * encoder) or ragged (`tokens` of an encoder).
 * Output: `y: [*, d_out] f32`, a row for each row of x, with the splits of x
 * (main; attribute space = MODEL_DIGEST/y). Each row of y depends on its row
 * of x alone, so that a router may send any rows of any items in one call.
 *
 * A port is ragged or it is not, so an expert for both offers two plugins:
 * `NAME` takes one row an item, `NAME-tokens` ragged rows.
 */
#ifndef WEFT_EXPERT_H
#define WEFT_EXPERT_H
#include "node.h"
#endif
