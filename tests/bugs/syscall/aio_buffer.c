// expect: heap-use-after-free
// call: io_submit 3
// region: 0 of 64
// oracle: blind
// The buffer of a request.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    char *buffer = calloc(1, 64); /* ALLOC */
    aio_context_t context = 0;
    if (syscall(SYS_io_setup, 4, &context))
        return 2;
    struct iocb request;
    memset(&request, 0, sizeof request);
    request.aio_lio_opcode = IOCB_CMD_PREAD;
    request.aio_fildes = (unsigned)open("/dev/zero", O_RDONLY);
    request.aio_buf = (unsigned long)buffer;
    request.aio_nbytes = 64;
    struct iocb *list[] = {&request};
#ifdef BUG
    free(buffer); /* FREE */
#endif
    long result = syscall(SYS_io_submit, context, 1, list); /* FAULT */
    printf("%ld\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
