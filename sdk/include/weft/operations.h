/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file operations.h
 * What a plan (compute.h) can compute: the number of each operation, its
 * inputs, its attributes, its result. A number never changes its meaning; a
 * new operation is a new number.
 *
 *     struct weft_plan_op op = {.code = WEFT_OP_SCALE, .n_inputs = 1, .n_outputs = 1,
 *                               .inputs = {x, WEFT_NO_VALUE, ...}, .outputs = {y, WEFT_NO_VALUE},
 *                               .floats = {0.5, 1}};
 */
#ifndef WEFT_OPERATIONS_H
#define WEFT_OPERATIONS_H

/* Activations. */
#define WEFT_ACT_NONE 0
#define WEFT_ACT_GELU 1       /**< x/2 (1 + erf(x/sqrt 2)) */
#define WEFT_ACT_GELU_TANH 2  /**< its tanh approximation (gelu_new, gelu_pytorch_tanh) */
#define WEFT_ACT_GELU_QUICK 3 /**< x sigmoid(1.702 x) */
#define WEFT_ACT_RELU 4
#define WEFT_ACT_SILU 5       /**< x sigmoid(x), also called swish */
#define WEFT_ACT_TANH 6
#define WEFT_ACT_SIGMOID 7
#define WEFT_N_ACT 8

/*
 * Operations. `x: [*, d]` is f32 rows, `w:` a weight; `?` marks what may be
 * WEFT_NO_VALUE; i and f are the integer and float attributes. The result has
 * the splits of x unless said otherwise.
 *
 * Splits (in: splits or nothing; out: splits):
 */
#define WEFT_OP_SPLITS_UNIFORM 1u /**< () -> each item i0 rows */
#define WEFT_OP_SPLITS_ADD 2u     /**< (splits) -> each item i0 rows more */
#define WEFT_OP_SPLITS_SLICE 3u   /**< (splits) -> of each item the rows [i0, min(i0 + i1, n)) */
/** (splits) -> of each item the places of a window of i0 rows, each i3 (0: 1) apart, moved by i1, with i2 rows added
    around: (n + i2 - i3 (i0 - 1) - 1) / i1 + 1, none where that is below 1. */
#define WEFT_OP_SPLITS_CONV 4u
#define WEFT_OP_SPLITS_SUM 5u     /**< (splits, splits) -> each item the rows of both */
#define WEFT_OP_SPLITS_END 16u    /**< numbers below give splits */
/** (x [*, K], w [N, K], w bias? [N], residual? [*, N]) -> act(x w^T + bias) + residual [*, N]; i0: WEFT_ACT_*. A MUL
    behind it makes the gated unit of Shazeer 2020, "GLU Variants Improve Transformer". */
#define WEFT_OP_LINEAR 16u
/** (x, w gamma [d], w beta? [d]) -> (x - mean) / sqrt(var + f0) gamma + beta, over each row. */
#define WEFT_OP_LAYER_NORM 17u
/**
 * (q [*, i0 heads x d], k [*, h x d], v [*, h x e], w bias? [b, i0 heads]) -> softmax(q k^T f0 + bias) v within each
 * item and head, [*, i0 heads x e] with the splits of q. h = i1 heads of keys and values (0: i0), each shared by
 * i0 / i1 neighbouring heads of queries (Ainslie et al. 2023, "GQA"). k and v have equal splits, which may be others
 * than q's (cross attention). i2: WEFT_ATTENTION_*, any of them together.
 * Row i of an item sees key j where j <= i or attention is not causal; and, with a window, where
 * i - i3 <= j <= i + i4, or i or j lies in the global range [i5, i6) (Beltagy et al. 2020, "Longformer"). A row that
 * sees no key is zeros. Work and memory follow what is seen, not the square of the rows.
 * bias: one number a head for each bucket of j - i, as in T5 (Raffel et al. 2020, section 2.1): distances below
 * b/4 have a bucket each, larger ones share by logarithm up to i7, from where on all have the last; the second b/2
 * buckets are for j > i. WEFT_ATTENTION_ONE_SIDED: all b are for j <= i, and j > i has the bucket of 0.
 * The softmax is computed block by block of keys (Milakov and Gimelshein 2018, "Online normalizer calculation for
 * softmax", section 3).
 */
#define WEFT_OP_ATTENTION 18u
#define WEFT_ATTENTION_CAUSAL 1
#define WEFT_ATTENTION_WINDOW 2
#define WEFT_ATTENTION_ONE_SIDED 4
/** (ids [*] i32, w table [n, d]) -> rows of the table; an id outside it is bad input of its item. */
#define WEFT_OP_EMBEDDING 19u
/** (x, w table [n, d]) -> x + table row (i0 + index of the row in its item); an item beyond the table is bad input. */
#define WEFT_OP_ADD_POSITION 20u
/**
 * (x, splits out) -> patches [*, C kh kw] for a convolution written as a
 * product, columns in the order (channel, y, x). An item of x is a block of
 * floats, element (c, y, x) at offset c*i9 + y*i7 + x*i8.
 * i0 height, i1 width, i2 channels, i3 kh, i4 kw, i5 stride y, i6 stride x.
 * Result: ((H-kh)/sy+1) ((W-kw)/sx+1) rows an item, y outer, with the given
 * splits (SPLITS_UNIFORM of that). An item of another size is bad input.
 */
