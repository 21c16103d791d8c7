/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file reader.h
 * Conventions of a reader: the bytes of a medium in, tensors out.
 *
 * Manifest: `"kind": "reader"`, `"reads": {"type": "image", "format": "PNG",
 * "magic": [{"at": 0, "hex": "89504e47"}, ...]}`; `type` is the word that a
 * pipeline file writes after `type:`; no magic: any bytes.
 *
 * Input: `bytes: [*] u8, ragged`: the file as it is.
 * Outputs, the same for every reader of one type, so that any of them can
 * stand behind an input:
 * - image: `pixels: [*, 3] u8, ragged` rows are pixels in row-major order, sRGB
 *   (modality image, colour rgb, range 0..255);
 *   `pixels.size: [*, 2] i32` height, width, one row an item.
 * - audio: `samples: [*, 1] f32, ragged` -1..1, the mean of the channels (modality audio);
 *   `samples.rate: [*] i32` samples per second, one row an item.
 * - text: `text: [*] u8, ragged` valid UTF-8 (modality text).
 *
 * Bytes that are not what the reader reads are bad input of that item; the
 * message names what was expected and what the first bytes look like.
 */
#ifndef WEFT_READER_H
#define WEFT_READER_H
#include "node.h"
#define WEFT_TYPE_IMAGE "image"
#define WEFT_TYPE_AUDIO "audio"
#define WEFT_TYPE_TEXT "text"
#endif
