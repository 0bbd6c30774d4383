// linking: glibc pie musl
#include "check.h"
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const Elf64_Phdr *headers = (const Elf64_Phdr *)getauxval(AT_PHDR);
    unsigned long count = getauxval(AT_PHNUM);
    CHECK(argc == 1);
    CHECK(headers != NULL && count > 0 && count < 64);
    CHECK(getauxval(AT_PHENT) == sizeof(Elf64_Phdr));
    int loads = 0, tls = 0;
    for (unsigned long i = 0; i < count; i++) {
        loads += headers[i].p_type == PT_LOAD;
        tls += headers[i].p_type == PT_TLS;
    }
    printf("     %d segments, %d of them for threads\n", loads, tls);
    CHECK(getauxval(AT_PAGESZ) == 4096);
    CHECK(getauxval(AT_ENTRY) != 0);
    CHECK(getauxval(AT_CLKTCK) == 100);
    CHECK(getauxval(AT_SECURE) == 0);
    CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_EUID) == geteuid());
    CHECK(getauxval(AT_GID) == getgid() && getauxval(AT_EGID) == getegid());
    CHECK(strcmp((const char *)getauxval(AT_EXECFN), argv[0]) == 0);
    CHECK(strcmp((const char *)getauxval(AT_PLATFORM), "x86_64") == 0);
    const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
    int differ = 0;
    for (int i = 1; i < 16; i++)
        differ += random[i] != random[0];
    CHECK(differ > 4);
    const unsigned char *vdso = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
    CHECK(vdso == NULL || memcmp(vdso, ELFMAG, SELFMAG) == 0);
    CHECK(getauxval(AT_HWCAP) != 0);
    return 0;
}
