/* SPDX-License-Identifier: Apache-2.0 */
/* What a host makes of a worker's words about the ports that it takes and gives. */
#include "wire.h"
#include "worker-private.h"

#include <glib.h>
#include <string.h>

static int n_taken;
static uint32_t taken_input;
static gboolean taken_port;

static void note_taken(struct weft_setup *setup, uint32_t input, const struct weft_port *port)
{
  n_taken++;
  taken_input = input;
  taken_port = port != NULL;
}

/* The host hears a body from a node of two inputs that is being created. Answers whether it was well formed. */
static int hear(const uint8_t *bytes, size_t n_bytes)
{
  struct weft_worker worker = {.label = "x", .control = -1, .zygote_fd = -1, .worker_fd = -1, .n_inputs = 2};
  struct weft_setup setup = {.takes = note_taken};
  g_autofree uint8_t *exact = g_malloc(n_bytes + !n_bytes); /* reading past it is seen */
  memcpy(exact, bytes, n_bytes);
  struct weft_message message = {.kind = WEFT_CONTROL_PORTS, .n_bytes = n_bytes, .data = exact};
  atomic_store(&worker.state, WEFT_WORKER_LAUNCHING);
  n_taken = 0;
  int good = weft_talk_handle(&worker, &message, &setup);
  weft_arena_clear(&worker.arena);
  weft_arena_clear(&worker.ports_arena);
  return good;
}

static void put_refusal(struct weft_writer *body)
{
  weft_put_u32(body, WEFT_BAD_CONFIG);
  weft_put_text(body, "no");
}

static void put_taken(struct weft_writer *body, uint32_t input, const struct weft_port *port)
{
  put_refusal(body);
  weft_put_u32(body, input);
  weft_put_u32(body, port != NULL);
  if (port)
    weft_put_port(body, port);
}

static const struct weft_attribute one_attribute[] = {{"space", "a"}};
static const struct weft_port sound = {.name = "", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, 8},
                                       .n_attributes = 1, .attributes = one_attribute};

static int hear_taken(uint32_t input, const struct weft_port *port)
{
  struct weft_writer body = {0};
  put_taken(&body, input, port);
  int good = hear(body.data, body.n_bytes);
  weft_writer_clear(&body);
  return good;
}

static void test_talk_taken(void)
{
  g_assert_true(hear_taken(1, &sound));
  g_assert_cmpint(n_taken, ==, 1);
  g_assert_cmpuint(taken_input, ==, 1);
  g_assert_true(taken_port);
  g_assert_true(hear_taken(0, NULL));
  g_assert_true(n_taken == 1 && !taken_port);
  g_assert_true(hear_taken(2, &sound)); /* an input that the node has not: nothing to point at */
  g_assert_cmpint(n_taken, ==, 0);
  g_assert_true(hear_taken(UINT32_MAX, NULL));
  g_assert_cmpint(n_taken, ==, 0);
}

/* Cut anywhere, or longer by a byte: malformed, and nobody is told of a port. */
static void test_talk_taken_cut(void)
{
  struct weft_writer body = {0}, refusal = {0};
  put_refusal(&refusal);
  put_taken(&body, 1, &sound);
  for (size_t n = 0; n < body.n_bytes; n++) {
    g_assert_cmpint(hear(body.data, n), ==, n == refusal.n_bytes);
    g_assert_cmpint(n_taken, ==, 0);
  }
  weft_put_bytes(&body, "", 1);
  g_assert_false(hear(body.data, body.n_bytes));
  g_assert_cmpint(n_taken, ==, 0);
  weft_writer_clear(&body);
  weft_writer_clear(&refusal);
}

/* A terminal obeys nothing that a plugin names its attributes. */
static void test_talk_control_characters(void)
{
  static const struct weft_attribute foreign[] = {{"space\x1b[2J", "a"}, {"space", "a\n"}, {"space", "\x7f"}};
  for (size_t i = 0; i < G_N_ELEMENTS(foreign); i++) {
    struct weft_port port = sound;
    port.attributes = &foreign[i];
    g_assert_false(hear_taken(1, &port));
    g_assert_cmpint(n_taken, ==, 0);
    struct weft_writer body = {0};
    const struct weft_ports ports = {&port, 1};
    weft_put_u32(&body, WEFT_OK);
    weft_put_text(&body, NULL);
    weft_put_u32(&body, 0);
    weft_put_ports(&body, &ports);
    g_assert_false(hear(body.data, body.n_bytes));
    weft_writer_clear(&body);
  }
}

static void test_talk_noise(void)
{
  struct weft_writer body = {0};
  put_taken(&body, 1, &sound);
  for (int i = 0; i < 20000; i++) {
    g_autofree uint8_t *noisy = g_memdup2(body.data, body.n_bytes);
    for (int k = g_test_rand_int_range(1, 5); k; k--)
      noisy[g_test_rand_int_range(0, (gint32)body.n_bytes)] = (uint8_t)g_test_rand_int();
    if (!hear(noisy, body.n_bytes))
      g_assert_cmpint(n_taken, ==, 0);
  }
  weft_writer_clear(&body);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/talk/taken", test_talk_taken);
  g_test_add_func("/talk/taken-cut", test_talk_taken_cut);
  g_test_add_func("/talk/control-characters", test_talk_control_characters);
  g_test_add_func("/talk/noise", test_talk_noise);
  return g_test_run();
}
