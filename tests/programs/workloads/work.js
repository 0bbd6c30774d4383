// Objects, typed arrays, regular expressions, JSON, promises, and loops hot enough to be compiled.
const rounds = Number(process.argv[2]);
const seen = new Map();
for (let i = 0; i < rounds; i++) {
  const key = `key ${(i * 7919) % 1009}`;
  seen.set(key, (seen.get(key) || 0) + 1);
}
const numbers = Float64Array.from({ length: rounds }, (_, i) => Math.sin(i));
numbers.sort();
let sum = 0;
for (let pass = 0; pass < 20; pass++) for (let i = 0; i < rounds; i++) sum = (sum * 31 + i) % 1000003;
const text = JSON.stringify([...seen].slice(0, 100));
const found = text.replace(/key (\d)/g, (_, digit) => `k${digit}`).match(/k\d+/g);
console.log(seen.size, numbers[0].toFixed(6), sum, JSON.parse(text).length, found.length);
class Node { constructor(value, next) { this.value = value; this.next = next; } }
let list = null;
for (let i = 0; i < rounds; i++) list = new Node(i, i % 100 ? list : null);
let length = 0;
for (let at = list; at; at = at.next) length++;
console.log(length, Buffer.from('text').toString('base64'));
Promise.all([1, 2, 3].map((n) => new Promise((done) => setTimeout(() => done(n * n), n))))
  .then((all) => console.log(all.join(' ')));
