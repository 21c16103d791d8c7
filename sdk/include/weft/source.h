/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file source.h
 * Conventions of a source: a node without inputs that yields the rows of a
 * stream as they happen. It stands behind a live input of a pipeline:
 *
 *     inputs: {vibration: {type: series, source: {use: replay@^1}, window: 1 s}}
 *
 * Manifest: `"kind": "source"`, `"pure": false`, no inputs. `blocking` where
 * process may wait inside (it polls weft_cancelled then).
 *
 * Outputs, in this order:
 * - the main one, ragged: rows of a fixed size, such as `samples: [*, c] f32`,
 *   or texts, `lines: [*] u8` with two split levels, a group being one text.
 *   Its attribute `modality` is what the pipeline writes after `type:`.
 *   Further attributes (rate, unit, channels) travel with it. `clock:
 *   simulated` says that rows come as fast as they are taken, so that nothing
 *   is late because of the time of day; without it rows come as they happen.
 * - `MAIN.time: [*] i64, ragged`: when each row (or text) happened, ns since
 *   the Unix epoch, 1 or more. Irregular rows and gaps are natural. Rows may
 *   come out of order by as much as the pipeline's `tolerance`.
 * - last, `state: [*, 2] i32`: WEFT_SOURCE_*, and with WEFT_SOURCE_IDLE how many
 *   microseconds to wait before the next call.
 * Nothing else: a graph reads the main output and its times.
 *
 * process: one item a call, again and again, on a thread of its own; each call
 * yields a chunk, which may be empty. What has been read is state of the
 * instance, and `activate` begins from the start. `items[0].time_ns` is the
 * time from which the host still takes rows (0: all): a source that can seek
 * leaves out what is before.
 *
 * Failing: WEFT_SOURCE_FAILED, or a status. After WEFT_BAD_INPUT,
 * WEFT_BAD_CONFIG and WEFT_UNSUPPORTED (and the message of host->fail_call)
 * the stream has ended for good; after anything else, and after the death of
 * its worker, the host activates it again after a pause that grows.
 */
#ifndef WEFT_SOURCE_H
#define WEFT_SOURCE_H

#include "node.h"

#define WEFT_SOURCE_MORE 0   /**< call again at once */
#define WEFT_SOURCE_IDLE 1   /**< nothing now: call again after the time that stands beside */
#define WEFT_SOURCE_ENDED 2  /**< no row will come any more */
#define WEFT_SOURCE_FAILED 3 /**< the stream broke off: activate and try again */

#define WEFT_SOURCE_STATE "state"

#define WEFT_ATTRIBUTE_CLOCK "clock"
#define WEFT_CLOCK_SIMULATED "simulated"

#endif
