"""Modules in shared objects: compression, hashes, sqlite, regular expressions, decimal, ctypes."""
import bz2
import ctypes
import decimal
import hashlib
import lzma
import re
import sqlite3
import struct
import sys
import zlib

rounds = int(sys.argv[1])
text = " ".join(f"word{i * 7919 % 1000}" for i in range(rounds)).encode()
for module in (zlib, bz2, lzma):
    assert module.decompress(module.compress(text)) == text
print(len(text), hashlib.sha256(text).hexdigest())
base = sqlite3.connect(":memory:")
base.execute("create table t (a integer, b text)")
base.executemany("insert into t values (?, ?)", ((i, f"row {i}") for i in range(rounds)))
print(base.execute("select count(*), sum(a), max(b) from t where a % 3 = 0").fetchone())
print(len(re.findall(rb"word\d*7\b", text)), struct.calcsize("<qid"))
decimal.getcontext().prec = 60
print(decimal.Decimal(2).sqrt())
library = ctypes.CDLL(None)
library.strdup.restype = ctypes.c_void_p
library.strdup.argtypes = [ctypes.c_char_p]
library.free.argtypes = [ctypes.c_void_p]
copy = library.strdup(b"a copy")
print(ctypes.string_at(copy))
library.free(copy)
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
numbers = (ctypes.c_int * 100)(*((i * 37) % 101 for i in range(100)))
library.qsort(numbers, 100, 4, Callback(lambda one, other: one[0] - other[0]))
print(list(numbers)[:10])
