/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/http_get.c - see the header. One easy handle in a multi handle of its own, since only the multi interface
 * gives the thread back between two events. */
#include "kernels/http_get.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/http_url.h"
#include "os/clock.h"

#define SLICE_MS 50             /* between two looks at stop */
#define SLICE_POLLED_MS 20      /* the same where somebody's poll is due as often */
#define FIRST_CAPACITY 16384    /* bytes: what libcurl hands over at a time */

/* One transfer: what its callbacks see. */
struct transfer {
    struct conc_http_get *get;
    int64_t heard_ns;           /* when the server last sent something */
    bool out_of_memory;
};

/* -- callbacks --------------------------------------------------------------------------------------------------- */

static size_t
on_header(const char *data, size_t size, size_t count, void *raw)
{
    struct transfer *transfer = raw;
    (void)data;
    transfer->heard_ns = conc_now_ns();
    return size * count;
}

/* Appends to the body; fewer bytes than given tell libcurl to give up. */
static size_t
on_body(const char *data, size_t size, size_t count, void *raw)
{
    struct transfer *transfer = raw;
    struct conc_http_get *get = transfer->get;
    size_t length = size * count;
    transfer->heard_ns = conc_now_ns();
    if (length > get->capacity - get->size) {
        size_t capacity = get->capacity == 0 ? FIRST_CAPACITY : get->capacity * 2;
        if (capacity < get->size + length)
            capacity = get->size + length;
        unsigned char *body = conc_realloc(get->body, capacity);
        if (body == NULL) {
            transfer->out_of_memory = true;
            return 0;
        }
        get->body = body;
        get->capacity = capacity;
    }
    if (length > 0)
        memcpy(get->body + get->size, data, length);
    get->size += length;
    return length;
}

/* -- the transfer ------------------------------------------------------------------------------------------------ */

/* libcurl copies the strings, but not the error buffer. Options that a version does not know are harmless. */
static void
set_options(const struct conc_curl *curl, void *easy, struct transfer *transfer)
{
    struct conc_http_get *get = transfer->get;
    const long http = CONC_CURLPROTO_HTTP | CONC_CURLPROTO_HTTPS;
    curl->easy_setopt(easy, CONC_CURLOPT_URL, get->url);
    if (curl->easy_setopt(easy, CONC_CURLOPT_PROTOCOLS_STR, "http,https") != CONC_CURLE_OK)
        curl->easy_setopt(easy, CONC_CURLOPT_PROTOCOLS, http);
    if (curl->easy_setopt(easy, CONC_CURLOPT_REDIR_PROTOCOLS_STR, "http,https") != CONC_CURLE_OK)
        curl->easy_setopt(easy, CONC_CURLOPT_REDIR_PROTOCOLS, http);
    if (conc_http_url_on_loopback(get->url))
        curl->easy_setopt(easy, CONC_CURLOPT_PROXY, "");
    curl->easy_setopt(easy, CONC_CURLOPT_USERAGENT, "conc");
    curl->easy_setopt(easy, CONC_CURLOPT_FOLLOWLOCATION, 1L);
    curl->easy_setopt(easy, CONC_CURLOPT_MAXREDIRS, (long)CONC_HTTP_REDIRECTS);
    curl->easy_setopt(easy, CONC_CURLOPT_FAILONERROR, 1L);
    curl->easy_setopt(easy, CONC_CURLOPT_NOSIGNAL, 1L);     /* signals belong to the process */
    curl->easy_setopt(easy, CONC_CURLOPT_QUICK_EXIT, 1L);   /* a stop does not wait for the resolver */
    curl->easy_setopt(easy, CONC_CURLOPT_ERRORBUFFER, get->message);
    curl->easy_setopt(easy, CONC_CURLOPT_HEADERFUNCTION, on_header);
    curl->easy_setopt(easy, CONC_CURLOPT_HEADERDATA, transfer);
    curl->easy_setopt(easy, CONC_CURLOPT_WRITEFUNCTION, on_body);
    curl->easy_setopt(easy, CONC_CURLOPT_WRITEDATA, transfer);
}

/* Why connect(2) failed, where libcurl knows it. */
static int
connect_error(const struct conc_curl *curl, void *easy)
{
    long number = 0;
    curl->easy_getinfo(easy, CONC_CURLINFO_OS_ERRNO, &number);
    return number > 0 ? -(int)number : -EIO;
}

