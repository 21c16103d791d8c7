/* SPDX-License-Identifier: Apache-2.0 */
/** @file ping-pong.h The bare futex ping-pong between two processes that isolated calls are measured beside. */
#ifndef WEFT_BENCH_PING_PONG_H
#define WEFT_BENCH_PING_PONG_H

struct ping_pong;

/** Forks the other side onto that core (-1: anywhere). spin: it polls and never sleeps. NULL on failure. */
struct ping_pong *ping_pong_new(int cpu, int spin);
/** One word there and back. */
void ping_pong_once(struct ping_pong *p);
/** Ends the other side; NULL is allowed. */
void ping_pong_free(struct ping_pong *p);

/** Binds a process (0: this thread) to one core. */
void ping_pong_pin(int pid, int cpu);

#endif
