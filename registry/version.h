/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file version.h
 * Semantic versions (semver.org 2.0.0) and the ranges that pipelines write:
 * `1.2.3` (exactly), `^1.2` (from there below the next major version, below
 * the next minor one while the major is 0), `~1.2` (from there below the next
 * minor version), `1` and `1.2` (every version that begins so), none: the newest that is no prerelease. A prerelease is
 * only found by its exact name.
 */
#ifndef WEFT_VERSION_H
#define WEFT_VERSION_H

#include <glib.h>

/** Longest version, bytes. */
#define WEFT_VERSION_MAX_BYTES 64

typedef struct {
  guint32 major, minor, patch;
  char prerelease[WEFT_VERSION_MAX_BYTES]; /**< "" when it is a release */
} WeftVersion;

/** FALSE: not `MAJOR.MINOR.PATCH[-PRERELEASE][+BUILD]`. [any thread] */
gboolean weft_version_parse(const char *text, WeftVersion *out);
/** <0, 0, >0 by precedence (build metadata does not count). [any thread] */
int weft_version_compare(const WeftVersion *a, const WeftVersion *b);

typedef struct {
  WeftVersion lowest;
  guint32 below_major, below_minor; /**< exclusive upper end, patch 0 */
  gboolean exact, any;
} WeftVersionRange;

/** range: NULL or "": any. FALSE: not a range. [any thread] */
gboolean weft_version_range_parse(const char *range, WeftVersionRange *out);
gboolean weft_version_range_has(const WeftVersionRange *range, const WeftVersion *version);

#endif
