/* SPDX-License-Identifier: Apache-2.0 */
/* test_loaded.c - os/loaded.h: this program's variables, the C library's, and what none of them has. */
#include "os/loaded.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

static int begun = 1;
static int empty[4096];
static const int constant = 2;

int
main(void)
{
    int local = 0;
    int *heap = malloc(sizeof(*heap));
    CHECK(heap != NULL);
    const void *const ours[] = {&begun, empty, &empty[4095], &constant};
    const void *const others[] = {&local, heap, NULL, (const void *)~(uintptr_t)0};
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 4; k++) {
            CHECK_EQ(conc_loaded_together(ours[i], ours[k]), 1);
            CHECK_EQ(conc_loaded_together(ours[i], others[k]), 0);
            CHECK_EQ(conc_loaded_together(others[i], ours[k]), 0);
            CHECK_EQ(conc_loaded_together(others[i], others[k]), 0);
        }
    }
    CHECK_EQ(conc_loaded_together(stdin, stdout), 1);     /* of the C library */
    CHECK_EQ(conc_loaded_together(stdin, &begun), 0);
    free(heap);
    return 0;
}
