/* SPDX-License-Identifier: Apache-2.0 */
#include "modeltools.h"
#include "packed.h"
#include "shelf.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "A model is a folder with config.json, weights (.safetensors), tokenizer and preprocessing.\n\n"
    "  add DIR                into the catalogue, as NAME (the folder's own) and VERSION (1.0.0); a folder in a\n"
    "                         cache of the hub, whose files are links into its blobs, is taken too\n"
    "  list                   what is there\n"
    "  show NAME[@RANGE]      digest, files, source, place, and what is packed of it\n"
    "  check NAME[@RANGE]     reads every file again and compares\n"
    "                         --store N: runs it on N made-up items at every precision, and stores what each loses\n"
    "                         and takes on this machine, which \"precision: auto\" of a pipeline goes by\n"
    "  gc [NAME[@RANGE]]      removes packed weights, of one model or of all; a start makes them anew\n"
    "  remove NAME[@VERSION]  takes it away, all versions without VERSION\n"
    "  digest DIR             the digest of a model folder, which names the embedding space of the model\n"
    "                         (DIGEST/tokens, DIGEST/pooled); the config.json of a fusion or a head may demand\n"
    "                         it under \"space\"\n\n"
    "  pack NAME[@RANGE]      packs its weights ahead of the first start: at every precision, or --precision P; for the\n"
    "                         best instruction set here, or --isa I\n"
    "  quantize DIR --to int8|int4|bf16 --out DIR2\n"
    "                         runs the model, measures what each layer and the outputs lose, writes a folder whose\n"
    "                         weights are stored so; --report: every layer, and --out may be left out\n\n"
    "  --inputs FILE.jsonl    quantize: requests to run, as weft run --batch takes them (for one node: \"input\")\n"
    "  --generate N           quantize: that many made-up items instead (8)\n"
    "  --threshold X          quantize: a layer whose product loses more (squared error over squared size; bf16 1e-4,\n"
    "                         int8 1e-3, int4 2e-2) is kept at the next better precision that does not\n"
    "  --use PLUGIN           pack, quantize: the plugin that reads it (the first installed encoder that can)\n"
    "  --pipeline FILE        pack, quantize: a pipeline that uses it, for what no reader feeds\n"
    "  --name N, --version V  add: under this name, in this version\n"
    "  --catalogue DIR        add, remove: that catalogue (made when missing) instead of the first of\n"
    "                         WEFT_CATALOGUE or the user's; the others: that one alone\n"
    "  --json                 the same as JSON\n\n"
    "A pipeline names it as NAME@RANGE: models: {m: minilm@^1}. Files that two models share are stored once.\n\n"
    "exit codes: 0 done; 1 it cannot be added or read, is not there or is damaged; 2 options or arguments are\n"
    "            wrong; 4 the catalogue cannot be used\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_model = {"model", "add|list|show|check|remove|digest|pack|quantize|gc [ARGUMENT] [OPTION]...",
                                        "Keeps models in versions, and tells what a model folder is.", help, run};

static int digest(const WeftArtifactOptions *options)
{
  if (options->words->len != 1)
    return weft_command_usage_error(&weft_command_model, "digest: expected one DIR");
  const char *folder = options->words->pdata[0];
  g_autofree char *config = g_build_filename(folder, "config.json", NULL);
  if (!g_file_test(config, G_FILE_TEST_IS_REGULAR))
    return weft_command_refuse(&weft_command_model, WEFT_EXIT_FAILED, "no-model",
                               "%s: is no model folder, it has no config.json", folder);
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftCatalogue) catalogue = weft_artifact_catalogue(options, &error);
  g_autofree char *hex = catalogue ? weft_catalogue_model_digest(catalogue, folder, &error) : NULL;
  if (!hex)
    return weft_command_refuse_error(&weft_command_model, catalogue ? WEFT_EXIT_FAILED : WEFT_EXIT_PIPELINE, error);
  if (options->json)
    printf("{\"digest\": \"%s\"}\n", hex);
  else
    printf("%s\n", hex);
  return WEFT_EXIT_OK;
}

static int act(const WeftArtifactOptions *options, const char *action)
{
  static const char *const names[] = {"add", "list", "show", "check", "remove", "digest", "gc", "pack", "quantize"};
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
  if (strcmp(action, "digest") == 0)
    return digest(options);
  if (strcmp(action, "gc") == 0)
    return weft_model_gc(options);
  return weft_artifact_unknown(&weft_command_model, "an action", action, names, G_N_ELEMENTS(names));
}

static int run(int argc, char **argv)
{
  static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
  } tools[] = {{"quantize", weft_model_quantize}, {"pack", weft_model_pack}};
  WeftArtifactOptions options = {.command = &weft_command_model, .kind = WEFT_ARTIFACT_MODEL};
  gboolean asks = argc > 2 && strcmp(argv[2], "--help") == 0;
  for (guint i = 0; argc > 1 && !asks && i < G_N_ELEMENTS(tools); i++)
    if (strcmp(argv[1], tools[i].name) == 0)
      return tools[i].run(argc, argv);
  for (int i = 2; i < argc && !asks && strcmp(argv[1], "check") == 0; i++)
    if (strcmp(argv[i], "--store") == 0 || g_str_has_prefix(argv[i], "--store="))
      return weft_model_store_check(argc, argv);
  if (argc < 2)
    return weft_command_usage_error(&weft_command_model,
                                    "what to do is missing: add, list, show, check, remove, digest, pack, quantize or "
                                    "gc");
  int code = weft_artifact_parse(&options, argc, argv);
  if (code == WEFT_EXIT_OK)
    code = options.help ? weft_command_help(&weft_command_model) : act(&options, argv[1]);
  g_ptr_array_unref(options.words);
  return code;
}