static int
error_of(const struct conc_curl *curl, void *easy, int code)
{
    switch (code) {
    case CONC_CURLE_OK:
        return 0;
    case CONC_CURLE_UNSUPPORTED_PROTOCOL:
        return -EPROTONOSUPPORT;
    case CONC_CURLE_URL_MALFORMAT:
        return -EINVAL;
    case CONC_CURLE_COULDNT_RESOLVE_PROXY:
    case CONC_CURLE_COULDNT_RESOLVE_HOST:
        return -EHOSTUNREACH;
    case CONC_CURLE_COULDNT_CONNECT:
        return connect_error(curl, easy);
    case CONC_CURLE_WEIRD_SERVER_REPLY:
    case CONC_CURLE_SSL_CONNECT_ERROR:
    case CONC_CURLE_PEER_FAILED_VERIFICATION:
        return -EPROTO;
    case CONC_CURLE_PARTIAL_FILE:
    case CONC_CURLE_GOT_NOTHING:
    case CONC_CURLE_SEND_ERROR:
    case CONC_CURLE_RECV_ERROR:
        return -ECONNRESET;
    case CONC_CURLE_HTTP_RETURNED_ERROR:
        return -EBADMSG;
    case CONC_CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CONC_CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CONC_CURLE_TOO_MANY_REDIRECTS:
        return -ELOOP;
    default:
        return -EIO;
    }
}

/* Reads how the transfer ended, and sees to it that a failure has words. */
static int
finish(const struct conc_curl *curl, void *multi, void *easy, struct transfer *transfer)
{
    struct conc_http_get *get = transfer->get;
    int left;
    const struct conc_curl_message *message = curl->multi_info_read(multi, &left);
    if (message == NULL || message->kind != CONC_CURLMSG_DONE)
        return -EIO;
    int code = message->data.result;
    curl->easy_getinfo(easy, CONC_CURLINFO_RESPONSE_CODE, &get->status);
    if (transfer->out_of_memory)
        return -ENOMEM;
    int err = error_of(curl, easy, code);
    if (err == 0 && get->status >= 300)         /* a redirect without a place to go to */
        err = -EBADMSG;
    if (err == -EBADMSG)
        snprintf(get->message, sizeof(get->message), "the server answered with HTTP status %ld", get->status);
    else if (err != 0 && get->message[0] == '\0')
        snprintf(get->message, sizeof(get->message), "%s", curl->easy_strerror(code));
    return err;
}

/* Lets libcurl work until the transfer is over: 0 then, else why it is given up. */
static int
drive(const struct conc_curl *curl, void *multi, struct transfer *transfer, struct conc_stop *stop)
{
    struct conc_http_get *get = transfer->get;
    for (;;) {
        int running;
        if (curl->multi_perform(multi, &running) != CONC_CURLM_OK)
            return -EIO;
        if (running == 0)
            return 0;
        int err = conc_stop_check(stop);
        if (err != 0)
            return err;
        if (conc_now_ns() - transfer->heard_ns >= get->patience_ns) {
            snprintf(get->message, sizeof(get->message), "nothing came from the server for %.3g seconds",
                     (double)get->patience_ns / CONC_NS_PER_S);
            return -ETIMEDOUT;
        }
        int64_t slice_ms = stop->poll != NULL ? SLICE_POLLED_MS : SLICE_MS;
        int64_t patience_ms = get->patience_ns / (CONC_NS_PER_S / 1000) + 1;
        int wait_ms = (int)(patience_ms < slice_ms ? patience_ms : slice_ms);
        if (curl->multi_poll(multi, NULL, 0, wait_ms, NULL) != CONC_CURLM_OK)
            return -EIO;
    }
}

static int
run(void *state, struct conc_stop *stop)
{
    struct conc_http_get *get = state;
    const struct conc_curl *curl;
    int err = conc_curl_get(&curl);
    if (err != 0) {
        snprintf(get->message, sizeof(get->message), "%s", conc_curl_problem(err));
        return err == -ENOMEM ? err : -ENOSYS;
    }

    struct transfer transfer = {.get = get, .heard_ns = conc_now_ns()};
    err = -ENOMEM;
    void *multi = curl->multi_init();
    if (multi == NULL)
        return err;
    void *easy = curl->easy_init();
    if (easy == NULL)
        goto fail_multi;
    set_options(curl, easy, &transfer);
    if (curl->multi_add_handle(multi, easy) != CONC_CURLM_OK)
        goto fail_easy;
    err = drive(curl, multi, &transfer, stop);
    if (err == 0)
        err = finish(curl, multi, easy, &transfer);
    curl->multi_remove_handle(multi, easy);
fail_easy:
    curl->easy_cleanup(easy);
fail_multi:
    curl->multi_cleanup(multi);
    return err;
}

static void
drop(void *state)
{
    struct conc_http_get *get = state;
    conc_free(get->url);
    conc_free(get->body);
}

const struct conc_kernel conc_kernel_http_get = {
    .name = "http_get",
    .state_size = sizeof(struct conc_http_get),
    .run = run,
    .drop = drop,
};
