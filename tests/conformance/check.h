/* Prints what was checked: the same in the guest as natively, and never a line with FAIL. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>

/* One line for one condition. */
#define CHECK(condition) \
    printf("%s %d: %s\n", (condition) ? "ok  " : "FAIL", __LINE__, #condition)

/* The call must fail with this errno. */
#define CHECK_ERRNO(call, error)                                                              \
    do {                                                                                      \
        errno = 0;                                                                            \
        long result_ = (long)(call);                                                          \
        int errno_ = errno;                                                                   \
        printf("%s %d: %s: %s\n", result_ == -1 && errno_ == (error) ? "ok  " : "FAIL",       \
               __LINE__, #call, #error);                                                      \
        if (result_ != -1 || errno_ != (error))                                               \
            printf("     result %ld, errno %d\n", result_, errno_);                           \
    } while (0)

#endif
