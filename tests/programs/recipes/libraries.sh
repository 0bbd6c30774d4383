# makes: main own plain lib/libgadget.so lib/libplugin.so other/libgadget.so libfirst.so
#
# Programs of several objects: libraries found by $ORIGIN, by LD_LIBRARY_PATH and by dlopen, with
# thread-local variables, indirect functions, constructors; a library to preload; a program that
# brings its own malloc; a program without position-independent code.
# Called in an empty folder with OUT set.

mkdir -p "$OUT/lib" "$OUT/other"

cat >gadget.c <<'END'
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
static __thread int count = 40;
static __thread char large[5000];
static int one(void) { return 1; }
static int *chosen(void) { return (int *)one; }
int gadget_chosen(void) __attribute__((ifunc("chosen")));
int gadget_count(void) { large[4999]++; return ++count + large[4999]; }
char *gadget_name(int number) {
    char *name;
    return asprintf(&name, "%s %d", NAME, number) < 0 ? NULL : name;
}
__attribute__((constructor)) static void begin(void) { free(malloc(100)); puts("gadget begins"); }
__attribute__((destructor)) static void end(void) { puts("gadget ends"); }
END
gcc -g -O1 -shared -fPIC '-DNAME="first"' gadget.c -o "$OUT/lib/libgadget.so"
gcc -g -O1 -shared -fPIC '-DNAME="second"' gadget.c -o "$OUT/other/libgadget.so"

cat >plugin.c <<'END'
#include <stdlib.h>
#include <string.h>
static __thread long calls;
char *plugin_copy(const char *text) { calls++; return strcpy(malloc(strlen(text) + 1), text); }
void plugin_drop(char *text) { calls++; free(text); }
long plugin_calls(void) { return calls; }
END
gcc -g -O1 -shared -fPIC plugin.c -o "$OUT/lib/libplugin.so"

cat >first.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
int puts(const char *text) {
    int (*next)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "puts");
    fputs("preloaded: ", stdout);
    return next(text);
}
END
gcc -g -O1 -shared -fPIC -fno-builtin first.c -o "$OUT/libfirst.so"

cat >main.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
int gadget_chosen(void);
int gadget_count(void);
char *gadget_name(int);
static const char *base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
static int object(struct dl_phdr_info *info, size_t size, void *found) {
    (void)size;
    if (strstr(info->dlpi_name, "libplugin")) *(int *)found += 1;
    return 0;
}
int main(int count, char **words) {
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0) return 10;
    path[length] = 0;
    printf("%s %s\n", base(path), base((char *)getauxval(AT_EXECFN)));
    printf("%d %d %d\n", gadget_chosen(), gadget_count(), gadget_count());
    for (int round = 0; round < 50; round++) {
        void *plugin = dlopen("libplugin.so", round & 1 ? RTLD_NOW | RTLD_DEEPBIND : RTLD_LAZY);
        if (!plugin) { puts(dlerror()); return 11; }
        char *(*copy)(const char *) = (char *(*)(const char *))dlsym(plugin, "plugin_copy");
        void (*drop)(char *) = (void (*)(char *))dlsym(plugin, "plugin_drop");
        long (*calls)(void) = (long (*)(void))dlsym(plugin, "plugin_calls");
        char *here = strdup("here"), *there = copy("there");
        drop(here);
        free(there);
        Dl_info info;
        if (!dladdr((void *)copy, &info) || strcmp(info.dli_sname, "plugin_copy")) return 12;
        int found = 0;
        dl_iterate_phdr(object, &found);
        if (found != 1 || calls() != 2) return 13;
        if (dlclose(plugin)) return 14;
    }
    char *name = gadget_name(count);
    puts(name);
    free(name);
    puts(getenv("LD_PRELOAD") ? "LD_PRELOAD is set" : "LD_PRELOAD is not set");
    return words[count] != NULL;
}
END
gcc -g -O1 -fPIE -pie main.c -L"$OUT/lib" -lgadget '-Wl,-rpath,$ORIGIN/lib,--enable-new-dtags' -o "$OUT/main"
gcc -g -O1 -fno-pie -no-pie main.c -L"$OUT/lib" -lgadget '-Wl,-rpath,$ORIGIN/lib' -o "$OUT/plain"

cat >own.c <<'END'
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
/* An allocator that only ever grows: what it gives out never moves and is never used again. */
static char pool[1 << 22] __attribute__((aligned(16)));
static size_t used;
void *malloc(size_t size) {
    size = (size + 31) & ~15ul;
    if (used + size > sizeof pool) return NULL;
    char *at = pool + used;
    used += size;
    *(size_t *)at = size - 16;
    return at + 16;
}
void free(void *at) { (void)at; }
void *calloc(size_t count, size_t size) {
    void *at = malloc(count * size);
    return at ? memset(at, 0, count * size) : NULL;
}
void *realloc(void *old, size_t size) {
    void *at = malloc(size);
    if (at && old) {
        size_t before = ((size_t *)old)[-2];
        memcpy(at, old, before < size ? before : size);
    }
    return at;
}
int main(void) {
    char *text = NULL;
    for (int round = 1; round < 1000; round++) {
        text = realloc(text, round + 1);
        text[round - 1] = 'a' + round % 26;
        text[round] = 0;
    }
    char *copy = strdup(text);
    printf("%zu %d\n", strlen(copy), strcmp(copy, text));
    free(text);
    free(copy);
    return 0;
}
END
gcc -g -O1 own.c -o "$OUT/own"
