/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that follow from an item's seed alone: splitmix64 (Steele et al. 2014, "Fast splittable pseudorandom number
   generators", figure 17). */
#ifndef WEFT_TEST_RANDOM_H
#define WEFT_TEST_RANDOM_H

#include <math.h>
#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* 0 < u <= 1 */
static inline double random_unit(uint64_t *state)
{
  return ((double)(random_next(state) >> 11) + 1) * 0x1p-53;
}

/* Standard normal (Box and Muller 1958). */
static inline double random_normal(uint64_t *state)
{
  double radius = sqrt(-2 * log(random_unit(state)));
  return radius * cos(2 * M_PI * random_unit(state));
}

#endif
