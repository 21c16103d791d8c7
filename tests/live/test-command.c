/* SPDX-License-Identifier: Apache-2.0 */
/* `weft live` as a person runs it: recordings replayed, lines and sinks written, and what is said when it cannot. */
#include <glib.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define S G_GINT64_CONSTANT(1000000000)

static char *program, *work, *catalogue;

typedef struct {
  int code;
  char *out, *err;
  char **lines; /* of out */
} Ran;

static Ran weft(const char *const *words)
{
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  g_autoptr(GError) error = NULL;
  Ran ran = {0};
  int status = 0;
  g_ptr_array_add(argv, program);
  for (; *words; words++)
    g_ptr_array_add(argv, (gpointer)*words);
  g_ptr_array_add(argv, (gpointer) "--catalogue");
  g_ptr_array_add(argv, catalogue);
  g_ptr_array_add(argv, NULL);
  g_spawn_sync(work, (char **)argv->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL, &ran.out, &ran.err, &status, &error);
  g_assert_no_error(error);
  g_assert_true(WIFEXITED(status));
  ran.code = WEXITSTATUS(status);
  g_autofree char *lines = g_strchomp(g_strdup(ran.out));
  ran.lines = g_strsplit(lines, "\n", -1);
  return ran;
}

static void ran_clear(Ran *ran)
{
  g_free(ran->out);
  g_free(ran->err);
  g_strfreev(ran->lines);
}

static char *write_file(const char *name, const char *text, gssize n)
{
  char *path = g_build_filename(work, name, NULL);
  g_autoptr(GError) error = NULL;
  g_file_set_contents(path, text, n, &error);
  g_assert_no_error(error);
  return path;
}

static void put(const char *name, const char *text)
{
  g_free(write_file(name, text, -1));
}

static char *read_file(const char *name)
{
  g_autofree char *path = g_build_filename(work, name, NULL);
  char *text = NULL;
  g_file_get_contents(path, &text, NULL, NULL);
  return text;
}

/* Values are seconds; one row is late, some are missing. */
static void put_recordings(void)
{
  g_autoptr(GString) fast = g_string_new("time,x,y\n"), slow = g_string_new("time;value\n");
  for (guint i = 0; i < 100; i++) { /* ten a second, without those of the fifth second */
    if (i / 10 != 5)
      g_string_append_printf(fast, "2024-01-31T12:00:%02d.%dZ,%d,%d\n", i / 10, i % 10, i, -(int)i);
    if (i == 35)
      g_string_append(fast, "2024-01-31T12:00:01.05Z,1000,1000\n");
  }
  for (guint i = 0; i < 10; i += 3)
    g_string_append_printf(slow, "%u;%u\n", 1706702400 + i, i);
  put("fast.csv", fast->str);
  put("slow.csv", slow->str);
}

#define INPUTS                                                                                                        \
  "assets: {fast: ./fast.csv, slow: ./slow.csv}\ninputs:\n"                                                           \
  "  fast: {type: series, source: {use: replay, params: {file: fast, speed: 0}}, window: 1 s, tolerance: 20 ms}\n"     \
  "  slow: {type: series, source: {use: replay, params: {file: slow, speed: 0}}, late: hold 2 s, optional: true, "     \
  "tolerance: 20 ms}\n"
#define SAVE "nodes: {save: {use: jsonl, in: {fast: fast, when: fast.samples.time, slow: slow}}}\n"

