/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 512 real values are 256 complex ones, transformed by four passes of
 * radix 4 in Stockham's order (no bit reversal; Van Loan, "Computational
 * Frameworks for the Fast Fourier Transform", section 1.7) and taken apart by
 * symmetry. Real and imaginary parts lie apart, so that passes vectorise.
 */
#include "fft.h"

#include <math.h>

#define N (WEFT_FFT_POINTS / 2)

struct parts {
  double *re, *im; /* [N] */
};

void weft_fft_init(struct weft_fft *fft)
{
  for (int k = 0; k < WEFT_FFT_POINTS; k++) {
    fft->cosine[k] = cos(2.0 * M_PI * k / WEFT_FFT_POINTS);
    fft->sine[k] = sin(2.0 * M_PI * k / WEFT_FFT_POINTS);
  }
}

/* The four inputs of a butterfly, `stride` values of each side by side. */
static void butterflies(const struct weft_fft *fft, struct parts x, struct parts y, int p, int stride)
{
  int step = 2 * stride, m = N / stride / 4; /* 512 / (N / stride) */
  double c1 = fft->cosine[p * step], s1 = fft->sine[p * step];
  double c2 = fft->cosine[2 * p * step], s2 = fft->sine[2 * p * step];
  double c3 = fft->cosine[3 * p * step], s3 = fft->sine[3 * p * step];
  int a = stride * p, b = a + stride * m, c = b + stride * m, d = c + stride * m, to = 4 * stride * p;
  for (int q = 0; q < stride; q++, a++, b++, c++, d++, to++) {
    double sum_re = x.re[a] + x.re[c], sum_im = x.im[a] + x.im[c];
    double diff_re = x.re[a] - x.re[c], diff_im = x.im[a] - x.im[c];
    double other_re = x.re[b] + x.re[d], other_im = x.im[b] + x.im[d];
    double turned_re = x.im[d] - x.im[b], turned_im = x.re[b] - x.re[d]; /* i (b - d) */
    double re1 = diff_re - turned_re, im1 = diff_im - turned_im;
    double re2 = sum_re - other_re, im2 = sum_im - other_im;
    double re3 = diff_re + turned_re, im3 = diff_im + turned_im;
    y.re[to] = sum_re + other_re;
    y.im[to] = sum_im + other_im;
    y.re[to + stride] = re1 * c1 + im1 * s1;
    y.im[to + stride] = im1 * c1 - re1 * s1;
    y.re[to + 2 * stride] = re2 * c2 + im2 * s2;
    y.im[to + 2 * stride] = im2 * c2 - re2 * s2;
    y.re[to + 3 * stride] = re3 * c3 + im3 * s3;
    y.im[to + 3 * stride] = im3 * c3 - re3 * s3;
  }
}

void weft_fft_power(const struct weft_fft *fft, const double *points, double *power, double *work)
{
  struct parts x = {work, work + N}, y = {work + 2 * N, work + 3 * N};
  for (int i = 0; i < N; i++) {
    x.re[i] = points[2 * i];
    x.im[i] = points[2 * i + 1];
  }
  for (int stride = 1; stride < N; stride *= 4) {
    for (int p = 0; p < N / stride / 4; p++)
      butterflies(fft, x, y, p, stride);
    struct parts swap = x;
    x = y;
    y = swap;
  }
  for (int k = 0; k <= N; k++) {
    int i = k % N, j = (N - k) % N;
    double even_re = 0.5 * (x.re[i] + x.re[j]), even_im = 0.5 * (x.im[i] - x.im[j]);
    double odd_re = 0.5 * (x.im[i] + x.im[j]), odd_im = 0.5 * (x.re[j] - x.re[i]);
    double c = fft->cosine[k], s = fft->sine[k];
    double re = even_re + odd_re * c + odd_im * s, im = even_im + odd_im * c - odd_re * s;
    power[k] = re * re + im * im;
  }
}
