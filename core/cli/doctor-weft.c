/* SPDX-License-Identifier: Apache-2.0 */
/* What weft doctor sees of Weft itself: catalogues, plugins, programs, variables. */
#include "doctor.h"

#include "archive.h"
#include "cpus.h"
#include "hosttable.h"
#include "module.h"
#include "probe.h"
#include "registrar.h"
#include "worker.h"

#include <string.h>
#include <unistd.h>
#include <weft/compute.h>

#define SYSTEM_CATALOGUE "/var/lib/weft/catalogue"
#define COMPUTE_PLUGIN "compute-cpu"
#define TRIED_PLUGIN "text" /* bundled, needs no model */
#define TRY_TIMEOUT_MS 5000
/* Problems of one catalogue that are told. */
#define SHOWN_PROBLEMS 3

void weft_doctor_catalogue(WeftDoctor *doctor, const char *name, const char *folder, gboolean must_exist)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *file = g_build_filename(folder, "catalogue.db", NULL);
  if (access(file, F_OK) != 0) {
    WeftCheck *check = weft_doctor_add(doctor, "catalogue", name, "%s: there is none", folder);
    if (must_exist)
      weft_check_worse(check, WEFT_CHECK_BROKEN, "no pipeline can be loaded",
                       strcmp(name, "bundled") == 0 ? "build Weft again (./dev build), or install it anew"
                                                    : "correct WEFT_CATALOGUE, or weft plugin install FILE.so into it");
    else
      weft_check_worse(check, WEFT_CHECK_ABSENT, "nothing has been installed there", NULL);
    return;
  }
  g_autoptr(GPtrArray) problems = weft_archive_check(folder, FALSE, &error);
  if (!problems) {
    WeftCheck *check = weft_doctor_add(doctor, "catalogue", name, "%s: %s", folder, error->message);
    weft_check_worse(check, WEFT_CHECK_BROKEN, "no pipeline can be loaded", "weft catalogue restore BACKUP --force --catalogue %s",
                     folder);
    return;
  }
  g_autoptr(GString) list = g_string_new(NULL);
  for (guint i = 0; i < MIN(problems->len, SHOWN_PROBLEMS); i++)
    g_string_append_printf(list, "; %s", ((WeftProblem *)problems->pdata[i])->message);
  WeftCheck *check = weft_doctor_add(doctor, "catalogue", name, "%s: %s%s%s", folder, problems->len ? "damaged" : "sound",
                                     access(folder, W_OK) == 0 ? "" : ", may only be read", list->str);
  if (problems->len)
    weft_check_worse(check, WEFT_CHECK_BROKEN, "plugins of it may not be found", "weft catalogue check --catalogue %s tells all",
                     folder);
}

void weft_doctor_catalogues(WeftDoctor *doctor, const char *bundled)
{
  const char *value = g_getenv("WEFT_CATALOGUE");
  g_auto(GStrv) named = value && *value ? g_strsplit(value, ":", -1) : NULL;
  g_autofree char *user = g_build_filename(g_get_user_data_dir(), "weft", "catalogue", NULL);
  for (guint i = 0; named && named[i]; i++)
    if (*named[i])
      weft_doctor_catalogue(doctor, "WEFT_CATALOGUE", named[i], TRUE);
  if (!named) {
    weft_doctor_catalogue(doctor, "user", user, FALSE);
    weft_doctor_catalogue(doctor, "system", SYSTEM_CATALOGUE, FALSE);
  }
  if (bundled) {
    weft_doctor_catalogue(doctor, "bundled", bundled, TRUE);
    return;
  }
  WeftCheck *check = weft_doctor_add(doctor, "catalogue", "bundled", "not found beside this program");
  weft_check_worse(check, WEFT_CHECK_BROKEN, "the plugins that come with Weft are missing",
                   "build Weft again (./dev build), or install it anew");
}

/* All of them open, or a word that they do not: weft_doctor_catalogues has said why. */
static WeftCatalogue *open_catalogues(WeftDoctor *doctor, const char *group, const char *name, const char *bundled)
{
  g_autoptr(GError) error = NULL;
  WeftCatalogue *catalogue = weft_catalogue_open(bundled, &error);
  if (!catalogue)
    weft_check_worse(weft_doctor_add(doctor, group, name, "not looked at"), WEFT_CHECK_ABSENT,
                     "the catalogues cannot be opened together", NULL);
  return catalogue;
}

static guint count_state(const WeftPluginLines *lines, const char *state, GString *names)
{
  guint n = 0;
  for (guint i = 0; i < lines->n; i++)
    if (strcmp(lines->lines[i].state, state) == 0 && n++ < SHOWN_PROBLEMS)
      g_string_append_printf(names, "%s%s@%s", names->len ? ", " : "", lines->lines[i].id, lines->lines[i].version);
  return n;
}