static void test_command_windows(void)
{
  put_recordings();
  put("p.yaml", "weft: 1\nname: p\n" INPUTS SAVE "outputs: {slow: slow}\nsinks: {log: {from: save.bytes, to: log.jsonl}}\n");
  const char *words[] = {"live", "p.yaml", "--json", NULL};
  Ran ran = weft(words);
  g_assert_cmpint(ran.code, ==, 0);
  g_assert_cmpuint(g_strv_length(ran.lines), ==, 10); /* nine windows, one second is a gap; the summary */
  g_autofree char *log = read_file("log.jsonl");
  g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
  for (guint i = 0; i < 9; i++) {
    guint second = i < 5 ? i : i + 1;
    json_t *answer = json_loads(ran.lines[i], 0, NULL), *line = json_loads(lines[i], 0, NULL);
    g_assert_cmpstr(json_string_value(json_object_get(answer, "status")), ==, "ok");
    g_autofree char *time = g_strdup_printf("2024-01-31T12:00:%02u.000000000Z", second);
    g_assert_cmpstr(json_string_value(json_object_get(answer, "time")), ==, time);
    const json_t *fast = json_object_get(line, "fast"), *when = json_object_get(line, "when");
    g_assert_cmpuint(json_array_size(fast), ==, 10);
    for (guint k = 0; k < 10; k++) {
      g_assert_cmpint(json_integer_value(json_array_get(json_array_get(fast, k), 0)), ==, second * 10 + k);
      g_assert_cmpint(json_integer_value(json_array_get(when, k)), ==, 1706702400 * S + (second * 10 + k) * (S / 10));
    }
    g_assert_cmpint(json_integer_value(json_object_get(line, "time_ns")), ==, (1706702400 + second) * S);
    /* every third second has a row, the next two have it held */
    const json_t *slow = json_array_get(json_array_get(json_object_get(line, "slow"), 0), 0);
    g_assert_cmpint(json_integer_value(slow), ==, second / 3 * 3);
    const json_t *stream = json_object_get(json_object_get(answer, "streams"), "slow");
    g_assert_cmpstr(json_string_value(json_object_get(stream, "state")), ==, second % 3 ? "held" : "there");
    json_decref(answer);
    json_decref(line);
  }
  json_t *summary = json_loads(ran.lines[9], 0, NULL);
  g_assert_cmpstr(json_string_value(json_object_get(summary, "schema")), ==, "weft.live/1");
  g_assert_cmpint(json_integer_value(json_object_get(summary, "windows")), ==, 9);
  g_assert_cmpint(json_integer_value(json_object_get(summary, "gaps")), ==, 1);
  const json_t *fast = json_object_get(json_object_get(summary, "streams"), "fast");
  g_assert_cmpint(json_integer_value(json_object_get(fast, "late")), ==, 1);
  json_decref(summary);
  ran_clear(&ran);
}

/* Twice the same, byte by byte but for timings; --quiet writes sinks only. */
static void test_command_again(void)
{
  put_recordings();
  put("p.yaml", "weft: 1\nname: p\n" INPUTS SAVE "outputs: {slow: slow}\nsinks: {log: {from: save.bytes, to: again.jsonl}}\n");
  const char *words[] = {"live", "p.yaml", "--quiet", NULL};
  Ran one = weft(words), two = weft(words);
  g_assert_cmpstr(one.out, ==, "");
  g_assert_nonnull(strstr(one.err, "9 windows, 0 failed, 0 deadlines missed, 1 left out"));
  g_autofree char *log = read_file("again.jsonl");
  gsize half = strlen(log) / 2;
  g_assert_cmpmem(log, half, log + half, strlen(log) - half);
  ran_clear(&one);
  ran_clear(&two);
}

/* A sink begins a new file before it would grow beyond its size; no line is cut. */
static void test_command_rotate(void)
{
  put_recordings();
  put("p.yaml", "weft: 1\nname: p\n" INPUTS "nodes: {save: {use: jsonl, in: {fast: fast, a: fast, b: fast, c: fast, d: fast}}}\n"
                "outputs: {slow: slow}\nsinks: {log: {from: save.bytes, to: turn.jsonl, rotate: 4 KiB}}\n");
  const char *words[] = {"live", "p.yaml", "--quiet", NULL};
  Ran ran = weft(words);
  g_assert_cmpint(ran.code, ==, 0);
  guint n_lines = 0, n_files = 0;
  for (guint i = 0; i < 10; i++) {
    g_autofree char *name = i ? g_strdup_printf("turn.jsonl.%u", i) : g_strdup("turn.jsonl");
    g_autofree char *text = read_file(name);
    if (!text)
      break;
    n_files++;
    g_assert_cmpuint(strlen(text), <=, 4096);
    g_assert_true(g_str_has_suffix(text, "}\n"));
    for (const char *c = text; *c; c++)
      n_lines += *c == '\n';
  }
  g_assert_cmpuint(n_files, >=, 2);
  g_assert_cmpuint(n_lines, ==, 9);
  ran_clear(&ran);
}

