/* SPDX-License-Identifier: Apache-2.0 */
/* test_http_url.c - which URLs can be asked for, and whose host is this machine. */
#include "kernels/http_url.h"

#include "check.h"

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static void
test_valid(void)
{
    static const char *const good[] = {"http://a", "HTTPS://a/b?c=d#e", "http://127.0.0.1:80/", "http://[::1]/",
                                       "http://user:word@a/", "http://a/@@", "http://a?@b@c"};
    static const char *const bad[] = {"", "a", "http:", "http://", "http:///a", "http://:80", "ftp://a", "file:///a",
                                      "http://a b", "http://a/\n", "http://a/\xc3\xa4", " http://a", "http://?x",
                                      "http://user@", "http://user@/a", "http://user@:80", "http://a@b@c/"};
    for (size_t i = 0; i < COUNT(good); i++)
        CHECK(conc_http_url_valid(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        CHECK(!conc_http_url_valid(bad[i]));
}

/* The host decides, and what stands before an "@" is not the host. */
static void
test_loopback(void)
{
    static const char *const here[] = {"http://localhost", "https://LocalHost:8080/a", "http://127.0.0.1?a",
                                       "http://[::1]:80/", "http://user:word@localhost/", "http://a.b@127.0.0.1"};
    static const char *const there[] = {"http://a", "http://localhost.a", "http://127.0.0.10/",
                                        "http://localhost@a/", "http://localhost:80@a/", "http://[::1]:x@a"};
    for (size_t i = 0; i < COUNT(here); i++)
        CHECK(conc_http_url_on_loopback(here[i]));
    for (size_t i = 0; i < COUNT(there); i++)
        CHECK(!conc_http_url_on_loopback(there[i]));
}

int
main(void)
{
    test_valid();
    test_loopback();
    return 0;
}
