/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much one call of a node may hold. Rows follow from the items where a
 * plugin says so (exact, bounded), and from named limits where it does not
 * (bytes of a request, dynamic outputs). Those are limits of a call, however
 * many items it has: the runtime splits calls beyond, and an item that is
 * beyond them alone is bad input.
 */
#include "resolve.h"

#include <string.h>

/* So large that nothing reaches it, so small that sums of two do not overflow. */
#define ROWS_MAX (G_MAXINT64 / 4)

static gint64 sum(gint64 a, gint64 b)
{
  return MIN(a + b, ROWS_MAX);
}

/* A term that takes rows away leaves the bound of the others. */
static gint64 product(gint64 factor, gint64 n)
{
  if (factor < 0)
    return 0;
  return factor && n > ROWS_MAX / factor ? ROWS_MAX : factor * n;
}

static gboolean is_text(const struct weft_port *port)
{
  const char *modality = weft_port_attribute(port, WEFT_ATTRIBUTE_MODALITY);
  return port->rank == 1 && port->n_split_levels && modality && strcmp(modality, "text") == 0;
}

static gint64 dynamic_rows(const struct weft_port *port)
{
  gint64 row_bytes = MAX(port->dtype.bits / 8, 1);
  for (guint d = 1; d < port->rank; d++)
    row_bytes = product(MAX(port->dims[d], 1), row_bytes);
  return MAX(WEFT_MEDIUM_MAX_BYTES / row_bytes, 1);
}

static void bound_of(const WeftBuilder *builder, const WeftStep *step, gint32 input, gint64 *per_item, gint64 *fixed)
{
  const WeftOffer *offer = weft_binding_offer(builder, &g_array_index(step->bindings, WeftBinding, input));
  *per_item = offer ? offer->per_item : 0;
  *fixed = offer ? offer->fixed : WEFT_INPUT_MAX_BYTES;
}

void weft_offer_bound(const WeftBuilder *builder, const WeftStep *step, WeftOffer *offer)
{
  const struct weft_port *port = &offer->port;
  offer->per_item = offer->fixed = 0;
  if (port->n_split_levels == 0)
    offer->per_item = 1;
  else if (port->rows_kind == WEFT_ROWS_DYNAMIC)
    offer->fixed = dynamic_rows(port);
  for (guint t = 0; port->n_split_levels && port->rows_kind != WEFT_ROWS_DYNAMIC && t < port->n_terms; t++) {
    const struct weft_rows_term *term = &port->terms[t];
    gint64 per_item = 1, fixed = 0;
    if (term->of != WEFT_COUNT_ITEMS)
      bound_of(builder, step, term->input, &per_item, &fixed);
    offer->per_item = sum(offer->per_item, product(term->factor, per_item));
    offer->fixed = sum(offer->fixed, product(term->factor, fixed));
  }
  if (is_text(port)) /* also where a reader hands on what a request brings, which may be much more */
    offer->fixed = MIN(offer->fixed, WEFT_TEXT_MAX_BYTES);
}

struct weft_limits weft_step_limits(WeftBuilder *builder, const WeftStep *step, guint n_items)
{
  guint n = step->bindings->len;
  gint64 *rows = weft_revision_new(builder->revision, gint64, 2 * (gsize)n + 1);
  for (guint i = 0; i < n; i++) {
    gint64 per_item = 0, fixed = 0;
    const WeftOffer *offer = weft_binding_offer(builder, &g_array_index(step->bindings, WeftBinding, i));
    guint levels = offer ? offer->port.n_split_levels : 1; /* the source's: an input of any type says none */
    bound_of(builder, step, (gint32)i, &per_item, &fixed);
    rows[i] = sum(product(per_item, n_items), fixed);
    /* No row is without a group, and a group without rows is no more than an item: the same bound holds. */
    rows[n + i] = levels == 2 ? sum(rows[i], n_items) : 0;
  }
  return (struct weft_limits){n_items, rows, rows + n};
}
