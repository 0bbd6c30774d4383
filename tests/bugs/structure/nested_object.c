// expect: heap-use-after-free READ 8
// region: 0 of 24
// The outer object lives, the inner one does not.
#include <stdio.h>
#include <stdlib.h>

struct buffer {
    char *data;
    size_t length, room;
};

struct session {
    int id;
    struct buffer *in, *out;
};

static void end_input(struct session *session) {
    free(session->in->data);
    free(session->in); /* FREE */
}

int main(void) {
    struct session *session = malloc(sizeof *session);
    session->in = calloc(1, sizeof *session->in); /* ALLOC */
    session->out = calloc(1, sizeof *session->out);
    session->in->data = malloc(100);
#ifdef BUG
    end_input(session);
#endif
    char *data = session->in->data; /* FAULT */
    printf("%d\n", data != NULL);
#ifndef BUG
    end_input(session);
#endif
    free(session->out);
    free(session);
    puts("survived");
    return 0;
}
