/* SPDX-License-Identifier: Apache-2.0 */
/* `weft model check NAME --store N`: what each precision loses and takes on this machine, for `precision: auto`. */
#include "artifact.h"
#include "derived.h"
#include "manifest.h"
#include "modelnode.h"
#include "modeltools.h"
#include "options.h"
#include "precision.h"
#include "quantise.h"
#include "shelf.h"

#include <stdio.h>
#include <string.h>

typedef struct {
  guint64 n_items;
  WeftModelSource source;
  gboolean json;
} Job;

static int parse(Job *job, int argc, char **argv)
{
  const WeftOption table[] = {{"store", WEFT_OPTION_COUNT, &job->n_items, 1, WEFT_PLAN_KEPT_ITEMS},
                              {"use", WEFT_OPTION_TEXT, &job->source.use, 0, 0},
                              {"pipeline", WEFT_OPTION_TEXT, &job->source.pipeline, 0, 0},
                              {"catalogue", WEFT_OPTION_TEXT, &job->source.catalogue, 0, 0},
                              {"json", WEFT_OPTION_FLAG, &job->json, 0, 0}};
  const char *words[1];
  WeftArguments arguments = {&weft_command_model, table, G_N_ELEMENTS(table), words, 1, 0};
  int code = weft_options_parse(&arguments, argc - 1, argv + 1);
  if (code == WEFT_EXIT_OK && arguments.n_words != 1)
    return weft_command_usage_error(&weft_command_model, "check: expected one NAME[@RANGE]");
  job->source.model = arguments.n_words ? words[0] : NULL;
  return code;
}

static WeftArtifactRow *find(const Job *job, GError **error)
{
  WeftArtifactOptions options = {.command = &weft_command_model, .kind = WEFT_ARTIFACT_MODEL, .catalogue = job->source.catalogue};
  g_auto(GStrv) parts = g_strsplit(job->source.model, "@", 2);
  g_autoptr(WeftCatalogue) catalogue = weft_artifact_catalogue(&options, error);
  return catalogue ? weft_artifact_find(catalogue, WEFT_ARTIFACT_MODEL, parts[0] ? parts[0] : "", parts[0] ? parts[1] : NULL, error)
                   : NULL;
}

static const char *weights_of(const WeftArtifactRow *row)
{
  for (guint i = 0; i < row->files->len; i++)
    if (strcmp(((WeftArtifactFile *)row->files->pdata[i])->name, "model.safetensors") == 0)
      return ((WeftArtifactFile *)row->files->pdata[i])->path;
  return NULL;
}

/* Every precision that this processor has kernels for, beside f32. NULL: error. */
static json_t *measure(WeftQuantise *quantise, GError **error)
{
  json_t *results = json_array();
  for (guint32 p = 0; p < WEFT_N_PRECISIONS; p++) {
    const char *layout = quantise->compute->layout(p);
    if (p > 0 && g_strcmp0(layout, quantise->compute->layout(p - 1)) == 0) /* that of the next better one */
      continue;
    double ms[2] = {0, 0}, least = 1;
    quantise->precision = p;
    g_autoptr(GArray) cosines = weft_quantise_cosines(quantise, NULL, ms, error);
    if (!cosines) {
      json_decref(results);
      return NULL;
    }
    for (guint i = 0; i < cosines->len; i++)
      least = MIN(least, g_array_index(cosines, double, i));
    json_array_append_new(results, json_pack("{s:s, s:s, s:f, s:f}", "precision", weft_precision_name((int)p), "layout",
                                             layout ? layout : "", "cosine", least, "ms", ms[1]));
  }
  return results;
}

/* What other machines have found stays. */
static gboolean store(const WeftArtifactRow *row, const char *fingerprint, json_t *results, GError **error)
{
  g_autofree char *path = weft_derived_path(row->catalogue, row->digest, WEFT_DERIVED_CHECK);
  json_t *file = json_load_file(path, 0, NULL);
  if (!json_is_object(json_object_get(file, "machines"))) {
    json_decref(file);
    file = json_pack("{s:s, s:{}}", "schema", "weft.check/1", "machines");
  }
  json_object_set(json_object_get(file, "machines"), fingerprint, results);
  char *text = json_dumps(file, JSON_INDENT(1));
  g_autoptr(GBytes) head = g_bytes_new(text, strlen(text));
  gboolean ok = weft_derived_write(path, head, "\n", 1, error);
  free(text);
  json_decref(file);
  return ok;
}

static void print(const Job *job, const char *fingerprint, const json_t *results)
{
  size_t i;
  json_t *one;
  if (job->json) {
    weft_command_print_json(json_pack("{s:s, s:s, s:O}", "schema", "weft.check/1", "fingerprint", fingerprint, "results", results));
    return;
  }
  printf("%s, %" G_GUINT64_FORMAT " items\n%-9s  %-14s  %10s  %10s\n", fingerprint, job->n_items,
         "precision", "layout", "cosine", "ms");
  json_array_foreach((json_t *)results, i, one) {
    printf("%-9s  %-14s  %10.6f  %10.3f\n", json_string_value(json_object_get(one, "precision")),
           json_string_value(json_object_get(one, "layout")), json_number_value(json_object_get(one, "cosine")),
           json_number_value(json_object_get(one, "ms")));
  }
}

static json_t *work(Job *job, const WeftArtifactRow *row, char **fingerprint, GError **error)
{
  job->source.catch_plans = TRUE;
  job->source.precision = "f32";
  g_autoptr(WeftSession) session = weft_model_session(&job->source, error);
  const char *weights = weights_of(row);
  if (!session)
    return NULL;
  WeftQuantise quantise = {.compute = weft_session_compute(session), .n_items = (guint)job->n_items,
                           .resource = weights ? weft_model_weights_id(session, weights) : 0};
  json_t *results = measure(&quantise, error);
  *fingerprint = g_strdup(quantise.compute->fingerprint);
  g_clear_pointer(&session, weft_session_free);
  weft_plan_catch_end();
  return results;
}

int weft_model_store_check(int argc, char **argv)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *fingerprint = NULL;
  Job job = {0};
  int code = parse(&job, argc, argv);
  if (code != WEFT_EXIT_OK)
    return code;
  g_autoptr(WeftArtifactRow) row = find(&job, &error);
  json_t *results = row ? work(&job, row, &fingerprint, &error) : NULL;
  if (!results || !store(row, fingerprint, results, &error))
    code = weft_command_refuse_error(&weft_command_model, WEFT_EXIT_FAILED, error);
  else
    print(&job, fingerprint, results);
  json_decref(results);
  return code;
}
