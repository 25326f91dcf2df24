/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/curl.h - libcurl, found at run time: the functions and the few numbers that http_get needs.
 *
 * Declared here because conc is built without libcurl's headers. The numbers are part of its ABI and have not changed
 * since version 7.66 of 2019 (curl_multi_poll), the oldest that works. Source: curl/curl.h, curl/multi.h.
 */
#ifndef CONC_KERNELS_CURL_H
#define CONC_KERNELS_CURL_H

enum {
    CONC_CURLOPT_WRITEDATA = 10001,
    CONC_CURLOPT_URL = 10002,
    CONC_CURLOPT_PROXY = 10004,
    CONC_CURLOPT_ERRORBUFFER = 10010,
    CONC_CURLOPT_USERAGENT = 10018,
    CONC_CURLOPT_HEADERDATA = 10029,
    CONC_CURLOPT_PROTOCOLS_STR = 10318,         /* 7.85 */
    CONC_CURLOPT_REDIR_PROTOCOLS_STR = 10319,   /* 7.85 */
    CONC_CURLOPT_WRITEFUNCTION = 20011,
    CONC_CURLOPT_HEADERFUNCTION = 20079,
    CONC_CURLOPT_FAILONERROR = 45,
    CONC_CURLOPT_FOLLOWLOCATION = 52,
    CONC_CURLOPT_MAXREDIRS = 68,
    CONC_CURLOPT_NOSIGNAL = 99,
    CONC_CURLOPT_PROTOCOLS = 181,
    CONC_CURLOPT_REDIR_PROTOCOLS = 182,
    CONC_CURLOPT_QUICK_EXIT = 322,              /* 7.87 */

    CONC_CURLPROTO_HTTP = 1,
    CONC_CURLPROTO_HTTPS = 2,

    CONC_CURLINFO_RESPONSE_CODE = 0x200002,
    CONC_CURLINFO_OS_ERRNO = 0x200019,

    CONC_CURLE_OK = 0,
    CONC_CURLE_UNSUPPORTED_PROTOCOL = 1,
    CONC_CURLE_URL_MALFORMAT = 3,
    CONC_CURLE_COULDNT_RESOLVE_PROXY = 5,
    CONC_CURLE_COULDNT_RESOLVE_HOST = 6,
    CONC_CURLE_COULDNT_CONNECT = 7,
    CONC_CURLE_WEIRD_SERVER_REPLY = 8,
    CONC_CURLE_PARTIAL_FILE = 18,
    CONC_CURLE_HTTP_RETURNED_ERROR = 22,
    CONC_CURLE_OUT_OF_MEMORY = 27,
    CONC_CURLE_OPERATION_TIMEDOUT = 28,
    CONC_CURLE_SSL_CONNECT_ERROR = 35,
    CONC_CURLE_TOO_MANY_REDIRECTS = 47,
    CONC_CURLE_GOT_NOTHING = 52,
    CONC_CURLE_SEND_ERROR = 55,
    CONC_CURLE_RECV_ERROR = 56,
    CONC_CURLE_PEER_FAILED_VERIFICATION = 60,

    CONC_CURLM_OK = 0,
    CONC_CURLMSG_DONE = 1,

    CONC_CURL_ERROR_SIZE = 256,
    CONC_CURL_GLOBAL_ALL = 3,
};

struct conc_curl_message {
    int kind;                       /* CONC_CURLMSG_DONE */
    void *easy;
    union {
        void *whatever;
        int result;                 /* CONC_CURLE_x */
    } data;
};

struct conc_curl {
    int (*global_init)(long flags);
    void *(*easy_init)(void);
    int (*easy_setopt)(void *easy, int option, ...);    /* numbers are passed as long */
    int (*easy_getinfo)(void *easy, int info, ...);
    const char *(*easy_strerror)(int code);
    void (*easy_cleanup)(void *easy);
    void *(*multi_init)(void);
    int (*multi_add_handle)(void *multi, void *easy);
    int (*multi_remove_handle)(void *multi, void *easy);
    int (*multi_perform)(void *multi, int *running);
    int (*multi_poll)(void *multi, void *extra, unsigned extra_count, int timeout_ms, int *ready);
    struct conc_curl_message *(*multi_info_read)(void *multi, int *left);
    int (*multi_cleanup)(void *multi);
};

/* [borrowed] the process's libcurl, loaded and initialised at the first call that succeeds. -ENOENT: not on this
 * machine; -ENOSYS: older than 7.66; -EIO: it could not be initialised. */
int conc_curl_get(const struct conc_curl **out);

/* What such an error means and what to do about it; a constant. */
const char *conc_curl_problem(int err);

#endif
