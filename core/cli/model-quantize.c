/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"
#include "modelnode.h"
#include "modeltools.h"
#include "options.h"
#include "precision.h"
#include "quantise.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  const char *folder, *to, *out, *inputs, *threshold;
  WeftModelSource source;
  guint64 n_items;
  gboolean report, json;
  char *weights, *part;      /* the model's file; the folder that is being made */
  gint64 before, after;
  gboolean out_is_temporary;
  WeftQuantise quantise;
  GArray *cosines;
} Job;

static gboolean fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean fail(GError **error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s", text);
  return FALSE;
}

/* ---- what is asked ---- */

static int parse(Job *job, int argc, char **argv)
{
  const WeftOption table[] = {{"to", WEFT_OPTION_TEXT, &job->to, 0, 0},
                              {"out", WEFT_OPTION_TEXT, &job->out, 0, 0},
                              {"inputs", WEFT_OPTION_TEXT, &job->inputs, 0, 0},
                              {"generate", WEFT_OPTION_COUNT, &job->n_items, 1, WEFT_PLAN_KEPT_ITEMS},
                              {"threshold", WEFT_OPTION_TEXT, &job->threshold, 0, 0},
                              {"use", WEFT_OPTION_TEXT, &job->source.use, 0, 0},
                              {"pipeline", WEFT_OPTION_TEXT, &job->source.pipeline, 0, 0},
                              {"catalogue", WEFT_OPTION_TEXT, &job->source.catalogue, 0, 0},
                              {"report", WEFT_OPTION_FLAG, &job->report, 0, 0},
                              {"json", WEFT_OPTION_FLAG, &job->json, 0, 0}};
  static const double bounds[] = WEFT_QUANTISE_NMSE;
  const char *words[1];
  WeftArguments arguments = {&weft_command_model, table, G_N_ELEMENTS(table), words, 1, 0};
  int code = weft_options_parse(&arguments, argc - 1, argv + 1);
  if (code != WEFT_EXIT_OK)
    return code;
  int precision = job->to ? weft_precision_find(job->to) : 0;
  if (arguments.n_words != 1)
    return weft_command_usage_error(&weft_command_model, "quantize: expected one DIR");
  if (precision <= 0 || precision >= (int)WEFT_N_PRECISIONS)
    return weft_command_usage_error(&weft_command_model, "quantize: --to is int8, int4 or bf16%s%s", job->to ? ", found " : "",
                                    job->to ? job->to : "");
  if (!job->out && !job->report)
    return weft_command_usage_error(&weft_command_model, "quantize: --out DIR is missing; --report alone only measures");
  job->folder = job->source.model = words[0];
  job->quantise.precision = (guint32)precision;
  job->quantise.threshold = bounds[precision];
  char *end = NULL;
  if (job->threshold)
    job->quantise.threshold = g_ascii_strtod(job->threshold, &end);
  if (job->threshold && (*end || !(job->quantise.threshold >= 0)))
    return weft_command_usage_error(&weft_command_model, "--threshold %s: expected a number from 0 up, such as 0.001",
                                    job->threshold);
  return WEFT_EXIT_OK;
}

static json_t *read_config(const char *folder, GError **error)
{
  json_error_t problem;
  g_autofree char *path = g_build_filename(folder, "config.json", NULL);
  if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
    fail(error, "%s: is no model folder, it has no config.json", folder);
    return NULL;
  }
  json_t *config = json_load_file(path, 0, &problem);
  if (!config)
    fail(error, "%s:%d: %s", path, problem.line, problem.text);
  else if (json_object_get(config, "quantization"))
    fail(error, "%s: is quantised already (\"quantization\" in its config.json); quantise the model it was made from", folder);
  else
    return config;
  json_decref(config);
  return NULL;
}

/* ---- inputs ---- */

static gboolean run_requests(const Job *job, WeftSession *session, GError **error)
{
  g_autoptr(WeftLines) lines = weft_lines_open(job->inputs, error);
  WeftLine line = {0};
  while (lines && weft_lines_next(lines, &line)) {
    static const char *const known[] = {"$expect", NULL};
    json_t *answer = NULL;
    WeftQuery query = {0};
    weft_line_take(&line, weft_session_revision(session), known);
    weft_line_settle(&line);
    weft_line_query(&line, &query);
    weft_session_run(session, &query, 1, &answer);
    const char *status = json_string_value(json_object_get(answer, "status"));
    if (g_strcmp0(status, "failed") == 0) {
      const json_t *why = json_object_get(answer, "error");
      fail(error, "%s:%" G_GUINT64_FORMAT ": %s", job->inputs, line.number, json_string_value(json_object_get(why, "message")));
    }
    json_decref(answer);
    weft_line_clear(&line);
    if (*error)
      return FALSE;
  }
  return lines && weft_lines_check(lines, error);
}

