-- Tables: arrays and hashes that grow, shrink and are collected.
local rounds = tonumber(arg[1])
local map, list = {}, {}
for i = 1, rounds do
    map["key" .. i] = { value = i, next = map["key" .. (i - 1)] }
    list[i] = (i * 7919) % 10007
end
local sum, length = 0, 0
for _, entry in pairs(map) do
    sum = sum + entry.value
    length = length + 1
end
print(length, sum)
for i = 1, rounds, 3 do
    map["key" .. i] = nil
end
collectgarbage()
length = 0
for _ in pairs(map) do
    length = length + 1
end
print(length)
for _ = 1, rounds // 2 do
    table.remove(list)
end
for i = 1, math.min(rounds // 10, 1000) do
    table.insert(list, 1, i)
end
print(#list, list[1], list[#list])
local matrix = {}
for i = 1, 60 do
    matrix[i] = {}
    for j = 1, 60 do
        matrix[i][j] = (i * j) % 11
    end
end
local trace = 0
for i = 1, 60 do
    for j = 1, 60 do
        trace = trace + matrix[i][j] * matrix[j][i]
    end
end
print(trace)
