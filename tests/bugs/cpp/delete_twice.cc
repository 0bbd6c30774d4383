// expect: double-free
// region: 0 of 40
#include <cstdio>

struct Record {
    long fields[5] = {};
};

int main() {
    auto *record = new Record; /* ALLOC */
    delete record; /* FREE */
#ifdef BUG
    delete record; /* FAULT */
#endif
    std::puts("survived");
}
