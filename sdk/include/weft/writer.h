/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file writer.h
 * Conventions of a writer: values of an answer in, the bytes of a medium out.
 *
 * Manifest: `"kind": "writer"`. Inputs: whatever it shows; a variadic input of
 * type `any` takes values of every type, rank and number of split levels, named
 * by the keys under `in:` (look at them in `create`; inputs that a file leaves
 * out are absent).
 *
 * Output, the main one: `bytes: [*] u8, ragged`: a whole piece of the medium
 * for each item, such as a line with its newline, so that pieces can stand one
 * after the other in a file. No bytes: there is nothing to write.
 *
 * A writer opens no files. The pipeline says where bytes go:
 *
 *     sinks: {log: {from: save.bytes, to: out/log.jsonl}}
 *
 * and the host appends them once every filter has let the request pass; what
 * was refused or failed never gets there.
 */
#ifndef WEFT_WRITER_H
#define WEFT_WRITER_H

#include "node.h"

#define WEFT_WRITER_BYTES "bytes"

#endif
