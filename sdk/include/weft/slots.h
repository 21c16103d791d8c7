/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file slots.h
 * Plugins that a node calls itself: the experts of a mixture. The pipeline
 * names them under `slots`, the host finds, loads, checks and isolates them
 * like any node, and the node that has them decides what each is called with.
 *
 *     static const struct weft_slots *slots;   // init: slots = host->get_extension(WEFT_SLOTS_ID)
 *
 *     create:   for (uint32_t s = 0; s < slots->count(setup); s++) {
 *                 status = slots->create(setup, s, inputs, n_inputs, &ports);   // ports: the slot's outputs
 *                 if (status != WEFT_OK) return status;                         // the host has said why
 *               }
 *     activate: slots->activate(setup, s, &limits_of_one_call_of_it);
 *     process:  struct weft_slot_call c = {.n_items = n, .items = mine, .n_inputs = 1, .inputs = &x};
 *               status = slots->call(call, s, &c);
 *               for (uint32_t j = 0; j < n; j++)
 *                 if (c.status[j] == WEFT_OK) ... rows of item j in c.outputs[0] ...
 *                 else host->fail_item(call, mine[j], c.status[j], "%s", slots->message(call, s, j));
 *
 * The manifest says that a plugin takes slots, and of which kind: manifest.h.
 *
 * A slot runs in this process or in a worker of its own; the node cannot tell,
 * but by its time. A call waits for the worker, until the earliest deadline of
 * its items and of the node, and another helper works meanwhile. A worker that
 * dies or is killed is replaced; the items are tried alone where the slot is
 * pure, and what fails then is a status of that item. Deadlines, cancellation,
 * limits and the checks of what a slot leaves are those of any node. What a
 * failed item means is for the node to say: it fails the item, or goes on
 * without that slot.
 *
 * Who chooses? With `select: context.KEY` the host has chosen by name, per
 * item: weft_item.slot. Without, the node does.
 */
#ifndef WEFT_SLOTS_H
#define WEFT_SLOTS_H

#include "node.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_SLOTS_ID "weft.slots/1"

/** Most slots of one node. */
#define WEFT_SLOTS_MAX 256u

/** A slot as the pipeline names it: borrowed until destroy. */
struct weft_slot {
  const char *name;         /**< its key under `slots` */
  const char *plugin;       /**< id */
  const char *version;
  const char *kind;         /**< WEFT_KIND_* */
  const char *model_digest; /**< NULL without a model */
  uint32_t isolated;        /**< 1: it has a process of its own */
  uint32_t flags;           /**< 0 */
};

/** One call of a slot. */
struct weft_slot_call {
  uint32_t n_items;      /**< of this call: 1 .. the limit given to activate */
  uint32_t n_inputs;     /**< as given to create */
  const uint32_t *items; /**< [n_items] which item of the node's call each one is, an item may be there more than once;
                              NULL: item j is item j. Seed, context and deadline are that item's */
  const struct weft_tensor *const *inputs; /**< [n_inputs] over the items of this call, in the form that create gave;
                                                read only; borrowed until return */

  /* What the call answers: borrowed until the next call of the same slot, or until `process` returns. */
  uint32_t n_outputs;
  uint32_t n_failed;                        /**< items whose status is not WEFT_OK */
  const struct weft_tensor *const *outputs; /**< [n_outputs] in the order of the ports, over the items of this call;
                                                 NULL: no item has it. Ports marked `explain` are not computed: NULL */
  const weft_status *status;                /**< [n_items] */
};

/** What the host offers. In a process that has no pipeline (a worker, `weft-probe`) there are no slots. */
struct weft_slots {
  /** Number of slots of the node that is being set up. [control thread, in create, ports, activate] */
  uint32_t (*count)(struct weft_setup *setup);
  /** 1: the pipeline says `select`, and weft_item.slot holds the choice. [control thread, in create, ports, activate] */
  int (*is_selected)(struct weft_setup *setup);
  /** What is known of slot `slot`. Errors: WEFT_CONTRACT (there is none). [control thread, in create, ports, activate] */
  weft_status (*describe)(struct weft_setup *setup, uint32_t slot, struct weft_slot *out);

  /**
   * Makes the slot, once, for inputs of this form: names are those of the
   * slot's ports, or where they are NULL its inputs in their order; type, dims,
   * splits and attributes say what it will be called with. The slot's create
   * sees them as its own inputs.
   * inputs: [n_inputs] borrowed until return. out: the outputs, concrete;
   * borrowed until destroy; their terms and attributes too.
   * Errors: WEFT_BAD_CONFIG (the slot does not take such inputs) and what its
   * create answers; the host has the message, with the slot's place in the
   * file: the node hands the status on and adds none. [control thread, in create]
   */
  weft_status (*create)(struct weft_setup *setup, uint32_t slot, const struct weft_port *inputs, uint32_t n_inputs,
                        struct weft_ports *out);

  /**
   * Prepares the slot for calls up to `limits` (rows and groups per input
   * given to create); plans and keeps its scratch, which is none of the
   * node's. Again, with other limits, when the node is activated again.
   * Larger calls are split, one item beyond them is bad input.
   * Errors: what its activate answers, as with create. [control thread, in activate]
   */
  weft_status (*activate)(struct weft_setup *setup, uint32_t slot, const struct weft_limits *limits);

  /**
   * Calls the slot and waits for it. Allocates nothing in steady state. Where
   * it answers WEFT_OK the items have their own statuses, also if all failed;
   * otherwise nothing was called, and `slot_call` answers nothing:
   * WEFT_CONTRACT (the slot was not made and activated, or call and tensors
   * are not as announced; `message` with item 0 says how), WEFT_NO_MEMORY.
   * [in process, by the thread that runs it, not inside weft_pool.parallel]
   */
  weft_status (*call)(const struct weft_call *call, uint32_t slot, struct weft_slot_call *slot_call);

  /** Why item `item` of the slot's last call failed, "" where it did not: borrowed as the answer. [as call] */
  const char *(*message)(const struct weft_call *call, uint32_t slot, uint32_t item);
};

#ifdef __cplusplus
}
#endif
#endif
