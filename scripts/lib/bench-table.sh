# shellcheck shell=bash
# The table of a benchmark run. Sourced by scripts/bench.
# Guarantees: a difference or ratio of wall-clock time is taken within a round, where both sides ran
# in turn, and its median over the rounds is printed, so a change of the host's speed during the run
# cancels. Of processor time the least over the rounds is compared: neighbours can only add to it.

# bench_table FILE: prints the table of the lines `NAME MODE ROUND CASE WALL CPU`, times in
# nanoseconds, as Markdown.
bench_table() {
    awk '
        function median(list, count,    i, j, kept) {
            for (i = 2; i <= count; i++) {
                kept = list[i]
                for (j = i - 1; j > 0 && list[j] > kept; j--) list[j + 1] = list[j]
                list[j + 1] = kept
            }
            return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
        }
        function time(ns) {
            if (ns >= 1e6) return sprintf("%.2f ms", ns / 1e6)
            if (ns >= 1e4) return sprintf("%.1f us", ns / 1e3)
            return sprintf("%.1f ns", ns)
        }
        # over(TABLE, KEY, MODE, BASE, HOW): the median over the rounds of a value, or of its ratio to
        # or difference from that
        # of another mode in the same round.
        function over(table, key, mode, base, how,    r, n, list, a, b) {
            for (r = 1; r <= rounds; r++) {
                a = table[key, mode, r]
                b = table[key, base, r]
                list[++n] = how == "ratio" ? a / (b > 0 ? b : 0.001) : how == "less" ? a - b : a
            }
            return median(list, n)
        }
        function least(key, mode,    r, found) {
            found = cpu[key, mode, 1]
            for (r = 2; r <= rounds; r++) if (cpu[key, mode, r] < found) found = cpu[key, mode, r]
            return found > 0 ? found : 0.001
        }
        function cell(key, mode,    text) {
            if (!((key, mode, 1) in wall)) return " - | - |"
            text = sprintf(" %s |", time(over(wall, key, mode, "native", "")))
            if (key ~ /^start /)
                return text sprintf(" +%.2f ms (+%.2f ms) |", over(wall, key, mode, "native", "less") / 1e6,
                    (least(key, mode) - least(key, "native")) / 1e6)
            return text sprintf(" %.2f (%.2f) |", over(wall, key, mode, "native", "ratio"),
                least(key, mode) / least(key, "native"))
        }
        {
            key = $1 " " $4
            if (!(key in seen)) { seen[key] = 1; keys[++count] = key }
            wall[key, $2, $3] = $5
            cpu[key, $2, $3] = $6
            if ($3 > rounds) rounds = $3
            ran[$2] = 1
        }
        END {
            count_modes = split("mimalloc off detect depth-0 protect page", modes, " ")
            title["depth-0"] = "detect, no stacks"
            title["page"] = "protect, page by page"
            head = "| benchmark | native |"
            rule = "| --- | --- |"
            for (m = 1; m <= count_modes; m++) {
                if (!(modes[m] in ran)) continue
                head = head sprintf(" %s | : native |", modes[m] in title ? title[modes[m]] : modes[m])
                rule = rule " --- | --- |"
            }
            print head "\n" rule
            for (i = 1; i <= count; i++) {
                key = keys[i]
                split(key, part, " ")
                printf "| %s |", part[1] == part[2] ? part[1] : part[1] ": " part[2]
                printf " %s |", time(over(wall, key, "native", "native", ""))
                for (m = 1; m <= count_modes; m++)
                    if (modes[m] in ran) printf "%s", cell(key, modes[m])
                print ""
            }
            print "\nMedians of " rounds " rounds, wall-clock time for one operation. Ratios (for `start`: what it"
            print "takes more) are medians over the rounds; in parentheses, of the least processor times."
        }' "$1"
}
