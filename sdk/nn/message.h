/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file message.h
 * How the parts of sdk/nn say what went wrong. Internal.
 */
#ifndef WEFT_NN_MESSAGE_H
#define WEFT_NN_MESSAGE_H

#include <weft/host.h>

/**
 * Writes a text into message [WEFT_MESSAGE_BYTES], cut at a whole UTF-8
 * character; control characters become `?`, since names come from foreign
 * files and end up on terminals. Returns status. [any thread]
 */
weft_status weft_message(char *message, weft_status status, const char *format, ...) WEFT_PRINTF(3, 4);

#endif
