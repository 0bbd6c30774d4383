-- Closures, coroutines, metatables, errors.
local rounds = tonumber(arg[1])
local function counter(step)
    local value = 0
    return function()
        value = value + step
        return value
    end
end
local total = 0
for i = 1, rounds do
    local next = counter(i % 7)
    next()
    total = total + next()
end
print(total)
local function permutations(items, size)
    size = size or #items
    if size <= 1 then
        coroutine.yield(items)
    else
        for i = 1, size do
            items[size], items[i] = items[i], items[size]
            permutations(items, size - 1)
            items[size], items[i] = items[i], items[size]
        end
    end
end
local found = 0
for items in coroutine.wrap(function() permutations({ 1, 2, 3, 4, 5, 6 }) end) do
    found = found + items[1] * items[6]
end
print(found)
local Point = {}
Point.__index = Point
Point.__add = function(a, b) return setmetatable({ x = a.x + b.x, y = a.y + b.y }, Point) end
Point.__eq = function(a, b) return a.x == b.x and a.y == b.y end
local at = setmetatable({ x = 0, y = 0 }, Point)
for i = 1, rounds do
    at = at + setmetatable({ x = 1, y = i % 3 }, Point)
end
print(at.x, at.y)
local caught = 0
for i = 1, rounds // 10 do
    local fine = pcall(function()
        if i % 2 == 0 then error({ code = i }) end
    end)
    caught = caught + (fine and 0 or 1)
end
print(caught)
