/* SPDX-License-Identifier: Apache-2.0 */
#include "safetensors.h"

#include <glib.h>
#include <math.h>
#include <string.h>

/* A file from its header and n zero bytes of data. */
static GByteArray *make(const char *header, gsize n)
{
  GByteArray *out = g_byte_array_new();
  guint64 n_header = strlen(header);
  for (guint i = 0; i < 8; i++) {
    guint8 byte = (guint8)(n_header >> (8 * i));
    g_byte_array_append(out, &byte, 1);
  }
  g_byte_array_append(out, (const guint8 *)header, (guint)n_header);
  guint at = out->len;
  g_byte_array_set_size(out, at + (guint)n);
  memset(out->data + at, 0, n);
  return out;
}

static weft_status open_bytes(const GByteArray *bytes, struct weft_safetensors **file, char *message)
{
  struct weft_resource resource = {bytes->data, bytes->len, 0};
  message[0] = 0;
  return weft_safetensors_open(&resource, "m.safetensors", file, message);
}

#define T(name, dtype, shape, begin, end) \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void test_safetensors_good(void)
{
  g_autoptr(GByteArray) bytes =
      make("{\"__metadata__\":{\"format\":\"pt\"}," T("b", "F32", "[2,3]", 4, 28) "," T("a", "F16", "[2]", 0, 4) ","
               T("none", "I64", "[0,7]", 28, 28) "," T("one", "BOOL", "[]", 28, 29) "}   ", 29);
  char message[WEFT_MESSAGE_BYTES];
  struct weft_safetensors *file;
  g_assert_cmpint(open_bytes(bytes, &file, message), ==, WEFT_OK);
  g_assert_cmpuint(weft_safetensors_count(file), ==, 4);
  g_assert_cmpstr(weft_safetensors_at(file, 0)->name, ==, "a");
  const struct weft_safetensors_tensor *b = weft_safetensors_find(file, "b");
  g_assert_cmpuint(b->rank, ==, 2);
  g_assert_cmpint(b->dims[1], ==, 3);
  g_assert_cmpuint(b->n_bytes, ==, 24);
  g_assert_true((const guint8 *)b->data == bytes->data + b->offset);
  g_assert_cmpuint(b->offset, ==, bytes->len - 29 + 4);
  g_assert_null(weft_safetensors_find(file, "c"));
  g_assert_cmpuint(weft_safetensors_find(file, "one")->rank, ==, 0);
  g_assert_nonnull(weft_safetensors_need(file, "b", 2, (int64_t[]){2, -1}, message));
  weft_safetensors_close(file);
}

static void test_safetensors_bad(void)
{
  static const struct {
    const char *header;
    gsize n;
    const char *message;
  } cases[] = {
      {"[]", 0, "expected a JSON object, found an array"},
      {"{\"a\":1}", 0, "tensor 'a': expected an object, found an integer"},
      {"{" T("a", "F32", "[1]", 0, 4) "," T("a", "F32", "[1]", 4, 8) "}", 8, "duplicate object key"},
      {"{\"a\":{\"shape\":[],\"data_offsets\":[0,0]}}", 0, "tensor 'a': expected a string as dtype, found nothing"},
      {"{" T("a", "F8_E4M3", "[1]", 0, 1) "}", 1, "tensor 'a' has dtype 'F8_E4M3'; known are"},
      {"{" T("a", "U8", "1", 0, 1) "}", 1, "tensor 'a': expected an array as shape, found an integer"},
      {"{" T("a", "U8", "[1.5]", 0, 1) "}", 1, "tensor 'a': shape[0] should be an integer from 0 up, found a number"},
      {"{" T("a", "U8", "[-1]", 0, 1) "}", 1, "shape[0] should be an integer from 0 up, found a negative one"},
      {"{" T("a", "U8", "[1,1,1,1,1,1,1,1,1]", 0, 1) "}", 1, "tensor 'a' has rank 9, beyond WEFT_MAX_RANK (8)"},
      {"{" T("a", "F64", "[4294967296,536870912]", 0, 8) "}", 8, "the sizes of its shape overflow 64 bits"},
      {"{" T("a", "F32", "[3]", 0, 8) "}", 8, "dtype and shape make 12 bytes, but data_offsets [0, 8] hold 8"},
      {"{" T("a", "F32", "[2]", 0, 8) "}", 7, "data_offsets [0, 8] leave the 7 bytes of data"},
      {"{" T("a", "F32", "[2]", -8, 0) "}", 8, "data_offsets [-8, 0] leave"},
      {"{" T("a", "F32", "[2]", 8, 0) "}", 8, "data_offsets [8, 0] leave"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0]}}", 1, "expected [begin, end] as data_offsets, found another"},
      {"{" T("a", "F32", "[2]", 0, 8) "," T("b", "F32", "[2]", 4, 12) "}", 12, "tensor 'b' overlaps 'a' by 4 bytes"},
      {"{" T("a", "F32", "[2]", 0, 8) "," T("b", "U8", "[1]", 9, 10) "}", 10, "1 bytes between 'a' and tensor 'b' belong to none"},
      {"{" T("a", "F32", "[2]", 0, 8) "}", 9, "1 bytes at the end belong to no tensor"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1],\"x\":0}}", 1, "tensor 'a': unknown key 'x'"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__ 'a': expected a string, found an integer"},
      {"{\"__metadata__\":[]}", 0, "expected an object as __metadata__, found an array"},
      {"{\"a\":[[[[0]]]]}", 0, "JSON nested 5 deep, beyond the limit of 4"},
      {"{", 0, "m.safetensors:1:1: not the JSON expected"},
      {"{\"a\\u0000\":1}", 0, "not the JSON expected"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    char message[WEFT_MESSAGE_BYTES];
    struct weft_safetensors *file;
    g_autoptr(GByteArray) bytes = make(cases[i].header, cases[i].n);
    g_assert_cmpint(open_bytes(bytes, &file, message), !=, WEFT_OK);
    g_assert_null(file);
    g_assert_true(g_str_has_prefix(message, "m.safetensors"));
    if (!strstr(message, cases[i].message))
      g_error("expected '%s', found '%s'", cases[i].message, message);
  }
}

