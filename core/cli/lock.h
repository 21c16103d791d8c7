/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file lock.h
 * Lock files, `weft.lock/1`: what a pipeline was made of, exactly, so that
 * another machine or day runs the same or says what is not.
 */
#ifndef WEFT_CLI_LOCK_H
#define WEFT_CLI_LOCK_H

#include "session.h"

/** Largest lock file, bytes. */
#define WEFT_LOCK_MAX_BYTES (64u << 20)

/** The lock of a loaded session. Caller frees with json_decref. */
json_t *weft_lock_of(WeftSession *session);
/** FILE.lock. Caller frees with g_free. */
char *weft_lock_path(const char *file);
/**
 * Whether a loaded session is what FILE.lock says. FALSE: what changed is on
 * standard error. Another fingerprint (processor, provider) is a warning there:
 * answers then agree within a tolerance.
 */
gboolean weft_lock_check(WeftSession *session, const char *file);

#endif
