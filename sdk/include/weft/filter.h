/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file filter.h
 * Conventions of filters: nodes of kind "filter".
 *
 * A filter judges what goes by. Its first output is `verdict`, i32 of rank 1,
 * one row an item:
 *
 *     outputs: [{"name": "verdict", "type": "i32", "dims": ["*"]},
 *               {"name": "text", ...}      what goes on: its input, or the input redacted
 *               {"name": "rules", ...}]    u8, ragged: the ids of the rules that spoke, separated by `,`
 *
 * The bare name of a filter node means what goes on: its first output that is
 * neither `verdict` nor `rules`.
 *
 * A verdict governs the whole request: nothing leaves (no output, no sink, no
 * node that is not pure) before every filter of the pipeline has let it pass,
 * and a refused request has no outputs. A filter that fails, hangs, dies, or
 * leaves an item without a verdict has answered WEFT_VERDICT_UNDECIDED, which
 * refuses unless the operator says otherwise under `on_verdict`. A filter
 * cannot be skipped: an item of which its inputs are absent has nothing to
 * judge and passes; where its source failed, it is undecided. Values outside
 * the list below are undecided.
 */
#ifndef WEFT_FILTER_H
#define WEFT_FILTER_H

#define WEFT_VERDICT_UNDECIDED 0
#define WEFT_VERDICT_ALLOW 1
#define WEFT_VERDICT_REDACT 2 /**< go on with what the filter answered instead */
#define WEFT_VERDICT_REFUSE 3
#define WEFT_N_VERDICTS 4

#endif
