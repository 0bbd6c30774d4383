// expect: heap-use-after-free READ
#include <cstring>
#include <iostream>

int main() {
    char *word = new char[200]; /* ALLOC */
    std::strcpy(word, "hello");
#ifdef BUG
    delete[] word; /* FREE */
#endif
    std::cout << word << std::endl; /* FAULT */
#ifndef BUG
    delete[] word;
#endif
    std::cout << "survived" << std::endl;
}