static void test_command_sink_errors(void)
{
  static const struct {
    const char *to, *message;
    int code;
  } cases[] = {{"nowhere/log.jsonl", "nowhere/log.jsonl: there is no such folder; make it first", 1},
               {".", "it is a directory; a sink is a file", 1},
               {"/dev/full", "/dev/full: the disk is full", 1}};
  put_recordings();
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text = g_strdup_printf("weft: 1\nname: p\n" INPUTS SAVE "outputs: {slow: slow}\n"
                                            "sinks: {log: {from: save.bytes, to: %s}}\n", cases[i].to);
    put("p.yaml", text);
    const char *words[] = {"live", "p.yaml", NULL};
    Ran ran = weft(words);
    g_test_message("%s%s", ran.out, ran.err);
    g_assert_cmpint(ran.code, ==, cases[i].code);
    g_assert_true(strstr(ran.out, cases[i].message) || strstr(ran.err, cases[i].message));
    ran_clear(&ran);
  }
  /* dropped, counted, and the answers go on */
  put("p.yaml", "weft: 1\nname: p\n" INPUTS SAVE "outputs: {slow: slow}\n"
                "sinks: {log: {from: save.bytes, to: /dev/full, on_error: drop}}\n");
  const char *words[] = {"live", "p.yaml", NULL};
  Ran ran = weft(words);
  g_assert_cmpint(ran.code, ==, 1);
  g_assert_nonnull(strstr(ran.err, "9 windows, 0 failed"));
  g_assert_nonnull(strstr(ran.err, "sinks: 9 writes failed"));
  ran_clear(&ran);
}

/* A stream of texts: every window has its own, in process and from a worker. */
static void test_command_texts(void)
{
  put("p.yaml", "weft: 1\nname: p\ninputs: {said: {type: text, source: {use: sayings}, window: 1 s}}\n"
                "nodes: {save: {use: jsonl, in: {said: said, at: said.lines.time}}}\noutputs: {line: save}\n");
  for (guint k = 0; k < 2; k++) {
    const char *words[] = {"live", "p.yaml", "--json", "--isolate", k ? "all" : "none", NULL};
    Ran ran = weft(words);
    g_test_message("%s", ran.err);
    g_assert_cmpint(ran.code, ==, 0);
    g_assert_cmpuint(g_strv_length(ran.lines), ==, 11);
    for (guint i = 0; i < 10; i++) {
      g_autofree char *even = g_strnfill(2 * i, (char)('a' + 2 * i)), *odd = g_strnfill(2 * i + 1, (char)('b' + 2 * i));
      g_autofree char *begin = i ? g_strdup_printf("\"time_ns\":%" G_GINT64_FORMAT ",", i * S) : g_strdup("");
      g_autofree char *expected = g_strdup_printf("{%s\"said\":[\"%s\",\"%s\"],\"at\":[%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT
                                                  "]}\n", begin, even, odd, i * S, i * S + S / 2);
      json_t *answer = json_loads(ran.lines[i], 0, NULL);
      g_assert_cmpstr(json_string_value(json_object_get(json_object_get(answer, "outputs"), "line")), ==, expected);
      json_decref(answer);
    }
    ran_clear(&ran);
  }
}

/* What a filter refuses never reaches a sink; what it allows does, in weft run too. */
static void test_command_refused(void)
{
  put("letters", "uarx");
  put("p.yaml", "weft: 1\nname: p\nassets: {letters: ./letters}\ninputs: {words: {type: text}}\n"
                "nodes:\n  gate: {use: judge, in: words, params: {letters: letters}, isolate: false}\n"
                "  save: {use: jsonl, in: {said: words}}\noutputs: {verdict: gate.verdict}\n"
                "sinks: {log: {from: save.bytes, to: said.jsonl}}\n");
  static const char *const texts[] = {"a fine", "x bad", "u unsure", "a \"quoted\"\t\xC3\xA9"};
  static const int codes[] = {0, 3, 3, 0};
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
    const char *words[] = {"run", "p.yaml", "--words", texts[i], NULL};
    Ran ran = weft(words);
    g_test_message("%s%s", ran.out, ran.err);
    g_assert_cmpint(ran.code, ==, codes[i]);
    ran_clear(&ran);
  }
  g_autofree char *log = read_file("said.jsonl");
  g_assert_cmpstr(log, ==, "{\"said\":\"a fine\"}\n{\"said\":\"a \\\"quoted\\\"\\t\xC3\xA9\"}\n");
}

