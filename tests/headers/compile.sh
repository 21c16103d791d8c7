#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# compile.sh c|c++ STANDARD INCLUDE_DIR HEADER: HEADER alone, twice over, with warnings as errors.
set -e
lang=$1 std=$2 dir=$3 header=$4
case $lang in
  c) compiler=${CC:-cc} ;;
  c++) compiler=${CXX:-c++} ;;
esac
if ! command -v ${compiler%% *} >/dev/null; then
  echo "no $compiler here: not tested"
  exit 77
fi
# The declaration: a header of macros alone would be an empty translation unit.
printf '#include <weft/%s>\n#include <weft/%s>\nextern int weft_alone;\n' "$header" "$header" |
  $compiler -x "$lang" -std="$std" -pedantic -Wall -Wextra -Wshadow -Werror -I"$dir" -fsyntax-only -
