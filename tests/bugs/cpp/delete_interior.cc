// expect: bad-free
// A second base is not where the object starts, and this one's destructor is not virtual.
#include <cstdio>

struct First {
    long a = 1;
};

struct Second {
    long b = 2;
};

struct Both : First, Second {};

int main() {
    Both *both = new Both; /* ALLOC */
    Second *second = both;
#ifdef BUG
    delete second; /* FAULT */
#else
    delete both;
    (void)second;
#endif
    std::puts("survived");
}
