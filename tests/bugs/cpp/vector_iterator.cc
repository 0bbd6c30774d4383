// expect: heap-use-after-free READ 4
// region: 4 of 16
// linking: glibc pie dynamic
#include <cstdio>
#include <vector>

int main() {
    std::vector<int> numbers;
    numbers.reserve(4); /* ALLOC */
    numbers.assign({1, 2, 3, 4});
    auto second = numbers.begin() + 1;
#ifdef BUG
    numbers.push_back(5); /* FREE */
#endif
    int value = *second; /* FAULT */
    std::printf("%d\n", value);
    std::puts("survived");
}
