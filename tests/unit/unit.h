/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_TESTS_UNIT_H
#define BB_TESTS_UNIT_H
/* cmocka.h needs these before it, in any order */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#endif
