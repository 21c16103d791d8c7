/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fft.h
 * The power spectrum of 512 real values, in double: the reference of
 * logmel.h works in double, and kissfft in float (the only one that Debian
 * packages) misses its bar of 1e-4 on loud, narrow sounds. Internal.
 * [any thread]
 */
#ifndef WEFT_NN_FFT_H
#define WEFT_NN_FFT_H

#define WEFT_FFT_POINTS 512
/** Values of working memory of one transform. */
#define WEFT_FFT_WORK (2 * WEFT_FFT_POINTS)

struct weft_fft {
  double cosine[WEFT_FFT_POINTS]; /**< of 2 pi k / 512 */
  double sine[WEFT_FFT_POINTS];
};

void weft_fft_init(struct weft_fft *fft);

/** points: [512]; power: [257], |X|^2; work: [WEFT_FFT_WORK]. */
void weft_fft_power(const struct weft_fft *fft, const double *points, double *power, double *work);

#endif
