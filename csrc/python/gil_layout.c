/* SPDX-License-Identifier: Apache-2.0 */
/* python/gil_layout.c - `_PyRuntime` of the process that we are part of. */
#include "python/gil_layout.h"

#include <errno.h>
#include <string.h>

#include "os/thread.h"
#include "os/thread_self.h"
#include "watch/gil.h"

/* Declared by an internal header alone, and exported by all versions so far: weak, so that conc loads without it, too. */
__attribute__((weak)) PyAPI_DATA(struct pyruntimestate) _PyRuntime;

uint32_t
conc_gil_waits_bytes(void)
{
    return (uint32_t)(2 * (conc_os_condition_bytes() + conc_os_mutex_bytes()));
}

/* What is so of the calling thread, which is attached, must be what the reader says. */
static int
prove(const struct conc_gil_layout *layout)
{
    struct conc_gil_reader *reader;
    int err = conc_gil_reader_open(&reader, 0, layout);
    if (err < 0)
        return err;
    struct conc_gil_sample samples[CONC_GIL_LOCKS];
    int count = conc_gil_reader_read(reader, samples, CONC_GIL_LOCKS), self = conc_thread_self_id();
    conc_gil_reader_close(reader);
    if (count < 0)
        return count;
    int64_t interpreter = PyInterpreterState_GetID(PyInterpreterState_Get());
    for (int i = 0; i < count; i++) {
        const struct conc_gil_sample *sample = &samples[i];
        bool ours = sample->enabled ? sample->locked && sample->holder_tid == self : CONC_FREE_THREADED;
        if (ours && sample->interpreter <= interpreter)
            return 0;
    }
    return -ENODATA;
}

static const char *
reason_for(int err)
{
    switch (err) {
    case -ENOTSUP:
        return "where this version of CPython keeps its GIL is not known";
    case -EBADMSG:
        return "CPython's table of its own offsets is not what this version should have";
    case -ENODATA:
    case -EFAULT:
        return "where CPython should keep its GIL, something else was found";
    case -EPERM:
    case -EACCES:
    case -ENOSYS:
        return "the system does not let this process read its own memory by process_vm_readv(2)";
    default:
        return strerror(-err);
    }
}

int
conc_gil_layout_own(struct conc_gil_layout *layout, const char **reason)
{
    struct conc_gil_layout found;
    int err = -ENOTSUP;
    const void *head = &_PyRuntime;
    if (head != NULL && sizeof(head) == sizeof(uint64_t))
        err = conc_gil_layout_find(&found, (uintptr_t)head, (uint32_t)Py_Version, conc_gil_waits_bytes(), head,
                                   CONC_GIL_HEAD_BYTES);
    if (err == 0)
        err = prove(&found);
    if (err == 0)
        *layout = found;
    else
        *reason = reason_for(err);
    return err;
}

PyObject *
conc_gil_layout_as_bytes(const struct conc_gil_layout *layout)
{
    return PyBytes_FromStringAndSize((const char *)layout, sizeof(*layout));
}

int
conc_gil_layout_from_bytes(PyObject *value, struct conc_gil_layout *layout)
{
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(value, &bytes, &size) < 0)
        return -1;
    if (size != sizeof(*layout)) {
        PyErr_Format(PyExc_ValueError, "a GIL layout has %zu bytes, not %zd", sizeof(*layout), size);
        return -1;
    }
    memcpy(layout, bytes, sizeof(*layout));
    return 0;
}
