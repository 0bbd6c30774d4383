# Pipelines, subshells, here-documents, substitutions, background jobs, signals, redirections: what
# a shell needs child processes for. Any POSIX shell.
echo one two three | tr ' ' '\n' | sort -r | while read -r word; do echo "<$word>"; done
(cd / && pwd; exit 3)
echo "status $?"
echo "$(echo inner; (echo deeper | tr a-z A-Z))"
cat <<END
here $(echo document) of $((6 * 7))
END
cat <<'END' | sed 's/^/  /'
no $expansion
END
i=0
while [ $i -lt 20 ]; do
    i=$((i + 1))
    (exit $i) || sum=$((${sum:-0} + $?))
done
echo "sum $sum"
false | true
echo "last $?"
! true
echo "not $?"
for n in 3 1 2; do
    (sleep 0.0$n; exit $n) &
    pids="$pids $!"
done
for pid in $pids; do
    wait "$pid"
    echo "waited $?"
done
sh -c 'kill -TERM $$'
echo "killed $?"
sleep 10 &
kill $!
wait $! 2> /dev/null
echo "job $?"
trap 'echo trapped' USR1
kill -USR1 $$
trap 'echo child; child=yes' CHLD
(exit 0)
trap - CHLD
trap 'echo leaving' EXIT
exec 3> file
echo written >&3
exec 3>&-
cat file
{ echo out; echo err >&2; } 2>&1 | sort
mkfifo fifo
(echo through > fifo) &
cat fifo
wait
/nonexistent/program 2> /dev/null
echo "missing $?"
printf '#!/bin/cat\nscript\n' > script
chmod +x script
./script
seq 1 2000 | tee copy | tail -n 1
wc -l < copy
yes | head -n 2
env -i A=1 env
exec sh -c 'echo replaced; exit 7'
