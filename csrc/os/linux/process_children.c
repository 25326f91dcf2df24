/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/process_children.c - /proc/<pid>/task/<tid>/children (proc(5)), which each thread has for what it started; the
 * first thread's `stat` and `syscall` for the process's own. */
#include "os/process_children.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "os/proc_text.h"
#include "os/task_file.h"
#include "os/task_list.h"

/* Some thousand children of one thread; the rest of more is not seen. */
#define CHILDREN_TEXT 16384

struct search {
    int pid;
    void (*found)(void *context, int pid);
    void *context;
    int count, asked, answered, err;
    char text[CHILDREN_TEXT];
};

static void
read_children_of(void *raw, int tid)
{
    struct search *search = raw;
    search->asked++;
    int64_t n = conc_task_file_look(search->pid, tid, "children", search->text, sizeof(search->text));
    if (n < 0) {
        if (n != -ESRCH && n != -ENOENT)
            search->err = (int)n;
        return;
    }
    search->answered++;
    struct conc_scan scan = conc_scan_over(search->text, (size_t)n);
    int pid;
    while (conc_proc_next_child(&scan, &pid)) {
        search->found(search->context, pid);
        search->count++;
    }
}

int
conc_process_children(int pid, void (*found)(void *context, int pid), void *context)
{
    int list = conc_task_list_open(pid);
    if (list < 0)
        return list == -ENOENT ? -ESRCH : list;
    struct search search = {.pid = pid, .found = found, .context = context};
    int err = conc_task_list_read(list, read_children_of, &search);
    conc_task_list_close(list);
    if (err < 0)
        return err == -ENOENT ? -ESRCH : err;
    if (search.err < 0)
        return search.err;
    /* Threads end, but not all of them: this kernel was made without the file. */
    return search.asked > 0 && search.answered == 0 ? -ENOSYS : search.count;
}

/* Whether the process goes on although its first thread has ended. */
static bool
others_live(int pid)
{
    int list = conc_task_list_open(pid);
    if (list < 0)
        return false;
    int count = conc_task_list_count(list);
    conc_task_list_close(list);
    return count > 1;
}

int
conc_process_start_ticks(int pid, int64_t *ticks)
{
    char text[512];
    struct conc_proc_place place;
    int64_t n = conc_task_file_look(pid, pid, "stat", text, sizeof(text));
    if (n < 0)
        return n == -ENOENT ? -ESRCH : (int)n;
    int err = conc_proc_place_of(text, (size_t)n, &place);
    if (err != 0)
        return err;
    if ((place.letter == 'Z' || place.letter == 'X') && !others_live(pid))
        return -ESRCH;
    *ticks = place.start_ticks;
    return 0;
}

int
conc_process_may_trace(int pid)
{
    char text[256];
    int64_t n = conc_task_file_look(pid, pid, "syscall", text, sizeof(text));
    return n < 0 ? (int)n : 0;
}
