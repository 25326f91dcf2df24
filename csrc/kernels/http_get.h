/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/http_get.h - one HTTP GET by libcurl (kernels/curl.h): redirects followed, a status of 400 or more is an
 * error. It looks at stop at least every 50 ms. The loopback (127.0.0.1, ::1,
 * localhost) is never asked for through a proxy. */
#ifndef CONC_KERNELS_HTTP_GET_H
#define CONC_KERNELS_HTTP_GET_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/curl.h"
#include "kernels/kernel.h"

#define CONC_HTTP_REDIRECTS 10
#define CONC_HTTP_MESSAGE CONC_CURL_ERROR_SIZE

struct conc_http_get {
    char *url;                          /* [owned] set by parse: http:// or https://, see http_url.h */
    int64_t patience_ns;                /* set by parse: -ETIMEDOUT after so long without a byte from the server */
    unsigned char *body;                /* [owned] set by run */
    size_t size, capacity;              /* of the body */
    long status;                        /* of the response; 0: there was none */
    char message[CONC_HTTP_MESSAGE];    /* when run failed: what happened, in words */
};

/* What run() returns besides 0 and -ECANCELED: -ECONNREFUSED and others of connect(2), -EHOSTUNREACH (unknown host),
 * -ETIMEDOUT, -ECONNRESET (the connection ended too early), -EBADMSG (the status), -ELOOP (redirects),
 * -EPROTONOSUPPORT (redirected to something else than HTTP), -EPROTO (not HTTP, or no trust in its certificate),
 * -EINVAL (libcurl cannot read the URL), -ENOMEM, -ENOSYS (no usable libcurl), -EIO (anything else). */
extern const struct conc_kernel conc_kernel_http_get;

#endif
