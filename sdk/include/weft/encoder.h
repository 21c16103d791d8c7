/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file encoder.h
 * Conventions of an encoder: one modality in, token embeddings out.
 *
 * Input: what a reader of its type gives (reader.h), with its companions.
 * Outputs:
 * - `tokens: [*, d] f32, ragged` the last hidden state, special tokens included
 *   (main; attribute space = MODEL_DIGEST/tokens);
 * - `pooled: [*, d] f32` one row an item (space = MODEL_DIGEST/pooled);
 * - `tokens.origin: [*, n] i32` (optional) where in the source each token comes
 *   from: text [2] begin and end byte, image [4] top, left, bottom, right in
 *   pixels, audio [2] begin and end sample;
 * - `layers: [*, d] f32, groups` (optional) embeddings and every block's output
 *   of each item, for tests and inspection; wanted only where it is named.
 */
#ifndef WEFT_ENCODER_H
#define WEFT_ENCODER_H
#include "node.h"
#endif