/* ---- the folder ---- */

static gboolean copy_file(const char *from, const char *to, GError **error)
{
  g_autofree char *bytes = NULL;
  gsize n = 0;
  return g_file_get_contents(from, &bytes, &n, error) && g_file_set_contents(to, bytes, (gssize)n, error);
}

static gboolean copy_rest(Job *job, GError **error)
{
  g_autoptr(GDir) dir = g_dir_open(job->folder, 0, error);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *from = g_build_filename(job->folder, name, NULL), *to = g_build_filename(job->part, name, NULL);
    if (strcmp(name, "model.safetensors") == 0 || strcmp(name, "config.json") == 0 || !g_file_test(from, G_FILE_TEST_IS_REGULAR))
      continue;
    if (!copy_file(from, to, error))
      return FALSE;
  }
  return dir != NULL;
}

static gboolean write_config(Job *job, json_t *config, const char *digest, GError **error)
{
  json_t *kept = json_array();
  for (guint i = 0; i < job->quantise.layers->len; i++) {
    const WeftQuantLayer *layer = job->quantise.layers->pdata[i];
    if (layer->precision != job->quantise.precision)
      json_array_append_new(kept, json_pack("{s:s, s:s}", "name", layer->name, "precision",
                                            weft_precision_name((int)layer->precision)));
  }
  json_object_set_new(config, "quantization",
                      json_pack("{s:s, s:s, s:f, s:o}", "precision", job->to, "of", digest, "threshold",
                                job->quantise.threshold, "kept", kept));
  g_autofree char *path = g_build_filename(job->part, "config.json", NULL);
  if (json_dump_file(config, path, JSON_INDENT(2)) == 0)
    return TRUE;
  return fail(error, "%s cannot be written: %s", path, g_strerror(errno));
}

static gint64 size_of(const char *path)
{
  GStatBuf about;
  return g_stat(path, &about) == 0 ? about.st_size : 0;
}

static gboolean make_folder(Job *job, GError **error)
{
  if (!job->out) {
    job->part = g_dir_make_tmp("weft-quantize-XXXXXX", error);
    return job->part != NULL;
  }
  if (g_file_test(job->out, G_FILE_TEST_EXISTS))
    return fail(error, "%s: is there already", job->out);
  job->part = g_strconcat(job->out, ".part", NULL);
  if (g_mkdir(job->part, 0755) != 0)
    return fail(error, "%s cannot be made: %s%s", job->part, g_strerror(errno),
                errno == EEXIST ? "; an earlier run that ended halfway left it: remove it" : "");
  return TRUE;
}

static void remove_folder(const char *folder)
{
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_remove(path);
  }
  g_rmdir(folder);
}

/* ---- all of it ---- */

static gboolean write_all(Job *job, WeftSession *session, json_t *config, GError **error)
{
  g_autofree char *weights = g_build_filename(job->part, "model.safetensors", NULL);
  g_autofree char *digest = weft_catalogue_model_digest(weft_session_catalogue(session), job->folder, error);
  if (!digest || !weft_quantise_write(&job->quantise, job->weights, weights, error) || !write_config(job, config, digest, error) ||
      !copy_rest(job, error))
    return FALSE;
  g_autoptr(GMappedFile) map = g_mapped_file_new(weights, FALSE, error);
  g_autoptr(GBytes) bytes = map ? g_mapped_file_get_bytes(map) : NULL;
  job->cosines = bytes ? weft_quantise_cosines(&job->quantise, bytes, NULL, error) : NULL;
  job->before = size_of(job->weights);
  job->after = size_of(weights);
  return job->cosines != NULL;
}

static gboolean work(Job *job, GError **error)
{
  job->weights = g_build_filename(job->folder, "model.safetensors", NULL);
  json_t *config = read_config(job->folder, error);
  if (!config)
    return FALSE;
  job->source.catch_plans = TRUE;
  job->source.precision = "f32";
  gboolean made = make_folder(job, error);
  g_autoptr(WeftSession) session = made ? weft_model_session(&job->source, error) : NULL;
  gboolean ok = session != NULL;
  if (ok) {
    job->quantise.compute = weft_session_compute(session);
    job->quantise.resource = weft_model_weights_id(session, job->weights);
    job->quantise.n_items = job->inputs ? 0 : (guint)job->n_items;
    ok = (!job->inputs || run_requests(job, session, error)) && weft_quantise_measure(&job->quantise, error) &&
         write_all(job, session, config, error);
    g_clear_pointer(&session, weft_session_free);
    weft_plan_catch_end();
  }
  if (ok && job->out && g_rename(job->part, job->out) != 0)
    ok = fail(error, "%s cannot get its name: %s", job->out, g_strerror(errno));
  if (made && (!ok || !job->out))
    remove_folder(job->part);
  json_decref(config);
  return ok;
}

