-- Strings: concatenation, patterns, formats, interning.
local rounds = tonumber(arg[1])
local pieces = {}
for i = 1, rounds do
    pieces[#pieces + 1] = ("%d:%s:%x"):format(i, ("ab"):rep(i % 17), i * 2654435761 % 4294967296)
end
local text = table.concat(pieces, ",")
print(#text)
local count, digits = 0, 0
for word in text:gmatch("[^,]+") do
    count = count + 1
    digits = digits + select(2, word:gsub("%d", ""))
end
print(count, digits)
print(#text:gsub("abab", "<>"):upper(), (text:find("fff", 1, true)))
local hash = 0
for i = 1, #text do
    hash = (hash * 31 + text:byte(i)) % 2147483647
end
print(hash)
local grown = ""
for i = 1, rounds // 20 do
    grown = grown .. i
end
print(#grown, grown:sub(-12), grown:reverse():sub(1, 12))
