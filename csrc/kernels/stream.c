/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/stream.c - read: sums nothing it needs, only touches every line (eight independent accumulators). triad:
 * a[i] = b[i] + s * c[i], the loop of STREAM (McCalpin 1995), with ordinary stores. */
#include "kernels/stream.h"

#include <string.h>

#define SCALAR 3.0

static bool
always(void)
{
    return true;
}

/* Integer sums: what the memory holds cannot make them slow, as a denormal double could. */
static uint64_t
read_portable(double *restrict a, const double *restrict b, const double *restrict c, size_t count)
{
    (void)b, (void)c;
    uint64_t sum[8] = {0};
    const double *end = a + count;
    for (const double *p = a; p != end; p += 8) {
        uint64_t word[8];
        memcpy(word, p, sizeof(word));
        for (int i = 0; i < 8; i++)
            sum[i] += word[i];
    }
    return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

static uint64_t
triad_portable(double *restrict a, const double *restrict b, const double *restrict c, size_t count)
{
    for (size_t i = 0; i < count; i++)
        a[i] = b[i] + SCALAR * c[i];
    return 0;
}

#if defined(__x86_64__)
#include <immintrin.h>

static bool
has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

__attribute__((target("avx2"))) static uint64_t
read_avx2(double *restrict a, const double *restrict b, const double *restrict c, size_t count)
{
    (void)b, (void)c;
    const __m256i *p = (const __m256i *)a, *end = (const __m256i *)(a + count);
    __m256i sum[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        sum[i] = _mm256_setzero_si256();
    /* One load for each sum and turn: with two, the compiler is free to change their order, and lines that are read
     * out of order cost a third of the bandwidth. */
    for (; p != end; p += 8) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            sum[i] = _mm256_add_epi64(sum[i], _mm256_load_si256(p + i));
    }
#pragma GCC unroll 8
    for (int i = 1; i < 8; i++)
        sum[0] = _mm256_add_epi64(sum[0], sum[i]);
    _Alignas(32) uint64_t lane[4];
    _mm256_store_si256((__m256i *)lane, sum[0]);
    return lane[0] + lane[1] + lane[2] + lane[3];
}

__attribute__((target("avx2,fma"))) static uint64_t
triad_avx2(double *restrict a, const double *restrict b, const double *restrict c, size_t count)
{
    const __m256d scalar = _mm256_set1_pd(SCALAR);
    for (size_t i = 0; i < count; i += 32) {
#pragma GCC unroll 8
        for (size_t j = 0; j < 8; j++) {
            size_t at = i + 4 * j;
            _mm256_store_pd(a + at, _mm256_fmadd_pd(scalar, _mm256_load_pd(c + at), _mm256_load_pd(b + at)));
        }
    }
    return 0;
}
#endif

const struct conc_stream_kernel conc_stream_kernels[] = {
#if defined(__x86_64__)
    {"read", "avx2", 1, 8, 0, 0, has_avx2, read_avx2},
    {"triad", "avx2", 3, 16, 8, 2, has_avx2, triad_avx2},
#endif
    {"read", "portable", 1, 8, 0, 0, always, read_portable},
    {"triad", "portable", 3, 16, 8, 2, always, triad_portable},
    {NULL, NULL, 0, 0, 0, 0, NULL, NULL},
};

const struct conc_stream_kernel *
conc_stream_find(const char *name)
{
    for (const struct conc_stream_kernel *kernel = conc_stream_kernels; kernel->name != NULL; kernel++) {
        if (strcmp(kernel->name, name) == 0 && kernel->supported())
            return kernel;
    }
    return NULL;
}
