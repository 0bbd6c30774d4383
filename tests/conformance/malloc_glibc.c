// linking: glibc pie
// flags: -fno-builtin
// What glibc has beyond the standard.
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    void *page = valloc(100);
    CHECK(page != NULL && (uintptr_t)page % 4096 == 0);
    free(page);
    page = pvalloc(100);
    CHECK(page != NULL && (uintptr_t)page % 4096 == 0 && malloc_usable_size(page) >= 4096);
    memset(page, 1, 4096);
    free(page);
    void *block = malloc(10);
    CHECK(realloc(block, 0) == NULL);
    void *odd = memalign(48, 100);
    CHECK(odd != NULL && (uintptr_t)odd % 64 == 0);
    free(odd);
    char *text = NULL;
    CHECK(asprintf(&text, "%d and %s", 5, "six") == 9 && strcmp(text, "5 and six") == 0);
    free(text);
    char *folder = realpath("/usr/../usr/", NULL);
    CHECK(folder != NULL && strcmp(folder, "/usr") == 0);
    free(folder);
    char *memory = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&memory, &size);
    for (int i = 0; i < 5000; i++)
        fprintf(stream, "%d ", i);
    fclose(stream);
    CHECK(size == 23890 && memory[size] == 0);
    free(memory);
    return 0;
}
