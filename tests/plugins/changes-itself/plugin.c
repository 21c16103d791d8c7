/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "changes-itself"
#include "base.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Where this file is mapped from, as the probe was given it. */
static int open_self(void)
{
  char line[4096], path[4096];
  FILE *maps = fopen("/proc/self/maps", "r");
  int fd = -1;
  while (maps && fd < 0 && fgets(line, sizeof line, maps))
    if (strstr(line, "/incoming/") && sscanf(line, "%*s %*s %*s %*s %*s %4095s", path) == 1)
      fd = open(path, O_RDWR);
  if (maps)
    fclose(maps);
  return fd;
}

static weft_status init(const struct weft_host *host)
{
  int fd = open_self();
  off_t n = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
  char *bytes = n > 0 ? mmap(NULL, (size_t)n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (bytes != MAP_FAILED)
    bytes[n - 1] = (char)(bytes[n - 1] + 1);
  return base_init(host);
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, base_get_node, NULL};