#define WEFT_OP_PATCHES 21u
/** (x, w tokens [k, d], splits out: SPLITS_ADD k) -> each item: the k tokens, then its rows. */
#define WEFT_OP_PREPEND 22u
/** (x) -> row i0 of each item, [items, d], below 0 from its end (-1: the last); an item with fewer rows is bad input. */
#define WEFT_OP_SELECT_ROW 23u
/** (x, splits out: SPLITS_SLICE i0 i1) -> the rows [i0, min(i0 + i1, n)) of each item. */
#define WEFT_OP_SLICE_ROWS 24u
/** (x) -> mean over the rows of each item, [items, d]; without rows: zeros. */
#define WEFT_OP_MEAN_ROWS 25u
/** (x, w score [d]) -> p^T x per item, p = softmax(x score / sqrt d) over its rows, [items, d]; without rows: zeros. */
#define WEFT_OP_ATTENTION_POOL 26u
/** (x) -> softmax(x f0) over each row. */
#define WEFT_OP_SOFTMAX 27u
/** (x, y) -> x + y; y: like x, or a weight [d], or [*, 1] (one number a row). */
#define WEFT_OP_ADD 28u
/** (x, y) -> x y; y as for ADD. */
#define WEFT_OP_MUL 29u
/** (x) -> x f0 + f1. */
#define WEFT_OP_SCALE 30u
/** (x) -> act(x); i0: WEFT_ACT_*. */
#define WEFT_OP_ACTIVATION 31u
/** (x, w gamma? [d / i0]) -> x / sqrt(mean(x^2) + f0) gamma over each of the i0 (0: 1) equal parts of a row (Zhang and
    Sennrich 2019, "Root Mean Square Layer Normalization"). */
#define WEFT_OP_RMS_NORM 32u
/** (x) -> x / max(sqrt(sum x^2), f0) over each of the i0 (0: 1) equal parts of a row. */
#define WEFT_OP_L2_NORM 33u
/**
 * (x [*, i0 heads x d]) -> each head turned by its row's place p = i3 + index in the item: columns k and k + i1/2 (or,
 * i2 1, 2k and 2k + 1) of the first i1 by the angle p f0^(-2k/i1), the rest as they are (Su et al. 2021, "RoFormer").
 * Angles are rounded to f32 as the models' own code has them.
 */
#define WEFT_OP_ROTARY 34u
#define WEFT_OP_SUB 35u     /**< (x, y) -> x - y; y as for ADD */
#define WEFT_OP_DIV 36u     /**< (x, y) -> x / y; y as for ADD */
#define WEFT_OP_MIN 37u     /**< (x, y) -> the smaller; y as for ADD; NaN where either is */
#define WEFT_OP_MAX 38u     /**< (x, y) -> the larger; y as for ADD; NaN where either is */
#define WEFT_OP_EXP 39u     /**< (x) -> e^x: 0 below -87.33, never above e^88.37 */
#define WEFT_OP_ABS 40u     /**< (x) -> |x| */
#define WEFT_OP_CLAMP 41u   /**< (x) -> x within [f0, f1]; NaN stays */
#define WEFT_OP_SLICE_COLUMNS 42u /**< (x) -> columns [i0, i0 + i1) */
#define WEFT_OP_CONCAT_COLUMNS 43u /**< (x, y?, ...) of equal splits -> their columns side by side */
#define WEFT_OP_CONCAT_ROWS 44u /**< (x, y, splits out: SPLITS_SUM) -> of each item the rows of x, then those of y */
/** (x, rows [*] i32 of any splits) -> row rows[r] of its item for each r, with the splits of rows; one outside is bad
    input. */
#define WEFT_OP_GATHER_ROWS 45u
#define WEFT_OP_REPEAT_ROW 46u /**< (x [items, d], splits out) -> each item's row once for each of its rows */
#define WEFT_OP_MAX_ROWS 47u /**< (x) -> largest number of each column over the rows of an item, [items, d]; none: zeros */
/** (x) -> columns of the i0 largest numbers of each row, largest first, [*, i0] i32. Equal ones: the lower column
    first; NaN comes behind everything. */
#define WEFT_OP_TOP_K 48u
/** (x, columns [*, k] i32 of x's splits) -> those numbers of each row, [*, k]; one outside is bad input. */
#define WEFT_OP_TAKE_COLUMNS 49u
/**
 * (x [*, K], ids [*, k] or [*] i32, w [E, N, K], w bias? [E, N], multiplier? [*, k N]) -> [*, k N], for each choice c of
 * a row act(x w[id]^T + bias[id]) multiplier in columns [c N, (c + 1) N); id -1: zeros; another one outside of [0, E) is
 * bad input. ids have the splits of x, or none: then they hold for every row of their item. i0: WEFT_ACT_*. i1 1: x is
 * [*, k K], and choice c reads columns [c K, (c + 1) K). Rows are gathered by id, each group is one product.
 * With TOP_K, SOFTMAX and WEIGHTED_SUM a mixture of experts (Shazeer et al. 2017); two of them with few rows in w, an
 * adapter for each item (Hu et al. 2021, "LoRA").
 */
#define WEFT_OP_GROUPED_LINEAR 50u
/** (x [*, k N], p [*, k]) -> sum of p_c x[c N, (c + 1) N) in order of c, [*, N]; what has p_c 0 is left out. */
#define WEFT_OP_WEIGHTED_SUM 51u
/** (x [*, C], w gamma? [C], w beta? [C]) -> (x - mean) / sqrt(var + f0) gamma + beta over all rows of an item and each
    of the i0 equal parts of its columns (Wu and He 2018, "Group Normalization"). */
#define WEFT_OP_GROUP_NORM 53u

#endif
