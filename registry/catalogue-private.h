/* SPDX-License-Identifier: Apache-2.0 */
/** @file catalogue-private.h  Shared by the files that read the search order. */
#ifndef WEFT_CATALOGUE_PRIVATE_H
#define WEFT_CATALOGUE_PRIVATE_H

#include "database.h"

struct WeftCatalogue {
  GPtrArray *databases; /* of WeftDatabase, in the search order */
  char *cache_folder;   /* where what runs learn is kept; NULL: nowhere */
  WeftDatabase *cache;  /* opened at first use; one of `databases`, or own_cache */
  WeftDatabase *own_cache;
  gboolean cache_tried;
};

#endif
