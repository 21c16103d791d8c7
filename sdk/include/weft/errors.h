/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file errors.h
 * Status codes of the plugin contract.
 *
 * Purpose: every function that can fail answers one of these, and the host's
 * policy follows from the code alone: only WEFT_DEADLINE, WEFT_INTERNAL,
 * WEFT_CONTRACT and the death of a worker count against a plugin. A message
 * for people goes to `host->fail` or `host->fail_item` before the code is
 * returned; it is copied at once.
 */
#ifndef WEFT_ERRORS_H
#define WEFT_ERRORS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t weft_status;

#define WEFT_OK          ((weft_status)0) /**< done */
#define WEFT_BAD_INPUT   ((weft_status)1) /**< this item's data is wrong; never the plugin's fault */
#define WEFT_BAD_CONFIG  ((weft_status)2) /**< parameters, model or wiring are wrong */
#define WEFT_UNSUPPORTED ((weft_status)3) /**< well formed, but not offered here */
#define WEFT_NO_MEMORY   ((weft_status)4) /**< an allocation failed */
#define WEFT_DEADLINE    ((weft_status)5) /**< the time given is over */
#define WEFT_CANCELLED   ((weft_status)6) /**< the caller no longer wants the answer */
#define WEFT_UNAVAILABLE ((weft_status)7) /**< try again later */
#define WEFT_INTERNAL    ((weft_status)8) /**< a bug in the plugin or the host */
#define WEFT_CONTRACT    ((weft_status)9) /**< the other side broke the contract */
#define WEFT_N_STATUS    10

#ifdef __cplusplus
}
#endif
#endif