void weft_doctor_plugins(WeftDoctor *doctor, const char *bundled)
{
  static const struct {
    const char *state, *meaning, *todo;
    WeftCheckState level;
  } states[] = {
    {"lost", "their files are gone from the store", "weft plugin install them again, or weft catalogue restore", WEFT_CHECK_BROKEN},
    {"quarantine", "their probe failed; no pipeline uses them", "weft plugin why ID; weft plugin release ID accepts one",
     WEFT_CHECK_ABSENT},
    {"refused", "they could not be installed", "weft plugin why ID", WEFT_CHECK_ABSENT},
    {"disabled", "no pipeline uses them", "weft plugin enable ID", WEFT_CHECK_ABSENT}};
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftCatalogue) catalogue = open_catalogues(doctor, "catalogue", "plugins", bundled);
  g_autoptr(WeftPluginLines) lines = catalogue ? weft_catalogue_lines(catalogue, NULL, &error) : NULL;
  if (!catalogue)
    return;
  if (!lines) {
    WeftCheck *check = weft_doctor_add(doctor, "catalogue", "plugins", "%s", error->message);
    weft_check_worse(check, WEFT_CHECK_BROKEN, "no pipeline can be loaded", NULL);
    return;
  }
  weft_doctor_add(doctor, "catalogue", "plugins", "%u rows of plugins", lines->n);
  for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
    g_autoptr(GString) names = g_string_new(NULL);
    guint n = count_state(lines, states[i].state, names);
    if (n == 0)
      continue;
    WeftCheck *check = weft_doctor_add(doctor, "catalogue", states[i].state, "%u: %s%s", n, names->str,
                                       n > SHOWN_PROBLEMS ? ", ..." : "");
    weft_check_worse(check, states[i].level, states[i].meaning, "%s", states[i].todo);
  }
}

void weft_doctor_compute(WeftDoctor *doctor, const char *bundled)
{
  static const char meaning[] = "no model can run";
  g_autoptr(GError) error = NULL;
  char message[WEFT_MESSAGE_BYTES] = "";
  struct weft_module *module = NULL;
  g_autoptr(WeftCatalogue) catalogue = open_catalogues(doctor, "weft", "compute", bundled);
  g_autoptr(WeftPluginRow) row = catalogue ? weft_catalogue_find(catalogue, COMPUTE_PLUGIN, NULL, &error) : NULL;
  if (!catalogue)
    return;
  if (!row) {
    weft_check_worse(weft_doctor_add(doctor, "weft", "compute", "%s", error->message), WEFT_CHECK_BROKEN, meaning, NULL);
    return;
  }
  const struct weft_compute *compute = NULL;
  if (weft_module_load(row->path, &module, message) == WEFT_OK)
    compute = weft_module_extension(module, COMPUTE_PLUGIN, WEFT_COMPUTE_ID);
  if (compute && compute->supports(WEFT_OP_LINEAR, WEFT_PRECISION_F32)) {
    weft_doctor_add(doctor, "weft", "compute", "%s", compute->fingerprint);
    return;
  }
  const char *forced = g_getenv("WEFT_COMPUTE_ISA");
  WeftCheck *check = weft_doctor_add(doctor, "weft", "compute", "%s %s: %s", COMPUTE_PLUGIN, row->version,
                                     *message ? message : "offers no operation here");
  weft_check_worse(check, WEFT_CHECK_BROKEN, meaning, forced ? "unset WEFT_COMPUTE_ISA (it is %s)" : NULL, forced);
}

/* The bundled plugin that programs are tried on; NULL: said. */
static WeftPluginRow *tried_plugin(WeftDoctor *doctor, const char *name, const char *program, const char *bundled)
{
  g_autoptr(GError) error = NULL;
  if (!program) {
    WeftCheck *check = weft_doctor_add(doctor, "weft", name, "not found beside this program");
    weft_check_worse(check, WEFT_CHECK_BROKEN,
                     strcmp(name, "worker") == 0 ? "nodes cannot run in processes of their own" : "no plugin can be installed",
                     "build Weft again (./dev build), or install it anew");
    return NULL;
  }
  g_autoptr(WeftCatalogue) catalogue = open_catalogues(doctor, "weft", name, bundled);
  WeftPluginRow *row = catalogue ? weft_catalogue_find(catalogue, TRIED_PLUGIN, NULL, &error) : NULL;
  if (catalogue && !row)
    weft_check_worse(weft_doctor_add(doctor, "weft", name, "%s: not tried: %s", program, error->message), WEFT_CHECK_ABSENT,
                     "it is tried on a plugin that comes with Weft", NULL);
  return row;
}

