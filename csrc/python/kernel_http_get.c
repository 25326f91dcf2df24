/* SPDX-License-Identifier: Apache-2.0 */
/* python/kernel_http_get.c - http_get's two ends in Python, and why it may not be available. */
#include "python/core.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/http_get.h"
#include "kernels/http_url.h"
#include "os/clock.h"
#include "python/attach.h"
#include "python/convert.h"
#include "python/kernels.h"

#define PATIENCE_NS (60 * CONC_NS_PER_S)

/* A copy of a str that is a URL to ask for, in *out [owned]. */
static int
parse_url(PyObject *url, char **out)
{
    if (!PyUnicode_Check(url)) {
        PyErr_Format(PyExc_TypeError, "url must be a str, not %.100s", Py_TYPE(url)->tp_name);
        return -1;
    }
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(url, &size);
    if (text == NULL)
        return -1;
    if (strlen(text) != (size_t)size || !conc_http_url_valid(text)) {
        PyErr_Format(PyExc_ValueError,
                     "url must be http:// or https:// with a host, in ASCII without spaces (percent-encoded), not %R",
                     url);
        return -1;
    }
    *out = conc_alloc((size_t)size + 1);
    if (*out == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(*out, text, (size_t)size);
    return 0;
}

static int
parse(KernelObject *Py_UNUSED(kernel), void *state, PyObject *const *args, size_t nargs, PyObject *kwnames)
{
    struct conc_http_get *get = state;
    if (conc_kernel_check_arguments("http_get", 1, 2, nargs, kwnames) < 0)
        return -1;
    get->patience_ns = PATIENCE_NS;
    if (nargs == 2 && conc_parse_seconds(args[1], "timeout", &get->patience_ns) < 0)
        return -1;
    return parse_url(args[0], &get->url);
}

static PyObject *
result(CoreState *Py_UNUSED(core), void *state)
{
    const struct conc_http_get *get = state;
    return PyBytes_FromStringAndSize((const char *)get->body, (Py_ssize_t)get->size);
}

static void
raise(CoreState *Py_UNUSED(core), void *state, int err)
{
    const struct conc_http_get *get = state;
    if (err == -ENOMEM) {
        PyErr_NoMemory();
        return;
    }
    const char *what = get->message[0] != '\0' ? get->message : strerror(-err);
    if (err == -EINVAL) {
        PyErr_Format(PyExc_ValueError, "GET %s: %s", get->url, what);
        return;
    }
    PyObject *message = PyUnicode_FromFormat("GET %s: %s", get->url, what);
    PyObject *exc = message == NULL ? NULL : PyObject_CallFunction(PyExc_OSError, "iO", -err, message);
    Py_XDECREF(message);
    if (exc != NULL)
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
    Py_XDECREF(exc);
}

const struct conc_kernel_binding conc_binding_http_get = {
    .core = &conc_kernel_http_get,
    .doc = PyDoc_STR(
        "http_get(url, timeout=60.0, /)\n--\n\n"
        "The body that an HTTP GET of `url` gives, fetched by libcurl on a native thread or with the GIL released.\n"
        "\n"
        "At most 10 redirects are followed, to http and https alone. Proxies are those of the environment\n"
        "(http_proxy, https_proxy, no_proxy), but none for a host on the loopback.\n"
        "\n"
        "Args:\n"
        "    url: http:// or https://, in ASCII.\n"
        "    timeout: seconds >= 0 without a byte from the server, connecting included, after which it gives up.\n"
        "\n"
        "Returns:\n"
        "    The body as bytes.\n"
        "\n"
        "Raises:\n"
        "    OSError: it failed; the message names the URL and what happened, such as the HTTP status (400 or more).\n"
        "        ConnectionRefusedError, ConnectionResetError (it ended too early) and TimeoutError where it is that;\n"
        "        ENOSYS where libcurl is missing, see `http_get_unavailable`.\n"
        "    TypeError: `url` is not a str.\n"
        "    ValueError: `url` is not one of HTTP.\n"
        "\n"
        "Source: libcurl.so.4, 7.66 or later, loaded when first used.\n"
        "\n"
        "Example:\n"
        "    >>> http_get(\"ftp://example.org/\")  # doctest: +ELLIPSIS\n"
        "    Traceback (most recent call last):\n"
        "    ValueError: url must be http:// or https:// ..."),
    .parse = parse,
    .result = result,
    .raise = raise,
};

PyObject *
conc_http_get_unavailable(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    const struct conc_curl *curl;
    int err;
    CONC_BEGIN_DETACHED                      /* uses: err, curl; loading may read the disk */
    err = conc_curl_get(&curl);
    CONC_END_DETACHED
    if (err == 0)
        Py_RETURN_NONE;
    return PyUnicode_FromString(conc_curl_problem(err));
}
