/*
 * The floor: a name service that answers each name and each address with one constant, and names
 * that begin with "absent" with "not found". What a look-up costs here is glibc's own work.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum nss_status _nss_null_gethostbyname4_r(const char *, struct gaih_addrtuple **, char *, size_t,
                                           int *, int *, int32_t *);
enum nss_status _nss_null_gethostbyname3_r(const char *, int, struct hostent *, char *, size_t,
                                           int *, int *, int32_t *, char **);
enum nss_status _nss_null_gethostbyname2_r(const char *, int, struct hostent *, char *, size_t,
                                           int *, int *);
enum nss_status _nss_null_gethostbyname_r(const char *, struct hostent *, char *, size_t, int *,
                                          int *);
enum nss_status _nss_null_gethostbyaddr_r(const void *, socklen_t, int, struct hostent *, char *,
                                          size_t, int *, int *);

/* 203.0.113.1, of the block for documentation. */
static const unsigned char ADDRESS[4] = {203, 0, 113, 1};

/* What an answer needs beside the structure the caller gives. */
struct room {
    unsigned char address[4];
    char *addresses[2], *aliases[1];
    struct gaih_addrtuple tuple;
};

static struct room *room(char *buffer, size_t size, int *error, int *code) {
    size_t padding = -(uintptr_t)buffer & (_Alignof(struct room) - 1);
    if (size < padding + sizeof(struct room)) {
        *error = ERANGE;
        *code = NETDB_INTERNAL;
        return NULL;
    }
    return (struct room *)(void *)(buffer + padding);
}

static int absent(const char *name, int *error, int *code) {
    if (name[0] != 'a' || strncmp(name, "absent", 6) != 0) return 0;
    *error = ENOENT;
    *code = HOST_NOT_FOUND;
    return 1;
}

static enum nss_status host(const char *name, struct hostent *result, struct room *room, int *code) {
    memcpy(room->address, ADDRESS, sizeof ADDRESS);
    room->addresses[0] = (char *)room->address;
    room->addresses[1] = NULL;
    room->aliases[0] = NULL;
    *result = (struct hostent){.h_name = (char *)name,
                               .h_aliases = room->aliases,
                               .h_addrtype = AF_INET,
                               .h_length = 4,
                               .h_addr_list = room->addresses};
    *code = NETDB_SUCCESS;
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_null_gethostbyname4_r(const char *name, struct gaih_addrtuple **pat,
                                           char *buffer, size_t size, int *error, int *code,
                                           int32_t *ttl) {
    if (absent(name, error, code)) return NSS_STATUS_NOTFOUND;
    struct room *space = room(buffer, size, error, code);
    if (!space) return NSS_STATUS_TRYAGAIN;
    if (!*pat) *pat = &space->tuple;
    **pat = (struct gaih_addrtuple){.name = (char *)name, .family = AF_INET};
    memcpy((*pat)->addr, ADDRESS, sizeof ADDRESS);
    if (ttl) *ttl = 0;
    *code = NETDB_SUCCESS;
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_null_gethostbyname3_r(const char *name, int family, struct hostent *result,
                                           char *buffer, size_t size, int *error, int *code,
                                           int32_t *ttl, char **canonical) {
    if (family != AF_INET || absent(name, error, code)) return NSS_STATUS_NOTFOUND;
    struct room *space = room(buffer, size, error, code);
    if (!space) return NSS_STATUS_TRYAGAIN;
    if (ttl) *ttl = 0;
    if (canonical) *canonical = (char *)name;
    return host(name, result, space, code);
}

enum nss_status _nss_null_gethostbyname2_r(const char *name, int family, struct hostent *result,
                                           char *buffer, size_t size, int *error, int *code) {
    return _nss_null_gethostbyname3_r(name, family, result, buffer, size, error, code, NULL, NULL);
}

enum nss_status _nss_null_gethostbyname_r(const char *name, struct hostent *result, char *buffer,
                                          size_t size, int *error, int *code) {
    return _nss_null_gethostbyname3_r(name, AF_INET, result, buffer, size, error, code, NULL, NULL);
}

enum nss_status _nss_null_gethostbyaddr_r(const void *address, socklen_t length, int family,
                                          struct hostent *result, char *buffer, size_t size,
                                          int *error, int *code) {
    (void)address, (void)length, (void)family;
    struct room *space = room(buffer, size, error, code);
    if (!space) return NSS_STATUS_TRYAGAIN;
    return host("constant", result, space, code);
}
