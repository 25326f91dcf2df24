/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_http_url.c - kernels/http_url.h against a splitting of the URL into its parts. */
#include "kernels/http_url.h"

#include <strings.h>

#include "fuzz.h"

/* The host, without its port, in `host`; whether there is one. */
static bool
reference(const char *url, char *host)
{
    size_t skip = strncasecmp(url, "http://", 7) == 0 ? 7 : strncasecmp(url, "https://", 8) == 0 ? 8 : 0;
    if (skip == 0)
        return false;
    strcpy(host, url + skip);
    host[strcspn(host, "/?#")] = '\0';
    char *at = strchr(host, '@');
    if (at != NULL && strchr(at + 1, '@') != NULL)
        return false;
    if (at != NULL)
        memmove(host, at + 1, strlen(at + 1) + 1);
    for (const char *c = url; *c != '\0'; c++) {
        if ((unsigned char)*c <= 32 || (unsigned char)*c >= 127)
            return false;
    }
    bool there = host[0] != '\0' && host[0] != ':';
    if (strncmp(host, "[::1]", 5) == 0 && (host[5] == ':' || host[5] == '\0'))
        host[5] = '\0';
    else
        host[strcspn(host, ":")] = '\0';
    return there;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (memchr(data, 0, size) != NULL)
        return 0;
    struct slow url = slow_copy(data, size), host = slow_copy(data, size);
    bool valid = reference(url.text, host.text);
    REQUIRE(conc_http_url_valid(url.text) == valid);
    bool loopback = conc_http_url_on_loopback(url.text);
    if (valid)
        REQUIRE(loopback == (strcasecmp(host.text, "localhost") == 0 || strcmp(host.text, "127.0.0.1") == 0 ||
                             strcmp(host.text, "[::1]") == 0));
    free(url.text);
    free(host.text);
    return 0;
}
