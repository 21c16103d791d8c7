/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file driver.h
 * Drives one node of one plugin file as a host would, without pipeline,
 * catalogue or runtime: for the tests of single plugins.
 *
 *     WeftDriver *d = weft_driver_new("png", "png");      (build/plugins/png.so, node png)
 *     weft_driver_set(d, "max_side", "4096");
 *     g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK); (create, ports, activate)
 *     const struct weft_tensor *in[] = {weft_driver_bytes(d, 2, items)};
 *     g_assert_cmpint(weft_driver_run(d, 2, in), ==, WEFT_OK);
 *     const struct weft_tensor *pixels = weft_driver_output(d, "pixels");
 *     ... weft_driver_item_status(d, 1), weft_driver_item_message(d, 1) ...
 *     weft_driver_free(d);
 *
 * Inputs stand as the manifest orders them (all but variadic ones) unless the
 * test binds some itself. Memory is as hostile as the contract allows: scratch
 * and outputs are filled with 0xA5, guarded behind their end (checked after
 * every run), dynamic outputs are unmapped until they are reserved.
 * Tests only: what goes wrong in the test itself is a g_error.
 */
#ifndef WEFT_TEST_DRIVER_H
#define WEFT_TEST_DRIVER_H

#include <glib.h>
#include <weft/entry.h>

typedef struct WeftDriver WeftDriver;

/** plugin: name of the shared object in build/plugins, or a path. */
WeftDriver *weft_driver_new(const char *plugin, const char *node_id);
/** deactivate, destroy, free; NULL is allowed. */
void weft_driver_free(WeftDriver *driver);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftDriver, weft_driver_free)

/** Folder behind `model/FILE`, and the digest told to the node. Before start. */
void weft_driver_model(WeftDriver *driver, const char *folder, const char *digest);
/** A parameter as a pipeline would write it; the others have the manifest's defaults. Before start. */
void weft_driver_set(WeftDriver *driver, const char *name, const char *value);
/**
 * Binds an input; once called, only bound inputs exist, in the order of the
 * calls. key: of a variadic input, otherwise NULL. d: size of the manifest's
 * second dim where it is a name or "*" (-1: as the manifest says).
 */
void weft_driver_bind(WeftDriver *driver, const char *port, const char *key, int64_t d);
/** Gives the last bound input an attribute (space, ...). */
void weft_driver_bind_attribute(WeftDriver *driver, const char *key, const char *value);
/** Limits told to activate, of every input; without: 8 items, 1 << 20 rows, 64 groups. */
void weft_driver_limits(WeftDriver *driver, int64_t n_items, int64_t n_rows, int64_t n_groups);
/** Most bytes of a dynamic output; without: 256 MiB. */
void weft_driver_dynamic_max(WeftDriver *driver, uint64_t n_bytes);

/** create, ports, activate. Answers the status; the message: weft_driver_message. */
weft_status weft_driver_start(WeftDriver *driver);
/** Of the last start, or host->fail_call of the last run. */
const char *weft_driver_message(const WeftDriver *driver);
/** The outputs that `ports` answered: borrowed until free. */
const struct weft_ports *weft_driver_ports(const WeftDriver *driver);

/* Input tensors of one run: borrowed until free. */
/** Ragged u8 from byte strings; NULL items are absent. */
const struct weft_tensor *weft_driver_bytes(WeftDriver *driver, uint32_t n_items, GBytes *const *items);
/**
 * A tensor from rows that are copied to aligned memory of exactly their size.
 * shape: dtype, rank, dims are read. splits: [n_items + 1], copied, or NULL.
 */
const struct weft_tensor *weft_driver_tensor(WeftDriver *driver, const struct weft_tensor *shape, const void *data,
                                             uint32_t n_items, const int64_t *splits);

/** Cancels the next run: its cancel word is set from the beginning. */
void weft_driver_cancel_next(WeftDriver *driver);
/** What nobody reads in later runs: `wanted` 0, data NULL. */
void weft_driver_unwanted(WeftDriver *driver, const char *output);

/** One call of process. inputs: [bound inputs]. Answers its status; checks every output's form. */
weft_status weft_driver_run(WeftDriver *driver, uint32_t n_items, const struct weft_tensor *const *inputs);
weft_status weft_driver_item_status(const WeftDriver *driver, uint32_t item);
/** Of host->fail_item, or "". */
const char *weft_driver_item_message(const WeftDriver *driver, uint32_t item);
/** Output of the last run: borrowed until the next run. */
const struct weft_tensor *weft_driver_output(const WeftDriver *driver, const char *name);

#endif
