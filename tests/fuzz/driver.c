/* SPDX-License-Identifier: Apache-2.0 */
/* driver.c - runs a fuzz target where there is no libFuzzer: every file given, then mutations of them that a seed
 * decides, so that the same command does the same again. It knows nothing of coverage.
 *
 *   target -runs=N -seed=S -artifact_prefix=PREFIX FILE...
 *
 * The input that ended the process is left in PREFIX"crash". */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/random.h"
#include "fuzz.h"

#define LONGEST 4096
#define MOST_SEEDS 1024

struct bytes {
    uint8_t *data;
    size_t size;
};

static struct bytes seeds[MOST_SEEDS + 1];      /* the first one is the empty input */
static size_t seed_count = 1;
static struct bytes current;
static const char *prefix = "";

void __sanitizer_set_death_callback(void (*callback)(void));

static void
keep_current(void)
{
    char path[512];
    snprintf(path, sizeof(path), "%scrash", prefix);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd >= 0 && write(fd, current.data, current.size) == (ssize_t)current.size)
        fprintf(stderr, "input of %zu bytes written to %s\n", current.size, path);
}

static void
on_abort(int signal_number)
{
    keep_current();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* In memory of exactly its size, so that a read past the end is seen. */
static void
run_one(const uint8_t *data, size_t size)
{
    current = (struct bytes){malloc(size), size};
    REQUIRE(current.data != NULL || size == 0);
    if (size > 0)
        memcpy(current.data, data, size);
    (void)LLVMFuzzerTestOneInput(current.data, size);
    free(current.data);
    current = (struct bytes){NULL, 0};
}

static void
load(const char *path)
{
    FILE *file = fopen(path, "rb");
    REQUIRE(file != NULL && seed_count <= MOST_SEEDS);
    uint8_t *data = malloc(LONGEST);
    REQUIRE(data != NULL);
    seeds[seed_count++] = (struct bytes){data, fread(data, 1, LONGEST, file)};
    fclose(file);
}

/* Replaces `cut` bytes at `at` by `size` others, as far as there is room. */
static void
replace(struct bytes *input, size_t at, size_t cut, const void *data, size_t size)
{
    if (input->size - cut + size > LONGEST)
        return;
    uint8_t copy[LONGEST];
    memcpy(copy, data, size);
    memmove(input->data + at + size, input->data + at + cut, input->size - at - cut);
    memcpy(input->data + at, copy, size);
    input->size = input->size - cut + size;
}

static void
mutate(struct bytes *input, struct conc_random *random)
{
    static const char *const words[] = {"0", "9", "-", ",", ":", "/", "..", "\n", " ", "\t", "@", "max", "-1", "kB",
                                        "65535", "2147483648", "9223372036854775807", "18446744073709551616"};
    size_t at = conc_random_below(random, input->size + 1), left = input->size - at;
    size_t some = left == 0 ? 0 : conc_random_below(random, left < 16 ? left : 16) + 1;
    const struct bytes *other = &seeds[conc_random_below(random, seed_count)];
    size_t from = conc_random_below(random, other->size + 1);
    const char *word = words[conc_random_below(random, sizeof(words) / sizeof(*words))];
    uint8_t byte = (uint8_t)conc_random_below(random, 256);
    switch (conc_random_below(random, 7)) {
    case 0:                                             /* a byte: another one */
        if (left > 0)
            input->data[at] = byte;
        break;
    case 1:                                             /* a byte: one bit of it */
        if (left > 0)
            input->data[at] ^= (uint8_t)(1u << (byte % 8));
        break;
    case 2:
        replace(input, at, 0, word, strlen(word));
        break;
    case 3:
        replace(input, at, some, word, strlen(word));
        break;
    case 4:                                             /* some bytes fewer */
        replace(input, at, some, "", 0);
        break;
    case 5:                                             /* the same once more */
        replace(input, at, 0, input->data + at, some);
        break;
    default:                                            /* the rest of another seed */
        replace(input, at, left, other->data + from, other->size - from);
        break;
    }
}

int
main(int argc, char **argv)
{
    unsigned long long runs = 0, seed = 1, done = 0;
    seeds[0] = (struct bytes){(uint8_t *)"", 0};
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-artifact_prefix=", 17) == 0)
            prefix = argv[i] + 17;
        else if (sscanf(argv[i], "-runs=%llu", &runs) != 1 && sscanf(argv[i], "-seed=%llu", &seed) != 1)
            load(argv[i]);
    }
    signal(SIGABRT, on_abort);
    __sanitizer_set_death_callback(keep_current);
    for (size_t i = 0; i < seed_count; i++, done++)
        run_one(seeds[i].data, seeds[i].size);
    struct conc_random random = {.state = seed};
    static uint8_t room[LONGEST];
    for (; done < runs; done++) {
        struct bytes input = {room, 0};
        const struct bytes *from = &seeds[conc_random_below(&random, seed_count)];
        replace(&input, 0, 0, from->data, from->size);
        for (size_t i = 1 + conc_random_below(&random, 6); i > 0; i--)
            mutate(&input, &random);
        run_one(input.data, input.size);
    }
    fprintf(stderr, "seed %llu: %llu executions of %zu files and their mutations\n", seed, done, seed_count - 1);
    for (size_t i = 1; i < seed_count; i++)
        free(seeds[i].data);
    return 0;
}
