/* SPDX-License-Identifier: Apache-2.0 */
#include "lock.h"

#include "facts.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SCHEMA "weft.lock/1"

json_t *weft_lock_of(WeftSession *session)
{
  const WeftRevision *revision = weft_session_revision(session);
  return json_pack("{s:s, s:s, s:s, s:s, s:o}", "schema", SCHEMA, "name", weft_revision_name(revision), "revision",
                   weft_revision_digest(revision), "fingerprint", weft_session_fingerprint(session), "facts",
                   weft_revision_facts(revision));
}

char *weft_lock_path(const char *file)
{
  return g_strconcat(file, ".lock", NULL);
}

static json_t *read_lock(const char *path)
{
  struct stat about;
  json_error_t error;
  if (stat(path, &about) != 0) {
    fprintf(stderr, "%s: there is no lock file; `weft pipeline lock` writes it\n", path);
    return NULL;
  }
  if (about.st_size > (off_t)WEFT_LOCK_MAX_BYTES) {
    fprintf(stderr, "%s: has %lld bytes, at most %u are read (WEFT_LOCK_MAX_BYTES)\n", path, (long long)about.st_size,
            WEFT_LOCK_MAX_BYTES);
    return NULL;
  }
  json_t *lock = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
  const char *schema = json_string_value(json_object_get(lock, "schema"));
  if (!lock)
    fprintf(stderr, "%s:%d:%d: no lock file: %s\n", path, error.line, error.column, error.text);
  else if (!schema || strcmp(schema, SCHEMA) != 0 || !json_is_object(json_object_get(lock, "facts")))
    fprintf(stderr, "%s: no lock file of this format: expected schema %s, found %s\n", path, SCHEMA,
            schema ? schema : "none");
  else
    return lock;
  json_decref(lock);
  return NULL;
}

/* Where a node runs is no part of what it answers. */
static void drop_places(json_t *changes)
{
  for (gsize i = json_array_size(changes); i-- > 0;) {
    const char *path = json_string_value(json_object_get(json_array_get(changes, i), "path"));
    if (g_str_has_suffix(path, ".isolated"))
      json_array_remove(changes, i);
  }
}

gboolean weft_lock_check(WeftSession *session, const char *file)
{
  g_autofree char *path = weft_lock_path(file);
  json_t *locked = read_lock(path);
  if (!locked)
    return FALSE;
  json_t *present = weft_lock_of(session);
  json_t *changes = weft_facts_compare(json_object_get(locked, "facts"), json_object_get(present, "facts"));
  drop_places(changes);
  const char *was = json_string_value(json_object_get(locked, "fingerprint"));
  const char *old = json_string_value(json_object_get(locked, "revision"));
  gboolean same = json_array_size(changes) == 0 && g_strcmp0(old, weft_revision_digest(weft_session_revision(session))) == 0;
  if (!same) {
    g_autofree char *text = weft_facts_changes_text(changes);
    fprintf(stderr, "%s: this is not what was locked:\n%s", path,
            *text ? text : "the revision differs, in what the lock file does not list\n");
    fprintf(stderr, "`weft pipeline lock` accepts it as it is now\n");
  } else if (g_strcmp0(was, weft_session_fingerprint(session)) != 0) {
    fprintf(stderr, "%s: warning: locked with fingerprint %s, here it is %s: answers agree within a tolerance\n", path,
            was ? was : "none", weft_session_fingerprint(session));
  }
  json_decref(changes);
  json_decref(present);
  json_decref(locked);
  return same;
}
