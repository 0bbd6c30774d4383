# source: python3.13 | python3.12 | python3.11
# makes: python lib
#
# CPython as one static file: no extension modules but those linked in, no optimisation passes.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

"$SOURCE/configure" --quiet --disable-shared --without-ensurepip --disable-test-modules \
    CFLAGS='-O1 -g1' LDFLAGS='-static' LINKFORSHARED=' ' MODULE_BUILDTYPE=static

cat > Modules/Setup.local <<'SETUP'
*static*
_bisect _bisectmodule.c
_csv _csv.c
_datetime _datetimemodule.c
_heapq _heapqmodule.c
_json _json.c
_opcode _opcode.c
_pickle _pickle.c
_random _randommodule.c
_statistics _statisticsmodule.c
_struct _struct.c
array arraymodule.c
binascii binascii.c
cmath cmathmodule.c
math mathmodule.c
SETUP

# The program alone: `make all` would go on to the shared modules.
make -s -j "$JOBS" python

cp python "$OUT/python"
mkdir "$OUT/lib"
(cd "$SOURCE/Lib" && cp -R ./*.py collections encodings importlib json re "$OUT/lib/")
