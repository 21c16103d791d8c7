/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest.h"

#include <string.h>

#define FILE_OF(plugins) \
  "{\"weft\": 1, \"name\": \"t\", \"version\": \"1.0.0\", \"licence\": \"MIT\", \"plugins\": [" plugins "]}"
#define IN "\"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"dims\": [\"*\", 16]}]"
#define OUT "\"outputs\": [{\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\", 16]}]"
#define PLUGIN(more) "{\"id\": \"t\", \"kind\": \"transform\", " IN ", " OUT more "}"
#define INPUT(text) FILE_OF("{\"id\": \"t\", \"kind\": \"transform\", \"inputs\": [{" text "}], " OUT "}")
#define OUTPUT(text) FILE_OF("{\"id\": \"t\", \"kind\": \"transform\", " IN ", \"outputs\": [{" text "}]}")
#define PARAM(text) FILE_OF(PLUGIN(", \"params\": [{" text "}]"))

static WeftManifest *parse(const char *json, GError **error)
{
  return weft_manifest_parse(json, strlen(json), "m.json", error);
}

static const char whole[] =
  "{\"weft\": 1, \"name\": \"vit\", \"version\": \"1.2.3\", \"licence\": \"Apache-2.0\", \"plugins\": [{"
  "\"id\": \"vit\", \"kind\": \"encoder\", \"summary\": \"Vision\", \"model\": \"required\","
  "\"inputs\": [{\"name\": \"pixels\", \"type\": \"u8\", \"dims\": [\"*\", 3], \"splits\": 1,"
  "  \"attributes\": {\"modality\": \"image\", \"colour\": \"rgb\"}},"
  " {\"name\": \"pixels.size\", \"type\": \"i32\", \"dims\": [\"*\", 2], \"optional\": true},"
  " {\"name\": \"more[]\", \"type\": \"bf16\", \"dims\": [\"*\", \"d\", \"*\"], \"splits\": 2}],"
  "\"outputs\": [{\"name\": \"tokens\", \"type\": \"f32\", \"dims\": [\"*\", \"d\"], \"splits\": 1,"
  "  \"rows\": {\"kind\": \"bounded\", \"terms\": {\"items\": 197, \"pixels.rows\": 2, \"more.groups\": 3}}},"
  " {\"name\": \"w\", \"type\": \"f32\", \"dims\": [\"*\", 4], \"explain\": true}],"
  "\"params\": [{\"name\": \"beam\", \"type\": \"int\", \"default\": 4, \"min\": 1, \"max\": 64},"
  " {\"name\": \"t\", \"type\": \"number\", \"default\": 0.5, \"unit\": \"ms\", \"doc\": \"d\"},"
  " {\"name\": \"how\", \"type\": \"text\", \"default\": \"a\", \"choices\": [\"a\", \"b\"]},"
  " {\"name\": \"on\", \"type\": \"bool\", \"default\": true}, {\"name\": \"must\", \"type\": \"text\"}],"
  "\"determinism\": \"bitwise\", \"pure\": true, \"parallel\": true, \"blocking\": true, \"fork_safe\": false,"
  "\"resources\": [\"self/a\"], \"grants\": [\"net:example.org:443\", \"read:/x\", \"threads:2\", \"gpu\"]},"
  "{\"id\": \"png\", \"kind\": \"reader\", \"inputs\": [{\"name\": \"bytes\", \"type\": \"u8\", \"dims\": [\"*\"], \"splits\": 1}],"
  " \"outputs\": [{\"name\": \"pixels\", \"type\": \"u8\", \"dims\": [\"*\", 3], \"splits\": 1,"
  "  \"rows\": {\"kind\": \"dynamic\"}}],"
  " \"reads\": {\"type\": \"image\", \"format\": \"PNG\", \"magic\": [{\"at\": 1, \"hex\": \"504e47\"}]}},"
  "{\"id\": \"cpu\", \"kind\": \"compute\"}]}";

