/* SPDX-License-Identifier: Apache-2.0 */
#include "version.h"

#include <string.h>

/* A number without leading zeros; answers the rest of the text, or NULL. */
static const char *number(const char *s, guint32 *out)
{
  guint64 v = 0;
  if (!g_ascii_isdigit(*s) || (s[0] == '0' && g_ascii_isdigit(s[1])))
    return NULL;
  for (; g_ascii_isdigit(*s); s++) {
    v = v * 10 + (guint64)(*s - '0');
    if (v > G_MAXINT32)
      return NULL;
  }
  *out = (guint32)v;
  return s;
}

/* Identifiers separated by dots; numeric ones of a prerelease have no leading zeros. */
static const char *identifiers(const char *s, gboolean prerelease)
{
  for (;;) {
    const char *begin = s;
    gboolean digits = TRUE;
    for (; g_ascii_isalnum(*s) || *s == '-'; s++)
      digits = digits && g_ascii_isdigit(*s);
    if (s == begin || (prerelease && digits && *begin == '0' && s - begin > 1))
      return NULL;
    if (*s != '.')
      return s;
    s++;
  }
}

gboolean weft_version_parse(const char *text, WeftVersion *out)
{
  const char *s = text;
  memset(out, 0, sizeof *out);
  if (strlen(text) >= WEFT_VERSION_MAX_BYTES)
    return FALSE;
  if (!(s = number(s, &out->major)) || *s++ != '.')
    return FALSE;
  if (!(s = number(s, &out->minor)) || *s++ != '.')
    return FALSE;
  if (!(s = number(s, &out->patch)))
    return FALSE;
  if (*s == '-') {
    const char *begin = ++s;
    if (!(s = identifiers(s, TRUE)))
      return FALSE;
    memcpy(out->prerelease, begin, (gsize)(s - begin));
  }
  if (*s == '+' && !(s = identifiers(s + 1, FALSE)))
    return FALSE;
  return *s == 0;
}

static int compare_identifiers(const char *a, const char *b)
{
  while (*a && *b) {
    gsize n = strcspn(a, "."), m = strcspn(b, ".");
    gboolean a_digits = strspn(a, "0123456789") == n, b_digits = strspn(b, "0123456789") == m;
    if (a_digits != b_digits)
      return a_digits ? -1 : 1;
    if (a_digits && n != m)
      return n < m ? -1 : 1;
    int c = memcmp(a, b, MIN(n, m));
    if (c || n != m)
      return c ? c : (n < m ? -1 : 1);
    a += n + (a[n] == '.');
    b += m + (b[m] == '.');
  }
  return (*a != 0) - (*b != 0);
}

int weft_version_compare(const WeftVersion *a, const WeftVersion *b)
{
  if (a->major != b->major)
    return a->major < b->major ? -1 : 1;
  if (a->minor != b->minor)
    return a->minor < b->minor ? -1 : 1;
  if (a->patch != b->patch)
    return a->patch < b->patch ? -1 : 1;
  if (!a->prerelease[0] || !b->prerelease[0])
    return (a->prerelease[0] == 0) - (b->prerelease[0] == 0);
  return compare_identifiers(a->prerelease, b->prerelease);
}

gboolean weft_version_range_parse(const char *range, WeftVersionRange *out)
{
  memset(out, 0, sizeof *out);
  if (!range || !*range) {
    out->any = TRUE;
    return TRUE;
  }
  out->exact = *range != '^' && *range != '~' && weft_version_parse(range, &out->lowest);
  if (out->exact)
    return TRUE;
  gboolean begun = g_ascii_isdigit(*range); /* 1 or 1.2: every version that begins so */
  guint32 *parts[] = {&out->lowest.major, &out->lowest.minor, &out->lowest.patch};
  guint n = 0;
  const char *s = begun ? range : range + 1;
  if (!begun && *range != '^' && *range != '~')
    return FALSE;
  while (n < (begun ? 2 : 3)) {
    if (!(s = number(s, parts[n++])))
      return FALSE;
    if (*s == 0)
      break;
    if (*s++ != '.')
      return FALSE;
  }
  if (*s || s[-1] == '.')
    return FALSE;
  gboolean by_minor = n > 1 && (*range != '^' || out->lowest.major == 0);
  out->below_major = by_minor ? out->lowest.major : out->lowest.major + 1;
  out->below_minor = by_minor ? out->lowest.minor + 1 : 0;
  return TRUE;
}

gboolean weft_version_range_has(const WeftVersionRange *range, const WeftVersion *version)
{
  if (range->exact)
    return weft_version_compare(&range->lowest, version) == 0;
  if (version->prerelease[0])
    return FALSE;
  if (range->any)
    return TRUE;
  WeftVersion below = {range->below_major, range->below_minor, 0, ""};
  return weft_version_compare(version, &range->lowest) >= 0 && weft_version_compare(version, &below) < 0;
}
