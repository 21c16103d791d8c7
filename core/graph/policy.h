/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file policy.h
 * What a node's `when`, `on_missing`, `on_error`, `on_verdict` and `batch` say,
 * as parsed. Inside core/graph.
 */
#ifndef WEFT_CORE_POLICY_H
#define WEFT_CORE_POLICY_H

#include "condition.h"
#include "runtime.h"
#include "yamltree.h"
#include <weft/filter.h>

/** Most items of one call that `batch` may ask for. */
#define WEFT_BATCH_MAX_ITEMS 1024
/** The longest that `batch` may let an item wait, seconds. */
#define WEFT_BATCH_MAX_WAIT_S 60

/** One operation of a condition; see condition.h. */
typedef struct {
  enum weft_condition_op op;
  guint index;       /* VALUE: of the reference; IN: members */
  double number;
  const char *text, *unit; /* unit: written behind the number, or NULL */
  guint offset;      /* bytes into the text, for messages */
  gboolean alone;    /* VALUE: stands as a condition by itself */
} WeftWhenStep;

typedef struct {
  const WeftYaml *at;
  GArray *steps;      /* of WeftWhenStep, postfix */
  GArray *references; /* of WeftReference */
  GPtrArray *places;  /* of WeftYaml: where the references stand */
  GPtrArray *texts;   /* what steps borrow */
  gboolean broken;    /* reported */
} WeftWhen;

/** `on_missing: mask`, or one entry of its map. */
typedef struct {
  const char *key;    /* of the map; NULL: all inputs */
  const WeftYaml *at; /* the key, or the policy */
  struct weft_input_policy policy;
} WeftMissingDecl;

/** What happens on one verdict. */
typedef struct {
  const WeftYaml *at; /* NULL: not said */
  gboolean refuses;
  int asset;          /* of the message; -1: none */
  const char *key;    /* in that asset */
} WeftVerdictDecl;

typedef struct {
  WeftWhen *when;     /* NULL: always */
  GArray *on_missing; /* of WeftMissingDecl; NULL: not said */
  const WeftYaml *on_error_at, *on_verdict_at, *batch_at, *cost_at; /* NULL: not said */
  enum weft_on_error on_error;
  guint n_retries;
  WeftVerdictDecl verdicts[WEFT_N_VERDICTS];
  gboolean batch;     /* where batch_at is there: wanted */
  guint n_batch_items; /* 0: not said */
  guint64 batch_wait_ns;
  gint64 batch_cost;  /* 0: not said */
} WeftNodePolicy;

/** "undecided", "allow", "redact", "refuse", NULL. */
extern const char *const weft_verdict_names[WEFT_N_VERDICTS + 1];

/** `into and more`; more is transferred. FALSE: too many operations. */
gboolean weft_when_join(WeftWhen *into, WeftWhen *more);
void weft_when_free(WeftWhen *when);
void weft_policy_free(WeftNodePolicy *policy);

#endif
