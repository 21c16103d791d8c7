/* SPDX-License-Identifier: Apache-2.0 */
/** @file media.h A recording as rows with times, whatever its format. No GLib, no files: bytes in memory. */
#ifndef WEFT_REPLAY_MEDIA_H
#define WEFT_REPLAY_MEDIA_H

#include <stddef.h>
#include <stdint.h>
#include <weft/errors.h>

/** Most columns of a recording, besides the times. */
#define MEDIA_MAX_CHANNELS 256
/** Longest line of a CSV file, and longest of its cells, bytes. */
#define MEDIA_MAX_LINE (1 << 20)
#define MEDIA_MAX_CELL 64
/** Longest header of an NPY file, bytes. */
#define MEDIA_MAX_HEADER 65536
#define MEDIA_REASON_BYTES 256
/** Names of the channels, separated by commas; longer ones are left out. */
#define MEDIA_NAMES_BYTES 2048

enum media_time { MEDIA_TIME_AUTO, MEDIA_TIME_S, MEDIA_TIME_MS, MEDIA_TIME_ISO };

struct media_options {
  const char *time_column; /**< name, or index counted from 0 */
  enum media_time time_format;
  double rate_hz;          /**< 0: the file says it */
  int channels_first;
};

/** What a cell of times says, and what a parameter says. 0: understood. */
int timestamp_parse(const char *text, size_t n, enum media_time format, int64_t *ns);

struct media;
/** What a format does. */
struct media_format {
  weft_status (*open)(struct media *media);
  /** Up to n rows; 0: the end; -1: reason says what is wrong where. times: written by formats that have them. */
  int64_t (*read)(struct media *media, float *rows, int64_t *times, int64_t n);
  void (*rewind)(struct media *media);
  void (*close)(struct media *media);
};

/** Zeroed, then media_open. */
struct media {
  const uint8_t *bytes; /**< borrowed until close */
  size_t n_bytes;
  struct media_options options;
  const struct media_format *format;
  int32_t n_channels;
  double rate_hz;       /**< 0: each row has its time */
  int64_t row;          /**< of the next read */
  char names[MEDIA_NAMES_BYTES]; /**< "": none */
  char reason[MEDIA_REASON_BYTES];
  /* csv */
  size_t at, begin;
  int64_t line;
  int time_index, n_columns;
  char separator;
  /* npy */
  size_t item_bytes;
  char kind;            /* f, d, h */
  int64_t n_rows;
  /* wave */
  void *file;
  int64_t position;
};

/** The format from the first bytes. Errors: WEFT_BAD_INPUT, with reason. close after any answer. */
weft_status media_open(struct media *media, const void *bytes, size_t n_bytes, const struct media_options *options);
/** Up to n rows with their times, the first row of a file without times being at 0. As the format's read. */
int64_t media_read(struct media *media, float *rows, int64_t *times, int64_t n);
void media_rewind(struct media *media);
void media_close(struct media *media);

weft_status media_fail(struct media *media, const char *format, ...) __attribute__((__format__(__printf__, 2, 3)));

extern const struct media_format media_csv, media_npy, media_wave;

#endif
