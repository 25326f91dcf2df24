/* SPDX-License-Identifier: Apache-2.0 */
/* os/proc_text.c - see the header. */
#include "os/proc_text.h"

#include <errno.h>

#define STEAL_COLUMN 8

/* The cursor behind the last ')', so that what the command is called does not matter. */
static bool
after_command(struct conc_scan *scan)
{
    const char *at = scan->end;
    while (at != scan->at && at[-1] != ')')
        at--;
    if (at == scan->at)
        return false;
    scan->at = at;
    return true;
}

static bool
take_letter(struct conc_scan *scan, char *letter)
{
    if (!conc_scan_char(scan, ' ') || scan->at == scan->end)
        return false;
    char c = *scan->at;
    if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
        return false;
    *letter = c;
    scan->at++;
    return conc_scan_char(scan, ' ');
}

int
conc_proc_state_letter(const char *text, size_t length, char *letter)
{
    struct conc_scan scan = conc_scan_over(text, length);
    char found;
    if (!after_command(&scan) || !take_letter(&scan, &found))
        return -EBADMSG;
    *letter = found;
    return 0;
}

/* Passes over `count` fields with the blank behind each. */
static bool
skip_fields(struct conc_scan *scan, int count)
{
    for (int i = 0; i < count; i++) {
        if (!conc_scan_field(scan) || !conc_scan_char(scan, ' '))
            return false;
    }
    return true;
}

/* A number with the blank behind it, without which the text may have been cut within it. */
static bool
take_field(struct conc_scan *scan, int64_t most, int64_t *value)
{
    uint64_t number;
    if (conc_scan_number(scan, (uint64_t)most, &number) != 0 || !conc_scan_char(scan, ' '))
        return false;
    *value = (int64_t)number;
    return true;
}

int
conc_proc_times_of(const char *text, size_t length, struct conc_proc_times *times)
{
    struct conc_scan scan = conc_scan_over(text, length);
    struct conc_proc_times found;
    char letter;
    if (!after_command(&scan) || !take_letter(&scan, &letter) || !skip_fields(&scan, 6) ||
        !take_field(&scan, INT64_MAX, &found.minor_faults) || !skip_fields(&scan, 1) ||
        !take_field(&scan, INT64_MAX, &found.major_faults) || !skip_fields(&scan, 1) ||
        !take_field(&scan, CONC_PROC_TICKS_MAX, &found.user_ticks) ||
        !take_field(&scan, CONC_PROC_TICKS_MAX, &found.system_ticks))
        return -EBADMSG;
    *times = found;
    return 0;
}

int
conc_proc_place_of(const char *text, size_t length, struct conc_proc_place *place)
{
    struct conc_scan scan = conc_scan_over(text, length);
    struct conc_proc_place found;
    int64_t cpu;
    if (!after_command(&scan) || !take_letter(&scan, &found.letter) || !skip_fields(&scan, 18) ||
        !take_field(&scan, INT64_MAX, &found.start_ticks) || !skip_fields(&scan, 16) ||
        !take_field(&scan, INT32_MAX, &cpu))
        return -EBADMSG;
    found.cpu = (int)cpu;
    *place = found;
    return 0;
}

int64_t
conc_proc_user_share(int64_t total_ns, const struct conc_proc_times *times)
{
    int64_t user = times->user_ticks, sum = user + times->system_ticks;
    if (times->system_ticks == 0)
        return total_ns;
    /* So that a remainder times ticks fits into 64 bits; the ratio keeps 30 of them. */
    for (; sum > INT32_MAX; sum /= 2)
        user /= 2;
    return total_ns / sum * user + total_ns % sum * user / sum;
}

int
conc_proc_schedstat(const char *text, size_t length, int64_t *cpu_ns, int64_t *delay_ns)
{
    struct conc_scan scan = conc_scan_over(text, length);
    int64_t on_cpu, waiting;
    uint64_t turns;
    if (!take_field(&scan, INT64_MAX, &on_cpu) || !take_field(&scan, INT64_MAX, &waiting) ||
        conc_scan_number(&scan, UINT64_MAX, &turns) != 0 || !conc_scan_char(&scan, '\n') || scan.at != scan.end)
        return -EBADMSG;
    if (on_cpu == 0 && waiting == 0 && turns == 0)
        return -ENODATA;
    *cpu_ns = on_cpu;
    *delay_ns = waiting;
    return 0;
}

int
conc_proc_run_delay(const char *text, size_t length, int64_t *ns)
{
    int64_t on_cpu;
    return conc_proc_schedstat(text, length, &on_cpu, ns);
}

bool
conc_proc_next_child(struct conc_scan *scan, int *pid)
{
    struct conc_scan ahead = *scan;
    uint64_t number;
    if (conc_scan_number(&ahead, INT32_MAX, &number) != 0 || !conc_scan_char(&ahead, ' '))
        return false;
    *scan = ahead;
    *pid = (int)number;
    return true;
}

/* A blank and a number as the kernel writes addresses: "0x", then 1 to 16 digits of the base 16. */
static bool
take_address(struct conc_scan *scan, uint64_t *value)
{
    if (!conc_scan_word(scan, " 0x"))
        return false;
    const char *start = scan->at;
    uint64_t sum = 0;
    for (; scan->at != scan->end && scan->at - start < 16; scan->at++) {
        char c = *scan->at;
        if (c >= '0' && c <= '9')
            sum = sum << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            sum = sum << 4 | (uint64_t)(c - 'a' + 10);
        else
            break;
    }
    *value = sum;
    return scan->at != start;
}

