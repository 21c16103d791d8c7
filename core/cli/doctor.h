/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file doctor.h
 * The checks of `weft doctor`. Each looks at one thing and adds what it found.
 * Files of the kernel are read below a root, so that tests can show them
 * machines that are not there.
 */
#ifndef WEFT_CLI_DOCTOR_H
#define WEFT_CLI_DOCTOR_H

#include <glib.h>

typedef enum {
  WEFT_CHECK_FINE,
  WEFT_CHECK_ABSENT, /**< not offered here, or to be known: nothing is broken */
  WEFT_CHECK_BROKEN  /**< Weft does not work as it should */
} WeftCheckState;

typedef struct {
  const char *group, *name;  /**< "sandbox", "landlock": stable */
  WeftCheckState state;
  char *found;               /**< what is there */
  const char *meaning;       /**< what it means; NULL where it is fine */
  char *todo;                /**< what to do; NULL: nothing */
} WeftCheck;

typedef struct {
  const char *root;   /**< of /proc and /sys: "" but in tests */
  GPtrArray *checks;  /**< of WeftCheck */
} WeftDoctor;

/** Caller frees with weft_doctor_free. */
WeftDoctor *weft_doctor_new(const char *root);
void weft_doctor_free(WeftDoctor *doctor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftDoctor, weft_doctor_free)

/** Adds a check; its found text is a format, the rest NULL. Answers it for the caller to complete: borrowed. */
WeftCheck *weft_doctor_add(WeftDoctor *doctor, const char *group, const char *name, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/** Makes it one that is not fine. todo is a format, and may be NULL. */
void weft_check_worse(WeftCheck *check, WeftCheckState state, const char *meaning, const char *todo, ...)
    G_GNUC_PRINTF(4, 5);
/** A file below the root, stripped, or NULL. Caller frees with g_free. */
char *weft_doctor_read(const WeftDoctor *doctor, const char *path);

/* doctor-machine.c */
void weft_doctor_processor(WeftDoctor *doctor);
void weft_doctor_cores(WeftDoctor *doctor);
void weft_doctor_memory(WeftDoctor *doctor);
void weft_doctor_address_space(WeftDoctor *doctor);
void weft_doctor_huge_pages(WeftDoctor *doctor);
void weft_doctor_clock(WeftDoctor *doctor);

/* doctor-sandbox.c: what is asked of the running kernel itself */
void weft_doctor_memfd(WeftDoctor *doctor);
void weft_doctor_pidfd(WeftDoctor *doctor);
void weft_doctor_namespaces(WeftDoctor *doctor);
void weft_doctor_landlock(WeftDoctor *doctor);
void weft_doctor_seccomp(WeftDoctor *doctor);
void weft_doctor_cgroup(WeftDoctor *doctor);

/* doctor-weft.c */
/** Every folder of the search order. bundled: NULL: there is none. */
void weft_doctor_catalogues(WeftDoctor *doctor, const char *bundled);
/** One folder. must_exist: one that is not there is broken, not absent. */
void weft_doctor_catalogue(WeftDoctor *doctor, const char *name, const char *folder, gboolean must_exist);
/** What is refused, quarantined, disabled or lost in all of them. */
void weft_doctor_plugins(WeftDoctor *doctor, const char *bundled);
/** The provider loads, and what it chose. */
void weft_doctor_compute(WeftDoctor *doctor, const char *bundled);
/** The worker program answers a plugin of the bundled catalogue. program: NULL: not found. */
void weft_doctor_worker(WeftDoctor *doctor, const char *program, const char *bundled);
void weft_doctor_probe(WeftDoctor *doctor, const char *program, const char *bundled);
/** WEFT_* of an environment ("NAME=VALUE", NULL-terminated). */
void weft_doctor_variables(WeftDoctor *doctor, const char *const *environment);

#endif
