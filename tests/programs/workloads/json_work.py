"""JSON out and in again, many times over, with classes and exceptions about."""
import json
import sys

rounds = int(sys.argv[1])


def document(number):
    return {
        "id": number,
        "name": "document %d" % number,
        "tags": ["tag%d" % (number * k % 17) for k in range(number % 9)],
        "nested": {"depth": [[i, [i * 2.5, None, True]] for i in range(number % 5)]},
        "text": "\u00e9\u4e2d\n\t\"quoted\"" * (number % 4),
    }


size = total = 0
for number in range(rounds):
    text = json.dumps(document(number), sort_keys=True)
    size += len(text)
    back = json.loads(text)
    assert back == document(number)
    total += len(back["tags"])
print(size, total)
print(len(json.dumps([document(n) for n in range(rounds // 10)], indent=2)))
failures = 0
for text in ['{"a": }', "[1, 2", '"\\x"', "nul"] * (rounds // 20 + 1):
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        failures += error.pos + 1
print(failures)
