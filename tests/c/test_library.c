/* SPDX-License-Identifier: Apache-2.0 */
/* test_library.c - os/library.h: what is there is found, what is not is -ENOENT or -ENOSYS. */
#include "os/library.h"

#include <errno.h>

#include "check.h"

int
main(void)
{
    struct conc_library *library = NULL;
    CHECK_EQ(conc_library_open("libno-such-library.so.0", &library), -ENOENT);
    CHECK(library == NULL);
    CHECK_EQ(conc_library_open("libm.so.6", &library), 0);
    CHECK(library != NULL);

    conc_library_fn fn = NULL;
    CHECK_EQ(conc_library_symbol(library, "no_such_function", &fn), -ENOSYS);
    CHECK(fn == NULL);
    CHECK_EQ(conc_library_symbol(library, "fabs", &fn), 0);
    CHECK(((double (*)(double))fn)(-2.5) == 2.5);
    return 0;
}
