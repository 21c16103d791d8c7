/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli-fixture.h
 * The program weft as a user runs it, and pipelines of test plugins. Tests only.
 */
#ifndef WEFT_TEST_CLI_FIXTURE_H
#define WEFT_TEST_CLI_FIXTURE_H

#include <glib.h>
#include <jansson.h>

typedef struct {
  int code; /**< exit code; -1: died by a signal */
  char *out, *err;
} CliResult;

void cli_result_clear(CliResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CliResult, cli_result_clear)

/** Finds the built program; makes a scratch folder. */
void cli_fixture_init(void);
/** Removes the scratch folder. */
void cli_fixture_end(void);
/** The scratch folder, and examples/digits. */
const char *cli_work(void);
const char *cli_digits(void);
/** Runs weft; "DIGITS/x" is a file of examples/digits, "WORK/x" one of the scratch folder. env: "NAME=VALUE" or NULL. */
CliResult cli_weft(const char *env, const char *first, ...) G_GNUC_NULL_TERMINATED;
/** Writes a file of the scratch folder; n -1: a text. Answers its path: caller frees with g_free. */
char *cli_write(const char *name, const void *bytes, gssize n);
/** Installs plugins into the scratch folder's catalogue ("WORK/catalogue"). */
void cli_install(const char *const *plugins, guint n);
/** Ends the test unless text holds the part. */
void cli_contains(const char *text, const char *part);
/** Standard output as JSON; caller frees with json_decref. */
json_t *cli_json(const CliResult *result);
/** A value by keys, "a.b.c": borrowed; a missing one ends the test. */
const json_t *cli_at(const json_t *object, const char *path);
/**
 * Files of an identity classifier over `n` classes behind raw f32 rows:
 * WORK/rows.yaml with input `row` (type bytes), outputs `class`, `p`
 * (the probability). labels: [n]
 */
void cli_write_classifier(const char *const *labels, guint n);

#endif
