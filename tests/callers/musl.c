/* Prints the IPv4 addresses of a name, each once, as a program that is linked with musl finds them. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int count, char **arguments)
{
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found, *one;
    int error;

    if (count != 2)
        return 64;
    error = getaddrinfo(arguments[1], NULL, &hints, &found);
    if (error) {
        printf("%s\n", error == EAI_NONAME ? "no such name" : gai_strerror(error));
        return 0;
    }
    for (one = found; one; one = one->ai_next) {
        char text[INET_ADDRSTRLEN];
        struct sockaddr_in *address = (struct sockaddr_in *)one->ai_addr;
        puts(inet_ntop(AF_INET, &address->sin_addr, text, sizeof text));
    }
    freeaddrinfo(found);
    return 0;
}
