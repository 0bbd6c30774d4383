# source: posixtestsuite
# makes: posix names
#
# The Open POSIX Test Suite as one static program: its first argument names the test to run.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

cp -R "$SOURCE"/conformance "$SOURCE"/include .

# one FILE: compiles a test, with its `main` under a name of its own and nothing else visible.
one() {
    local file=$1 name object
    name=${file#conformance/}
    name=test_$(tr -c 'a-zA-Z0-9\n' _ <<<"${name%.c}")
    object=objects/$name.o
    # What the compiler refuses (a few tests expect older declarations) is left out, here and
    # natively alike.
    gcc -std=gnu99 -O1 -g -w -fcommon -D_GNU_SOURCE -Iinclude -I"$(dirname "$file")" -Dmain="$name" \
        -c "$file" -o "$object" 2>>objects/refused || return 0
    # Some only see whether they compile.
    if nm "$object" | grep -q " T $name\$"; then
        objcopy --keep-global-symbol="$name" "$object"
    else
        rm "$object"
    fi
}
export -f one

mkdir objects
find conformance/interfaces conformance/behavior -name '[0-9]*.c' ! -name '*-buildonly.c' | sort |
    xargs -P "$JOBS" -I{} bash -euo pipefail -c 'one "$1"' _ {}

{
    printf '#include <string.h>\n#include <stdio.h>\n'
    find objects -name 'test_*.o' -printf '%f\n' | sort | sed 's/\(.*\)\.o/int \1(int, char **);/'
    printf 'static const struct { const char *name; int (*run)(int, char **); } tests[] = {\n'
    find objects -name 'test_*.o' -printf '%f\n' | sort | sed 's/test_\(.*\)\.o/{"\1", test_\1},/'
    cat <<'C'
};
int main(int count, char **arguments)
{
    for (unsigned i = 0; count > 1 && i < sizeof tests / sizeof *tests; i++)
        if (!strcmp(tests[i].name, arguments[1]))
            return tests[i].run(count - 1, arguments + 1);
    for (unsigned i = 0; count == 1 && i < sizeof tests / sizeof *tests; i++)
        puts(tests[i].name);
    return count == 1 ? 0 : 99;
}
C
} >posix.c
gcc -w -static -g posix.c objects/test_*.o -o "$OUT/posix" -lpthread -lrt -lm
"$OUT/posix" >"$OUT/names"
