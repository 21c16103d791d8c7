/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file control.h
 * The control channel between the host and a zygote with its worker: one
 * SOCK_SEQPACKET socket, messages of a kind, a body and at most
 * WEFT_CONTROL_MAX_FDS descriptors. A body too large for a packet travels in a
 * sealed memfd.
 */
#ifndef WEFT_CORE_CONTROL_H
#define WEFT_CORE_CONTROL_H

#include <stddef.h>
#include <stdint.h>

/** Largest body of a message. */
#define WEFT_CONTROL_MAX_BYTES (4u << 20)
/** Largest body that goes into the packet itself. */
#define WEFT_CONTROL_PACKET_BYTES (16u << 10)
#define WEFT_CONTROL_MAX_FDS 4u
/** The descriptor at which a launcher finds its end. */
#define WEFT_CONTROL_FD 3

/* Bodies, in order of their fields (wire.h); -> from the host, <- to it. */
enum weft_control_kind {
  WEFT_CONTROL_SETUP = 1,  /**< -> u64 segment bytes, text module, node id, compute, u32 threads, config; fds: in
                                (read only), out, eventfd */
  WEFT_CONTROL_RESOURCE,   /**< <- u32 flags, text name */
  WEFT_CONTROL_BYTES,      /**< -> u32 status, text message, u64 n_bytes, u64 id; fd: the bytes (none: not there) */
  WEFT_CONTROL_PORTS,      /**< <- u32 status, text message; WEFT_OK: u32 computes, ports; of a failure at an input: u32
                                input, u32 1 and what is taken there, or u32 0 */
  WEFT_CONTROL_FORK,       /**< -> u32 base, u64 spin_ns, limits: u64 n_items, u32 n_inputs, per input u64 n_rows, n_groups */
  WEFT_CONTROL_FORKED,     /**< <- u32 status, text message; fd: pidfd of the worker */
  WEFT_CONTROL_ACTIVATED,  /**< <- (from the worker) u32 status, text message */
  WEFT_CONTROL_EXITED,     /**< <- u32 code (CLD_*), u32 exit status or signal */
  WEFT_CONTROL_LOG         /**< <- u32 level, text line */
};

struct weft_message {
  uint32_t kind, n_fds;
  size_t n_bytes;
  uint8_t *data;                    /**< received: in the room of the buffer */
  int fds[WEFT_CONTROL_MAX_FDS];    /**< received: close-on-exec, the receiver's to close */
};

/**
 * message: borrowed until return, its descriptors stay open. flags: 0 or
 * MSG_DONTWAIT. 0 or an errno; EMSGSIZE beyond WEFT_CONTROL_MAX_BYTES. [any thread]
 */
int weft_control_send(int socket, const struct weft_message *message, int flags);

/** Room for what is received: freed with weft_control_clear. */
struct weft_control_buffer {
  uint8_t *data;
  size_t n_room;
};
void weft_control_clear(struct weft_control_buffer *buffer);
/**
 * Waits for a message unless flags has MSG_DONTWAIT. 0, or an errno: EAGAIN,
 * EPIPE (the other end is closed), EPROTO (no message of ours), ENOMEM, EMFILE.
 * out: data borrowed until the next call with this buffer; descriptors are the receiver's.
 */
int weft_control_receive(int socket, struct weft_control_buffer *buffer, int flags, struct weft_message *out);
void weft_message_close(struct weft_message *message);
/** Takes descriptor i out of the message; -1 when there is none. */
int weft_message_take(struct weft_message *message, uint32_t i);

/** A memfd of these bytes, sealed against every change; -1 with errno. */
int weft_sealed_memfd(const char *name, const void *data, size_t n_bytes);

#endif
