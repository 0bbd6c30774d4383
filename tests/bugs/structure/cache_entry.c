// expect: heap-use-after-free READ 4
// region: 4 of 16
// A pointer kept across an eviction from a hash table.
#include <stdio.h>
#include <stdlib.h>

struct entry {
    int key, value;
    struct entry *next;
};

static struct entry *buckets[8];

static struct entry *get(int key) {
    struct entry **place = &buckets[key % 8];
    for (struct entry *entry = *place; entry != NULL; entry = entry->next)
        if (entry->key == key)
            return entry;
#ifdef BUG
    if (*place != NULL && (*place)->next != NULL) {
        free((*place)->next); /* FREE */
        (*place)->next = NULL;
    }
#endif
    struct entry *entry = malloc(sizeof *entry); /* ALLOC */
    entry->key = key;
    entry->value = key * key;
    entry->next = *place;
    *place = entry;
    return entry;
}

int main(void) {
    struct entry *held = get(1);
    get(9);
    get(17);
    int value = held->value; /* FAULT */
    printf("%d\n", value);
    puts("survived");
    return 0;
}
