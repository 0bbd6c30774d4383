"""Dictionaries, sets, strings and objects that come and go."""
import sys
from collections import Counter, OrderedDict, defaultdict, deque

rounds = int(sys.argv[1])
table = {}
for i in range(rounds):
    table["key%d" % (i * 7919 % rounds)] = (i, str(i))
for i in range(0, rounds, 3):
    table.pop("key%d" % i, None)
print(len(table), sum(value[0] for value in table.values()))

groups = defaultdict(list)
for i in range(rounds):
    groups[i % 101].append(i)
print(len(groups), max(map(len, groups.values())))

words = Counter("w%d" % (i * i % 997) for i in range(rounds))
print(sorted(words.items(), key=lambda item: (-item[1], item[0]))[:3])

queue = deque(maxlen=1000)
order = OrderedDict()
for i in range(rounds):
    queue.append([i] * (i % 10))
    order[i % 500] = i
    order.move_to_end(i % 500)
print(sum(map(len, queue)), next(iter(order)))


class Node:
    __slots__ = ("value", "next")

    def __init__(self, value, following):
        self.value = value
        self.next = following


head = None
for i in range(rounds // 10):
    head = Node(i, head)
total = 0
while head is not None:
    total += head.value
    head = head.next
print(total, 3 ** (rounds // 50) % 1000000007, len("".join(map(chr, range(32, 2000))) * 50))
