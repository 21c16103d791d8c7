/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file shelf.h
 * What `weft model`, `weft asset` and `weft pipeline` do alike with the
 * catalogue: add, list, show, remove and check named, versioned things.
 */
#ifndef WEFT_CLI_SHELF_H
#define WEFT_CLI_SHELF_H

#include "artifact.h"
#include "command.h"

typedef struct {
  const WeftCommand *command;
  WeftArtifactKind kind;
  const char *catalogue, *name, *version; /**< of options; NULL: not given */
  gboolean json, help;
  GPtrArray *words;                       /**< arguments after the action, of const char * */
} WeftArtifactOptions;

/**
 * Looks at what `add` was given and answers its default name (caller frees with
 * g_free), or NULL with a message on standard error.
 */
typedef char *(*WeftArtifactName)(const WeftArtifactOptions *options, const char *path);

/** Takes argv[2] on. Answers an exit code; free words with g_ptr_array_unref. */
int weft_artifact_parse(WeftArtifactOptions *options, int argc, char **argv);
int weft_artifact_command_add(const WeftArtifactOptions *options, WeftArtifactName default_name);
int weft_artifact_command_list(const WeftArtifactOptions *options);
int weft_artifact_command_show(const WeftArtifactOptions *options);
int weft_artifact_command_remove(const WeftArtifactOptions *options);
int weft_artifact_command_check(const WeftArtifactOptions *options);
/** A file's or folder's own name, without its ending. */
char *weft_artifact_name_of_path(const WeftArtifactOptions *options, const char *path);
/** Says that `word` is not what was expected, with the closest of names; answers WEFT_EXIT_USAGE. */
int weft_artifact_unknown(const WeftCommand *command, const char *what, const char *word, const char *const *names,
                          gsize n_names);
/** Opens what --catalogue says alone, or the search order. */
WeftCatalogue *weft_artifact_catalogue(const WeftArtifactOptions *options, GError **error);

#endif