static void test_safetensors_short(void)
{
  static const struct {
    const char *bytes;
    gsize n;
    const char *message;
  } cases[] = {
      {"", 0, "0 bytes are too few for a safetensors file"},
      {"\2\0\0\0\0\0\0", 7, "7 bytes are too few for a safetensors file"},
      {"\0\0\0\0\0\0\0\0", 8, "the JSON is empty"},
      {"\3\0\0\0\0\0\0\0{}", 10, "the header should have 3 bytes, but only 2 follow"},
      {"\0\0\0\1\0\0\0\0", 8, "the header should have 16777216 bytes, but only 0 follow"},
      {"\1\0\0\1\0\0\0\0", 8, "a header of 16777217 bytes is beyond the limit of 16777216"},
      {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8, "a header of 18446744073709551615 bytes is beyond"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    char message[WEFT_MESSAGE_BYTES];
    struct weft_safetensors *file;
    struct weft_resource resource = {cases[i].bytes, cases[i].n, 0};
    g_assert_cmpint(weft_safetensors_open(&resource, "m", &file, message), ==, WEFT_BAD_CONFIG);
    g_assert_nonnull(strstr(message, cases[i].message));
  }
}

static void test_safetensors_limits(void)
{
  for (guint extra = 0; extra < 2; extra++) {
    g_autoptr(GString) header = g_string_new("{");
    for (guint i = 0; i < WEFT_SAFETENSORS_MAX_TENSORS + extra; i++)
      g_string_append_printf(header, "%s\"%x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "", i);
    g_string_append_c(header, '}');
    g_autoptr(GByteArray) bytes = make(header->str, 0);
    char message[WEFT_MESSAGE_BYTES];
    struct weft_safetensors *file;
    weft_status status = open_bytes(bytes, &file, message);
    g_assert_cmpint(status, ==, extra ? WEFT_BAD_CONFIG : WEFT_OK);
    if (extra)
      g_assert_cmpstr(message, ==, "m.safetensors: 100001 tensors are beyond the limit of 100000");
    weft_safetensors_close(file);
  }
  for (guint extra = 0; extra < 2; extra++) {
    g_autofree char *name = g_strnfill(WEFT_SAFETENSORS_MAX_NAME_BYTES + extra, 'n');
    g_autofree char *header = g_strdup_printf("{\"%s\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", name);
    g_autoptr(GByteArray) bytes = make(header, 1);
    char message[WEFT_MESSAGE_BYTES];
    struct weft_safetensors *file;
    g_assert_cmpint(open_bytes(bytes, &file, message), ==, extra ? WEFT_BAD_CONFIG : WEFT_OK);
    weft_safetensors_close(file);
  }
}

static void test_safetensors_need(void)
{
  g_autoptr(GByteArray) bytes = make("{" T("w", "F32", "[2,3]", 0, 24) "," T("i", "I32", "[1]", 24, 28) "}", 28);
  char message[WEFT_MESSAGE_BYTES];
  struct weft_safetensors *file;
  g_assert_cmpint(open_bytes(bytes, &file, message), ==, WEFT_OK);
  g_assert_null(weft_safetensors_need(file, "v", 1, (int64_t[]){4}, message));
  g_assert_cmpstr(message, ==, "m.safetensors: tensor 'v' [4] is missing; the file has 2, such as 'w'");
  g_assert_null(weft_safetensors_need(file, "w", 2, (int64_t[]){3, 2}, message));
  g_assert_cmpstr(message, ==, "m.safetensors: tensor 'w' should be [3, 2], found [2, 3] (do config.json and weights "
                               "belong together?)");
  g_assert_null(weft_safetensors_need(file, "w", 1, (int64_t[]){-1}, message));
  g_assert_null(weft_safetensors_need(file, "i", 1, (int64_t[]){1}, message));
  g_assert_nonnull(strstr(message, "should hold F32, F16 or BF16"));
  weft_safetensors_close(file);
}

/* The value of an f16 from its definition. */
static double half_value(guint16 h)
{
  int exponent = h >> 10 & 31, fraction = h & 1023;
  double sign = h & 0x8000 ? -1 : 1;
  if (exponent == 31)
    return fraction ? NAN : sign * INFINITY;
  return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static void test_safetensors_conversion(void)
{
  for (guint32 i = 0; i < 65536; i++) {
    guint16 half = (guint16)i;
    guint32 bits = i << 16;
    float f16, bf16, want;
    memcpy(&want, &bits, 4);
    g_assert_cmpint(weft_to_f32(&half, weft_dtype_of(WEFT_DTYPE_FLOAT, 16), 1, &f16), ==, WEFT_OK);
    g_assert_cmpint(weft_to_f32(&half, weft_dtype_of(WEFT_DTYPE_BFLOAT, 16), 1, &bf16), ==, WEFT_OK);
    g_assert_cmpmem(&bf16, 4, &want, 4);
    double value = half_value(half);
    g_assert_true(isnan(value) ? isnan(f16) : (double)f16 == value && !signbit(f16) == !signbit(value));
  }
  double d = 0.1;
  float f;
  g_assert_cmpint(weft_to_f32(&d, weft_dtype_of(WEFT_DTYPE_FLOAT, 64), 1, &f), ==, WEFT_OK);
  g_assert_cmpfloat(f, ==, 0.1f);
  g_assert_cmpint(weft_to_f32(&d, weft_i32(), 1, &f), ==, WEFT_UNSUPPORTED);
}

/* Data at any alignment, and values that need none of their own memory where they lie well. */
static void test_safetensors_unaligned(void)
{
  char message[WEFT_MESSAGE_BYTES];
  for (guint shift = 0; shift < 4; shift++) {
    g_autofree char *pad = g_strnfill(shift, ' ');
    g_autofree char *header = g_strdup_printf("{" T("w", "F32", "[2]", 0, 8) "}%s", pad);
    g_autoptr(GByteArray) bytes = make(header, 8);
    float values[] = {1.5f, -2.0f};
    memcpy(bytes->data + bytes->len - 8, values, 8);
    struct weft_safetensors *file;
    struct weft_weights_f32 weights;
    g_assert_cmpint(open_bytes(bytes, &file, message), ==, WEFT_OK);
    g_assert_cmpint(weft_safetensors_f32(weft_safetensors_at(file, 0), &weights, message), ==, WEFT_OK);
    g_assert_cmpuint(weights.n, ==, 2);
    g_assert_cmpmem(weights.data, 8, values, 8);
    g_assert_cmpint(weights.owned != NULL, ==, (bytes->len - 8) % 4 != 0);
    weft_weights_f32_clear(&weights);
    weft_safetensors_close(file);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/safetensors/good", test_safetensors_good);
  g_test_add_func("/safetensors/bad", test_safetensors_bad);
  g_test_add_func("/safetensors/short", test_safetensors_short);
  g_test_add_func("/safetensors/limits", test_safetensors_limits);
  g_test_add_func("/safetensors/need", test_safetensors_need);
  g_test_add_func("/safetensors/conversion", test_safetensors_conversion);
  g_test_add_func("/safetensors/unaligned", test_safetensors_unaligned);
  return g_test_run();
}
