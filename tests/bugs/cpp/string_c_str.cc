// expect: heap-use-after-free READ
// The characters of a string that has gone out of scope (too long for the string itself).
#include <cstdio>
#include <string>

int main() {
    const char *text;
    std::string kept = "a string that is longer than the small buffer";
    {
        std::string gone = kept; /* ALLOC */
        text = gone.c_str();
#ifndef BUG
        text = kept.c_str();
#endif
    }
    std::puts(text); /* FAULT */
    std::puts("survived");
}
