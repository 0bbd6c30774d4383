// Computing without system calls or memory management: integers, SHA-256's mixing, floating point,
// and loads that each wait for the one before. One operation is one pass of a kernel.

#include "bench.h"
#include <stdint.h>

static unsigned char composite[1 << 20];

static unsigned long sieve(void)
{
    const long limit = sizeof composite;
    unsigned long primes = 0;
    for (long i = 0; i < limit; i++)
        composite[i] = 0;
    for (long i = 2; i < limit; i++) {
        if (composite[i])
            continue;
        primes++;
        for (long j = i * i; j < limit; j += i)
            composite[j] = 1;
    }
    return primes;
}

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

// The rounds of SHA-256 over blocks made on the spot; the constants are as good as any for timing.
static unsigned long mix(void)
{
    uint32_t state[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (uint32_t block = 0; block < 8192; block++) {
        uint32_t w[64];
        for (uint32_t i = 0; i < 16; i++)
            w[i] = block * 2654435761u + i;
        for (int i = 16; i < 64; i++) {
            uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
            uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int i = 0; i < 64; i++) {
            uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
            uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + (uint32_t)i * 0x9e3779b9u + w[i];
            uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
            uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
            h = g, g = f, f = e, e = d + t1;
            d = c, c = b, b = a, a = t1 + t2;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
    return state[0] ^ state[7];
}

enum { SIDE = 192 };
static double left[SIDE][SIDE], right[SIDE][SIDE], product[SIDE][SIDE];

static unsigned long matrix(void)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            left[i][j] = i - j, right[i][j] = i + 0.5 * j, product[i][j] = 0;
    for (int i = 0; i < SIDE; i++)
        for (int k = 0; k < SIDE; k++)
            for (int j = 0; j < SIDE; j++)
                product[i][j] += left[i][k] * right[k][j];
    return (unsigned long)product[SIDE - 1][0];
}

// One cycle through 4 MiB, a cache line at a step, in an order that no prefetcher guesses.
enum { LINES = 4 << 14 };
static struct { uint32_t next, unused[15]; } line[LINES];

static void tangle(void)
{
    static uint32_t order[LINES];
    uint32_t random = 1;
    for (uint32_t i = 0; i < LINES; i++)
        order[i] = i;
    for (uint32_t i = LINES - 1; i > 0; i--) {
        random = random * 1664525 + 1013904223;
        uint32_t other = (uint32_t)((uint64_t)random * (i + 1) >> 32), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (uint32_t i = 0; i < LINES; i++)
        line[order[i]].next = order[(i + 1) % LINES];
}

static unsigned long chase(void)
{
    uint32_t at = 0;
    for (int i = 0; i < 4 * LINES; i++)
        at = line[at].next;
    return at;
}

// The least of ten parts is what counts: others on the host can only make a part longer.
static void measure(const char *name, unsigned long (*kernel)(void), long passes)
{
    enum { PARTS = 10 };
    long each = passes / PARTS > 0 ? passes / PARTS : 1;
    double wall = 0, cpu = 0;
    // The first pass touches the memory and fills the caches.
    sink += kernel();
    for (int part = 0; part < PARTS; part++) {
        struct moment start = moment();
        for (long i = 0; i < each; i++)
            sink += kernel();
        struct moment end = moment();
        if (part == 0 || end.wall - start.wall < wall)
            wall = end.wall - start.wall;
        if (part == 0 || end.cpu - start.cpu < cpu)
            cpu = end.cpu - start.cpu;
    }
    print_case(name, wall / each, cpu / each);
}

int main(int argc, char **argv)
{
    tangle();
    measure("sieve", sieve, scaled(argc, argv, 200));
    measure("sha256", mix, scaled(argc, argv, 250));
    measure("matrix", matrix, scaled(argc, argv, 120));
    measure("chase", chase, scaled(argc, argv, 80));
    return 0;
}