static void test_command_refuses(void)
{
  static const struct {
    const char *command, *inputs, *message;
    int code;
  } cases[] = {
    {"run", "{a: {type: series, source: {use: replay, params: {file: fast, speed: 0}}, window: 1 s}}",
     "\"a\" is a live input, and no reader of type \"series\" is installed that could take a file instead", 4},
    {"live", "{a: {type: text}}", "the pipeline has no live input: weft run runs it", 4},
    {"live", "{a: {type: series, source: {use: replay, params: {file: fast}}}}", "the lead \"a\" has no window", 4},
    {"live", "{a: {type: series, source: {use: replay, params: {file: fast}}, window: 1}}", "window \"1\" has no unit", 4},
    {"live", "{a: {type: series, source: {use: replay, params: {file: fast}}, window: 25 h}}",
     "window \"25 h\" must lie between 1 ns and 24 h", 4},
    {"live", "{a: {type: series, source: {use: replay, params: {file: fast}}, window: 1 s, late: wait}}",
     "late is drop, hold or hold with a time up to 24 h, found \"wait\"", 4},
    {"live", "{a: {type: series, source: {use: replay, params: {file: fast}}, window: 1 s, buffer: 4095 bytes}}",
     "buffer \"4095 bytes\" must lie between 4 KiB and 1 GiB", 4},
    {"live", "{a: {type: series, source: {use: jsonl}, window: 1 s}}", "jsonl@1.0.0 is no source but a plugin of kind writer", 4},
    {"live", "{a: {type: audio, source: {use: replay, params: {file: fast}}, window: 1 s}}",
     "replay@1.0.0 gives series, the input has type \"audio\"", 4},
    {"live", "{a: {type: series, source: {use: replay, params: {file: slow, time: when}}, window: 1 s}}",
     "there is no column \"when\" of times among the 2 columns", 4},
    {"live", "{a: {type: series, window: 1 s}}", "input \"a\" has \"window\", which only a live input has", 4},
    {"live", "{a: {type: series, source: {use: replay, params: {file: fast, speed: 0}}, window: 1 s}, b: {type: text}}",
     "the input \"b\" is not live, and no window brings it", 4}};
  put_recordings();
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text = g_strdup_printf("weft: 1\nname: p\nassets: {fast: ./fast.csv, slow: ./slow.csv}\ninputs: %s\n"
                                            "nodes: {save: {use: jsonl, in: {a: a}}}\noutputs: {o: save}\n", cases[i].inputs);
    put("p.yaml", text);
    const char *words[] = {cases[i].command, "p.yaml", NULL};
    Ran ran = weft(words);
    g_test_message("%s", ran.err);
    g_assert_cmpint(ran.code, ==, cases[i].code);
    g_assert_nonnull(strstr(ran.err, cases[i].message));
    ran_clear(&ran);
  }
}

/* A recording that turns bad ends its stream with the line that is wrong. */
static void test_command_bad_line(void)
{
  put_recordings();
  put("fast.csv", "time,x\n0,1\n0.5,2\n1,3\n1.5,4\n2,five\n");
  put("p.yaml", "weft: 1\nname: p\n" INPUTS SAVE "outputs: {slow: slow}\n");
  const char *words[] = {"live", "p.yaml", NULL};
  Ran ran = weft(words);
  g_assert_cmpint(ran.code, ==, 1);
  g_assert_nonnull(strstr(ran.err, "stream \"fast\" (replay@1.0.0) has ended by an error: replay: line 6, column 1: \"five\" is "
                                   "no number"));
  ran_clear(&ran);
}

