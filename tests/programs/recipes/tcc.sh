# source: tcc
# makes: tcc include tcc.c
#
# The Tiny C Compiler, its headers, and its own source in one file, preprocessed, as something to
# compile.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

cp -R "$SOURCE"/. .
./configure --enable-static --extra-cflags='-O2 -g -w' --extra-ldflags=-static > /dev/null
# Configured, it would link with -s.
make -s -j "$JOBS" LDFLAGS=-static tcc
cp tcc "$OUT/tcc"
cp -R include "$OUT/include"
gcc -E -P -DONE_SOURCE=1 -I. -U__GNUC__ -D__TINYC__ tcc.c -o "$OUT/tcc.c"
