-- Sorting with and without a comparator.
local rounds = tonumber(arg[1])
local numbers, words = {}, {}
local state = 12345
for i = 1, rounds do
    state = (state * 1103515245 + 12345) % 2147483648
    numbers[i] = state
    words[i] = ("%08x"):format(state):reverse()
end
table.sort(numbers)
table.sort(words, function(a, b) return a > b end)
local ordered = true
for i = 2, rounds do
    ordered = ordered and numbers[i - 1] <= numbers[i] and words[i - 1] >= words[i]
end
print(ordered, numbers[1], numbers[rounds], words[1], words[rounds])