static void test_manifest_reads_everything(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftManifest) m = parse(whole, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(m->plugins->len, ==, 3);
  g_assert_cmpstr(m->version, ==, "1.2.3");
  const WeftPluginSpec *vit = weft_manifest_find(m, "vit");
  g_assert_cmpint(vit->model, ==, WEFT_MODEL_REQUIRED);
  g_assert_true(vit->pure && vit->parallel && vit->blocking && !vit->fork_safe);
  g_assert_cmpstr(vit->determinism, ==, "bitwise");
  g_assert_cmpstr(vit->grants[0], ==, "net:example.org:443");
  const WeftPortSpec *pixels = weft_plugin_spec_input(vit, "pixels"), *size = weft_plugin_spec_input(vit, "pixels.size");
  g_assert_cmpuint(pixels->rank, ==, 2);
  g_assert_cmpint(pixels->dims[0].size, ==, -1);
  g_assert_cmpint(pixels->dims[1].size, ==, 3);
  g_assert_cmpuint(pixels->n_splits, ==, 1);
  g_assert_cmpuint(pixels->attributes->len, ==, 2);
  g_assert_cmpstr(size->base, ==, "pixels");
  g_assert_cmpstr(size->role, ==, "size");
  g_assert_true(size->optional);
  const WeftPortSpec *more = weft_plugin_spec_input(vit, "more");
  g_assert_true(more->variadic);
  g_assert_cmpstr(more->dims[1].name, ==, "d");
  g_assert_cmpint(more->dims[2].size, ==, -1);
  g_assert_null(more->dims[2].name);
  g_assert_cmpstr(weft_dtype_name(more->dtype), ==, "bf16");
  const WeftPortSpec *tokens = weft_plugin_spec_output(vit, "tokens");
  g_assert_cmpuint(tokens->rows_kind, ==, WEFT_ROWS_BOUNDED);
  g_assert_cmpuint(tokens->terms->len, ==, 3);
  const WeftRowsTerm *term = tokens->terms->pdata[2];
  g_assert_cmpstr(term->port, ==, "more");
  g_assert_cmpuint(term->of, ==, WEFT_COUNT_GROUPS);
  g_assert_cmpint(term->factor, ==, 3);
  g_assert_true(weft_plugin_spec_output(vit, "w")->explain);
  const WeftPluginSpec *png = weft_manifest_find(m, "png");
  const WeftMagic *magic = png->magic->pdata[0];
  g_assert_cmpuint(magic->at, ==, 1);
  g_assert_cmpmem(g_bytes_get_data(magic->bytes, NULL), g_bytes_get_size(magic->bytes), "PNG", 3);
  g_assert_true(png->fork_safe);
  g_assert_cmpstr(png->determinism, ==, "none");
  g_assert_null(weft_manifest_find(m, "gif"));
}

static void test_manifest_reads_defaults(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftManifest) m = parse(whole, &error);
  g_assert_no_error(error);
  const GPtrArray *params = weft_manifest_find(m, "vit")->params;
  static const char *const texts[] = {"4", "0.5", "a", "true", NULL};
  g_assert_cmpuint(params->len, ==, G_N_ELEMENTS(texts));
  for (guint i = 0; i < params->len; i++) {
    const WeftParamSpec *param = params->pdata[i];
    g_assert_cmpstr(param->default_text, ==, texts[i]);
    g_assert_cmpint(param->has_default, ==, texts[i] != NULL);
  }
  g_assert_cmpfloat(((WeftParamSpec *)params->pdata[0])->max, ==, 64);
  g_assert_cmpstr(((WeftParamSpec *)params->pdata[1])->unit, ==, "ms");
}

