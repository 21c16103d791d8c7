/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file facts.h
 * What a revision is made of, as JSON (`weft.facts/1`): inputs and their
 * readers, context, nodes with plugin, digests, parameters, wiring and
 * policies, sub-pipelines, outputs. `weft pipeline diff` compares two, a lock
 * file keeps one.
 */
#ifndef WEFT_CORE_FACTS_H
#define WEFT_CORE_FACTS_H

#include "revision.h"
#include <jansson.h>

/** Caller frees with json_decref. */
json_t *weft_revision_facts(const WeftRevision *revision);

/**
 * What differs, as a list of {what: "added" | "removed" | "changed", path:
 * "nodes.see.model_digest", before, after} in order of the paths; a thing that
 * is only on one side is one entry. Caller frees with json_decref.
 */
json_t *weft_facts_compare(const json_t *before, const json_t *after);
/** Lines for a person, "node see: plugin vit@1.0.0 -> vit@1.1.0"; empty: nothing differs. Caller frees with g_free. */
char *weft_facts_changes_text(const json_t *changes);

#endif
