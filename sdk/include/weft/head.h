/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file head.h
 * Conventions of a head: a representation in, an answer out.
 *
 * A classifier's outputs:
 * - `label: [*] u8, ragged` UTF-8 name of the most probable class (main);
 * - `probability: [*] f32` calibrated probability of that class;
 * - `probabilities: [*, n] f32` of every class (attribute labels).
 */
#ifndef WEFT_HEAD_H
#define WEFT_HEAD_H
#include "node.h"
#endif
