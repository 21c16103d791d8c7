/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file watch.h
 * The one thread per host process that starts launchers, sees processes end
 * and revives workers. It starts with the first worker and never ends: a
 * launcher is killed by the kernel when the thread that spawned it ends.
 */
#ifndef WEFT_CORE_WATCH_H
#define WEFT_CORE_WATCH_H

struct weft_worker;

/** 0 or an errno. [control thread] */
int weft_watch_start(void);
/** Runs fn on the watch thread and waits for it. [any other thread] */
void weft_watch_run(void (*fn)(void *arg), void *arg);
/** From now on the watch thread owns the worker's processes; 0 or ENOMEM. [control thread] */
int weft_watch_attach(struct weft_worker *worker);
/** Gives them back to the caller. Not attached: nothing happens. [control thread] */
void weft_watch_detach(struct weft_worker *worker);
/** Makes the watch thread look at worker->wants. [any thread] */
void weft_watch_kick(void);

#endif
