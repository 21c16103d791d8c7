/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file worker-rig.h
 * One worker and one call of a test plugin (one ragged u8 or plain f32 input,
 * one output y [item, 16] f32): shared by the tests of core/worker.
 */
#ifndef WEFT_TEST_WORKER_RIG_H
#define WEFT_TEST_WORKER_RIG_H

#include "hosttable.h"
#include "worker.h"

#include <glib.h>

#define RIG_D 16
#define RIG_ITEMS 8

typedef struct {
  struct weft_setup setup;
  struct weft_worker_spec spec;
  struct weft_config config;
  struct weft_parameter params[8];
  struct weft_port input;
  struct weft_worker *worker;
  struct weft_call_host host; /* of the call; the rig is found from it */
  struct weft_call call;
  struct weft_item items[RIG_ITEMS];
  weft_status item_status[RIG_ITEMS];
  struct weft_tensor text;
  const struct weft_tensor *inputs[1];
  struct weft_output output;
  int64_t splits[RIG_ITEMS + 1];
  int32_t slots[RIG_ITEMS];
  float y[RIG_ITEMS * RIG_D];
  char bytes[4096];
  char message[WEFT_MESSAGE_BYTES];          /* of the call */
  char item_message[RIG_ITEMS][WEFT_MESSAGE_BYTES];
} Rig;

/** plugin: id of a folder in tests/plugins. Spawns nothing yet. */
void rig_init(Rig *rig, const char *plugin);
void rig_param(Rig *rig, const char *name, const char *text, int64_t integer);
/** spawn and activate; answers the first status that is not WEFT_OK, the message in rig->setup. */
weft_status rig_start(Rig *rig);
void rig_stop(Rig *rig);
/** Prepares a call of these texts (NULL-terminated). */
void rig_texts(Rig *rig, const char *const *texts);
/** start, wait, finish. died may be NULL. */
weft_status rig_call(Rig *rig, int *died);

#endif
