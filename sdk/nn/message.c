/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

weft_status weft_message(char *message, weft_status status, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  int n = vsnprintf(message, WEFT_MESSAGE_BYTES, format, args);
  va_end(args);
  if (n < 0)
    message[0] = 0;
  size_t end = strlen(message);
  if (n >= WEFT_MESSAGE_BYTES) {
    while (end > 0 && ((unsigned char)message[end - 1] & 0xC0) == 0x80)
      end--;
    if (end > 0 && (unsigned char)message[end - 1] >= 0xC0)
      end--;
    message[end] = 0;
  }
  for (size_t i = 0; i < end; i++)
    if ((unsigned char)message[i] < 0x20 || message[i] == 0x7F)
      message[i] = '?';
  return status;
}
