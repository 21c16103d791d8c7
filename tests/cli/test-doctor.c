/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of weft doctor on machines, catalogues and programs with something wrong, and the command on this one. */
#include "cli-fixture.h"
#include "doctor.h"

#include <glib/gstdio.h>
#include <string.h>

static char *bundled, *worker, *probe, *root;

static const WeftCheck *find(const WeftDoctor *doctor, const char *name)
{
  for (guint i = 0; i < doctor->checks->len; i++) {
    const WeftCheck *check = doctor->checks->pdata[i];
    if (strcmp(check->name, name) == 0)
      return check;
  }
  g_error("there is no check %s", name);
}

static void expect(const WeftDoctor *doctor, const char *name, WeftCheckState state, const char *found)
{
  const WeftCheck *check = find(doctor, name);
  g_test_message("%s: %s; %s; %s", name, check->found, check->meaning ? check->meaning : "", check->todo ? check->todo : "");
  cli_contains(check->found, found);
  g_assert_cmpint(check->state, ==, state);
  g_assert_true((check->state == WEFT_CHECK_FINE) == (check->meaning == NULL));
}

/* A file of a machine that is not there. */
static void machine(const char *path, const char *text)
{
  g_autofree char *name = g_strconcat("machine", path, NULL);
  g_free(cli_write(name, text, -1));
}

#define NEW "model name\t: Fast 9\nflags\t\t: fpu avx2 fma avx512f avx512_vnni amx_tile constant_tsc nonstop_tsc\n"
#define OLD "model name\t: Slow 1\nflags\t\t: fpu sse2\n"

