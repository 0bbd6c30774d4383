// expect: heap-use-after-free READ 8
// region: 0 of 24
// The iterator is advanced after its node was erased.
#include <cstdio>
#include <list>

int main() {
    std::list<int> numbers = {1, 2, 3, 4}; /* ALLOC */
    for (auto at = numbers.begin(); at != numbers.end();) {
        if (*at == 2) {
#ifdef BUG
            numbers.erase(at); /* FREE */
            ++at; /* FAULT */
#else
            at = numbers.erase(at);
#endif
        } else {
            ++at;
        }
    }
    std::printf("%zu\n", numbers.size());
    std::puts("survived");
}
