/* SPDX-License-Identifier: Apache-2.0 */
/* python/gil_layout.h - where the interpreter that we run in keeps its GILs: looked up, and then proved. All need an
 * attached thread. */
#ifndef CONC_PYTHON_GIL_LAYOUT_H
#define CONC_PYTHON_GIL_LAYOUT_H

#include "python/core.h"

#include "watch/gil_layout.h"

/* The layout of this process. Before it is believed, the reader has to name the calling thread as who has its GIL, or to
 * find a free-threaded build's GIL off. 0; or a negative errno and why, in *reason [static]: -ENOTSUP or -EBADMSG when it
 * is not known, -ENODATA when it did not stand the proof, others when memory cannot be read. */
int conc_gil_layout_own(struct conc_gil_layout *layout, const char **reason);

/* For a version whose structures are not known: a layout that knows no more than where threads wait for the GIL of the
 * calling thread's interpreter. It holds that GIL for some 10 ms, while another thread is seen to wait for it, and then
 * lets go of it for a moment. Errors and *reason as above; -ETIMEDOUT when that thread was never seen to wait. */
int conc_gil_layout_learn(struct conc_gil_layout *layout, const char **reason);

/* For the layout of another process, whose C library is taken to be like ours: conc_gil_layout_find()'s `waits_bytes`. */
uint32_t conc_gil_waits_bytes(void);

/* Layouts as Python has them: bytes, of which nobody looks inside. [owned] */
PyObject *conc_gil_layout_as_bytes(const struct conc_gil_layout *layout);

/* 0, or -1 with TypeError or ValueError set. */
int conc_gil_layout_from_bytes(PyObject *value, struct conc_gil_layout *layout);

#endif