static const struct {
  const char *json, *message;
} bad[] = {
  {"", "m.json:1:0: not JSON"},
  {"{\"weft\": 1, \"weft\": 1}", "duplicate object key"},
  {"[]", "m.json: /: expected an object, found an array"},
  {"{}", "m.json: /: the key \"weft\" is missing"},
  {"{\"weft\": \"1\"}", "m.json: /weft: expected an integer from 1 to 4294967295, found \"1\""},
  {"{\"weft\": 1, \"name\": \"t\", \"version\": \"1.0\", \"licence\": \"MIT\", \"plugins\": []}",
   "expected a semantic version such as \"1.2.3\", found \"1.0\""},
  {FILE_OF(""), "m.json: /plugins: expected at least one plugin"},
  {"{\"weft\": 1, \"nme\": \"t\"}", "m.json: /: unknown key \"nme\"; did you mean \"name\"?"},
  {FILE_OF(PLUGIN(", \"zzzzzzz\": 1")), "m.json: /plugins/0: unknown key \"zzzzzzz\"; known here: id, kind, summary"},
  {FILE_OF(PLUGIN("") ", " PLUGIN("")), "m.json: /plugins/1: the id \"t\" is there twice"},
  {FILE_OF("{\"id\": \"T\"}"), "expected an id of lower case letters, digits and -, found \"T\""},
  {FILE_OF("{\"id\": \"t\", \"kind\": \"coder\"}"),
   "m.json: /plugins/0/kind: expected reader, source, encoder, fusion, expert, head, filter, writer, transform or compute, found "
   "\"coder\""},
  {FILE_OF("{\"id\": \"t\", \"kind\": \"head\"}"), "a plugin of kind head has at least one input and one output"},
  {FILE_OF("{\"id\": \"t\", \"kind\": \"compute\", " IN "}"), "a compute provider has no ports"},
  {FILE_OF("{\"id\": \"t\", \"kind\": \"reader\", " IN ", " OUT "}"), "the key \"reads\" is missing"},
  {FILE_OF(PLUGIN(", \"reads\": {\"type\": \"image\"}")), "only a reader has \"reads\"; this is of kind transform"},
  {FILE_OF("{\"id\": \"t\", \"kind\": \"reader\", " IN ", " OUT ", \"reads\": {\"type\": \"image\", \"magic\": [{\"hex\": "
           "\"8g\"}]}}"),
   "/plugins/0/reads/magic/0/hex: expected pairs of hexadecimal digits, found \"8g\""},
  {FILE_OF(PLUGIN(", \"pure\": 1")), "m.json: /plugins/0/pure: expected true or false, found 1"},
  {FILE_OF(PLUGIN(", \"grants\": [\"net:x\"]")), "expected the grant net:HOST:PORT, read:PATH, threads:N or gpu"},
  {INPUT("\"name\": \"X\", \"type\": \"f32\", \"dims\": [\"*\"]"), "/plugins/0/inputs/0/name: expected lower case letters"},
  {INPUT("\"name\": \"x.y.z\", \"type\": \"f32\", \"dims\": [\"*\"]"), "at most one companion role"},
  {INPUT("\"name\": \"x.size\", \"type\": \"f32\", \"dims\": [\"*\"]"),
   "m.json: /plugins/0/inputs: \"x.size\" is the companion of \"x\", which is not there"},
  {INPUT("\"name\": \"x\", \"type\": \"f23\", \"dims\": [\"*\"]"), "/inputs/0/type: expected an element type"},
  {INPUT("\"name\": \"x\", \"type\": \"f32\", \"dims\": []"), "/inputs/0/dims: expected 1 to 8 dims"},
  {INPUT("\"name\": \"x\", \"type\": \"f32\", \"dims\": [3]"), "the first dim is the rows: expected \"*\", found 3"},
  {INPUT("\"name\": \"x\", \"type\": \"f32\", \"dims\": [\"*\", 0]"), "/dims/1: expected a size from 1 to"},
  {INPUT("\"name\": \"x\", \"type\": \"f32\", \"dims\": [\"*\"], \"splits\": 3"), "expected an integer from 0 to 2, found 3"},
  {INPUT("\"name\": \"x\", \"type\": \"f32\", \"dims\": [\"*\"], \"rows\": {}"), "only outputs say \"rows\""},
  {INPUT("\"name\": \"x\", \"type\": \"f32\", \"dims\": [\"*\"], \"explain\": true"), "unknown key \"explain\""},
  {OUTPUT("\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\", 4], \"state\": true"), "must be an input and an output of the "
                                                                                       "same type and dims"},
  {OUTPUT("\"name\": \"x\", \"type\": \"f32\", \"dims\": [\"*\", 16], \"state\": true"), "must be an input and an output"},
  {OUTPUT("\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\", \"d\"], \"state\": true"), "the dims of a state are sizes"},
  {OUTPUT("\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\"], \"splits\": 1, \"rows\": {\"kind\": \"dynamic\"}, "
          "\"state\": true"), "a state has one row an item"},
  {FILE_OF("{\"id\": \"t\", \"kind\": \"transform\", \"inputs\": [{\"name\": \"s\", \"type\": \"f32\", \"dims\": [\"*\"], "
           "\"state\": true}], \"outputs\": [{\"name\": \"s\", \"type\": \"f32\", \"dims\": [\"*\"], \"state\": true}]}"),
   "it cannot be a state"},
  {OUTPUT("\"name\": \"y[]\", \"type\": \"f32\", \"dims\": [\"*\"]"), "variadic, which only inputs can be"},
  {OUTPUT("\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\"], \"splits\": 1"), "must say its \"rows\""},
  {OUTPUT("\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\"], \"rows\": {\"kind\": \"dynamic\"}"), "leave \"rows\" out"},
  {OUTPUT("\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\"], \"splits\": 1, \"rows\": {\"kind\": \"dynamic\", \"terms\": {}}"),
   "rows that are dynamic have no terms"},
  {OUTPUT("\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\"], \"splits\": 1, \"rows\": {\"kind\": \"exact\", \"terms\": "
          "{\"z.rows\": 1}}"),
   "count the input \"z\", which is not there"},
  {OUTPUT("\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\"], \"splits\": 1, \"rows\": {\"kind\": \"exact\", \"terms\": "
          "{\"x.groups\": 1}}"),
   "count the groups of input \"x\", which has none"},
  {OUTPUT("\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\"], \"splits\": 1, \"rows\": {\"kind\": \"exact\", \"terms\": "
          "{\"items\": 0}}"),
   "/rows/terms/items: expected a factor from 1 to 1073741824, found 0"},
  {PARAM("\"name\": \"p\", \"type\": \"int\", \"default\": 0.5"), "/params/0/default: expected an integer, found 0.5"},
  {PARAM("\"name\": \"p\", \"type\": \"int\", \"default\": 9, \"max\": 8"), "the default 9 is above \"max\" 8"},
  {PARAM("\"name\": \"p\", \"type\": \"int\", \"default\": 0, \"min\": 1"), "the default 0 is below \"min\" 1"},
  {PARAM("\"name\": \"p\", \"type\": \"int\", \"min\": 3, \"max\": 2"), "\"min\" 3 is above \"max\" 2"},
  {PARAM("\"name\": \"p\", \"type\": \"text\", \"min\": 3"), "only parameters of type int and number have \"min\""},
  {PARAM("\"name\": \"p\", \"type\": \"int\", \"choices\": [\"a\"]"), "only parameters of type text have \"choices\""},
  {PARAM("\"name\": \"p\", \"type\": \"text\", \"default\": \"c\", \"choices\": [\"a\"]"), "not one of \"choices\""},
  {PARAM("\"name\": \"p\", \"type\": \"text\", \"unit\": \"km\""), "expected ms, Hz, bytes or ratio, found \"km\""},
  {PARAM("\"name\": \"p\", \"type\": \"text\"}, {\"name\": \"p\", \"type\": \"text\""), "/params/1: \"p\" is there twice"},
};

