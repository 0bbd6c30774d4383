# source: lua5.4
# makes: lua
#
# Lua's interpreter.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

cp -R "$SOURCE"/src .
cd src
rm -f luac.c
# Debian's build makes this header.
echo '#define DEB_HOST_MULTIARCH "none"' > lua5.4-deb-multiarch.h
gcc -O2 -g -static -DLUA_USE_POSIX ./*.c -lm -o "$OUT/lua"
