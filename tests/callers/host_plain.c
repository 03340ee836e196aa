/*
 * host_plain NAME...: a program as simple as they come. Prints the first IPv4 address of each name,
 * or why there is none.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

int main(int argc, char **argv) {
    for (int at = 1; at < argc; at++) {
        struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
        char text[INET_ADDRSTRLEN];
        int code = getaddrinfo(argv[at], NULL, &hints, &found);
        if (code) {
            puts(gai_strerror(code));
            continue;
        }
        inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof text);
        puts(text);
        freeaddrinfo(found);
    }
    return 0;
}
