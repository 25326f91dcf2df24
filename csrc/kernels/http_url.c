/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/http_url.c - see the header.
 *
 *   url = scheme "://" [ userinfo "@" ] host [ ":" port ] [ ( "/" / "?" / "#" ) anything ]
 */
#include "kernels/http_url.h"

#include <stddef.h>
#include <string.h>

/* What follows `prefix` (in lower case) in `text`, whose case does not matter, or NULL. */
static const char *
after(const char *prefix, const char *text)
{
    for (; *prefix != '\0'; prefix++, text++) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;
        if (c != *prefix)
            return NULL;
    }
    return text;
}

/* Where the host begins, or NULL: the scheme is neither http nor https, or there is more than one "@". */
static const char *
find_host(const char *url)
{
    const char *authority = after("http://", url);
    if (authority == NULL)
        authority = after("https://", url);
    if (authority == NULL)
        return NULL;
    const char *end = authority + strcspn(authority, "/?#");
    const char *at = memchr(authority, '@', (size_t)(end - authority));
    if (at == NULL)
        return authority;
    return memchr(at + 1, '@', (size_t)(end - at - 1)) == NULL ? at + 1 : NULL;
}

bool
conc_http_url_valid(const char *url)
{
    const char *host = find_host(url);
    if (host == NULL || *host == '\0' || strchr("/?#:", *host) != NULL)
        return false;
    for (const char *c = url; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~')              /* also what is negative where char is signed */
            return false;
    }
    return true;
}

bool
conc_http_url_on_loopback(const char *url)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
    const char *host = find_host(url);
    for (size_t i = 0; host != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        const char *rest = after(names[i], host);
        if (rest != NULL && (*rest == '\0' || strchr(":/?#", *rest) != NULL))
            return true;
    }
    return false;
}
