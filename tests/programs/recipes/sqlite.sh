# source: sqlite3
# makes: sqlite3 speedtest1
#
# SQLite's shell and its speed test, each with the amalgamation inside. Needs tclsh.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

cp -R "$SOURCE"/. .
./configure --quiet --disable-tcl --disable-shared --disable-readline CFLAGS='-O2 -g1'
make -s sqlite3.c shell.c

options='-DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_ENABLE_MATH_FUNCTIONS'
# shellcheck disable=SC2086 # a list of words
gcc -O1 -g1 $options -c sqlite3.c -o sqlite3.o
# shellcheck disable=SC2086
gcc -O1 -g1 -static $options shell.c sqlite3.o -lm -o "$OUT/sqlite3"
# shellcheck disable=SC2086
gcc -O1 -g1 -static $options test/speedtest1.c sqlite3.o -lm -o "$OUT/speedtest1"
