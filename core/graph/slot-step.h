/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file slot-step.h
 * Slots of a node, as steps: resolved and checked like nodes, created when the
 * node asks for it (weft/slots.h), with what it says it will call them with.
 * Inside core/graph.
 */
#ifndef WEFT_CORE_SLOT_STEP_H
#define WEFT_CORE_SLOT_STEP_H

#include "resolve.h"
#include "slots.h"

/** Makes the steps of the node's slots and finds their plugins; reports those that are not to be had. */
void weft_slots_resolve(WeftBuilder *builder, WeftStep *step);
/** The slots are such as the node's plugin takes. FALSE: reported. */
gboolean weft_slots_check(WeftBuilder *builder, WeftStep *step);
/** Which slots get a process of their own; a node that has slots gets none: one that would fails, reported. */
void weft_slots_isolate(WeftBuilder *builder, WeftStep *step);
/** The slot "NODE/SLOT", or NULL. */
WeftStep *weft_slot_find(const WeftRevision *revision, const char *name);

/** Lets the node that is set up reach its slots. */
void weft_slots_offer(const WeftStep *step, struct weft_setup *setup);
/** A slot of the step could not be made, and that is reported. */
gboolean weft_slots_told(const WeftStep *step);
/** After activate: the plugin has made and activated its slots. FALSE: reported. */
gboolean weft_slots_check_made(WeftBuilder *builder, const WeftStep *step);
/** What the node of the graph calls. runtime: NULL: no graph is made. FALSE: reported. */
gboolean weft_slots_fill(WeftBuilder *builder, WeftStep *step, struct weft_runtime *runtime, struct weft_graph_node *node);
/** Tells the revision's nodes which graphs the slots have. */
void weft_slots_describe(WeftRevision *revision);
/** After the graph whose node has them. */
void weft_slots_clear(WeftStep *step);

/** Its plugin and those of its slots act on nothing but their outputs. */
gboolean weft_step_is_pure(const WeftStep *step);
/** All slots of all steps, in order. */
guint weft_slots_count(const WeftRevision *revision);

#endif
