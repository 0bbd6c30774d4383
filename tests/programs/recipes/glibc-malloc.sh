# source: glibc
# makes: list
#
# glibc's own tests of the malloc family, those that need nothing of glibc's insides, one program
# each; list has their names. glibc's support library is stood in for by the few functions here.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

mkdir support
cat > support/check.h <<'END'
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define FAIL_EXIT1(...) (printf(__VA_ARGS__), puts(""), exit(1))
#define FAIL_RET(...) return (printf(__VA_ARGS__), puts(""), 1)
#define FAIL_UNSUPPORTED(...) (printf(__VA_ARGS__), puts(""), exit(77))
static int failures;
#define FAIL(...) (printf(__VA_ARGS__), puts(""), failures++)
#define TEST_VERIFY(what) ((what) ? (void)0 : (void)FAIL("%d: not %s", __LINE__, #what))
#define TEST_VERIFY_EXIT(what) ((what) ? (void)0 : FAIL_EXIT1("%d: not %s", __LINE__, #what))
#define TEST_COMPARE(a, b) TEST_VERIFY((a) == (b))
END
cat > support/support.h <<'END'
#include <support/check.h>
#define xmalloc malloc
END
cat > support/xunistd.h <<'END'
#include <unistd.h>
END
cat > support/test-driver.c <<'END'
#include <support/check.h>
#ifndef TEST_FUNCTION
#define TEST_FUNCTION do_test
#endif
int main(void) { return TEST_FUNCTION() != 0 || failures != 0; }
END
cat > test-skeleton.c <<'END'
#include <support/check.h>
#ifndef TEST_FUNCTION
#define TEST_FUNCTION do_test()
#endif
int main(void) { return TEST_FUNCTION != 0 || failures != 0; }
END
cat > libc-diag.h <<'END'
#define DIAG_PUSH_NEEDS_COMMENT
#define DIAG_POP_NEEDS_COMMENT
#define DIAG_IGNORE_NEEDS_COMMENT(version, option)
#define DIAG_IGNORE_Os_NEEDS_COMMENT(version, option)
END
mkdir malloc
for name in tst-malloc tst-calloc tst-realloc tst-reallocarray tst-memalign tst-aligned-alloc \
    tst-posix_memalign tst-valloc tst-pvalloc tst-malloc-too-large \
    tst-memalign-2 tst-memalign-3; do
    [[ -e $SOURCE/malloc/$name.c ]] || continue
    cp "$SOURCE/malloc/$name.c" malloc/
    cp "$SOURCE"/malloc/*.h malloc/ 2> /dev/null || true
    if gcc -O1 -g -w -fno-builtin -D_GNU_SOURCE -I. -static -o "$OUT/$name" "malloc/$name.c" \
        2> "$name.log"; then
        echo "$name" >> "$OUT/list"
    else
        echo "$name: does not build here: $(head -1 "$name.log")"
    fi
done
