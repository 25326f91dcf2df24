/* SPDX-License-Identifier: Apache-2.0 */
/* http_get against a server of this program on the loopback: a body in pieces, a status, an early end, silence. */
#include "kernels/http_get.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "check.h"
#include "os/clock.h"

#define BODY_SIZE 300000        /* more than libcurl hands over at a time: the body grows more than once */

/* Serves one connection: reads the request's head, writes `answer`, and closes, or first waits for the client to. */
struct server {
    int listener;
    const char *answer;
    size_t size;
    bool silent;
    struct conc_stop *stop_when_asked;      /* requested once the request is here, or NULL */
};

static void *
serve_one(void *raw)
{
    struct server *server = raw;
    char head[4096];
    size_t got = 0;
    int client = accept(server->listener, NULL, NULL);
    CHECK(client >= 0);
    do {
        ssize_t n = read(client, head + got, sizeof(head) - 1 - got);
        CHECK(n > 0);
        got += (size_t)n;
        head[got] = '\0';
    } while (strstr(head, "\r\n\r\n") == NULL);
    CHECK(strncmp(head, "GET /file HTTP/1.1\r\n", 20) == 0);
    if (server->stop_when_asked != NULL)
        conc_stop_request(server->stop_when_asked);
    for (size_t sent = 0; sent < server->size;) {
        ssize_t n = send(client, server->answer + sent, server->size - sent, MSG_NOSIGNAL);
        CHECK(n > 0);
        sent += (size_t)n;
    }
    if (server->silent)
        CHECK_EQ(read(client, head, 1), 0);     /* the client gave up */
    close(client);
    return NULL;
}

static void
copy_url(struct conc_http_get *get, const char *url)
{
    HAVE(get->url = conc_alloc(strlen(url) + 1));
    strcpy(get->url, url);
}

/* Runs `get` against `server` and returns what run() returned; the caller drops `get`. */
static int
run_against(struct server *server, struct conc_http_get *get, struct conc_stop *stop)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(server->listener >= 0);
    CHECK_EQ(bind(server->listener, (struct sockaddr *)&address, length), 0);
    CHECK_EQ(listen(server->listener, 1), 0);
    CHECK_EQ(getsockname(server->listener, (struct sockaddr *)&address, &length), 0);

    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/file", ntohs(address.sin_port));
    copy_url(get, url);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, serve_one, server), 0);
    int err;
    MAY_LACK_MEMORY(err = conc_kernel_http_get.run(get, stop));
    pthread_join(thread, NULL);
    close(server->listener);
    return err;
}

static void
test_body(void)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n";
    const size_t head_size = sizeof(head) - 1;
    char *answer;
    HAVE(answer = conc_alloc(head_size + BODY_SIZE));
    memcpy(answer, head, head_size);
    for (size_t i = 0; i < BODY_SIZE; i++)
        answer[head_size + i] = (char)(i * 7 % 251);
    struct server server = {.answer = answer, .size = head_size + BODY_SIZE};
    struct conc_http_get get = {.patience_ns = CONC_FOREVER};
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    CHECK_EQ(run_against(&server, &get, &stop), 0);
    CHECK_EQ(get.status, 200);
    CHECK_EQ(get.size, BODY_SIZE);
    CHECK(memcmp(get.body, answer + head_size, BODY_SIZE) == 0);
    conc_kernel_http_get.drop(&get);
    conc_free(answer);
}

static void
check_fails(const char *answer, int expected, const char *words)
{
    struct server server = {.answer = answer, .size = strlen(answer)};
    struct conc_http_get get = {.patience_ns = CONC_FOREVER};
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    CHECK_EQ(run_against(&server, &get, &stop), expected);
    CHECK(strstr(get.message, words) != NULL);
    conc_kernel_http_get.drop(&get);
}

static void
test_silence(void)
{
    struct server server = {.answer = "", .silent = true};
    struct conc_http_get get = {.patience_ns = 20 * CONC_NS_PER_S / 1000};
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    CHECK_EQ(run_against(&server, &get, &stop), -ETIMEDOUT);
    CHECK(strcmp(get.message, "nothing came from the server for 0.02 seconds") == 0);
    conc_kernel_http_get.drop(&get);
}

static void
test_stop(void)
{
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    struct server server = {.answer = "", .silent = true, .stop_when_asked = &stop};
    struct conc_http_get get = {.patience_ns = CONC_FOREVER};
    CHECK_EQ(run_against(&server, &get, &stop), -ECANCELED);
    conc_kernel_http_get.drop(&get);
}

int
main(void)
{
    const struct conc_curl *curl;
    int err;
    MAY_LACK_MEMORY(err = conc_curl_get(&curl));
    if (err != 0)
        SKIP(conc_curl_problem(err));
    test_body();
    check_fails("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", -EBADMSG, "HTTP status 404");
    check_fails("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", -ECONNRESET, "remaining");
    check_fails("", -ECONNRESET, "");
    test_silence();
    test_stop();
    return 0;
}
