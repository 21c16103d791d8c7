/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed weights of a model of the catalogue: made by the first start, mapped
 * by the next, shared by processes; and what happens where that cannot be.
 */
#include "cli-fixture.h"
#include "modelmaker.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPELINE \
  "weft: 1\nname: p\ninputs: {words: {type: text}}\nmodels: {enc: {use: %s, precision: %s}}\n" \
  "nodes:\n  read: {use: bert@^1, model: enc, in: words}\noutputs: {y: read.pooled}\n"
#define SHAPE {.d = 128, .n_layers = 3, .n_heads = 4, .d_hidden = 512, .n_words = 4000}

static char *catalogue;

static void write_pipeline(const char *model, const char *precision)
{
  g_autofree char *text = g_strdup_printf(PIPELINE, model, precision);
  g_free(cli_write("p.yaml", text, -1));
}

static CliResult ask(const char *isolate)
{
  return cli_weft(NULL, "run", "WORK/p.yaml", "--words", "two words", "--json", "--isolate", isolate, "--catalogue",
                  "WORK/catalogue", NULL);
}

/* The answer's vector as text; says what the run complained of. Caller frees with g_free. */
static char *vector_of(const char *isolate, char **complaint)
{
  g_auto(CliResult) result = ask(isolate);
  g_assert_cmpint(result.code, ==, 0);
  json_t *answer = cli_json(&result);
  char *dumped = json_dumps(cli_at(answer, "outputs.y"), 0), *copy = g_strdup(dumped);
  free(dumped);
  json_decref(answer);
  if (complaint)
    *complaint = g_strdup(result.err);
  else
    g_assert_cmpstr(result.err, ==, "");
  return copy;
}

/* Names in the folder of what is derived, joined; "" without it. Caller frees with g_free. */
static char *kept(guint *n)
{
  g_autofree char *folder = g_build_filename(catalogue, "derived", NULL);
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  char *path = NULL;
  *n = 0;
  for (const char *name; dir && (name = g_dir_read_name(dir)); (*n)++) {
    g_free(path);
    path = g_build_filename(folder, name, NULL);
  }
  return path;
}

static void forget(void)
{
  g_auto(CliResult) result = cli_weft(NULL, "model", "gc", "--catalogue", "WORK/catalogue", NULL);
  g_assert_cmpint(result.code, ==, 0);
}

static void test_packed_first_start_makes_them(void)
{
  guint n = 0;
  g_autofree char *folder = g_build_filename(cli_work(), "enc", NULL);
  write_pipeline(folder, "f32");
  g_autofree char *plain = vector_of("none", NULL);
  g_assert_null(kept(&n));
  write_pipeline("enc@^1", "f32");
  g_autofree char *first = vector_of("none", NULL), *path = kept(&n);
  g_assert_cmpuint(n, ==, 1);
  g_autofree char *second = vector_of("none", NULL), *worker = vector_of("all", NULL);
  g_assert_cmpstr(plain, ==, first);
  g_assert_cmpstr(plain, ==, second);
  g_assert_cmpstr(plain, ==, worker);
  write_pipeline("enc@^1", "int8");
  g_autofree char *int8 = vector_of("none", NULL), *again = vector_of("none", NULL), *other = kept(&n);
  g_assert_cmpuint(n, ==, 2);
  g_assert_cmpstr(int8, ==, again);
  g_auto(CliResult) show = cli_weft(NULL, "model", "show", "enc", "--catalogue", "WORK/catalogue", "--json", NULL);
  json_t *row = cli_json(&show);
  g_assert_cmpuint(json_array_size(cli_at(row, "packed")), ==, 2);
  g_assert_nonnull(strstr(json_string_value(cli_at(json_array_get(cli_at(row, "packed"), 0), "layout")), "compute-cpu/"));
  json_decref(row);
}

/* A worker finds what is there and writes nothing. */
static void test_packed_worker_never_writes(void)
{
  guint n = 0;
  forget();
  write_pipeline("enc@^1", "f32");
  g_autofree char *alone = vector_of("all", NULL);
  g_assert_null(kept(&n));
  g_autofree char *here = vector_of("none", NULL);
  g_assert_cmpstr(alone, ==, here);
}

