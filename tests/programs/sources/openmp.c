/* OpenMP: parallel loops, reductions, sections, tasks, locks, and memory that one thread allocates
 * and another frees. Everything printed is the same whatever the order of the threads. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long fib(int n)
{
    long a, b;
    if (n < 2)
        return n;
    if (n < 12)
        return fib(n - 1) + fib(n - 2);
#pragma omp task shared(a)
    a = fib(n - 1);
#pragma omp task shared(b)
    b = fib(n - 2);
#pragma omp taskwait
    return a + b;
}

int main(int count, char **arguments)
{
    int rounds = count > 1 ? atoi(arguments[1]) : 1000;
    omp_set_dynamic(0);
    omp_set_num_threads(4);

    char **texts = calloc(rounds, sizeof *texts);
    long length = 0, threads = 0;
#pragma omp parallel reduction(+ : threads)
    threads += 1;
    printf("threads %ld\n", threads);

#pragma omp parallel for schedule(dynamic, 16)
    for (int i = 0; i < rounds; i++) {
        char *text = malloc(i % 100 + 20);
        sprintf(text, "text %d", i);
        texts[i] = realloc(text, strlen(text) + 1 + i % 300);
    }
    /* In another order, so that most are freed by a thread that has not allocated them. */
#pragma omp parallel for schedule(static, 7) reduction(+ : length)
    for (int i = 0; i < rounds; i++) {
        int at = rounds - 1 - i;
        length += strlen(texts[at]) * (at % 5 + 1);
        free(texts[at]);
    }
    free(texts);
    printf("length %ld\n", length);

    long result = 0;
#pragma omp parallel
#pragma omp single
    result = fib(18);
    printf("fib %ld\n", result);

    omp_lock_t lock;
    omp_init_lock(&lock);
    long locked = 0, critical = 0, atomic = 0, ordered = 0;
#pragma omp parallel for ordered
    for (int i = 0; i < 1000; i++) {
        omp_set_lock(&lock);
        locked += i;
        omp_unset_lock(&lock);
#pragma omp critical
        critical += i;
#pragma omp atomic
        atomic += i;
#pragma omp ordered
        ordered = ordered * 3 % 1000003 + i;
    }
    omp_destroy_lock(&lock);
    printf("sums %ld %ld %ld %ld\n", locked, critical, atomic, ordered);

    int first = 0, second = 0;
#pragma omp parallel sections
    {
#pragma omp section
        first = 1;
#pragma omp section
        second = 2;
    }
    long barriers = 0;
#pragma omp parallel
    for (int i = 0; i < 100; i++) {
#pragma omp atomic
        barriers++;
#pragma omp barrier
    }
    printf("sections %d %d, barriers %ld\n", first, second, barriers);
    return 0;
}