static void test_manifest_names_what_is_wrong(void)
{
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(WeftManifest) m = parse(bad[i].json, &error);
    g_assert_null(m);
    g_assert_nonnull(error);
    if (!strstr(error->message, bad[i].message))
      g_error("case %zu: expected \"%s\" in \"%s\"", i, bad[i].message, error->message);
  }
}

/* A manifest whose list has n entries. */
static char *with_list(const char *before, const char *entry, guint n, const char *after)
{
  GString *text = g_string_new(before);
  for (guint i = 0; i < n; i++) {
    g_autofree char *number = g_strdup_printf("%u", i);
    g_auto(GStrv) parts = g_strsplit(entry, "#", -1);
    g_autofree char *one = g_strjoinv(number, parts);
    g_string_append_printf(text, "%s%s", i ? ", " : "", one);
  }
  g_string_append(text, after);
  return g_string_free(text, FALSE);
}

static void check_limit(const char *before, const char *entry, guint limit, const char *after, const char *message)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *at = with_list(before, entry, limit, after), *past = with_list(before, entry, limit + 1, after);
  g_autoptr(WeftManifest) good = parse(at, &error);
  g_assert_no_error(error);
  g_autoptr(WeftManifest) none = parse(past, &error);
  g_assert_null(none);
  if (!strstr(error->message, message))
    g_error("expected \"%s\" in \"%s\"", message, error->message);
}

static void test_manifest_limits(void)
{
  static const char head[] = "{\"weft\": 1, \"name\": \"t\", \"version\": \"1.0.0\", \"licence\": \"MIT\", \"plugins\": [";
  g_autofree char *inputs = g_strconcat(head, "{\"id\": \"t\", \"kind\": \"head\", " OUT ", \"inputs\": [", NULL);
  g_autofree char *params = g_strconcat(head, "{\"id\": \"t\", \"kind\": \"head\", " IN ", " OUT ", \"params\": [", NULL);
  g_autofree char *names = g_strconcat(head, "{\"id\": \"t\", \"kind\": \"head\", " IN ", " OUT ", \"resources\": [", NULL);
  check_limit(head, "{\"id\": \"t#\", \"kind\": \"compute\"}", WEFT_MANIFEST_MAX_PLUGINS, "]}", "at most 64 entries, found 65");
  check_limit(inputs, "{\"name\": \"x#\", \"type\": \"f32\", \"dims\": [\"*\"]}", WEFT_MANIFEST_MAX_PORTS, "]}]}",
              "at most 32 entries, found 33");
  check_limit(params, "{\"name\": \"x#\", \"type\": \"text\"}", WEFT_MANIFEST_MAX_PARAMS, "]}]}",
              "at most 64 entries, found 65");
  check_limit(names, "\"x#\"", WEFT_MANIFEST_MAX_ENTRIES, "]}]}", "at most 256 entries, found 257");
}

