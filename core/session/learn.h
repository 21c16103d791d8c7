/* SPDX-License-Identifier: Apache-2.0 */
/** @file learn.h  What a session leaves in stats.db: starts, calls and deaths of plugins in processes of their own. */
#ifndef WEFT_SESSION_LEARN_H
#define WEFT_SESSION_LEARN_H

#include "revision.h"

/**
 * Adds what the workers of a revision saw; called once, before it is freed.
 * NULL is allowed. Where stats.db cannot be written nothing is remembered.
 */
void weft_learn_revision(WeftCatalogue *catalogue, const WeftRevision *revision);

#endif
