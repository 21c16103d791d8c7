/* SPDX-License-Identifier: Apache-2.0 */
/** @file inspect.h  What `weft inspect plan` and `weft inspect compute` print. */
#ifndef WEFT_CLI_INSPECT_H
#define WEFT_CLI_INSPECT_H

#include <jansson.h>

/** Prints `weft.plan/1` for people. */
void weft_inspect_print_plans(const json_t *report);
/** Prints `weft.compute/1` for people. */
void weft_inspect_print_compute(const json_t *report);

#endif