static void test_doctor_processor(void)
{
  g_autoptr(WeftDoctor) fast = weft_doctor_new(root);
  machine("/proc/cpuinfo", NEW);
  machine("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
  weft_doctor_processor(fast);
  weft_doctor_clock(fast);
  expect(fast, "processor", WEFT_CHECK_FINE, "Fast 9: avx2 fma avx512f avx512_vnni amx_tile");
  cli_contains(find(fast, "clock")->found, "tsc, ");
  cli_contains(find(fast, "clock")->found, "constant time-stamp counter");
  g_autoptr(WeftDoctor) slow = weft_doctor_new(root);
  machine("/proc/cpuinfo", OLD);
  weft_doctor_processor(slow);
  weft_doctor_clock(slow);
  expect(slow, "processor", WEFT_CHECK_ABSENT, "Slow 1");
  expect(slow, "clock", WEFT_CHECK_ABSENT, "no constant time-stamp counter");
}

static void test_doctor_memory(void)
{
  g_autoptr(WeftDoctor) roomy = weft_doctor_new(root);
  machine("/proc/meminfo", "MemTotal:       33554432 kB\nMemFree: 1 kB\nMemAvailable:   16777216 kB\n");
  machine("/proc/self/cgroup", "0::/a/b\n");
  machine("/sys/fs/cgroup/a/b/memory.max", "max\n");
  weft_doctor_memory(roomy);
  expect(roomy, "memory", WEFT_CHECK_FINE, "32.0 GiB, 16.0 of them available, no cgroup limit");
  g_autoptr(WeftDoctor) bound = weft_doctor_new(root);
  machine("/sys/fs/cgroup/a/memory.max", "536870912\n"); /* the parent bounds it too */
  weft_doctor_memory(bound);
  expect(bound, "memory", WEFT_CHECK_ABSENT, "the cgroup gives 0.5");
}

static void test_doctor_huge_pages(void)
{
  static const struct {
    const char *text, *found;
    WeftCheckState state;
  } cases[] = {{"always [madvise] never\n", "madvise", WEFT_CHECK_FINE},
               {"always madvise [never]\n", "never", WEFT_CHECK_ABSENT},
               {"", "not offered", WEFT_CHECK_ABSENT}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(WeftDoctor) d = weft_doctor_new(root);
    machine("/sys/kernel/mm/transparent_hugepage/enabled", cases[i].text);
    weft_doctor_huge_pages(d);
    expect(d, "huge pages", cases[i].state, cases[i].found);
  }
}

static void test_doctor_cgroup(void)
{
  g_autoptr(WeftDoctor) delegated = weft_doctor_new(root);
  machine("/proc/self/cgroup", "0::/a/b\n");
  machine("/sys/fs/cgroup/a/b/cgroup.procs", "1\n");
  weft_doctor_cgroup(delegated);
  expect(delegated, "cgroup", WEFT_CHECK_FINE, "/a/b, delegated");
  g_autoptr(WeftDoctor) elsewhere = weft_doctor_new(root);
  machine("/proc/self/cgroup", "0::/c\n");
  weft_doctor_cgroup(elsewhere);
  expect(elsewhere, "cgroup", WEFT_CHECK_ABSENT, "/c, not delegated");
  g_autoptr(WeftDoctor) old = weft_doctor_new(root);
  machine("/proc/self/cgroup", "4:memory:/\n");
  weft_doctor_cgroup(old);
  expect(old, "cgroup", WEFT_CHECK_ABSENT, "no cgroup of version 2");
}

/* What isolated nodes stand on is there wherever these tests run. */
static void test_doctor_kernel(void)
{
  g_autoptr(WeftDoctor) d = weft_doctor_new("");
  weft_doctor_memfd(d);
  weft_doctor_pidfd(d);
  weft_doctor_namespaces(d);
  weft_doctor_landlock(d);
  weft_doctor_seccomp(d);
  g_assert_cmpint(find(d, "sealed memory")->state, ==, WEFT_CHECK_FINE);
  g_assert_cmpint(find(d, "pidfd")->state, ==, WEFT_CHECK_FINE);
  for (guint i = 0; i < d->checks->len; i++)
    g_assert_cmpint(((const WeftCheck *)d->checks->pdata[i])->state, !=, i < 2 ? WEFT_CHECK_ABSENT : WEFT_CHECK_BROKEN);
}

static void test_doctor_catalogues(void)
{
  g_autofree char *nowhere = g_build_filename(cli_work(), "nowhere", NULL);
  g_autofree char *rubbish = cli_write("rubbish/catalogue.db", "this is no database, however long it may be", -1);
  g_autofree char *folder = g_path_get_dirname(rubbish);
  g_autoptr(WeftDoctor) d = weft_doctor_new("");
  weft_doctor_catalogue(d, "user", nowhere, FALSE);
  weft_doctor_catalogue(d, "WEFT_CATALOGUE", nowhere, TRUE);
  weft_doctor_catalogue(d, "damaged", folder, FALSE);
  weft_doctor_catalogue(d, "bundled", bundled, TRUE);
  expect(d, "user", WEFT_CHECK_ABSENT, "there is none");
  expect(d, "WEFT_CATALOGUE", WEFT_CHECK_BROKEN, "there is none");
  cli_contains(find(d, "WEFT_CATALOGUE")->todo, "correct WEFT_CATALOGUE");
  expect(d, "damaged", WEFT_CHECK_BROKEN, folder);
  expect(d, "bundled", WEFT_CHECK_FINE, "sound");
}

/* What a run leaves in the user's catalogue is no damage. */
static void test_doctor_after_run(void)
{
  g_autofree char *home = g_strconcat("XDG_DATA_HOME=", cli_work(), "/user", NULL);
  g_auto(CliResult) ran = cli_weft(home, "run", "DIGITS/pipeline.yaml", "--words", "seven", NULL);
  g_assert_cmpint(ran.code, ==, 0);
  g_auto(CliResult) r = cli_weft(home, "doctor", NULL);
  cli_contains(r.out, "/user/weft/catalogue: sound");
  g_assert_cmpint(r.code, ==, 0);
}

/* A file of the store is gone: the catalogue is damaged, the command says so and fails. */
static void test_doctor_lost(void)
{
  g_auto(CliResult) before = cli_weft(NULL, "doctor", "--json", "--catalogue", "WORK/catalogue", NULL);
  g_assert_cmpint(before.code, ==, 0);
  g_autofree char *store = g_build_filename(cli_work(), "catalogue", "sha256", NULL);
  const char *argv[] = {"find", store, "-type", "f", "-delete", NULL};
  g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
  g_auto(CliResult) after = cli_weft(NULL, "doctor", "--catalogue", "WORK/catalogue", NULL);
  g_assert_cmpint(after.code, ==, 1);
  cli_contains(after.out, "broken  WEFT_CATALOGUE");
  cli_contains(after.out, "damaged");
}

static void test_doctor_programs(void)
{
  g_autofree char *false_program = g_find_program_in_path("false");
  g_autoptr(WeftDoctor) good = weft_doctor_new(""), missing = weft_doctor_new(""), wrong = weft_doctor_new("");
  weft_doctor_worker(good, worker, bundled);
  weft_doctor_probe(good, probe, bundled);
  weft_doctor_compute(good, bundled);
  expect(good, "worker", WEFT_CHECK_FINE, "hosts a plugin");
  expect(good, "probe", WEFT_CHECK_FINE, "accepts a plugin");
  expect(good, "compute", WEFT_CHECK_FINE, "compute-cpu");
  weft_doctor_worker(missing, NULL, bundled);
  weft_doctor_probe(missing, NULL, bundled);
  weft_doctor_catalogues(missing, NULL);
  expect(missing, "worker", WEFT_CHECK_BROKEN, "not found");
  expect(missing, "probe", WEFT_CHECK_BROKEN, "not found");
  expect(missing, "bundled", WEFT_CHECK_BROKEN, "not found");
  weft_doctor_worker(wrong, false_program, bundled);
  weft_doctor_probe(wrong, false_program, bundled);
  expect(wrong, "worker", WEFT_CHECK_BROKEN, false_program);
  expect(wrong, "probe", WEFT_CHECK_BROKEN, false_program);
  cli_contains(find(wrong, "worker")->todo, "another build");
}

static void test_doctor_variables(void)
{
  static const char *const environment[] = {"PATH=/bin", "WEFT_THREADS=256", "WEFT_LOCK_WAIT=3600", NULL};
  static const char *const wrong[] = {"WEFT_THREADS=257", NULL}, *const wait[] = {"WEFT_LOCK_WAIT=3601", NULL};
  static const char *const odd[] = {"WEFT_TREADS=2", NULL};
  g_autoptr(WeftDoctor) d = weft_doctor_new(""), e = weft_doctor_new(""), f = weft_doctor_new(""), g = weft_doctor_new("");
  weft_doctor_variables(d, environment);
  g_assert_cmpuint(d->checks->len, ==, 2);
  expect(d, "WEFT_THREADS", WEFT_CHECK_FINE, "256");
  expect(d, "WEFT_LOCK_WAIT", WEFT_CHECK_FINE, "3600");
  weft_doctor_variables(e, wrong);
  expect(e, "WEFT_THREADS", WEFT_CHECK_BROKEN, "257");
  weft_doctor_variables(f, wait);
  expect(f, "WEFT_LOCK_WAIT", WEFT_CHECK_BROKEN, "3601");
  weft_doctor_variables(g, odd);
  expect(g, "unknown", WEFT_CHECK_ABSENT, "WEFT_TREADS");
  cli_contains(find(g, "unknown")->todo, "did you mean WEFT_THREADS?");
}

static void test_doctor_command(void)
{
  g_autofree char *home = g_strconcat("XDG_DATA_HOME=", cli_work(), "/empty", NULL);
  g_auto(CliResult) r = cli_weft(home, "doctor", "--json", NULL);
  json_t *list = cli_json(&r);
  g_assert_true(json_is_array(list) && json_array_size(list) > 15);
  g_assert_cmpint(r.code, ==, 0); /* an empty home: absent is not broken */
  json_decref(list);
  g_auto(CliResult) set = cli_weft("WEFT_COMPUTE_ISA=mmx", "doctor", NULL);
  g_assert_cmpint(set.code, ==, 1);
  cli_contains(set.out, "unset WEFT_COMPUTE_ISA (it is mmx)");
  g_auto(CliResult) wrong = cli_weft("WEFT_CATALOGUE=/nowhere", "doctor", NULL);
  g_assert_cmpint(wrong.code, ==, 1);
  cli_contains(wrong.out, "correct WEFT_CATALOGUE");
  g_auto(CliResult) word = cli_weft(NULL, "doctor", "please", NULL);
  g_assert_cmpint(word.code, ==, 2);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(argc, ==, 5);
  cli_fixture_init();
  bundled = g_canonicalize_filename(argv[1], NULL);
  worker = g_canonicalize_filename(argv[2], NULL);
  probe = g_canonicalize_filename(argv[3], NULL);
  root = g_build_filename(cli_work(), "machine", NULL);
  cli_install((const char *const *)argv + 4, 1);
  g_test_add_func("/doctor/processor", test_doctor_processor);
  g_test_add_func("/doctor/memory", test_doctor_memory);
  g_test_add_func("/doctor/huge-pages", test_doctor_huge_pages);
  g_test_add_func("/doctor/cgroup", test_doctor_cgroup);
  g_test_add_func("/doctor/kernel", test_doctor_kernel);
  g_test_add_func("/doctor/catalogues", test_doctor_catalogues);
  g_test_add_func("/doctor/programs", test_doctor_programs);
  g_test_add_func("/doctor/variables", test_doctor_variables);
  g_test_add_func("/doctor/command", test_doctor_command);
  g_test_add_func("/doctor/after-run", test_doctor_after_run);
  g_test_add_func("/doctor/lost", test_doctor_lost);
  int code = g_test_run();
  cli_fixture_end();
  return code;
}
