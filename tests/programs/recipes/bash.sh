# source: bash
# makes: bash tests
#
# Bash with the C library's malloc, its symbols kept, and its own tests with their helpers.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

cp -R "$SOURCE"/. .
# The generated files go with the source as the package has it, whatever their dates say.
touch configure y.tab.c y.tab.h
./configure --enable-static-link --without-bash-malloc --disable-nls CFLAGS="-O1 -g" > /dev/null
make -s -j "$JOBS" bash
make -s recho zecho printenv xcase
cp bash "$OUT/bash"
cp -R tests "$OUT/tests"
cp recho zecho printenv xcase "$OUT/tests/"
