// Symbols set by assembly mark addresses whose function and line the test knows.
extern "C" {
__attribute__((noinline)) void __give_back(void *) { __asm__ volatile("" ::: "memory"); }
void give_back(void *) __attribute__((alias("__give_back")));
}

namespace shop {
struct Basket {
    int count;
    __attribute__((always_inline)) void touch() {
        __asm__ volatile("mark_inlined: nop"); // line 11
    }
    __attribute__((noinline)) void add(int more) {
        count += more;
        touch(); // line 15
    }
};
} // namespace shop

__attribute__((noinline)) static void calls() {
    __asm__ volatile("call give_back\nmark_return: nop" ::: "memory"); // line 21
}

__attribute__((noinline)) static void calls_through_pointer() {
    __asm__ volatile("call *%0\nmark_indirect: nop" ::"r"(give_back) : "memory");
}

int main() {
    shop::Basket basket = {0};
    basket.add(3);
    calls();
    calls_through_pointer();
    return basket.count == 3 ? 0 : 1;
}
