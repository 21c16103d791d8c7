/* SPDX-License-Identifier: Apache-2.0 */
/* Each operation by itself: random shapes, odd tails, empty items, no items; see fixture.h for what is compared. */
#include "fixture.h"
#include "host.h"

static void test_attention(void)
{
  for (int round = 0; round < 14; round++) {
    struct fixture f;
    fixture_init(&f, "attention");
    int64_t n_kv = 1 + test_random(3), n_heads = n_kv * (1 + test_random(3)), d = 1 + test_random(40), e = 1 + test_random(40);
    weft_value mine = fixture_splits(&f, round % 5 ? 20 : 400), theirs = round % 2 ? mine : fixture_splits(&f, 30);
    struct weft_nn_attention a = {.q = fixture_rows(&f, mine, n_heads * d), .k = fixture_rows(&f, theirs, n_kv * d),
                                  .v = fixture_rows(&f, theirs, n_kv * e), .n_heads = n_heads, .n_kv_heads = n_kv,
                                  .causal = test_random(2) == 0, .window = test_random(2) == 0, .left = test_random(9),
                                  .right = test_random(9), .global_first = test_random(4), .relative = test_random(2) == 0,
                                  .one_sided = test_random(2) == 0, .max_distance = 16 + test_random(8)};
    a.global_end = a.global_first + test_random(4);
    a.bias = a.relative ? FIXTURE_WEIGHT(&f, 1, 4 + test_random(12), n_heads) : WEFT_NO_VALUE;
    fixture_out(&f, weft_nn_attention(f.p, &a));
    fixture_check(&f);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  test_seed();
  g_test_add_func("/operations/attention", test_attention);
  return g_test_run();
}
