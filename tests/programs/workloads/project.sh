# A small project built by make, at once and in parallel, changed, and built again.
set -e
mkdir project
cd project
list=
for n in 1 2 3 4; do
    printf '#include "part.h"\nint part%d(int x) { return x * %d + OFFSET; }\n' $n $n > part$n.c
    list="$list part$n.o"
done
printf '#define OFFSET 1\nint part1(int), part2(int), part3(int), part4(int);\n' > part.h
cat > main.c <<'END'
#include "part.h"
#include <stdio.h>
int main(void) {
    printf("%d\n", part1(1) + part2(2) + part3(3) + part4(4));
    return 0;
}
END
cat > Makefile <<END
OBJECTS = main.o $list
CC = $CC
program: \$(OBJECTS)
	\$(CC) \$(LINK) -o \$@ \$(OBJECTS)
%.o: %.c part.h
	\$(CC) -c -o \$@ \$<
list := \$(shell ls | sort | wc -l)
count:
	@echo \$(list)
check: program
	@for i in 1 2 3; do ./program; done
fail:
	@exit 3
clean:
	rm -f program *.o
END
make count
make program
make check
touch part.h
make -s program
make clean
make -s -j3 check
make fail || echo "make failed with $?"
make -k none fail 2> /dev/null || echo "make failed with $?"
rm -f program *.o
