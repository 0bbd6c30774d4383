# BusyBox's own tests of the applets that are named after the folder of its program, settings and
# tests: what its test runner prints, a line for each test.
built=$1
shift
export bindir="$PWD/bin" ECHO="$built/echo" HOME="$PWD"
mkdir bin
ln -s "$built/busybox" bin/busybox
ln -s "$built/config" bin/.config
cp -R "$built/tests" tests
(cd tests && ./runtest ${VERBOSE:+-v} "$@" 2>&1)
rm -rf bin tests
