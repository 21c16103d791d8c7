/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file precision.h
 * Inside core/graph: at which precision the products of a model run. The file
 * says a word, an option may say another; without either it is f32.
 */
#ifndef WEFT_CORE_PRECISION_H
#define WEFT_CORE_PRECISION_H

#include "read.h"
#include "resolve.h"

#include <weft/compute.h>

/** Not a number of compute.h: the machine decides. */
#define WEFT_PRECISION_AUTO WEFT_N_PRECISIONS
/** Nobody has said one. */
#define WEFT_PRECISION_UNSAID (-1)

/** WEFT_PRECISION_*, WEFT_PRECISION_AUTO, or -1: no such word. [any thread] */
int weft_precision_find(const char *word);
/** "f32", "bf16", "int8", "int4", "auto". [any thread] */
const char *weft_precision_name(int precision);

/** models: one entry, a text or {use: PATH, precision: WORD}. */
void weft_read_model(WeftReader *reader, const WeftYaml *key, const WeftYaml *value);

/** Decides for every model, after they are resolved; reports what an option names wrongly. */
void weft_models_take_precision(WeftBuilder *builder);
/** Reports a precision that is said of a model whose node, created, computes by itself. FALSE: reported. */
gboolean weft_step_check_precision(WeftBuilder *builder, const WeftStep *step);

#endif
