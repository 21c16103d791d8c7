/* SPDX-License-Identifier: Apache-2.0 */
/* weft profile as a user runs it, on the shipped digits pipeline. */
#include "cli-fixture.h"

#include <string.h>

#define PROFILE "profile", "DIGITS/pipeline.yaml", "--batch", "WORK/data.jsonl"

static void write_lines(guint n)
{
  g_autoptr(GString) lines = g_string_new(NULL);
  for (guint i = 0; i < n; i++)
    g_string_append_printf(lines, "{\"picture\": \"%s/seven.png\", \"words\": \"seven\", \"$expect\": \"%s\"}\n",
                           cli_digits(), i % 4 ? "7" : "8");
  g_free(cli_write("data.jsonl", lines->str, -1));
}

static const json_t *node_at(const json_t *report, const char *name)
{
  size_t i;
  json_t *node;
  json_array_foreach(json_object_get(report, "nodes"), i, node)
  {
    if (strcmp(json_string_value(json_object_get(node, "node")), name) == 0)
      return node;
  }
  g_error("there is no node %s", name);
}

static double number(const json_t *object, const char *path)
{
  return json_number_value(cli_at(object, path));
}

static void check_counts(const json_t *report, guint n)
{
  double share = 0;
  size_t i;
  json_t *node;
  g_assert_cmpfloat(number(report, "requests.n"), ==, n);
  g_assert_cmpfloat(number(report, "requests.failed"), ==, 0);
  g_assert_cmpfloat(number(node_at(report, "see"), "items"), ==, n);
  g_assert_cmpfloat(number(node_at(report, "hear"), "calls"), ==, 0); /* no speech in the lines */
  json_array_foreach(json_object_get(report, "nodes"), i, node)
  {
    share += number(node, "share");
    g_assert_cmpfloat(number(node, "ms.p50"), <=, number(node, "ms.p99"));
    g_assert_cmpfloat(number(node, "ms.p99"), <=, number(node, "ms.max"));
    g_assert_cmpfloat(number(node, "ms.max"), <=, number(report, "requests.ms.max"));
  }
  g_assert_cmpfloat_with_epsilon(share, 1, 1e-6);
  g_assert_cmpfloat(number(report, "outputs.digit.metrics.accuracy.value"), ==, .75);
  g_assert_cmpfloat(number(report, "memory.process.resident"), >, 1 << 20);
  g_assert_cmpfloat(number(report, "memory.frames.n"), >=, 1);
}

static void test_profile_report(void)
{
  write_lines(40);
  g_auto(CliResult) r = cli_weft(NULL, PROFILE, "--json", "--clients", "3", "--svg", "WORK/t.svg", NULL);
  json_t *report = cli_json(&r);
  g_assert_cmpint(r.code, ==, 0);
  check_counts(report, 40);
  g_assert_cmpstr(json_string_value(cli_at(node_at(report, "see"), "where")), ==, "process");
  g_autofree char *path = g_build_filename(cli_work(), "t.svg", NULL), *svg = NULL;
  g_assert_true(g_file_get_contents(path, &svg, NULL, NULL));
  cli_contains(svg, "<svg ");
  cli_contains(svg, "thread 1");
  cli_contains(svg, "<title>see: ");
  json_decref(report);
}

static void test_profile_isolated(void)
{
  write_lines(12);
  g_auto(CliResult) r = cli_weft(NULL, PROFILE, "--json", "--clients", "4", "--isolate", "see", "--svg", "WORK/t.svg", NULL);
  json_t *report = cli_json(&r);
  g_assert_cmpint(r.code, ==, 0);
  check_counts(report, 12);
  g_assert_cmpstr(json_string_value(cli_at(node_at(report, "see"), "where")), ==, "worker");
  g_assert_cmpfloat(number(report, "memory.workers.see.resident"), >, 1 << 20);
  g_assert_cmpfloat(number(node_at(report, "see"), "queued_ms.max"), >, 0); /* four clients, one worker */
  json_decref(report);
}

static void test_profile_time(void)
{
  write_lines(3);
  gint64 begin_us = g_get_monotonic_time();
  g_auto(CliResult) r = cli_weft(NULL, PROFILE, "--json", "--for", "300 ms", NULL);
  json_t *report = cli_json(&r);
  g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, 300000);
  g_assert_cmpfloat(number(report, "requests.n"), >, 3);
  g_assert_cmpfloat(number(report, "outputs.digit.n_expected"), ==, 3); /* each line is judged once */
  g_assert_cmpfloat(number(report, "seconds"), >=, .3);
  json_decref(report);
}

static void test_profile_failures(void)
{
  g_free(cli_write("data.jsonl", "{\"words\": \"seven\"}\n{\"picture\": \"/nowhere.png\"}\n", -1));
  g_auto(CliResult) r = cli_weft(NULL, PROFILE, NULL);
  g_assert_cmpint(r.code, ==, 1);
  cli_contains(r.out, "2 requests, 1 failed");
}

static void test_profile_mistakes(void)
{
  g_free(cli_write("data.jsonl", "{\"words\": \"seven\"}\n", -1));
  g_auto(CliResult) no_data = cli_weft(NULL, "profile", "DIGITS/pipeline.yaml", NULL);
  g_assert_cmpint(no_data.code, ==, 2);
  cli_contains(no_data.err, "--batch FILE.jsonl is missing");
  g_auto(CliResult) most = cli_weft(NULL, PROFILE, "--clients", "256", NULL);
  g_assert_cmpint(most.code, ==, 0);
  cli_contains(most.out, "from 256 clients");
  g_auto(CliResult) clients = cli_weft(NULL, PROFILE, "--clients", "257", NULL);
  g_assert_cmpint(clients.code, ==, 2);
  cli_contains(clients.err, "from 1 to 256");
  g_auto(CliResult) time = cli_weft(NULL, PROFILE, "--for", "10", NULL);
  g_assert_cmpint(time.code, ==, 2);
  cli_contains(time.err, "expected a time with a unit");
  g_auto(CliResult) word = cli_weft(NULL, PROFILE, "more", NULL);
  g_assert_cmpint(word.code, ==, 2);
  g_free(cli_write("data.jsonl", "{\"word\": \"seven\"}\n", -1));
  g_auto(CliResult) line = cli_weft(NULL, PROFILE, NULL);
  g_assert_cmpint(line.code, ==, 2);
  cli_contains(line.err, "did you mean \"words\"");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  cli_fixture_init();
  g_test_add_func("/profile/report", test_profile_report);
  g_test_add_func("/profile/isolated", test_profile_isolated);
  g_test_add_func("/profile/time", test_profile_time);
  g_test_add_func("/profile/failures", test_profile_failures);
  g_test_add_func("/profile/mistakes", test_profile_mistakes);
  int code = g_test_run();
  cli_fixture_end();
  return code;
}
