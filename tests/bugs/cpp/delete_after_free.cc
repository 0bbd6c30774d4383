// expect: double-free
#include <cstdio>
#include <cstdlib>

int main() {
    void *block = std::malloc(64); /* ALLOC */
    std::free(block); /* FREE */
#ifdef BUG
    ::operator delete(block); /* FAULT */
#endif
    std::puts("survived");
}
