/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file futex.h
 * Waiting for a word of shared memory: what both ends of the ring do alike.
 */
#ifndef WEFT_CORE_FUTEX_H
#define WEFT_CORE_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/** FUTEX_WAIT until *word != value or the absolute CLOCK_MONOTONIC deadline (0: none). 0, or ETIMEDOUT. */
int weft_futex_wait(const _Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns);
void weft_futex_wake(const _Atomic uint32_t *word);
uint64_t weft_now_ns(void);
/** Tells the processor that this is a loop of waiting. */
static inline void weft_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}
/** Looks between two readings of the clock while spinning. */
#define WEFT_SPIN_ROUNDS 64
/**
 * Stores the word so that what was written before is seen with it, and before
 * anything is read afterwards. A plain store and a fence let the cores fetch
 * the lines of all pending stores at once; an exchange would fetch its own
 * only after the others. The thread sanitizer knows the exchange only.
 */
static inline void weft_publish(_Atomic uint32_t *word, uint32_t value)
{
#ifdef __SANITIZE_THREAD__
  atomic_store(word, value);
#else
  atomic_store_explicit(word, value, memory_order_release);
  atomic_thread_fence(memory_order_seq_cst);
#endif
}

#endif
