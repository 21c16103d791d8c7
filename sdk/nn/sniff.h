/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sniff.h
 * What bytes look like, for the messages of readers: "expected a PNG picture,
 * found a JPEG picture".
 */
#ifndef WEFT_NN_SNIFF_H
#define WEFT_NN_SNIFF_H

#include <stdint.h>

/**
 * A phrase with its article, such as "a JPEG picture", "an empty file",
 * "text", "bytes of an unknown kind"; judged by the first bytes. Static.
 * bytes: [n_bytes] borrowed until return. Never fails. [any thread]
 */
const char *weft_sniff(const void *bytes, uint64_t n_bytes);

#endif
