# source: busybox
# makes: busybox config tests echo
#
# BusyBox with the applets that the cases use, its symbols kept, and its own tests with the echo that
# they want where the shell's knows no options.
# Called in an empty folder with SOURCE (the unpacked source), OUT and JOBS set.

cp -R "$SOURCE"/. .
cat > wanted <<'CONFIG'
CONFIG_STATIC=y
CONFIG_BUSYBOX=y
CONFIG_DEBUG=y
CONFIG_LFS=y
CONFIG_LONG_OPTS=y
CONFIG_AWK=y
CONFIG_FEATURE_AWK_LIBM=y
CONFIG_FEATURE_AWK_GNU_EXTENSIONS=y
CONFIG_CAT=y
CONFIG_CHMOD=y
CONFIG_CMP=y
CONFIG_CP=y
CONFIG_CUT=y
CONFIG_DIFF=y
CONFIG_FEATURE_DIFF_DIR=y
CONFIG_ECHO=y
CONFIG_FIND=y
CONFIG_FEATURE_FIND_TYPE=y
CONFIG_FEATURE_FIND_SIZE=y
CONFIG_FEATURE_FIND_PRINT0=y
CONFIG_FEATURE_FIND_MAXDEPTH=y
CONFIG_FEATURE_FIND_DEPTH=y
CONFIG_FEATURE_FIND_DELETE=y
CONFIG_GREP=y
CONFIG_EGREP=y
CONFIG_FEATURE_GREP_CONTEXT=y
CONFIG_HEAD=y
CONFIG_LN=y
CONFIG_LS=y
CONFIG_FEATURE_LS_FILETYPES=y
CONFIG_FEATURE_LS_RECURSIVE=y
CONFIG_FEATURE_LS_SORTFILES=y
CONFIG_FEATURE_LS_WIDTH=y
CONFIG_MD5SUM=y
CONFIG_MKDIR=y
CONFIG_MV=y
CONFIG_RM=y
CONFIG_SED=y
CONFIG_SEQ=y
CONFIG_SHA256SUM=y
CONFIG_FEATURE_MD5_SHA1_SUM_CHECK=y
CONFIG_SORT=y
CONFIG_FEATURE_SORT_BIG=y
CONFIG_TAIL=y
CONFIG_TAR=y
CONFIG_FEATURE_TAR_CREATE=y
CONFIG_FEATURE_TAR_LONG_OPTIONS=y
CONFIG_FEATURE_TAR_GNU_EXTENSIONS=y
CONFIG_TOUCH=y
CONFIG_FEATURE_TOUCH_SUSV3=y
CONFIG_TR=y
CONFIG_UNIQ=y
CONFIG_WC=y
CONFIG
# Each option may be set only once; what the wanted ones open up further takes its default.
make -s allnoconfig > /dev/null
sed 's/\(.*\)=y/# \1 is not set/' wanted > unset
grep -vxFf unset .config > others
cat others wanted > .config
(yes '' || :) | make -s oldconfig > /dev/null
grep -q '^CONFIG_STATIC=y' .config
make -s -j "$JOBS" SKIP_STRIP=y busybox_unstripped
cp busybox_unstripped "$OUT/busybox"
cp .config "$OUT/config"
cp -R testsuite "$OUT/tests"
gcc -O1 -g -static -w scripts/echo.c -o "$OUT/echo"