void weft_doctor_worker(WeftDoctor *doctor, const char *program, const char *bundled)
{
  static const struct weft_port bytes = {.name = "bytes", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1},
                                         .n_split_levels = 1};
  static const struct weft_parameter most = {.name = "max_bytes", .text = "64", .number = 64, .integer = 64,
                                             .type = WEFT_PARAMETER_INT};
  static const int64_t n_rows = 64, n_groups = 0;
  g_autoptr(WeftPluginRow) row = tried_plugin(doctor, "worker", program, bundled);
  if (!row)
    return;
  const struct weft_config config = {.node_name = "doctor", .parameters = &most, .inputs = &bytes, .n_parameters = 1,
                                     .n_inputs = 1};
  const struct weft_limits limits = {1, &n_rows, &n_groups};
  struct weft_setup setup = {0};
  struct weft_worker *worker = NULL;
  struct weft_worker_spec spec = {.program = program, .module = row->path, .node_id = TRIED_PLUGIN, .n_threads = 1,
                                  .config = &config, .setup = &setup,
                                  .setup_timeout_ns = TRY_TIMEOUT_MS * G_GUINT64_CONSTANT(1000000)};
  weft_status status = weft_worker_spawn(&spec, &worker);
  if (status == WEFT_OK)
    status = weft_worker_activate(worker, &setup, &limits);
  weft_worker_free(worker);
  WeftCheck *check = weft_doctor_add(doctor, "weft", "worker", "%s: %s", program,
                                     status == WEFT_OK ? "hosts a plugin" : *setup.message ? setup.message : "does not start");
  if (status != WEFT_OK)
    weft_check_worse(check, WEFT_CHECK_BROKEN, "nodes cannot run in processes of their own",
                     "it may be of another build than this program: build or install both again");
}

void weft_doctor_probe(WeftDoctor *doctor, const char *program, const char *bundled)
{
  g_autoptr(GError) error = NULL;
  WeftProbeVerdict verdict = {0};
  g_autoptr(WeftPluginRow) row = tried_plugin(doctor, "probe", program, bundled);
  if (!row)
    return;
  gboolean ran = weft_probe_run(program, row->path, TRY_TIMEOUT_MS, &verdict, &error);
  WeftCheck *check = weft_doctor_add(doctor, "weft", "probe", "%s: %s", program,
                                     !ran             ? error->message
                                     : verdict.reason ? verdict.reason
                                                      : "accepts a plugin that comes with Weft");
  if (!ran || verdict.reason)
    weft_check_worse(check, WEFT_CHECK_BROKEN, "no plugin can be installed",
                     "it may be of another build than this program: build or install both again");
  weft_probe_verdict_clear(&verdict);
}

/* What is wrong with the value of a variable; NULL: nothing, or nobody looks. */
static const char *value_problem(const char *name, const char *value)
{
  guint64 n;
  if (strcmp(name, "WEFT_THREADS") == 0 && !g_ascii_string_to_unsigned(value, 10, 1, WEFT_THREADS_MAX, &n, NULL))
    return "it is no number from 1 to 256, and counts for nothing";
  if (strcmp(name, "WEFT_LOCK_WAIT") == 0 &&
      !g_ascii_string_to_unsigned(value, 10, 0, WEFT_REGISTRAR_WAIT_MAX_S, &n, NULL))
    return "it is no number of seconds up to 3600, and counts for nothing";
  return NULL;
}

void weft_doctor_variables(WeftDoctor *doctor, const char *const *environment)
{
  static const char *const known[] = {"WEFT_CATALOGUE", "WEFT_THREADS", "WEFT_COMPUTE_ISA", "WEFT_DATA", "WEFT_LOCK_WAIT",
                                      "WEFT_BUILD", "WEFT_DATA_DEFAULT", "WEFT_TEST_ROUNDS", "WEFT_TEST_SEED"};
  for (guint i = 0; environment[i]; i++) {
    if (!g_str_has_prefix(environment[i], "WEFT_"))
      continue;
    g_auto(GStrv) parts = g_strsplit(environment[i], "=", 2);
    guint at = 0;
    while (at < G_N_ELEMENTS(known) && strcmp(known[at], parts[0]) != 0)
      at++;
    const char *value = parts[1] ? parts[1] : "", *problem = *value ? value_problem(parts[0], value) : NULL;
    WeftCheck *check = weft_doctor_add(doctor, "variables", at < G_N_ELEMENTS(known) ? known[at] : "unknown", "%s",
                                       environment[i]);
    const char *closest = at < G_N_ELEMENTS(known) ? NULL : weft_closest(parts[0], known, G_N_ELEMENTS(known));
    if (problem)
      weft_check_worse(check, WEFT_CHECK_BROKEN, problem, "unset it or correct it");
    else if (closest)
      weft_check_worse(check, WEFT_CHECK_ABSENT, "nothing reads it", "did you mean %s?", closest);
    else if (at == G_N_ELEMENTS(known))
      weft_check_worse(check, WEFT_CHECK_ABSENT, "nothing reads it", NULL);
  }
}
