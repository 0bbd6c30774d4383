/* Counts words in a hash table that grows; all of it from the heap. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
    char *text;
    long count;
    struct word *next;
};

static struct word **table;
static size_t room, used;

static size_t hash(const char *text) {
    size_t value = 5381;
    while (*text != 0)
        value = value * 33 + (unsigned char)*text++;
    return value;
}

static void grow(void) {
    size_t size = room == 0 ? 16 : room * 2;
    struct word **larger = calloc(size, sizeof *larger);
    for (size_t i = 0; i < room; i++)
        while (table[i] != NULL) {
            struct word *word = table[i];
            table[i] = word->next;
            word->next = larger[hash(word->text) % size];
            larger[hash(word->text) % size] = word;
        }
    free(table);
    table = larger;
    room = size;
}

static void count(const char *text) {
    if (used >= room)
        grow();
    struct word **place = &table[hash(text) % room];
    for (struct word *word = *place; word != NULL; word = word->next)
        if (strcmp(word->text, text) == 0) {
            word->count++;
            return;
        }
    struct word *word = malloc(sizeof *word);
    word->text = strdup(text);
    word->count = 1;
    word->next = *place;
    *place = word;
    used++;
}

static int by_count(const void *left, const void *right) {
    const struct word *a = *(struct word *const *)left, *b = *(struct word *const *)right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(a->text, b->text);
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? atol(argv[1]) : 1000;
    char *line = NULL;
    size_t length = 0;
    for (long i = 0; i < rounds; i++) {
        size_t need = (size_t)snprintf(NULL, 0, "word%ld %ld %ld", i * 7919 % 1009, i * i % 97, i % 2000) + 1;
        if (need > length)
            line = realloc(line, length = need + 3);
        sprintf(line, "word%ld %ld %ld", i * 7919 % 1009, i * i % 97, i % 2000);
        for (char *at = strtok(line, " "); at != NULL; at = strtok(NULL, " "))
            count(at);
    }
    free(line);
    struct word **all = malloc(used * sizeof *all);
    size_t filled = 0;
    for (size_t i = 0; i < room; i++)
        for (struct word *word = table[i]; word != NULL; word = word->next)
            all[filled++] = word;
    qsort(all, filled, sizeof *all, by_count);
    printf("%zu different words\n", filled);
    for (size_t i = 0; i < 10 && i < filled; i++)
        printf("%ld %s\n", all[i]->count, all[i]->text);
    for (size_t i = 0; i < filled; i++) {
        free(all[i]->text);
        free(all[i]);
    }
    free(all);
    free(table);
    return 0;
}
