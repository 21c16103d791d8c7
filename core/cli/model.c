/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "session.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "  digest DIR   the digest of a model folder: config, weights, tokenizer and preprocessing.\n"
    "               It names the embedding space of the model (DIGEST/tokens, DIGEST/pooled), which the\n"
    "               config.json of a fusion or a head may demand under \"space\".\n\n"
    "exit codes: 0 printed; 1 the folder cannot be read; 2 options or arguments are wrong\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_model = {"model", "digest DIR", "Tells what a model folder is.", help, run};

static int run(int argc, char **argv)
{
  if (argc != 3 || strcmp(argv[1], "digest") != 0)
    return weft_command_usage_error(&weft_command_model, "expected: digest DIR");
  g_autofree char *config = g_build_filename(argv[2], "config.json", NULL);
  if (!g_file_test(config, G_FILE_TEST_IS_REGULAR)) {
    fprintf(stderr, "weft model: %s: is no model folder, it has no config.json\n", argv[2]);
    return WEFT_EXIT_FAILED;
  }
  g_autoptr(GError) error = NULL;
  WeftSessionOptions options = {0};
  g_autoptr(WeftSession) session = weft_session_new(&options, &error);
  g_autofree char *digest =
      session ? weft_catalogue_model_digest(weft_session_catalogue(session), argv[2], &error) : NULL;
  if (!digest) {
    fprintf(stderr, "weft model: %s\n", error->message);
    return WEFT_EXIT_FAILED;
  }
  printf("%s\n", digest);
  return WEFT_EXIT_OK;
}
