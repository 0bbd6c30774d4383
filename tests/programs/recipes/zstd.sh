# source: libzstd
# makes: zstd
#
# The zstd program, compressing in one thread.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

cp -R "$SOURCE"/lib "$SOURCE"/programs .
cd programs
make -s -j "$JOBS" zstd HAVE_THREAD=0 HAVE_ZLIB=0 HAVE_LZMA=0 HAVE_LZ4=0 \
    ZSTD_LEGACY_SUPPORT=0 ZSTD_NOBENCH=1 CFLAGS='-O2 -g' LDFLAGS='-static'
cp zstd "$OUT/zstd"
