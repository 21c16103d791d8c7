/* SPDX-License-Identifier: Apache-2.0 */
/** @file peak.h What one thread gives at most in multiply-adds of f32, for the survey and for tests/bench. [any thread] */
#ifndef WEFT_CPU_PEAK_H
#define WEFT_CPU_PEAK_H

/** Multiplies and adds for some microseconds; returns how many operations that were. *sink keeps them from being left out. */
typedef double (*weft_cpu_peak_round)(float *sink);

/** In the instructions of the set that `isa` begins with the name of ("avx2-f32"); the processor must have it. */
weft_cpu_peak_round weft_cpu_peak_of(const char *isa);

#endif
