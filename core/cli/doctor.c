/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor.h"

#include "command.h"
#include "options.h"
#include "places.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "Looks at the machine (processor, cores, memory, clock), at what the kernel offers for processes of their own and a\n"
    "sandbox, at the catalogues of the search order and their plugins, at the programs beside this one, and at the\n"
    "variables WEFT_*. What is missing or broken is told with what that means and what to do. Changes nothing.\n\n"
    "  --json           a list of {group, name, state, found, meaning, todo}; state: fine, absent, broken\n"
    "  --catalogue DIR  that catalogue and the one that came with Weft, instead of the search order\n\n"
    "exit codes: 0 nothing is broken, though things may be absent; 1 something is broken; 2 options are wrong\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_doctor = {"doctor", "[OPTION]...", "Looks at this machine, and at Weft on it.", help, run};

static void look(WeftDoctor *doctor)
{
  g_autofree char *bundled = weft_place_bundled_catalogue(), *worker = weft_place_worker_program();
  g_autofree char *probe = weft_place_probe_program();
  g_auto(GStrv) environment = g_get_environ();
  weft_doctor_namespaces(doctor); /* forks, so before anything might start a thread */
  weft_doctor_memfd(doctor);
  weft_doctor_pidfd(doctor);
  weft_doctor_landlock(doctor);
  weft_doctor_seccomp(doctor);
  weft_doctor_cgroup(doctor);
  weft_doctor_processor(doctor);
  weft_doctor_cores(doctor);
  weft_doctor_memory(doctor);
  weft_doctor_address_space(doctor);
  weft_doctor_huge_pages(doctor);
  weft_doctor_clock(doctor);
  weft_doctor_catalogues(doctor, bundled);
  weft_doctor_plugins(doctor, bundled);
  weft_doctor_compute(doctor, bundled);
  weft_doctor_worker(doctor, worker, bundled);
  weft_doctor_probe(doctor, probe, bundled);
  weft_doctor_variables(doctor, (const char *const *)environment);
}

static const char *state_of(const WeftCheck *check)
{
  return check->state == WEFT_CHECK_FINE ? "fine" : check->state == WEFT_CHECK_ABSENT ? "absent" : "broken";
}

static void print_json(const WeftDoctor *doctor)
{
  json_t *list = json_array();
  for (guint i = 0; i < doctor->checks->len; i++) {
    const WeftCheck *check = doctor->checks->pdata[i];
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "group", check->group, "name", check->name,
                                          "state", state_of(check), "found", weft_command_text(check->found), "meaning",
                                          weft_command_text(check->meaning), "todo", weft_command_text(check->todo)));
  }
  json_dumpf(list, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(list);
}

static void print_text(const WeftDoctor *doctor)
{
  static const char *const groups[] = {"machine", "sandbox", "weft", "catalogue", "variables"};
  for (guint g = 0; g < G_N_ELEMENTS(groups); g++) {
    gboolean named = FALSE;
    for (guint i = 0; i < doctor->checks->len; i++) {
      const WeftCheck *check = doctor->checks->pdata[i];
      if (strcmp(check->group, groups[g]) != 0)
        continue;
      if (!named)
        printf("%s%s\n", g ? "\n" : "", groups[g]);
      named = TRUE;
      printf("  %-7s %-16s %s\n", check->state == WEFT_CHECK_FINE ? "" : state_of(check), check->name, check->found);
      if (check->meaning)
        printf("  %-24s   %s\n", "", check->meaning);
      if (check->todo)
        printf("  %-24s   -> %s\n", "", check->todo);
    }
  }
}

static int run(int argc, char **argv)
{
  gboolean json = FALSE, wants_help = FALSE;
  const char *catalogue = NULL;
  const WeftOption table[] = {{"json", WEFT_OPTION_FLAG, &json, 0, 0},
                              {"catalogue", WEFT_OPTION_TEXT, &catalogue, 0, 0},
                              {"help", WEFT_OPTION_FLAG, &wants_help, 0, 0}};
  WeftArguments arguments = {&weft_command_doctor, table, G_N_ELEMENTS(table), NULL, 0, 0};
  int code = weft_options_parse(&arguments, argc, argv);
  if (code != WEFT_EXIT_OK || wants_help)
    return wants_help ? weft_command_help(&weft_command_doctor) : code;
  if (catalogue)
    g_setenv("WEFT_CATALOGUE", catalogue, TRUE);
  g_autoptr(WeftDoctor) doctor = weft_doctor_new("");
  look(doctor);
  if (json)
    print_json(doctor);
  else
    print_text(doctor);
  for (guint i = 0; i < doctor->checks->len; i++)
    if (((const WeftCheck *)doctor->checks->pdata[i])->state == WEFT_CHECK_BROKEN)
      return WEFT_EXIT_FAILED;
  return WEFT_EXIT_OK;
}
