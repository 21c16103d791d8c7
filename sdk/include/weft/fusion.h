/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fusion.h
 * Conventions of a fusion: several modalities in, one representation out.
 *
 * Input: `tokens[]: [*, d] f32, ragged`, variadic; the keys under `in:` name
 * the modalities, and trained weights bind by those names. Fusions of
 * probabilities take `probabilities[]: [*, n] f32` instead and answer like a
 * head (head.h: label first), with `weights` behind.
 * Outputs:
 * - `fused: [*, d] f32` one row an item (main);
 * - `weights: [*, m] f32, explain` the share of each modality in the order of
 *   the inputs: >= 0, 0 for an absent one, sum 1;
 * - `quality: [*, m] f32, explain` how much each input is worth by itself, 0..1.
 */
#ifndef WEFT_FUSION_H
#define WEFT_FUSION_H
#include "node.h"
#endif
