# Nothing here forks: built-ins, functions, arrays, arithmetic, strings, redirections.
declare -A seen
sum=0
for ((i = 0; i < rounds; i++)); do
    word="word$((i * 37 % 101))"
    seen[$word]=$((${seen[$word]:-0} + i))
    sum=$((sum + ${#word}))
done
printf '%s %s %s\n' "$sum" "${#seen[@]}" "${seen[word5]}"
list=()
for ((i = 0; i < 200; i++)); do
    list+=("item-$i")
done
unset 'list[50]'
printf '%s\n' "${#list[@]}" "${list[@]:45:8}"
text="The quick brown fox"
echo "${text^^}" "${text//o/0}" "${text%% *}" "${#text}"
[[ $text =~ ([a-z]+)\ fox ]] && echo "${BASH_REMATCH[1]}"
fib() {
    local n=$1
    if ((n < 2)); then
        REPLY=$n
        return
    fi
    fib $((n - 1))
    local first=$REPLY
    fib $((n - 2))
    REPLY=$((first + REPLY))
}
fib 12
echo "$REPLY"
for ((i = 0; i < 50; i++)); do
    echo "line $i of many"
done > lines
count=0
while read -r first number rest; do
    count=$((count + number))
done < lines
echo "$count" "$rest" "$first"
case $text in
    The*) echo starts ;;
    *) echo other ;;
esac
printf -v padded '%08.3f|%-10s|%x' 3.14159 left 255
echo "$padded"
exit 3
