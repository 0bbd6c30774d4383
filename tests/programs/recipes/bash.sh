# source: bash
# makes: bash tests
#
# Bash with the C library's malloc, its symbols kept, and its own tests with their helpers.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

cp -R "$SOURCE"/. .
if [ -f debian/patches/series ] && [ ! -d .pc ]; then
    grep -v '^#' debian/patches/series | while read -r patch rest; do
        [ -z "$patch" ] || patch -s -p1 < "debian/patches/$patch" || patch -s -p0 < "debian/patches/$patch"
    done
fi
./configure --enable-static-link --without-bash-malloc --disable-nls CFLAGS="-O1 -g" > /dev/null
make -s -j "$JOBS" bash
make -s recho zecho printenv xcase
cp bash "$OUT/bash"
cp -R tests "$OUT/tests"
cp recho zecho printenv xcase "$OUT/tests/"
