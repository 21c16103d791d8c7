/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "version.h"

#include <string.h>

static void test_version_parse(void)
{
  static const char *const good[] = {"0.0.0", "1.2.3", "10.20.30", "1.0.0-alpha.1", "1.0.0+build.5", "1.0.0-x-y.z+a"};
  static const char *const bad[] = {"", "1", "1.2", "01.2.3", "1.2.3.4", "1.2.3-", "1.2.3-01", "v1.2.3", "1.2.3 ",
                                    "1.2.3+", "1.-2.3", "4294967296.0.0", "1.2.3-a..b"};
  WeftVersion v;
  for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
    g_assert_true(weft_version_parse(good[i], &v));
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(weft_version_parse(bad[i], &v));
}

static void test_version_length_limit(void)
{
  char text[WEFT_VERSION_MAX_BYTES + 1];
  WeftVersion v;
  memset(text, 'a', sizeof text);
  memcpy(text, "1.2.3-", 6);
  text[WEFT_VERSION_MAX_BYTES - 1] = 0;
  g_assert_true(weft_version_parse(text, &v));
  text[WEFT_VERSION_MAX_BYTES - 1] = 'a';
  text[WEFT_VERSION_MAX_BYTES] = 0;
  g_assert_false(weft_version_parse(text, &v));
}

static void test_version_order(void)
{
  /* the example of semver.org, section 11 */
  static const char *const ascending[] = {"0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
                                          "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.1.0",
                                          "2.0.0"};
  for (gsize i = 0; i < G_N_ELEMENTS(ascending); i++)
    for (gsize k = 0; k < G_N_ELEMENTS(ascending); k++) {
      WeftVersion a, b;
      g_assert_true(weft_version_parse(ascending[i], &a) && weft_version_parse(ascending[k], &b));
      int c = weft_version_compare(&a, &b);
      g_assert_cmpint((c > 0) - (c < 0), ==, (i > k) - (i < k));
    }
}

static void check(const char *range, const char *version, gboolean expected)
{
  WeftVersionRange r;
  WeftVersion v;
  g_assert_true(weft_version_range_parse(range, &r) && weft_version_parse(version, &v));
  if (weft_version_range_has(&r, &v) != expected)
    g_error("%s %s %s", range, expected ? "should have" : "should not have", version);
}

static void test_version_ranges(void)
{
  check("1.2.3", "1.2.3", TRUE);
  check("1.2.3", "1.2.4", FALSE);
  check("1.2.3-rc.1", "1.2.3-rc.1", TRUE);
  check("^1", "1.0.0", TRUE);
  check("^1", "1.99.7", TRUE);
  check("^1", "2.0.0", FALSE);
  check("^1", "0.9.0", FALSE);
  check("^1.2", "1.1.9", FALSE);
  check("^1.2", "1.2.0", TRUE);
  check("^1.2.3", "1.2.2", FALSE);
  check("^1.2", "1.3.0-rc.1", FALSE);
  check("^0.2", "0.2.9", TRUE);
  check("^0.2", "0.3.0", FALSE);
  check("~1.2", "1.2.9", TRUE);
  check("~1.2", "1.3.0", FALSE);
  check("~1", "1.9.0", TRUE);
  check("~1", "2.0.0", FALSE);
  check("1", "1.9.0", TRUE);
  check("1", "2.0.0", FALSE);
  check("0", "0.7.1", TRUE);
  check("1.2", "1.2.9", TRUE);
  check("1.2", "1.3.0", FALSE);
  check("1", "1.3.0-rc.1", FALSE);
  check(NULL, "3.0.0", TRUE);
  check(NULL, "3.0.0-rc.1", FALSE);
  WeftVersionRange r;
  static const char *const bad[] = {"^", "1.", "1.2.", "1.2.3.4", "01", "1.x", "*", ">=1", "^1.2.3.4", "^1.", "^a", "^1.2.3-rc"};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(weft_version_range_parse(bad[i], &r));
}

static void test_closest_finds_misspelt_names(void)
{
  static const char *const names[] = {"vit", "ast", "bert", "classifier", "product-of-experts"};
  static const struct {
    const char *word, *expected;
  } cases[] = {{"vti", "vit"},   {"brt", "bert"}, {"classifer", "classifier"}, {"product-of-expert", "product-of-experts"},
               {"xyzzy", NULL},  {"", NULL},      {"q", NULL},                 {"clasifeir", "classifier"}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    g_assert_cmpstr(weft_closest(cases[i].word, names, G_N_ELEMENTS(names)), ==, cases[i].expected);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/version/parse", test_version_parse);
  g_test_add_func("/version/length-limit", test_version_length_limit);
  g_test_add_func("/version/order", test_version_order);
  g_test_add_func("/version/ranges", test_version_ranges);
  g_test_add_func("/closest/misspelt", test_closest_finds_misspelt_names);
  return g_test_run();
}
