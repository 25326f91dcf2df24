/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/http_url.h - the little that conc itself must know of a URL (RFC 3986); libcurl parses it again. */
#ifndef CONC_KERNELS_HTTP_URL_H
#define CONC_KERNELS_HTTP_URL_H

#include <stdbool.h>

/* Whether `url` is one that can be asked for: http:// or https://, a host behind at most one "@", printable ASCII
 * without a space. */
bool conc_http_url_valid(const char *url);

/* Whether the host of a valid URL is this machine by name: 127.0.0.1, [::1] or localhost. */
bool conc_http_url_on_loopback(const char *url);

#endif
