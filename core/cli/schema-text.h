/* SPDX-License-Identifier: Apache-2.0 */
/** @file schema-text.h  docs/schema/pipeline.schema.json as the program carries it. */
#ifndef WEFT_CLI_SCHEMA_TEXT_H
#define WEFT_CLI_SCHEMA_TEXT_H

extern const char weft_pipeline_schema_text[];

#endif
