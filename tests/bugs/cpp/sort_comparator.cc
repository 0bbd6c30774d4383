// expect: heap-use-after-free READ 4
// region: 0 of 4
#include <algorithm>
#include <cstdio>
#include <vector>

int main() {
    std::vector<int *> numbers;
    for (int i = 0; i < 30; i++)
        numbers.push_back(new int(i * 7 % 30)); /* ALLOC */
#ifdef BUG
    delete numbers[17]; /* FREE */
#endif
    std::sort(numbers.begin(), numbers.end(), [](int *a, int *b) {
        return *a < *b; /* FAULT */
    });
    std::printf("%d\n", *numbers[0]);
#ifndef BUG
    for (int *number : numbers)
        delete number;
#endif
    std::puts("survived");
}
