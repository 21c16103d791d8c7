/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file modelfolder.h
 * Model folders with something wrong in them, made from the golden ones.
 * Tests only.
 */
#ifndef WEFT_TEST_MODELFOLDER_H
#define WEFT_TEST_MODELFOLDER_H

#include <driver.h>

/** A copy of a model folder (path relative to the source root) in a new temporary folder; caller frees with
    weft_test_model_free. */
char *weft_test_model_copy(const char *folder);
/** Deletes the copy. */
void weft_test_model_free(char *folder);
/** Replaces text in a file of the copy; it must occur. */
void weft_test_model_edit(const char *folder, const char *file, const char *from, const char *to);
/** The same in the header of its model.safetensors. */
void weft_test_model_edit_header(const char *folder, const char *from, const char *to);

/** Starts the driver and ends the test unless it is refused with that status and a message that holds every text of
    the NULL-terminated list. */
void weft_test_refused(WeftDriver *driver, weft_status status, ...) G_GNUC_NULL_TERMINATED;

#endif
