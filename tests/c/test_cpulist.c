/* SPDX-License-Identifier: Apache-2.0 */
/* test_cpulist.c - the kernel's list format, and the set that it is read into. */
#include "topology/cpulist.h"

#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "check.h"

/* Parses `text` and checks the result and the members, which end with -1. */
static void
expect(const char *text, int err, const int *members)
{
    struct conc_bitset set = {0};
    HAVE_EQ(conc_cpulist_parse(text, strlen(text), &set), err);
    if (err == 0) {
        size_t count = 0;
        for (; members[count] >= 0; count++)
            CHECK(conc_bitset_has(&set, (size_t)members[count]));
        CHECK_EQ(conc_bitset_count(&set), count);
    }
    conc_bitset_clear(&set);
}

static void
test_lists(void)
{
    expect("", 0, (int[]){-1});
    expect("\n", 0, (int[]){-1});
    expect("0\n", 0, (int[]){0, -1});
    expect("0-3,8\n", 0, (int[]){0, 1, 2, 3, 8, -1});
    expect("8,0-3", 0, (int[]){0, 1, 2, 3, 8, -1});
    expect("1,1,0-1", 0, (int[]){0, 1, -1});
    expect("063-065", 0, (int[]){63, 64, 65, -1});
    expect("65535", 0, (int[]){65535, -1});
}

static void
test_garbage(void)
{
    const char *const bad[] = {
        ",", "0,", ",0", "0,,1", "-", "0-", "-1", "3-1", "0-1-2", " 0", "0 ", "0\n\n", "a", "0x1", "0-3:1/2", "1.5",
        "65536", "0-65536", "99999999999999999999999999", "+1", "0\r\n", "0;1",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        expect(bad[i], -EBADMSG, NULL);
    struct conc_bitset set = {0};
    HAVE_EQ(conc_cpulist_parse("0\0", 2, &set), -EBADMSG);         /* a NUL is no end */
    conc_bitset_clear(&set);
}

/* Any bytes: an answer, no member out of range, no read past the end (the text has no terminator). */
static void
test_random_bytes(void)
{
    static const char alphabet[] = "0123456789,-\n 9,";
    struct conc_random random = {.state = 7};
    for (int turn = 0; turn < 200000 / CONC_TEST_SCALE; turn++) {
        size_t length = conc_random_below(&random, 24);
        char *text = malloc(length > 0 ? length : 1);
        CHECK(text != NULL);
        for (size_t i = 0; i < length; i++)
            text[i] = alphabet[conc_random_below(&random, sizeof(alphabet) - 1)];
        struct conc_bitset set = {0};
        int err;
        MAY_LACK_MEMORY(err = conc_cpulist_parse(text, length, &set));
        CHECK(err == 0 || err == -EBADMSG);
        CHECK(conc_bitset_next(&set, CONC_CPU_LIMIT) == CONC_BITSET_END);
        conc_bitset_clear(&set);
        free(text);
    }
}

static void
test_bitset(void)
{
    struct conc_bitset a = {0}, b = {0};
    CHECK(conc_bitset_next(&a, 0) == CONC_BITSET_END);
    CHECK(!conc_bitset_has(&a, 1000));
    HAVE_EQ(conc_bitset_add(&a, 200), 0);
    HAVE_EQ(conc_bitset_add(&a, 3), 0);
    CHECK_EQ(conc_bitset_next(&a, 0), 3);
    CHECK_EQ(conc_bitset_next(&a, 4), 200);
    CHECK(conc_bitset_next(&a, 201) == CONC_BITSET_END);
    HAVE_EQ(conc_bitset_add(&b, 3), 0);
    CHECK(!conc_bitset_equal(&a, &b));
    HAVE_EQ(conc_bitset_add(&b, 200), 0);
    HAVE_EQ(conc_bitset_add_range(&b, 1000, 1000), 0);
    CHECK(!conc_bitset_equal(&a, &b));
    HAVE_EQ(conc_bitset_add(&a, 1000), 0);
    CHECK(conc_bitset_equal(&a, &b));
    conc_bitset_clear(&a);
    conc_bitset_clear(&b);
    CHECK(conc_bitset_equal(&a, &b));
}

int
main(void)
{
    test_lists();
    test_garbage();
    test_random_bytes();
    test_bitset();
    return 0;
}
