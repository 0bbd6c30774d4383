# shellcheck shell=bash
# Counts of tests, summed over several runs from the `test result:` lines that they print.
# Sourced by scripts/test after common.sh. Guarantees: a run that fails without a failed test to its
# name (it did not build, it crashed, its time was up) counts as one failure, and is named.

tally_passed=0
tally_failed=0
tally_skipped=0
tally_broken=()
# Not empty: a run in which no test ran is no failure (tests were chosen by name).
tally_chosen=

# tally WHAT COMMAND...: runs the command, showing its output, and adds up its results.
tally() {
    local what=$1 log status=0 passed failed skipped
    shift
    log=$(mktemp)
    say "$what"
    # Test harnesses report on stdout; progress goes to stderr and stays there.
    "$@" </dev/null | tee "$log" || status=$?
    read -r passed failed skipped < <(
        awk '/^test result: / {
                for (i = 1; i < NF; i++) {
                    if ($(i + 1) ~ /^passed/) passed += $i
                    if ($(i + 1) ~ /^failed/) failed += $i
                    if ($(i + 1) ~ /^ignored/) skipped += $i
                }
            }
            END { print passed + 0, failed + 0, skipped + 0 }' "$log"
    )
    rm "$log"
    if [[ $status -ne 0 && $failed -eq 0 ]]; then
        failed=1
        tally_broken+=("$what (status $status)")
    elif [[ $status -eq 0 && $passed -eq 0 && -z $tally_chosen ]]; then
        failed=$((failed + 1))
        tally_broken+=("$what (no test ran)")
    fi
    tally_passed=$((tally_passed + passed))
    tally_failed=$((tally_failed + failed))
    tally_skipped=$((tally_skipped + skipped))
}

# tally_missing WHAT: counts what could not be had, and so not be tested, as one failure.
tally_missing() {
    tally_failed=$((tally_failed + 1))
    tally_broken+=("$1 (not to be had)")
}

# tally_end: names the runs that broke off, prints the counts as the last line, and answers whether
# all is well.
tally_end() {
    local what skipped=
    for what in "${tally_broken[@]}"; do
        say "broke off: $what"
    done
    [[ $tally_skipped -eq 0 ]] || skipped=", $tally_skipped skipped"
    printf '%d passed, %d failed%s\n' "$tally_passed" "$tally_failed" "$skipped"
    [[ $tally_failed -eq 0 && $tally_passed -gt 0 ]]
}
