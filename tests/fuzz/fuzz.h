/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h - what a fuzz target needs: REQUIRE, and a slow reading of numbers to compare the core's with. Included once
 * in a target. A target returns 0; a failed REQUIRE and a sanitizer's finding end the process. */
#ifndef CONC_TESTS_FUZZ_H
#define CONC_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                        \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: REQUIRE failed: %s\n", __FILE__, __LINE__, #condition);       \
            abort();                                                                              \
        }                                                                                         \
    } while (0)

typedef unsigned __int128 big;

/* The reference's way of reading: text that ends with a NUL of ours, an index into it, sums too wide to overflow. */
struct slow {
    char *text;                     /* [owned] */
    size_t length;
};

__attribute__((unused)) static struct slow
slow_copy(const void *data, size_t size)
{
    struct slow copy = {malloc(size + 1), size};
    REQUIRE(copy.text != NULL);
    if (size > 0)
        memcpy(copy.text, data, size);
    copy.text[size] = '\0';
    return copy;
}

/* How many digits stand at `at`; their value, or a huge one, in *value. */
__attribute__((unused)) static size_t
slow_digits(const char *text, size_t at, big *value)
{
    static const big huge = (big)1 << 80;
    size_t count = strspn(text + at, "0123456789");
    *value = 0;
    for (size_t i = 0; i < count; i++)
        *value = *value > huge ? huge : *value * 10 + (big)(text[at + i] - '0');
    return count;
}

/* The line that begins at `at` without its newline [owned]; *next is where the next begins. NULL at the end. */
__attribute__((unused)) static char *
slow_line(struct slow text, size_t at, size_t *next)
{
    if (at >= text.length)
        return NULL;
    size_t end = at;
    while (end < text.length && text.text[end] != '\n')
        end++;
    *next = end < text.length ? end + 1 : end;
    char *line = malloc(end - at + 1);
    REQUIRE(line != NULL);
    memcpy(line, text.text + at, end - at);
    line[end - at] = '\0';
    return line;
}

#endif
