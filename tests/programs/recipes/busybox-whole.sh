# source: busybox
# makes: busybox config tests echo
#
# BusyBox with all applets that its default settings have (its tc wants older kernel headers), its
# symbols kept, and its own tests with the echo that they want where the shell's knows no options.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

cp -R "$SOURCE"/. .
make -s defconfig > /dev/null
sed -i -e 's/# \(CONFIG_STATIC\|CONFIG_DEBUG\) is not set/\1=y/' \
    -e 's/\(CONFIG_TC\)=y/# \1 is not set/' .config
(yes '' || :) | make -s oldconfig > /dev/null
grep -q '^CONFIG_STATIC=y' .config
make -s -j "$JOBS" SKIP_STRIP=y busybox_unstripped
cp busybox_unstripped "$OUT/busybox"
cp .config "$OUT/config"
cp -R testsuite "$OUT/tests"
gcc -O1 -g -static -w scripts/echo.c -o "$OUT/echo"
