// expect: double-free
// A class that owns memory but has no copy constructor of its own.
#include <cstdio>
#include <cstring>

class Text {
  public:
    explicit Text(const char *text) : text_(new char[100]) { /* ALLOC */
        std::strcpy(text_, text);
    }
#ifndef BUG
    Text(const Text &other) : Text(other.text_) {}
#endif
    ~Text() {
        delete[] text_; /* FAULT */ /* FREE */
    }
    const char *get() const { return text_; }

  private:
    char *text_;
};

int main() {
    {
        Text first("hello");
        Text second = first;
        std::puts(second.get());
    }
    std::puts("survived");
}