static void damage(const char *path, goffset offset, gboolean cut)
{
  g_chmod(path, 0600);
  FILE *file = g_fopen(path, "r+");
  g_assert_nonnull(file);
  if (cut) {
    g_assert_cmpint(ftruncate(fileno(file), offset), ==, 0);
  } else {
    g_assert_cmpint(fseek(file, offset, SEEK_SET), ==, 0);
    fputc('?', file);
  }
  fclose(file);
}

static void test_packed_damage(void)
{
  const struct {
    goffset offset;
    gboolean cut;
  } faults[] = {{0, TRUE}, {100, TRUE}, {4096 + 100, TRUE}, {3, FALSE}, {8, FALSE}, {17, FALSE}, {150, FALSE}, {400, FALSE}};
  guint n = 0;
  write_pipeline("enc@^1", "f32");
  g_autofree char *good = vector_of("none", NULL), *path = kept(&n);
  for (guint i = 0; i < G_N_ELEMENTS(faults); i++) {
    g_autofree char *complaint = NULL;
    damage(path, faults[i].offset, faults[i].cut);
    g_auto(CliResult) check = cli_weft(NULL, "model", "check", "enc", "--catalogue", "WORK/catalogue", NULL);
    if (i < 5) {
      g_assert_cmpint(check.code, ==, 1);
      cli_contains(check.err, "its packed weights ");
    }
    g_autofree char *answer = vector_of("none", &complaint);
    g_assert_cmpstr(answer, ==, good);
    cli_contains(complaint, "is damaged: its weights are packed anew");
    g_assert_null(strchr(strchr(complaint, '\n') + 1, '\n'));
    g_autofree char *mended = vector_of("none", NULL);
    g_assert_cmpstr(mended, ==, good);
  }
  damage(path, 4096 * 3, FALSE); /* in the payload: only `check` reads all of it */
  g_auto(CliResult) check = cli_weft(NULL, "model", "check", "enc", "--catalogue", "WORK/catalogue", NULL);
  g_assert_cmpint(check.code, ==, 1);
  forget();
}

/* Where the folder cannot be written, every start packs for itself and says so once. */
static void test_packed_without_a_place(void)
{
  g_autofree char *complaint = NULL, *folder = g_build_filename(catalogue, "derived", NULL);
  write_pipeline("enc@^1", "f32");
  g_autofree char *good = vector_of("none", NULL);
  forget();
  g_assert_cmpint(g_rmdir(folder), ==, 0);
  g_free(cli_write("catalogue/derived", "in the way", -1));
  g_autofree char *answer = vector_of("none", &complaint);
  g_assert_cmpstr(answer, ==, good);
  cli_contains(complaint, "packed weights of enc@1.0.0 cannot be kept: ");
  g_assert_null(strchr(strchr(complaint, '\n') + 1, '\n'));
  g_assert_cmpint(g_remove(folder), ==, 0);
}

typedef struct {
  GPid pid;
  int in, out;
} Served;

/* weft, which answers a line and waits for the next. */
static Served serve(const char *isolate)
{
  g_autofree char *program = g_test_build_filename(G_TEST_BUILT, "core", "cli", "weft", NULL);
  g_autofree char *file = g_build_filename(cli_work(), "p.yaml", NULL);
  const char *argv[] = {program, "run", file, "--batch", "-", "--catalogue", catalogue, "--isolate", isolate, NULL};
  Served served = {0};
  g_autoptr(GError) error = NULL;
  g_spawn_async_with_pipes(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &served.pid, &served.in,
                           &served.out, NULL, &error);
  g_assert_no_error(error);
  return served;
}

static void wait_for_answer(Served *served)
{
  static const char line[] = "{\"words\": \"two words\"}\n";
  char c = 0;
  g_assert_cmpint(write(served->in, line, sizeof line - 1), ==, sizeof line - 1);
  while (c != '\n')
    g_assert_cmpint(read(served->out, &c, 1), ==, 1);
}

