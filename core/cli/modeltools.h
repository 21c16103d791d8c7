/* SPDX-License-Identifier: Apache-2.0 */
/** @file modeltools.h  Actions of `weft model` that run a model; argv[1] is the action, and each answers an exit code. */
#ifndef WEFT_CLI_MODELTOOLS_H
#define WEFT_CLI_MODELTOOLS_H

int weft_model_quantize(int argc, char **argv);
int weft_model_pack(int argc, char **argv);
/** `check NAME --store N`. */
int weft_model_store_check(int argc, char **argv);

#endif
