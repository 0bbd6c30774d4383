// expect: heap-use-after-free WRITE 8
// region: 0 of 8000
#include <cstdio>
#include <vector>

int main() {
    std::vector<double> samples(1000); /* ALLOC */
    double &first = samples[0];
#ifdef BUG
    samples.resize(100000); /* FREE */
#endif
    first = 1.5; /* FAULT */
    std::printf("%.1f\n", samples[0]);
    std::puts("survived");
}
