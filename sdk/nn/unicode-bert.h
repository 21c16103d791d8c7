/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file unicode-bert.h
 * Classes of characters as the `tokenizers` package has them: fixed, whatever
 * version of Unicode the machine's libraries know, since ids must not differ
 * between machines. Tables are sorted; unicode-bert.c is generated. Internal.
 */
#ifndef WEFT_NN_UNICODE_BERT_H
#define WEFT_NN_UNICODE_BERT_H

#include <stdint.h>

struct weft_code_range {
  uint32_t first, last;
};

/** code -> code + delta for first, first + step ... last. */
struct weft_lower_run {
  uint32_t first, last, step;
  int32_t delta;
};

extern const struct weft_code_range weft_bert_control[], weft_bert_mark[], weft_bert_whole[], weft_bert_punctuation[];
extern const unsigned weft_bert_n_control, weft_bert_n_mark, weft_bert_n_whole, weft_bert_n_punctuation;
extern const struct weft_lower_run weft_bert_lower[];
extern const unsigned weft_bert_n_lower;

#endif
