// expect: heap-use-after-free READ 8
// region: 0 of 16
// linking: glibc pie dynamic
#include <cstdio>

struct Shape {
    virtual ~Shape() = default;
    virtual int corners() const { return 0; }
};

struct Square : Shape {
    int side = 2;
    int corners() const override { return 4; }
};

int main() {
    Shape *shape = new Square; /* ALLOC */
#ifdef BUG
    delete shape; /* FREE */
#endif
    int corners = shape->corners(); /* FAULT */
    std::printf("%d\n", corners);
#ifndef BUG
    delete shape;
#endif
    std::puts("survived");
}
