/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file manifest.h
 * The manifest: what a shared object says of itself before any of its code
 * runs. The author writes `manifest.json`; `weft-manifest` puts its bytes
 * into the ELF section named below, and that section is the manifest.
 *
 *     {"weft": 1, "name": "vit", "version": "1.0.0", "licence": "Apache-2.0",
 *      "plugins": [{
 *        "id": "vit", "kind": "encoder", "summary": "Vision transformer",
 *        "model": "required",
 *        "inputs":  [{"name": "pixels", "type": "u8", "dims": ["*", 3], "splits": 1,
 *                     "attributes": {"modality": "image", "colour": "rgb", "range": "0..255"}},
 *                    {"name": "pixels.size", "type": "i32", "dims": ["*", 2]}],
 *        "outputs": [{"name": "tokens", "type": "f32", "dims": ["*", "d"], "splits": 1,
 *                     "rows": {"kind": "bounded", "terms": {"items": 197}}},
 *                    {"name": "pooled", "type": "f32", "dims": ["*", "d"]}],
 *        "params":  [{"name": "beam", "type": "int", "default": 4, "min": 1, "max": 64}],
 *        "determinism": "bitwise", "pure": true, "parallel": true}]}
 *
 * File: `weft` the contract it was written for; `name`, `version` (semantic
 * version) and `licence` (SPDX); `plugins`, one or more.
 * Plugin: `id` (lower case letters, digits, `-`, at most 64 bytes); `kind`
 * (WEFT_KIND_*); `summary`; `model` (`required`, `optional`, `none`: the
 * default); `inputs`, `outputs`, `params`; `reads` (readers: the input type
 * and the first bytes, see reader.h); `determinism` (`bitwise`, `machine`,
 * `none`); `pure` (no effect but its outputs: may be retried); `parallel`
 * (several calls of one instance at once); `blocking` (needs a worker);
 * `slots` (plugins that it calls itself, see slots.h: `{"kind": "expert", "min":
 * 1, "max": 64, "select": "optional|required|none"}`; how many the pipeline
 * must name, and whether it says which one serves an item);
 * `fork_safe` (default true); `resources` (names it may open); `grants`
 * (`net:HOST:PORT`, `read:PATH`, `threads:N`, `gpu`).
 * Port: `name`; `type` (u8 i8 i32 i64 f32 f16 bf16 bool ...; inputs: `any`,
 * whatever type, rank and splits, see writer.h); `dims`, the
 * first of which is "*" (rows), the others a size, a name (equal names of one
 * plugin must be equal sizes) or "*" (varies per call); `splits` 0, 1 or 2;
 * `rows` of an output with splits: `{"kind": "exact|bounded", "terms":
 * {"items": 2, "PORT.rows": 1, "PORT.groups": 1}}` or `{"kind": "dynamic"}`;
 * without splits there is one row an item and `rows` is left out;
 * `attributes`; `explain` (recorded, may be unwanted); inputs: `optional`;
 * a name ending in `[]` is variadic. The first output is the main one.
 * State: an input and an output of the same name, type and dims (sizes, one row
 * an item), both with `"state": true`. Operators do not wire them: the host
 * keeps what the output left for a session (a stream, or the context's session)
 * and gives it as the input at the session's next item; see node.h.
 * A companion `PORT.ROLE` is a port of its own that an edge wires by itself
 * where both sides declare the role.
 * Parameter: `name`; `type` (`text`, `int`, `number`, `bool`, `asset`);
 * `default` (without one it must be given); `min`, `max`; `choices` (text);
 * `unit` (`ms`, `Hz`, `bytes`, `ratio`); `doc`. A parameter of type `asset`
 * takes the name of one of the pipeline's assets, and `create` reads its bytes
 * by resource_open("asset/PARAMETER"); its only default is "", no asset. Where
 * the file says ASSET.KEY, the asset is a map of texts (YAML or JSON: KEY ->
 * text, or KEY -> {language: text}), and the bytes are a JSON object language
 * -> text of that entry, "" being any language.
 * Unknown keys are errors.
 */
#ifndef WEFT_MANIFEST_H
#define WEFT_MANIFEST_H

/** Name of the ELF section that holds the bytes of manifest.json. */
#define WEFT_MANIFEST_SECTION ".weft.manifest"
/** Largest manifest, bytes. */
#define WEFT_MANIFEST_MAX_BYTES (1u << 20)
/** Limits of its parts: plugins of a file; inputs, outputs (each); parameters; entries of any other list. */
#define WEFT_MANIFEST_MAX_PLUGINS 64
#define WEFT_MANIFEST_MAX_PORTS 32
#define WEFT_MANIFEST_MAX_PARAMS 64
#define WEFT_MANIFEST_MAX_ENTRIES 256
/** Longest name (id, port, parameter, dim) and longest other text, bytes. */
#define WEFT_MANIFEST_MAX_NAME 64
#define WEFT_MANIFEST_MAX_TEXT 65536
/** Largest factor of a rows term. */
#define WEFT_MANIFEST_MAX_FACTOR (1u << 30)

#define WEFT_KIND_READER "reader"
#define WEFT_KIND_ENCODER "encoder"
#define WEFT_KIND_FUSION "fusion"
#define WEFT_KIND_EXPERT "expert"
#define WEFT_KIND_HEAD "head"
#define WEFT_KIND_FILTER "filter"
#define WEFT_KIND_WRITER "writer"
#define WEFT_KIND_SOURCE "source" /**< no inputs: yields the rows of a stream, see source.h */
#define WEFT_KIND_TRANSFORM "transform" /**< values of one modality in, of the same modality out */
#define WEFT_KIND_COMPUTE "compute"     /**< offers weft.compute/1 and no node */

/*
 * Semantic attributes. An input names the value it needs, an output the value
 * it gives; `ports` may answer further ones known only after `create`. An edge
 * whose two sides name different values for one key is an error; a key that
 * only one side names is no constraint.
 */
#define WEFT_ATTRIBUTE_MODALITY "modality"   /**< image, audio, text, ... */
#define WEFT_ATTRIBUTE_SPACE "space"         /**< embedding space: DIGEST/LAYER, such as "ab12.../tokens" */
#define WEFT_ATTRIBUTE_COLOUR "colour"       /**< rgb, grey, bgr */
#define WEFT_ATTRIBUTE_RANGE "range"         /**< value range, "0..255" */
#define WEFT_ATTRIBUTE_UNIT "unit"           /**< physical unit */
#define WEFT_ATTRIBUTE_RATE "rate"           /**< samples per second, where it is the same for all items */
#define WEFT_ATTRIBUTE_CHANNELS "channels"   /**< names of the channels, separated by commas */
#define WEFT_ATTRIBUTE_LANGUAGE "language"   /**< BCP 47 */
#define WEFT_ATTRIBUTE_LABELS "labels"       /**< names of the classes, a JSON array of strings */

#endif