static bool
take_call(struct conc_scan *scan, struct conc_task_syscall *call)
{
    uint64_t number;
    if (conc_scan_number(scan, INT32_MAX, &number) != 0)
        return false;
    call->number = (long)number;
    for (size_t i = 0; i < sizeof(call->arguments) / sizeof(*call->arguments); i++) {
        if (!take_address(scan, &call->arguments[i]))
            return false;
    }
    return true;
}

/* "running", "-1 STACK PROGRAM", or "NUMBER ARGUMENT{6} STACK PROGRAM". */
int
conc_proc_syscall(const char *text, size_t length, struct conc_task_syscall *call)
{
    struct conc_scan scan = conc_scan_over(text, length);
    struct conc_task_syscall found = {.kind = CONC_SYSCALL_RUNNING, .number = -1};
    if (!conc_scan_word(&scan, "running")) {
        uint64_t stack, program;
        found.kind = conc_scan_word(&scan, "-1") ? CONC_SYSCALL_OUTSIDE : CONC_SYSCALL_BLOCKED;
        if (found.kind == CONC_SYSCALL_BLOCKED && !take_call(&scan, &found))
            return -EBADMSG;
        if (!take_address(&scan, &stack) || !take_address(&scan, &program))
            return -EBADMSG;
    }
    if (!conc_scan_char(&scan, '\n') || scan.at != scan.end)
        return -EBADMSG;
    *call = found;
    return 0;
}

int
conc_proc_count_line(const char *text, size_t length, const char *key, int64_t *number)
{
    struct conc_scan scan = conc_scan_over(text, length), line;
    while (conc_scan_line(&scan, &line)) {
        if (!conc_scan_word(&line, key) || !conc_scan_word(&line, ":\t"))
            continue;
        uint64_t found;
        /* Behind the last byte of a text that was cut the number may go on. */
        if (conc_scan_number(&line, INT64_MAX, &found) != 0 || line.at != line.end || line.end == scan.end)
            return -EBADMSG;
        *number = (int64_t)found;
        return 0;
    }
    return -ENODATA;
}

int
conc_proc_kib_line(const char *text, size_t length, const char *key, int64_t *bytes)
{
    struct conc_scan scan = conc_scan_over(text, length), line;
    while (conc_scan_line(&scan, &line)) {
        if (!conc_scan_word(&line, key) || !conc_scan_char(&line, ':'))
            continue;
        return conc_scan_kib(&line, bytes);
    }
    return -ENODATA;
}

int
conc_proc_number_line(const char *text, size_t length, const char *key, uint64_t *number)
{
    struct conc_scan scan = conc_scan_over(text, length), line;
    while (conc_scan_line(&scan, &line)) {
        if (!conc_scan_word(&line, key) || !conc_scan_char(&line, ' '))
            continue;
        uint64_t found;
        if (conc_scan_number(&line, UINT64_MAX, &found) != 0 || line.at != line.end)
            return -EBADMSG;
        *number = found;
        return 0;
    }
    return -ENODATA;
}

int
conc_proc_number(const char *text, size_t length, uint64_t *number)
{
    struct conc_scan scan = conc_scan_over(text, length);
    if (conc_scan_word(&scan, "max"))
        return conc_scan_end(&scan) ? -ENODATA : -EBADMSG;
    uint64_t found;
    if (conc_scan_number(&scan, UINT64_MAX, &found) != 0 || !conc_scan_end(&scan))
        return -EBADMSG;
    *number = found;
    return 0;
}

int
conc_proc_steal(const char *text, size_t length, size_t cpu, int64_t *ticks)
{
    struct conc_scan scan = conc_scan_over(text, length), line;
    while (conc_scan_line(&scan, &line)) {
        uint64_t number;
        if (!conc_scan_word(&line, "cpu") || conc_scan_number(&line, SIZE_MAX, &number) != 0 || number != cpu)
            continue;
        for (int column = 1; column <= STEAL_COLUMN; column++) {
            if (!conc_scan_blanks(&line) || conc_scan_number(&line, INT64_MAX, &number) != 0)
                return -EBADMSG;
        }
        /* Behind the last byte of a text that was cut the number may go on. */
        if (line.end == scan.end && line.at == line.end)
            return -EBADMSG;
        if (line.at != line.end && !conc_scan_blanks(&line))
            return -EBADMSG;
        *ticks = (int64_t)number;
        return 0;
    }
    return -ENODATA;
}

/* Whether a path that begins with a slash has a component "..". */
static bool
leads_up(struct conc_scan path)
{
    while (conc_scan_char(&path, '/')) {
        const char *start = path.at;
        while (path.at != path.end && *path.at != '/')
            path.at++;
        if (path.at - start == 2 && start[0] == '.' && start[1] == '.')
            return true;
    }
    return false;
}

bool
conc_proc_next_cgroup(struct conc_scan *lines, struct conc_proc_cgroup *group)
{
    struct conc_scan line;
    while (conc_scan_line(lines, &line)) {
        uint64_t hierarchy;
        if (conc_scan_number(&line, UINT64_MAX, &hierarchy) != 0 || !conc_scan_char(&line, ':'))
            continue;
        int version = conc_scan_word(&line, "memory:") ? 1 : conc_scan_char(&line, ':') ? 2 : 0;
        if (version == 0 || line.at == line.end || *line.at != '/' || leads_up(line))
            continue;
        *group = (struct conc_proc_cgroup){version, line.at, (size_t)(line.end - line.at)};
        return true;
    }
    return false;
}
