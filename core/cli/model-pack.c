/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact.h"
#include "manifest.h"
#include "modelnode.h"
#include "modeltools.h"
#include "options.h"
#include "packed.h"
#include "pipeline.h"
#include "precision.h"

#include <stdio.h>
#include <string.h>

typedef struct {
  const char *precision, *isa;
  WeftModelSource source;
  gboolean json;
} Job;

static int parse(Job *job, int argc, char **argv)
{
  const WeftOption table[] = {{"precision", WEFT_OPTION_TEXT, &job->precision, 0, 0},
                              {"isa", WEFT_OPTION_TEXT, &job->isa, 0, 0},
                              {"use", WEFT_OPTION_TEXT, &job->source.use, 0, 0},
                              {"pipeline", WEFT_OPTION_TEXT, &job->source.pipeline, 0, 0},
                              {"catalogue", WEFT_OPTION_TEXT, &job->source.catalogue, 0, 0},
                              {"json", WEFT_OPTION_FLAG, &job->json, 0, 0}};
  const char *words[1];
  WeftArguments arguments = {&weft_command_model, table, G_N_ELEMENTS(table), words, 1, 0};
  int code = weft_options_parse(&arguments, argc - 1, argv + 1);
  if (code != WEFT_EXIT_OK)
    return code;
  int precision = job->precision ? weft_precision_find(job->precision) : 0;
  if (arguments.n_words != 1)
    return weft_command_usage_error(&weft_command_model, "pack: expected one NAME[@RANGE]");
  if (precision < 0 || precision >= (int)WEFT_N_PRECISIONS)
    return weft_command_usage_error(&weft_command_model, "--precision %s: expected f32, bf16, int8 or int4", job->precision);
  job->source.model = words[0];
  return WEFT_EXIT_OK;
}

static WeftArtifactRow *find(const Job *job, GError **error)
{
  if (weft_is_path(job->source.model)) {
    g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s: a folder of yours is read at every start and never mapped; "
                "\"weft model add\" puts it into the catalogue, where packed weights are kept", job->source.model);
    return NULL;
  }
  WeftArtifactOptions options = {.command = &weft_command_model, .kind = WEFT_ARTIFACT_MODEL, .catalogue = job->source.catalogue};
  g_auto(GStrv) parts = g_strsplit(job->source.model, "@", 2);
  g_autoptr(WeftCatalogue) catalogue = weft_artifact_catalogue(&options, error);
  return catalogue ? weft_artifact_find(catalogue, WEFT_ARTIFACT_MODEL, parts[0], parts[1], error) : NULL;
}

/* A start at each precision keeps what it packs. */
static gboolean pack(Job *job, GError **error)
{
  gboolean ok = TRUE;
  if (job->isa)
    g_setenv("WEFT_COMPUTE_ISA", job->isa, TRUE);
  for (int p = 0; ok && p < (int)WEFT_N_PRECISIONS; p++) {
    if (job->precision && weft_precision_find(job->precision) != p)
      continue;
    job->source.precision = weft_precision_name(p);
    g_autoptr(WeftSession) session = weft_model_session(&job->source, error);
    ok = session != NULL;
  }
  return ok;
}

static gboolean was_there(const GPtrArray *before, const WeftPacked *packed)
{
  for (guint i = 0; i < before->len; i++)
    if (strcmp(((WeftPacked *)before->pdata[i])->key, packed->key) == 0)
      return TRUE;
  return FALSE;
}

static void print(const Job *job, const GPtrArray *before, const GPtrArray *after)
{
  if (job->json) {
    json_t *list = weft_packed_json(after);
    for (guint i = 0; i < after->len; i++)
      json_object_set_new(json_array_get(list, i), "made", json_boolean(!was_there(before, after->pdata[i])));
    weft_command_print_json(list);
    return;
  }
  for (guint i = 0; i < after->len; i++) {
    const WeftPacked *packed = after->pdata[i];
    g_autofree char *size = g_format_size_full((guint64)packed->n_bytes, G_FORMAT_SIZE_IEC_UNITS);
    printf("%s  %-28s  %s\n", was_there(before, packed) ? "there" : "made ", packed->layout ? packed->layout : "damaged", size);
  }
  if (!after->len)
    printf("nothing is kept: what packs to less than 256 KiB is packed sooner than its file is opened\n");
}

int weft_model_pack(int argc, char **argv)
{
  g_autoptr(GError) error = NULL;
  Job job = {0};
  int code = parse(&job, argc, argv);
  if (code != WEFT_EXIT_OK)
    return code;
  g_autoptr(WeftArtifactRow) row = find(&job, &error);
  g_autoptr(GPtrArray) before = row ? weft_packed_list(row) : NULL;
  if (!row || !pack(&job, &error))
    return weft_command_refuse_error(&weft_command_model, WEFT_EXIT_FAILED, error);
  g_autoptr(GPtrArray) after = weft_packed_list(row);
  print(&job, before, after);
  return WEFT_EXIT_OK;
}
