/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file enter.h
 * What the launcher gives up before it loads foreign code. The order of the
 * launch sequence is decided in docs/architecture.md: AMX permission, limits,
 * (namespaces, Landlock, seccomp), dlopen.
 */
#ifndef WEFT_CORE_WORKER_ENTER_H
#define WEFT_CORE_WORKER_ENTER_H

/** Asks for the AMX tile state where the processor has it: survives fork, not exec. */
void weft_enter_amx(void);
/** Dies with the host, gains no privileges, leaves no core file, is killed first when memory runs out. 0 or an errno. */
int weft_enter_limits(void);

#endif
