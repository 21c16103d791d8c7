/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file launch.h
 * Starts weft-worker. Never forks: posix_spawn runs no code of ours in a copy
 * of the host.
 */
#ifndef WEFT_CORE_LAUNCH_H
#define WEFT_CORE_LAUNCH_H

#include <sys/types.h>

/**
 * The child sees: its end of the control channel at WEFT_CONTROL_FD, /dev/null
 * as standard input, the host's standard error as output and error, no other
 * descriptor, a session of its own, default signals, and of the environment
 * only what it needs to load libraries and to be debugged (WEFT_*, LD_*,
 * *SAN_OPTIONS, PATH, TZ, LC_*, LANG).
 * The caller is the watch thread, which lives as long as the host: the child
 * is killed when the thread that spawned it ends.
 * 0 or an errno.
 */
int weft_launch(const char *program, int control, pid_t *pid);

#endif
