/* A name service that answers every name with one constant address: the least one can do. */
#define _GNU_SOURCE
#include <nss.h>
#include <netdb.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <errno.h>

enum nss_status _nss_null_gethostbyname4_r(const char *, struct gaih_addrtuple **, char *, size_t, int *, int *,
                                           int32_t *);

enum nss_status _nss_null_gethostbyname4_r(const char *name, struct gaih_addrtuple **pat, char *buffer, size_t size,
                                           int *error, int *code, int32_t *ttl) {
    (void)name, (void)buffer, (void)size, (void)error;
    if (!*pat) {
        if (size < sizeof **pat + 16) {
            *error = ERANGE;
            *code = NETDB_INTERNAL;
            return NSS_STATUS_TRYAGAIN;
        }
        *pat = (void *)(((uintptr_t)buffer + 15) & ~(uintptr_t)15);
    }
    memset(*pat, 0, sizeof **pat);
    (*pat)->family = AF_INET;
    (*pat)->addr[0] = htonl(0xcb007101);
    (*pat)->name = (char *)name;
    if (ttl) *ttl = 0;
    *code = NETDB_SUCCESS;
    return NSS_STATUS_SUCCESS;
}
