/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wire.h
 * The bytes of the control channel: little pieces put one after another, taken
 * apart with every length checked. Both ends are of one build on one machine,
 * so numbers are in its own byte order; the reader trusts nothing else.
 */
#ifndef WEFT_CORE_WIRE_H
#define WEFT_CORE_WIRE_H

#include <weft/node.h>

/** Memory that is freed together: what a message was taken apart into. */
struct weft_arena {
  struct weft_arena_block *blocks;
};
/** Zeroed; NULL when there is none. */
void *weft_arena_alloc(struct weft_arena *arena, size_t n_bytes);
void weft_arena_clear(struct weft_arena *arena);

struct weft_writer {
  uint8_t *data;      /**< freed with weft_writer_clear */
  size_t n_bytes, n_room;
  int failed;         /**< no memory: nothing more is written */
};
void weft_writer_clear(struct weft_writer *writer);
void weft_put_u32(struct weft_writer *writer, uint32_t value);
void weft_put_u64(struct weft_writer *writer, uint64_t value);
void weft_put_bytes(struct weft_writer *writer, const void *bytes, size_t n_bytes);
/** NULL is kept apart from the empty string. */
void weft_put_text(struct weft_writer *writer, const char *text);
void weft_put_port(struct weft_writer *writer, const struct weft_port *port);
void weft_put_config(struct weft_writer *writer, const struct weft_config *config);
void weft_put_ports(struct weft_writer *writer, const struct weft_ports *ports);

struct weft_reader {
  const uint8_t *data; /**< borrowed */
  size_t n_bytes, at;
  int failed;          /**< past the end or malformed: everything from here reads as zero */
};
uint32_t weft_get_u32(struct weft_reader *reader);
uint64_t weft_get_u64(struct weft_reader *reader);
/** Points into the reader's data: zero-terminated there, without zeros inside. */
const char *weft_get_text(struct weft_reader *reader);
/**
 * Everything that the answer points at lies in the arena, strings too, so the
 * bytes may go. WEFT_CONTRACT when malformed, WEFT_NO_MEMORY.
 */
weft_status weft_get_config(struct weft_reader *reader, struct weft_arena *arena, struct weft_config *out);
weft_status weft_get_ports(struct weft_reader *reader, struct weft_arena *arena, struct weft_ports *out);
weft_status weft_get_port(struct weft_reader *reader, struct weft_arena *arena, struct weft_port *out);

#endif
