# Bash's own tests that are named after the folder of the shell and its tests: how each ended and in
# how many lines it printed something else than it should, and which.
export THIS_SH=$1/bash PATH=.:$PATH
export BASH_TSTOUT=$PWD/output TMPDIR=$PWD HOME=$PWD
tests=$1/tests
shift
here=$PWD
cd "$tests" || exit 1
for name; do
    timeout 600 "$THIS_SH" "./run-$name" > "$here/differences" 2>&1 < /dev/null
    echo "$name: status $?"
    cat "$here/differences"
    rm -f "$here/output" "$here/differences"
done
