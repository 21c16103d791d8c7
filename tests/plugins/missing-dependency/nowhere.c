/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin links to this library, which calls itself by a name that no file has. */
int weft_test_from_nowhere(void);

__attribute__((visibility("default"))) int weft_test_from_nowhere(void)
{
  return 0;
}
