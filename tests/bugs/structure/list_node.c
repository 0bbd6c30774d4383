// expect: heap-use-after-free READ 8
// region: 8 of 16
// linking: glibc musl dynamic
// The classic: the loop takes the next pointer out of the node that it has just freed.
#include <stdio.h>
#include <stdlib.h>

struct node {
    long value;
    struct node *next;
};

int main(void) {
    struct node *head = NULL;
    for (long i = 0; i < 5; i++) {
        struct node *node = malloc(sizeof *node); /* ALLOC */
        node->value = i;
        node->next = head;
        head = node;
    }
    long sum = 0;
    while (head != NULL) {
        sum += head->value;
        struct node *gone = head;
#ifdef BUG
        free(gone); /* FREE */
        head = gone->next; /* FAULT */
#else
        head = gone->next;
        free(gone);
#endif
    }
    printf("%ld\n", sum);
    puts("survived");
    return 0;
}