/* SIGTERM ends a loop that has no end, and what was begun is answered; real speed takes its time. */
static void test_command_signal(void)
{
  put_recordings();
  put("p.yaml", "weft: 1\nname: p\nassets: {slow: ./slow.csv}\ninputs: {slow: {type: series, window: 1 s, source: {use: replay, "
                "params: {file: slow, speed: 30, loop: true}}}}\n"
                "nodes: {save: {use: jsonl, in: {slow: slow}}}\noutputs: {slow: slow}\n");
  char *argv[] = {program, "live", "p.yaml", "--catalogue", catalogue, NULL};
  g_autoptr(GError) error = NULL;
  GPid pid = 0;
  int out = -1, status = 0;
  g_spawn_async_with_pipes(work, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &pid, NULL,
                           &out, NULL, &error);
  g_assert_no_error(error);
  g_autoptr(GString) text = g_string_new(NULL);
  char block[4096];
  gboolean told = FALSE;
  for (gssize n; (n = read(out, block, sizeof block)) > 0;) {
    guint n_lines = 0;
    g_string_append_len(text, block, n);
    for (const char *c = text->str; *c; c++)
      n_lines += *c == '\n';
    if (n_lines >= 6 && !told) { /* beyond the end of the recording: it has begun again */
      kill(pid, SIGTERM);
      told = TRUE;
    }
  }
  waitpid(pid, &status, 0);
  close(out);
  g_assert_true(told);
  g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  g_assert_true(g_str_has_prefix(text->str, "2024-01-31T12:00:00.000000000Z  slow [[0.0]]\n"
                                            "2024-01-31T12:00:03.000000000Z  slow [[3.0]]\n"));
  g_assert_nonnull(strstr(text->str, "2024-01-31T12:00:12.000000000Z  slow [[0.0]]\n"));
}

/* Bearings: three sensors at 12 kHz, where the data is. */
static void test_command_bearings(void)
{
  const char *data = g_getenv("WEFT_DATA") ? g_getenv("WEFT_DATA") : g_getenv("WEFT_DATA_DEFAULT");
  g_autofree char *folder = g_build_filename(data, "cwru", NULL);
  GDir *dir = g_dir_open(folder, 0, NULL);
  const char *name = NULL;
  while (dir && (name = g_dir_read_name(dir)) && (!g_str_has_suffix(name, ".npy") || strstr(name, "Normal")))
    ;
  if (!name) {
    if (dir)
      g_dir_close(dir);
    g_test_skip("no data: cwru/*.npy under WEFT_DATA");
    return;
  }
  g_autofree char *text = g_strdup_printf(
    "weft: 1\nname: p\nassets: {vib: %s/%s}\ninputs: {vib: {type: series, window: 500 ms, source: {use: replay, params: {file: "
    "vib, rate: 12 kHz, channels_first: true, speed: 0}}}}\nnodes: {save: {use: jsonl, in: {n: vib.samples.time}}}\n"
    "outputs: {bytes: save}\n", folder, name);
  put("p.yaml", text);
  g_dir_close(dir);
  const char *words[] = {"live", "p.yaml", "--json", NULL};
  Ran ran = weft(words);
  g_test_message("%s", ran.err);
  g_assert_cmpint(ran.code, ==, 0);
  g_assert_cmpuint(g_strv_length(ran.lines), ==, 11); /* 60,000 rows: 5 s */
  ran_clear(&ran);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  program = g_build_filename(g_getenv("G_TEST_BUILDDIR"), "core", "cli", "weft", NULL);
  work = g_dir_make_tmp("weft-live-XXXXXX", NULL);
  catalogue = g_build_filename(work, "catalogue", NULL);
  g_autofree char *judge = g_canonicalize_filename(argv[1], NULL), *ticks = g_canonicalize_filename(argv[2], NULL);
  const char *install[] = {"plugin", "install", judge, ticks, NULL};
  Ran ran = weft(install);
  if (ran.code != 0)
    g_error("%s", ran.err);
  ran_clear(&ran);
  g_test_add_func("/live-command/windows", test_command_windows);
  g_test_add_func("/live-command/again", test_command_again);
  g_test_add_func("/live-command/rotate", test_command_rotate);
  g_test_add_func("/live-command/sink-errors", test_command_sink_errors);
  g_test_add_func("/live-command/texts", test_command_texts);
  g_test_add_func("/live-command/refused", test_command_refused);
  g_test_add_func("/live-command/refuses", test_command_refuses);
  g_test_add_func("/live-command/bad-line", test_command_bad_line);
  g_test_add_func("/live-command/signal", test_command_signal);
  g_test_add_func("/live-command/bearings", test_command_bearings);
  int code = g_test_run();
  g_autofree char *remove = g_strdup_printf("rm -rf '%s'", work);
  g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL);
  return code;
}