static void check_text(const char *good_text, const char *bad_text, const char *message)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftManifest) good = parse(good_text, &error);
  g_assert_no_error(error);
  g_autoptr(WeftManifest) none = parse(bad_text, &error);
  g_assert_null(none);
  if (!strstr(error->message, message))
    g_error("expected \"%s\" in \"%s\"", message, error->message);
}

#define RANKED(dims) INPUT("\"name\": \"x\", \"type\": \"f32\", \"dims\": [\"*\"" dims "]")
#define FACTOR(n) \
  OUTPUT("\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\"], \"splits\": 1, \"rows\": {\"kind\": \"exact\", " \
         "\"terms\": {\"items\": " n "}}")

static void test_manifest_limits_of_ports(void)
{
  check_text(RANKED(", 1, 1, 1, 1, 1, 1, 1"), RANKED(", 1, 1, 1, 1, 1, 1, 1, 1"), "at most 8 entries, found 9");
  check_text(RANKED(", 2147483647"), RANKED(", 2147483648"), "expected a size from 1 to 2147483647");
  check_text(FACTOR("1073741824"), FACTOR("1073741825"), "expected a factor from 1 to 1073741824, found 1073741825");
  g_autofree char *long_text = g_strnfill(WEFT_MANIFEST_MAX_TEXT, 'a');
  g_autofree char *good = g_strdup_printf(FILE_OF(PLUGIN(", \"summary\": \"%s\"")), long_text);
  g_autofree char *bad_one = g_strdup_printf(FILE_OF(PLUGIN(", \"summary\": \"%sa\"")), long_text);
  check_text(good, bad_one, "/plugins/0/summary: expected at most 65536 bytes, found 65537");
}

static void test_manifest_limit_of_names(void)
{
  for (guint more = 0; more < 2; more++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strnfill(WEFT_MANIFEST_MAX_NAME + more, 'a');
    g_autofree char *json = g_strdup_printf(FILE_OF("{\"id\": \"%s\", \"kind\": \"compute\"}"), name);
    g_autoptr(WeftManifest) m = parse(json, &error);
    g_assert_cmpint(m != NULL, ==, more == 0);
    if (more)
      g_assert_nonnull(strstr(error->message, "/plugins/0/id: expected at most 64 bytes, found 65"));
  }
}

static void test_manifest_limit_of_bytes(void)
{
  for (guint more = 0; more < 2; more++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *json = g_strnfill(WEFT_MANIFEST_MAX_BYTES + more, ' ');
    memcpy(json, whole, sizeof whole - 1);
    g_autoptr(WeftManifest) m = weft_manifest_parse(json, WEFT_MANIFEST_MAX_BYTES + more, "m.json", &error);
    g_assert_cmpint(m != NULL, ==, more == 0);
    if (more)
      g_assert_cmpstr(error->message, ==, "m.json: a manifest has at most 1048576 bytes, this has 1048577");
  }
}

static void test_manifest_every_cut_is_an_error(void)
{
  for (gsize n = 0; n < sizeof whole - 1; n++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(weft_manifest_parse(whole, n, "cut", &error));
    g_assert_nonnull(error);
  }
}

static void test_manifest_dtypes(void)
{
  static const char *const names[] = {"u8",  "u16", "u32", "u64", "i8",   "i16", "i32",
                                      "i64", "f16", "f32", "f64", "bf16", "bool"};
  struct weft_dtype dtype;
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_assert_true(weft_dtype_parse(names[i], &dtype));
    g_assert_cmpstr(weft_dtype_name(dtype), ==, names[i]);
  }
  g_assert_false(weft_dtype_parse("f8", &dtype));
  g_assert_null(weft_dtype_name((struct weft_dtype){WEFT_DTYPE_FLOAT, 32, 4}));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/manifest/reads-everything", test_manifest_reads_everything);
  g_test_add_func("/manifest/reads-defaults", test_manifest_reads_defaults);
  g_test_add_func("/manifest/names-what-is-wrong", test_manifest_names_what_is_wrong);
  g_test_add_func("/manifest/limits", test_manifest_limits);
  g_test_add_func("/manifest/limits-of-ports", test_manifest_limits_of_ports);
  g_test_add_func("/manifest/limit-of-names", test_manifest_limit_of_names);
  g_test_add_func("/manifest/limit-of-bytes", test_manifest_limit_of_bytes);
  g_test_add_func("/manifest/every-cut-is-an-error", test_manifest_every_cut_is_an_error);
  g_test_add_func("/manifest/dtypes", test_manifest_dtypes);
  return g_test_run();
}