/* ---- what it says ---- */

static double lowest(const Job *job)
{
  double least = 1;
  for (guint i = 0; i < job->cosines->len; i++)
    least = MIN(least, g_array_index(job->cosines, double, i));
  return least;
}

static void print_report(const Job *job)
{
  guint n_kept = 0;
  int width = 5;
  for (guint i = 0; i < job->quantise.layers->len; i++)
    width = MAX(width, (int)strlen(((WeftQuantLayer *)job->quantise.layers->pdata[i])->name));
  if (job->report)
    printf("%-*s  %14s  %-6s  %10s  %10s\n", width, "layer", "shape", "stored", "loss", job->to);
  for (guint i = 0; i < job->quantise.layers->len; i++) {
    const WeftQuantLayer *layer = job->quantise.layers->pdata[i];
    gboolean kept = layer->precision != job->quantise.precision;
    g_autofree char *shape = g_strdup_printf("%" G_GINT64_FORMAT " x %" G_GINT64_FORMAT, layer->n, layer->k);
    n_kept += kept;
    if (job->report)
      printf("%-*s  %14s  %-6s  %10.2e  ", width, layer->name, shape, weft_precision_name((int)layer->precision),
             layer->kept_nmse);
    else if (kept)
      printf("kept at %s: %s, ", weft_precision_name((int)layer->precision), layer->name);
    if ((job->report || kept) && layer->nmse >= 0)
      printf("%s%.2e%s\n", job->report ? "" : "which would lose ", layer->nmse, job->report && kept ? "  too much" : "");
    else if (job->report || kept)
      printf("its width is no multiple of 32\n");
  }
  g_autofree char *before = g_format_size_full((guint64)job->before, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *after = g_format_size_full((guint64)job->after, G_FORMAT_SIZE_IEC_UNITS);
  printf("%u layers at %s, %u kept higher; outputs: cosine %.6f; weights: %s before, %s after (%.1f %%)\n",
         job->quantise.layers->len - n_kept, job->to, n_kept, lowest(job), before, after,
         100.0 * (double)job->after / (double)MAX(job->before, 1));
  if (job->out)
    printf("%s\n", job->out);
}

static void print_json(const Job *job)
{
  json_t *layers = json_array(), *cosines = json_array();
  for (guint i = 0; i < job->quantise.layers->len; i++) {
    const WeftQuantLayer *layer = job->quantise.layers->pdata[i];
    json_array_append_new(layers, json_pack("{s:s, s:[I,I], s:s, s:f, s:o, s:b}", "name", layer->name, "shape",
                                            (json_int_t)layer->n, (json_int_t)layer->k, "stored",
                                            weft_precision_name((int)layer->precision), "loss", layer->kept_nmse, "wanted_loss",
                                            layer->nmse >= 0 && isfinite(layer->nmse) ? json_real(layer->nmse) : json_null(),
                                            "kept", layer->precision != job->quantise.precision));
  }
  for (guint i = 0; i < job->cosines->len; i++)
    json_array_append_new(cosines, json_real(g_array_index(job->cosines, double, i)));
  json_t *report = json_pack("{s:s, s:s, s:f, s:o, s:o, s:I, s:I, s:o}", "schema", "weft.quantize/1", "to", job->to, "threshold",
                             job->quantise.threshold, "layers", layers, "cosines", cosines, "bytes_before",
                             (json_int_t)job->before, "bytes_after", (json_int_t)job->after, "out",
                             job->out ? weft_command_text(job->out) : json_null());
  json_dumpf(report, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(report);
}

int weft_model_quantize(int argc, char **argv)
{
  g_autoptr(GError) error = NULL;
  Job job = {.n_items = 8};
  int code = parse(&job, argc, argv);
  if (code != WEFT_EXIT_OK)
    return code;
  gboolean ok = work(&job, &error);
  if (!ok)
    code = weft_command_refuse_error(&weft_command_model, WEFT_EXIT_FAILED, error);
  else if (job.json)
    print_json(&job);
  else
    print_report(&job);
  weft_quantise_clear(&job.quantise);
  g_clear_pointer(&job.cosines, g_array_unref);
  g_free(job.weights);
  g_free(job.part);
  return code;
}
