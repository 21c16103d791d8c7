/* SPDX-License-Identifier: Apache-2.0 */
#include "shelf.h"

#include <string.h>

static const char help[] =
    "An asset is a file that a pipeline's parameters name: rules, replies, an ontology, a calibration.\n\n"
    "  add FILE               into the catalogue, as NAME (the file's own without its ending) and VERSION (1.0.0)\n"
    "  list                   what is there\n"
    "  show NAME[@RANGE]      digest, size, source and place\n"
    "  check NAME[@RANGE]     reads it again and compares\n"
    "  remove NAME[@VERSION]  takes it away, all versions without VERSION\n\n"
    "  --name N, --version V  add: under this name, in this version\n"
    "  --catalogue DIR        add, remove: that catalogue (made when missing) instead of the first of\n"
    "                         WEFT_CATALOGUE or the user's; the others: that one alone\n"
    "  --json                 the same as JSON\n\n"
    "A pipeline names it as NAME@RANGE: assets: {rules: acme-rules@~2}.\n\n"
    "exit codes: 0 done; 1 it cannot be added, is not there or is damaged; 2 options or arguments are wrong;\n"
    "            4 the catalogue cannot be used\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_asset = {"asset", "add|list|show|check|remove [ARGUMENT] [OPTION]...",
                                        "Keeps rules, replies and other files in versions.", help, run};

static int act(const WeftArtifactOptions *options, const char *action)
{
  static const char *const names[] = {"add", "list", "show", "check", "remove"};
  if (strcmp(action, "add") == 0)
    return weft_artifact_command_add(options, weft_artifact_name_of_path);
  if (strcmp(action, "list") == 0)
    return weft_artifact_command_list(options);
  if (strcmp(action, "show") == 0)
    return weft_artifact_command_show(options);
  if (strcmp(action, "check") == 0)
    return weft_artifact_command_check(options);
  if (strcmp(action, "remove") == 0)
    return weft_artifact_command_remove(options);
  return weft_artifact_unknown(&weft_command_asset, "an action", action, names, G_N_ELEMENTS(names));
}

static int run(int argc, char **argv)
{
  WeftArtifactOptions options = {.command = &weft_command_asset, .kind = WEFT_ARTIFACT_ASSET};
  if (argc < 2)
    return weft_command_usage_error(&weft_command_asset, "what to do is missing: add, list, show, check or remove");
  int code = weft_artifact_parse(&options, argc, argv);
  if (code == WEFT_EXIT_OK)
    code = options.help ? weft_command_help(&weft_command_asset) : act(&options, argv[1]);
  g_ptr_array_unref(options.words);
  return code;
}