static void end(Served *served)
{
  int status = 0;
  close(served->in);
  g_assert_cmpint(waitpid(served->pid, &status, 0), ==, served->pid);
  g_assert_cmpint(status, ==, 0);
  close(served->out);
}

/* Whether a file is mapped to be run too: a plugin, whose relocated pages are its process's own. */
static gboolean is_code(char **lines, const char *file)
{
  for (; *lines; lines++)
    if (strstr(*lines, " r-xp ") && g_str_has_suffix(*lines, file))
      return TRUE;
  return FALSE;
}

/* Kilobytes of one key over the mappings of files, plugins left out, whose path holds `part`. */
static guint64 mapped_kb(GPid pid, const char *part, const char *key)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/smaps", (int)pid), *smaps = NULL;
  g_assert_true(g_file_get_contents(path, &smaps, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(smaps, "\n", -1);
  guint64 sum = 0;
  gboolean inside = FALSE;
  for (guint i = 0; lines[i]; i++) {
    if (strchr(lines[i], '-') && strchr(lines[i], '-') < strchr(lines[i], ' '))
      inside = strstr(lines[i], part) && !is_code(lines, strchr(lines[i], '/'));
    else if (inside && g_str_has_prefix(lines[i], key) && lines[i][strlen(key)] == ':')
      sum += g_ascii_strtoull(lines[i] + strlen(key) + 1, NULL, 10);
  }
  return sum;
}

static void test_packed_processes_share_pages(void)
{
  guint n = 0;
  write_pipeline("enc@^1", "f32");
  g_free(vector_of("none", NULL));
  g_autofree char *path = kept(&n);
  g_assert_cmpuint(n, ==, 1);
  Served a = serve("none"), b = serve("none");
  wait_for_answer(&a);
  wait_for_answer(&b);
  for (guint i = 0; i < 2; i++) {
    GPid pid = i ? b.pid : a.pid;
    guint64 resident = mapped_kb(pid, path, "Rss"), proportional = mapped_kb(pid, path, "Pss");
    g_assert_cmpuint(mapped_kb(pid, path, "Size"), >, 2000);
    g_assert_cmpuint(resident, >, 2000);
    g_assert_cmpuint(mapped_kb(pid, path, "Private_Dirty"), ==, 0);
    g_assert_cmpuint(proportional * 3, <, resident * 2);
    g_assert_cmpuint(mapped_kb(pid, "/sha256/", "Size"), >, 2000);
    g_assert_cmpuint(mapped_kb(pid, "/sha256/", "Private_Dirty"), ==, 0);
  }
  end(&a);
  end(&b);
}

/* What a process of its own reads is the same file, not a copy. */
static void test_packed_worker_maps_the_file(void)
{
  guint n = 0;
  write_pipeline("enc@^1", "f32");
  g_free(vector_of("none", NULL));
  g_autofree char *path = kept(&n), *children = NULL;
  Served a = serve("read");
  wait_for_answer(&a);
  g_assert_cmpuint(mapped_kb(a.pid, path, "Rss"), <, 100);
  g_autofree char *command =
      g_strdup_printf("cat $(grep -lsx 'PPid:\t%d' /proc/[0-9]*/status) | sed -n 's/^Pid:\t//p'", (int)a.pid);
  const char *argv[] = {"sh", "-c", command, NULL};
  g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &children, NULL, NULL, NULL));
  GPid zygote = (GPid)g_ascii_strtoll(children, NULL, 10);
  g_assert_cmpint(zygote, >, 0);
  g_assert_cmpuint(mapped_kb(zygote, path, "Size"), >, 2000);
  g_assert_cmpuint(mapped_kb(zygote, "/sha256/", "Size"), >, 2000);
  end(&a);
}

static void test_packed_two_make_them_at_once(void)
{
  guint n = 0;
  forget();
  write_pipeline("enc@^1", "f32");
  Served a = serve("none"), b = serve("none"), c = serve("none");
  wait_for_answer(&a);
  wait_for_answer(&b);
  wait_for_answer(&c);
  end(&a);
  end(&b);
  end(&c);
  g_autofree char *path = kept(&n);
  g_assert_cmpuint(n, ==, 1);
  g_auto(CliResult) check = cli_weft(NULL, "model", "check", "enc", "--catalogue", "WORK/catalogue", NULL);
  g_assert_cmpint(check.code, ==, 0);
}

