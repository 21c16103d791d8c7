/* SPDX-License-Identifier: Apache-2.0 */
#include "sniff.h"

#include <string.h>

static const struct {
  const char *phrase;
  unsigned at, n;
  const char *bytes;
} MARKS[] = {
    {"a PNG picture", 0, 4, "\x89PNG"},
    {"a JPEG picture", 0, 3, "\xFF\xD8\xFF"},
    {"a GIF picture", 0, 4, "GIF8"},
    {"a TIFF picture", 0, 4, "II*\0"},
    {"a TIFF picture", 0, 4, "MM\0*"},
    {"a WebP picture", 8, 4, "WEBP"},
    {"a WAV recording", 8, 4, "WAVE"},
    {"an AVI film", 8, 4, "AVI "},
    {"an AIFF recording", 0, 4, "FORM"},
    {"a FLAC recording", 0, 4, "fLaC"},
    {"an Ogg stream", 0, 4, "OggS"},
    {"an MP3 recording", 0, 3, "ID3"},
    {"an MP3 recording", 0, 2, "\xFF\xFB"},
    {"an MP4 file", 4, 4, "ftyp"},
    {"a Matroska or WebM film", 0, 4, "\x1A\x45\xDF\xA3"},
    {"a DICOM file", 128, 4, "DICM"},
    {"a PDF document", 0, 4, "%PDF"},
    {"a ZIP archive or office document", 0, 4, "PK\x03\x04"},
    {"a gzip file", 0, 2, "\x1F\x8B"},
    {"an ELF file", 0, 4, "\x7F" "ELF"},
    {"a NumPy array", 0, 6, "\x93NUMPY"},
    {"an SQLite database", 0, 15, "SQLite format 3"},
    {"an SVG picture", 0, 4, "<svg"},
    {"an HTML page", 0, 9, "<!doctype"},
    {"an HTML page", 0, 9, "<!DOCTYPE"},
    {"an HTML page", 0, 5, "<html"},
    {"an XML document", 0, 5, "<?xml"},
    {"UTF-16 text", 0, 2, "\xFF\xFE"},
    {"UTF-16 text", 0, 2, "\xFE\xFF"},
    {"a BMP picture", 0, 2, "BM"},
};
#define N_MARKS (sizeof MARKS / sizeof *MARKS)
#define TEXT_BYTES 256u

/* Printable ASCII, white space and bytes of UTF-8 sequences. */
static int looks_like_text(const unsigned char *bytes, uint64_t n)
{
  for (uint64_t i = 0; i < n && i < TEXT_BYTES; i++) {
    unsigned char c = bytes[i];
    int is_space = c == '\t' || c == '\n' || c == '\r' || c == '\f';
    if ((c < 0x20 && !is_space) || c == 0x7F || c == 0xC0 || c == 0xC1 || c > 0xF4)
      return 0;
  }
  return 1;
}

static int all_zero(const unsigned char *bytes, uint64_t n)
{
  for (uint64_t i = 0; i < n && i < TEXT_BYTES; i++)
    if (bytes[i])
      return 0;
  return 1;
}

const char *weft_sniff(const void *bytes, uint64_t n_bytes)
{
  if (n_bytes == 0)
    return "an empty file";
  for (size_t i = 0; i < N_MARKS; i++)
    if (n_bytes >= MARKS[i].at + MARKS[i].n &&
        memcmp((const char *)bytes + MARKS[i].at, MARKS[i].bytes, MARKS[i].n) == 0)
      return MARKS[i].phrase;
  if (looks_like_text(bytes, n_bytes))
    return "text";
  return all_zero(bytes, n_bytes) ? "bytes that are all zero" : "bytes of an unknown kind";
}
