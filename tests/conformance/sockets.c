// linking: glibc musl
#define _GNU_SOURCE
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static void pairs(void) {
    int ends[2];
    char text[64] = "";
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    CHECK(send(ends[0], "one", 3, 0) == 3 && send(ends[0], "three", 5, 0) == 5);
    CHECK(recv(ends[1], text, 64, MSG_PEEK) == 3);
    CHECK(recv(ends[1], text, 64, 0) == 3 && recv(ends[1], text, 64, 0) == 5);
    CHECK_ERRNO(recv(ends[1], text, 64, MSG_DONTWAIT), EAGAIN);

    /* Scattered, gathered, and with a descriptor along. */
    char head[4] = "abc", tail[8] = "defgh", in_head[3], in_tail[20];
    struct iovec out[] = {{head, 3}, {NULL, 0}, {tail, 5}};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control, received;
    memset(&control, 0, sizeof control);
    struct msghdr message = {.msg_iov = out, .msg_iovlen = 3, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    int null = open("/dev/zero", O_RDONLY);
    memcpy(CMSG_DATA(header), &null, sizeof null);
    CHECK(sendmsg(ends[0], &message, 0) == 8);
    struct iovec in[] = {{in_head, 3}, {in_tail, 20}};
    struct msghdr reply = {.msg_iov = in, .msg_iovlen = 2, .msg_control = &received, .msg_controllen = sizeof received};
    CHECK(recvmsg(ends[1], &reply, MSG_CMSG_CLOEXEC) == 8);
    CHECK(memcmp(in_head, "abc", 3) == 0 && memcmp(in_tail, "defgh", 5) == 0);
    header = CMSG_FIRSTHDR(&reply);
    CHECK(header != NULL && header->cmsg_type == SCM_RIGHTS && reply.msg_controllen >= CMSG_LEN(sizeof(int)));
    int passed = -1;
    memcpy(&passed, CMSG_DATA(header), sizeof passed);
    CHECK(read(passed, text, 4) == 4 && text[0] == 0);
    CHECK(shutdown(ends[0], SHUT_WR) == 0 && recv(ends[1], text, 4, 0) == 0);

    struct mmsghdr several[2];
    struct iovec parts[] = {{"uv", 2}, {"wxyz", 4}};
    memset(several, 0, sizeof several);
    several[0].msg_hdr.msg_iov = &parts[0];
    several[1].msg_hdr.msg_iov = &parts[1];
    several[0].msg_hdr.msg_iovlen = several[1].msg_hdr.msg_iovlen = 1;
    CHECK(sendmmsg(ends[1], several, 2, 0) == 2 && several[0].msg_len == 2 && several[1].msg_len == 4);
    close(ends[0]);
    close(ends[1]);
}

static void loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1, value = 0;
    CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0 && size == sizeof address);
    CHECK(address.sin_port != 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    size = sizeof peer;
    int server = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK);
    CHECK(server >= 0 && peer.sin_family == AF_INET && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    size = sizeof value;
    CHECK(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, &size) == 0 && value != 0 && size == sizeof value);
    size = sizeof value;
    CHECK(getsockopt(client, SOL_SOCKET, SO_TYPE, &value, &size) == 0 && value == SOCK_STREAM);
    // Where the host has no IPv6 there is no such socket, natively either.
    int six = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (six >= 0) {
        CHECK(setsockopt(six, IPPROTO_IPV6, IPV6_RECVTCLASS, &one, sizeof one) == 0);
        size = sizeof value;
        CHECK(getsockopt(six, IPPROTO_IPV6, IPV6_RECVTCLASS, &value, &size) == 0 && value == 1);
        close(six);
    }
    CHECK(write(client, "GET /", 5) == 5);
    char text[16];
    fcntl(server, F_SETFL, 0);
    CHECK(read(server, text, 16) == 5 && memcmp(text, "GET /", 5) == 0);
    CHECK(send(server, "200", 3, MSG_NOSIGNAL) == 3 && recv(client, text, 3, MSG_WAITALL) == 3);
    size = sizeof peer;
    CHECK(getpeername(client, (struct sockaddr *)&peer, &size) == 0 && peer.sin_port == address.sin_port);
    close(server);
    CHECK(read(client, text, 16) == 0);
    close(client);
    close(listener);
}

static void datagrams(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_DGRAM, 0), client = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(server, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(getsockname(server, (struct sockaddr *)&address, &size) == 0);
    CHECK(sendto(client, "ping", 4, 0, (struct sockaddr *)&address, sizeof address) == 4);
    char text[16];
    size = sizeof from;
    CHECK(recvfrom(server, text, 16, 0, (struct sockaddr *)&from, &size) == 4 && size == sizeof from);
    CHECK(sendto(server, "pong", 4, 0, (struct sockaddr *)&from, size) == 4);
    CHECK(recv(client, text, 2, MSG_TRUNC) == 4 && memcmp(text, "po", 2) == 0);
    close(server);
    close(client);
}

static void named(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"}, found;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
    CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    socklen_t size = sizeof found;
    CHECK(getpeername(client, (struct sockaddr *)&found, &size) == 0 && strcmp(found.sun_path, "socket") == 0);
    struct ucred who;
    size = sizeof who;
    CHECK(getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == getuid());
    /* A room too small is filled as far as it goes; the size tells the whole. */
    char small[4];
    size = sizeof small;
    CHECK(getsockname(listener, (struct sockaddr *)small, &size) == 0 && size == 9);
    CHECK_ERRNO(accept(client, NULL, NULL), EINVAL);
    CHECK(accept(listener, NULL, NULL) >= 0);
    unlink("socket");
}

#define GET_LOCAL_CID 0x7b9

/* The machine's own address, where it has any. */
static void machine_address(void) {
    unsigned own = 77777;
    int device = open("/dev/vsock", O_RDONLY);
    if (device >= 0) CHECK(ioctl(device, GET_LOCAL_CID, &own) == 0 && own != 77777);
    CHECK(device < 0 || close(device) == 0);
}

int main(void) {
    pairs();
    loopback();
    datagrams();
    named();
    machine_address();
    CHECK_ERRNO(socket(12345, SOCK_STREAM, 0), EAFNOSUPPORT);
    CHECK_ERRNO(listen(0, 1), ENOTSOCK);
    return 0;
}
