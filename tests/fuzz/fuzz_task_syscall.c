/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_task_syscall.c - conc_proc_syscall() against the words of the line and strtoull(3); what it reads reads the same
 * when written, and a text that was cut says nothing. */
#include <errno.h>
#include <inttypes.h>

#include "fuzz.h"
#include "os/proc_text.h"

#define MOST_WORDS 9

/* Words with one blank between them and a newline behind the last: how many, or -1. Blanks become NULs. */
static int
words_of(struct slow text, char *words[MOST_WORDS])
{
    if (text.length == 0 || text.text[text.length - 1] != '\n' || strlen(text.text) != text.length)
        return -1;
    text.text[text.length - 1] = '\0';
    int count = 0;
    for (char *at = text.text; at != NULL;) {
        if (count == MOST_WORDS || strchr(" ", *at) != NULL)
            return -1;
        words[count++] = at;
        at = strchr(at, ' ');
        if (at != NULL)
            *at++ = '\0';
    }
    return count;
}

static bool
address_of(const char *word, uint64_t *value)
{
    if (strncmp(word, "0x", 2) != 0)
        return false;
    size_t digits = strspn(word + 2, "0123456789abcdef");
    *value = strtoull(word + 2, NULL, 16);
    return digits >= 1 && digits <= 16 && word[2 + digits] == '\0';
}

static int
reference(struct slow text, struct conc_task_syscall *call)
{
    char *words[MOST_WORDS];
    uint64_t unused;
    big number;
    int count = words_of(text, words);
    *call = (struct conc_task_syscall){.kind = CONC_SYSCALL_RUNNING, .number = -1};
    if (count == 1 && strcmp(words[0], "running") == 0)
        return 0;
    if (count != 3 && count != 9)
        return -EBADMSG;
    for (int i = 1; i < count; i++) {
        if (!address_of(words[i], i <= 6 && count == 9 ? &call->arguments[i - 1] : &unused))
            return -EBADMSG;
    }
    call->kind = count == 3 ? CONC_SYSCALL_OUTSIDE : CONC_SYSCALL_BLOCKED;
    if (count == 3)
        return strcmp(words[0], "-1") == 0 ? 0 : -EBADMSG;
    size_t digits = slow_digits(words[0], 0, &number);
    call->number = (long)number;
    return digits > 0 && words[0][digits] == '\0' && number <= INT32_MAX ? 0 : -EBADMSG;
}

static void
require_same(const struct conc_task_syscall *a, const struct conc_task_syscall *b)
{
    REQUIRE(a->kind == b->kind && a->number == b->number);
    REQUIRE(memcmp(a->arguments, b->arguments, sizeof(a->arguments)) == 0);
}

static void
check_written(const struct conc_task_syscall *call)
{
    char text[256];
    const uint64_t *a = call->arguments;
    int length = snprintf(text, sizeof(text), "%ld", call->number);
    for (int i = 0; i < 6; i++)
        length += snprintf(text + length, sizeof(text) - (size_t)length, " 0x%" PRIx64, a[i]);
    length += snprintf(text + length, sizeof(text) - (size_t)length, " 0x1 0x2\n");
    struct conc_task_syscall again;
    REQUIRE(conc_proc_syscall(text, (size_t)length, &again) == 0);
    require_same(&again, call);
    for (int cut = 0; cut < length; cut++)
        REQUIRE(conc_proc_syscall(text, (size_t)cut, &again) == -EBADMSG);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slow copy = slow_copy(data, size);
    const struct conc_task_syscall untouched = {.kind = CONC_SYSCALL_OUTSIDE, .number = 77, .arguments = {7, 7}};
    struct conc_task_syscall call = untouched, expected;
    int err = conc_proc_syscall((const char *)data, size, &call);
    REQUIRE(err == reference(copy, &expected));
    require_same(&call, err == 0 ? &expected : &untouched);
    if (err == 0 && call.kind == CONC_SYSCALL_BLOCKED)
        check_written(&call);
    free(copy.text);
    return 0;
}
