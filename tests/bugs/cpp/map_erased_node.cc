// expect: heap-use-after-free READ 4
#include <cstdio>
#include <map>

int main() {
    std::map<int, int> squares;
    for (int i = 0; i < 10; i++)
        squares[i] = i * i; /* ALLOC */
    auto five = squares.find(5);
#ifdef BUG
    squares.erase(5); /* FREE */
#endif
    int value = five->second; /* FAULT */
    std::printf("%d\n", value);
    std::puts("survived");
}
