// expect: heap-use-after-free READ 1
#include <cstdio>
#include <string>
#include <string_view>

static std::string name(int number) {
    return "a long name that needs the heap, number " + std::to_string(number);
}

int main() {
    std::string kept = name(1);
#ifdef BUG
    std::string_view view = name(1); /* FREE */
#else
    std::string_view view = kept;
#endif
    char first = view.data()[0]; /* FAULT */
    std::printf("%c\n", first);
    std::puts("survived");
}
