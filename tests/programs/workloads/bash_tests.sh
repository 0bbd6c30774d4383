# Bash's own tests, named by the arguments after the folder that they are in: what each prints,
# compared with what it should, and a line for each. THIS_SH is the shell under test.
tests=$1
shift
export THIS_SH PATH=.:$PATH
export BASH_TSTOUT=$PWD/output TMPDIR=$PWD HOME=$PWD
here=$PWD
cd "$tests" || exit 1
for name; do
    (
        eval "limit=\${LIMIT:-60}"
        timeout "$limit" "$THIS_SH" "./run-$name" > "$here/differences" 2>&1 < /dev/null
    )
    status=$?
    lines=$(grep -c '^[<>]' "$here/differences")
    echo "$name: status $status, lines that differ: $lines"
    if [ -n "$SHOW" ]; then cat "$here/differences"; fi
    rm -f "$here/output" "$here/differences"
done
