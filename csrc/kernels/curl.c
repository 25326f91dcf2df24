/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/curl.c - see the header. */
#include "kernels/curl.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "os/library.h"
#include "os/registry.h"

static const struct {
    const char *name;
    size_t offset;                  /* in struct conc_curl; every function pointer has the same size */
} functions[] = {
    {"curl_global_init", offsetof(struct conc_curl, global_init)},
    {"curl_easy_init", offsetof(struct conc_curl, easy_init)},
    {"curl_easy_setopt", offsetof(struct conc_curl, easy_setopt)},
    {"curl_easy_getinfo", offsetof(struct conc_curl, easy_getinfo)},
    {"curl_easy_strerror", offsetof(struct conc_curl, easy_strerror)},
    {"curl_easy_cleanup", offsetof(struct conc_curl, easy_cleanup)},
    {"curl_multi_init", offsetof(struct conc_curl, multi_init)},
    {"curl_multi_add_handle", offsetof(struct conc_curl, multi_add_handle)},
    {"curl_multi_remove_handle", offsetof(struct conc_curl, multi_remove_handle)},
    {"curl_multi_perform", offsetof(struct conc_curl, multi_perform)},
    {"curl_multi_poll", offsetof(struct conc_curl, multi_poll)},
    {"curl_multi_info_read", offsetof(struct conc_curl, multi_info_read)},
    {"curl_multi_cleanup", offsetof(struct conc_curl, multi_cleanup)},
};

static int
load(void **made)
{
    struct conc_library *library;
    int err = conc_library_open("libcurl.so.4", &library);
    if (err != 0)
        return err;
    struct conc_curl *curl = conc_alloc(sizeof(*curl));
    if (curl == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]) && err == 0; i++) {
        conc_library_fn function;
        err = conc_library_symbol(library, functions[i].name, &function);
        if (err == 0)
            memcpy((char *)curl + functions[i].offset, &function, sizeof(function));
    }
    /* Under the registry's lock: libcurl before 7.84 must not be initialised by two threads at a time. */
    if (err == 0 && curl->global_init(CONC_CURL_GLOBAL_ALL) != CONC_CURLE_OK)
        err = -EIO;
    if (err != 0) {
        conc_free(curl);
        return err;
    }
    *made = curl;
    return 0;
}

int
conc_curl_get(const struct conc_curl **out)
{
    void *curl;
    int err = conc_registry_slot(CONC_SLOT_CURL, load, &curl);
    *out = curl;
    return err;
}

const char *
conc_curl_problem(int err)
{
    switch (err) {
    case -ENOENT:
        return "libcurl.so.4 is not on this machine: install libcurl (Debian: apt-get install libcurl4; "
               "Fedora: dnf install libcurl)";
    case -ENOSYS:
        return "this machine's libcurl.so.4 is too old: 7.66 or later is needed (Debian: apt-get install libcurl4)";
    case -ENOMEM:
        return "out of memory while loading libcurl.so.4";
    default:
        return "libcurl.so.4 could not be initialised";
    }
}