static void test_packed_ahead(void)
{
  guint n = 0;
  forget();
  g_auto(CliResult) one = cli_weft(NULL, "model", "pack", "enc", "--precision", "int8", "--catalogue", "WORK/catalogue", NULL);
  g_assert_cmpstr(one.err, ==, "");
  g_assert_true(g_str_has_prefix(one.out, "made   compute-cpu/1 "));
  g_free(kept(&n));
  g_assert_cmpuint(n, ==, 1);
  g_auto(CliResult) all = cli_weft(NULL, "model", "pack", "enc", "--catalogue", "WORK/catalogue", "--json", NULL);
  json_t *list = cli_json(&all);
  guint n_made = 0;
  for (size_t i = 0; i < json_array_size(list); i++)
    n_made += json_is_true(cli_at(json_array_get(list, i), "made"));
  g_assert_cmpuint(n_made + 1, ==, json_array_size(list));
  g_assert_cmpuint(n_made, >=, 2); /* f32, int4, and bf16 where the processor has it */
  json_decref(list);
  g_auto(CliResult) scalar = cli_weft(NULL, "model", "pack", "enc", "--precision", "f32", "--isa", "scalar", "--catalogue",
                                      "WORK/catalogue", NULL);
  cli_contains(scalar.out, "made   compute-cpu/1 scalar-f32");
  g_auto(CliResult) folder = cli_weft(NULL, "model", "pack", "WORK/enc", "--catalogue", "WORK/catalogue", NULL);
  g_assert_cmpint(folder.code, ==, 1);
  cli_contains(folder.err, "\"weft model add\" puts it into the catalogue");
  g_auto(CliResult) isa = cli_weft(NULL, "model", "pack", "enc", "--isa", "avx9", "--catalogue", "WORK/catalogue", NULL);
  g_assert_cmpint(isa.code, ==, 1);
  cli_contains(isa.err, "avx9");
  forget();
}

static void test_packed_goes_with_its_model(void)
{
  guint n = 0;
  write_pipeline("enc@^1", "f32");
  g_free(vector_of("none", NULL));
  g_auto(CliResult) result = cli_weft(NULL, "model", "remove", "enc", "--catalogue", "WORK/catalogue", NULL);
  g_assert_cmpint(result.code, ==, 0);
  g_assert_null(kept(&n));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  cli_fixture_init();
  static const ModelmakerBert shape = SHAPE;
  char *texts[] = {"two words", NULL};
  g_autofree char *folder = g_build_filename(cli_work(), "enc", NULL);
  g_autofree char *tokenizer = g_build_filename(cli_digits(), "models", "bert", "tokenizer.json", NULL);
  catalogue = g_build_filename(cli_work(), "catalogue", NULL);
  if (!modelmaker_bert(folder, &shape, tokenizer, texts))
    g_error("no model");
  g_auto(CliResult) add = cli_weft(NULL, "model", "add", "WORK/enc", "--catalogue", "WORK/catalogue", NULL);
  if (add.code)
    g_error("%s", add.err);
  g_test_add_func("/packed/first_start_makes_them", test_packed_first_start_makes_them);
  g_test_add_func("/packed/worker_never_writes", test_packed_worker_never_writes);
  g_test_add_func("/packed/damage", test_packed_damage);
  g_test_add_func("/packed/without_a_place", test_packed_without_a_place);
  g_test_add_func("/packed/processes_share_pages", test_packed_processes_share_pages);
  g_test_add_func("/packed/worker_maps_the_file", test_packed_worker_maps_the_file);
  g_test_add_func("/packed/two_make_them_at_once", test_packed_two_make_them_at_once);
  g_test_add_func("/packed/ahead", test_packed_ahead);
  g_test_add_func("/packed/goes_with_its_model", test_packed_goes_with_its_model);
  int code = g_test_run();
  cli_fixture_end();
  g_free(catalogue);
  return code;
}
