/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file machine.h
 * A machine that loses its power: it watches the disk layer (registry/disk.h)
 * and knows of each file under a folder what is durable. When it has lost its
 * power, each write that was never synced is dropped, kept or torn by chance,
 * and so is each name whose folder was never synced.
 *
 *     machine = machine_on(folder, n_ops);      ... work until something fails ...
 *     machine_restart(machine);                 the folder is what a disk would hold
 */
#ifndef WEFT_TEST_MACHINE_H
#define WEFT_TEST_MACHINE_H

#include <glib.h>

typedef struct Machine Machine;

/** What is in the folder now is durable. The power fails at change number n_ops from now (0: never). */
Machine *machine_on(const char *folder, guint n_ops);
gboolean machine_is_off(const Machine *machine);
/** Writes back what survived; watches no more; frees. Nothing may be open in the folder. */
void machine_restart(Machine *machine);

#endif
