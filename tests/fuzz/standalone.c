/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A main for fuzz targets where libFuzzer is not at hand:
 *
 *     fuzz-ID [--seconds N] [--seed S] [FILE or FOLDER]...
 *
 * runs every file once, then, for N seconds, random changes of them. Before
 * each changed input is run it is kept in memory; when it crashes the program
 * the bytes are written to `crash-PID` in the working folder, so that it can be
 * run again as a file.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_INPUT_BYTES (1u << 20)
#define MAX_INPUTS 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
  uint8_t *data;
  size_t size;
};

static struct input inputs[MAX_INPUTS];
static unsigned n_inputs;
static uint64_t random_state;
static struct input current;

static void keep_crash(int sig)
{
  char name[64];
  snprintf(name, sizeof name, "crash-%ld", (long)getpid());
  int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (fd >= 0 && current.data && write(fd, current.data, current.size) >= 0)
    dprintf(2, "the input that crashed is in %s\n", name);
  signal(sig, SIG_DFL);
  raise(sig);
}

/* Sanitizers end the program without a signal that we see; they call this. */
void __asan_on_error(void);
void __asan_on_error(void)
{
  keep_crash(SIGABRT);
}

static void fatal(const char *what, const char *path)
{
  perror(path);
  fprintf(stderr, "%s '%s' failed\n", what, path);
  exit(2);
}

static void read_file(const char *path)
{
  FILE *file = fopen(path, "rb");
  if (!file)
    fatal("opening", path);
  if (n_inputs == MAX_INPUTS) {
    fprintf(stderr, "more than %u inputs\n", MAX_INPUTS);
    exit(2);
  }
  uint8_t *buffer = malloc(MAX_INPUT_BYTES);
  size_t size = buffer ? fread(buffer, 1, MAX_INPUT_BYTES, file) : 0;
  fclose(file);
  /* Exactly as large as the input, so that a read past the end is seen. */
  inputs[n_inputs].data = realloc(buffer, size ? size : 1);
  inputs[n_inputs].size = size;
  n_inputs++;
}

static void read_path(const char *path)
{
  struct stat st;
  if (stat(path, &st) != 0)
    fatal("reading", path);
  if (!S_ISDIR(st.st_mode)) {
    read_file(path);
    return;
  }
  struct dirent **entries;
  int n = scandir(path, &entries, NULL, alphasort);
  if (n < 0)
    fatal("listing", path);
  for (int i = 0; i < n; i++) {
    char name[4096];
    snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
    if (entries[i]->d_name[0] != '.')
      read_path(name);
    free(entries[i]);
  }
  free(entries);
}

static uint32_t random_below(uint32_t n)
{
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return n ? (uint32_t)((random_state >> 16) % n) : 0;
}

/* One change: a bit, a byte, a telling value, a piece lost, doubled or borrowed from another input. */
static size_t change(uint8_t *data, size_t size, size_t max)
{
  static const char *const words[] = {"{", "}", "[", "]", "\"", ",", ":", "-1", "0", "9223372036854775807", "null",
                                      "1e9", "\\u0000", "\xFF", "true"};
  size_t at = random_below((uint32_t)size + 1), n = random_below(64) + 1;
  switch (random_below(7)) {
  case 0:
    if (at < size)
      data[at] ^= (uint8_t)(1u << random_below(8));
    return size;
  case 1:
    if (at < size)
      data[at] = (uint8_t)random_below(256);
    return size;
  case 2:
    if (at < size)
      data[at] = (uint8_t) "\x00\xff\x7f\x80\x01"[random_below(5)];
    return size;
  case 3:
    n = n > size - at ? size - at : n;
    memmove(data + at, data + at + n, size - at - n);
    return size - n;
  case 4:
    n = n > size - at ? size - at : n;
    if (size + n > max)
      return size;
    memmove(data + at + n, data + at, size - at);
    return size + n;
  case 5: {
    const char *word = words[random_below(sizeof words / sizeof *words)];
    n = strlen(word);
    if (size + n > max)
      return size;
    memmove(data + at + n, data + at, size - at);
    memcpy(data + at, word, n);
    return size + n;
  }
  default: {
    const struct input *other = &inputs[random_below(n_inputs)];
    size_t from = random_below((uint32_t)other->size + 1);
    n = n > other->size - from ? other->size - from : n;
    if (at + n > max)
      return size;
    memcpy(data + at, other->data + from, n);
    return at + n > size ? at + n : size;
  }
  }
}

static uint64_t mutate(double seconds)
{
  static uint8_t work[2 * MAX_INPUT_BYTES];
  struct timespec now, start;
  uint64_t n_runs = 0;
  clock_gettime(CLOCK_MONOTONIC, &start);
  do {
    const struct input *input = &inputs[random_below(n_inputs)];
    size_t size = input->size;
    memcpy(work, input->data, size);
    for (uint32_t n = 1 + random_below(6); n > 0; n--)
      size = change(work, size, sizeof work);
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact)
      break;
    memcpy(exact, work, size);
    current.data = exact;
    current.size = size;
    LLVMFuzzerTestOneInput(exact, size);
    current.data = NULL;
    free(exact);
    n_runs++;
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((double)(now.tv_sec - start.tv_sec) + 1e-9 * (double)(now.tv_nsec - start.tv_nsec) < seconds);
  return n_runs;
}

int main(int argc, char **argv)
{
  double seconds = 0;
  random_state = (uint64_t)time(NULL) * 2654435761u + (uint64_t)getpid();
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
      seconds = strtod(argv[++i], NULL);
    else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
      random_state = strtoull(argv[++i], NULL, 10) | 1u;
    else
      read_path(argv[i]);
  }
  if (n_inputs == 0) {
    fprintf(stderr, "usage: %s [--seconds N] [--seed S] FILE or FOLDER...\n", argv[0]);
    return 2;
  }
  for (unsigned i = 0; i < n_inputs; i++) {
    current = inputs[i];
    LLVMFuzzerTestOneInput(inputs[i].data, inputs[i].size);
  }
  current.data = NULL;
  printf("%u inputs\n", n_inputs);
  if (seconds > 0) {
    printf("seed %llu\n", (unsigned long long)random_state);
    fflush(stdout);
    signal(SIGSEGV, keep_crash);
    signal(SIGABRT, keep_crash);
    signal(SIGILL, keep_crash);
    signal(SIGTRAP, keep_crash);
    printf("%llu changed inputs\n", (unsigned long long)mutate(seconds));
  }
  for (unsigned i = 0; i < n_inputs; i++)
    free(inputs[i].data);
  return 0;
}
