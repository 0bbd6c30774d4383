# source: bzip2
# makes: bzip2
#
# The bzip2 program.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

cp "$SOURCE"/*.[ch] .
gcc -O2 -g -static -D_FILE_OFFSET_BITS=64 \
    bzip2.c blocksort.c huffman.c crctable.c randtable.c compress.c decompress.c bzlib.c \
    -o "$OUT/bzip2"
