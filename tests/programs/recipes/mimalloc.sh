# source: mimalloc
# makes: stress
#
# mimalloc's stress test, over the C library's malloc: threads that allocate, write, check and free,
# also each other's objects.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

gcc -O2 -g -static -pthread -DUSE_STD_MALLOC -o "$OUT/stress" "$SOURCE"/test/test-stress.c
