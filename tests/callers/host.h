/*
 * What the programs of tests/host have in common: looking up the one name whose answer says which
 * table gave it, and what the process has cost so far.
 *
 * The Nth table answers `which` with 10.N, 11.N (N in the three low bytes), fd00::N and the
 * canonical name tN. An answer of which not all parts say the same N is torn.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAME "which"
/* seconds after which something hangs; the long forms take their time */
#define DEADLINE (getenv("CLOUDHOSTS_SOAK") ? 500 : 50)

/* Not every program calls each of these. */
#define HELPER static __attribute__((unused))

/* Ends the process at once: there may be other threads, or a parent's atexit handlers. */
HELPER __attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...) {
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    dprintf(2, "process %d: %s\n", (int)getpid(), text);
    _exit(1);
}

HELPER double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* No process of a test outlives it, or hangs for ever. */
HELPER void mortal(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(2 * (unsigned)DEADLINE);
}

/* Whether all the parts of an answer are the same table's. */
struct parts { long number; unsigned seen; };

HELPER void part(struct parts *parts, unsigned bit, long number) {
    if (parts->number && parts->number != number)
        fail("a torn answer: table %ld and table %ld", parts->number, number);
    if (parts->seen & bit) fail("table %ld gave one address twice", number);
    parts->number = number;
    parts->seen |= bit;
}

HELPER void part_v4(struct parts *parts, const void *raw) {
    const unsigned char *byte = raw;
    if (byte[0] != 10 && byte[0] != 11) fail("an address of no table: %u...", byte[0]);
    part(parts, byte[0] == 10 ? 1 : 2, byte[1] << 16 | byte[2] << 8 | byte[3]);
}

HELPER void part_name(struct parts *parts, const char *name) {
    char *end = NULL;
    long number = name && name[0] == 't' ? strtol(name + 1, &end, 10) : 0;
    if (number <= 0 || *end) fail("a canonical name of no table: %s", name ? name : "(none)");
    part(parts, 8, number);
}

HELPER long complete(const struct parts *parts, unsigned wanted) {
    if (parts->seen != wanted) fail("table %ld: parts %x of %x", parts->number, parts->seen, wanted);
    return parts->number;
}

/* getaddrinfo: the number of the table that answered, or 0 and its code. */
HELPER long whole(int *code) {
    struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *found = NULL;
    struct parts parts = {0, 0};
    int failed = getaddrinfo(NAME, NULL, &hints, &found);
    if (code) *code = failed;
    if (failed) return 0;
    part_name(&parts, found->ai_canonname);
    for (struct addrinfo *one = found; one; one = one->ai_next) {
        if (one->ai_family == AF_INET) {
            part_v4(&parts, &((struct sockaddr_in *)one->ai_addr)->sin_addr);
        } else {
            const unsigned char *byte = ((struct sockaddr_in6 *)one->ai_addr)->sin6_addr.s6_addr;
            part(&parts, 4, byte[13] << 16 | byte[14] << 8 | byte[15]);
        }
    }
    freeaddrinfo(found);
    return complete(&parts, 15);
}

HELPER long of_host(const struct hostent *host) {
    struct parts parts = {0, 0};
    part_name(&parts, host->h_name);
    for (char **one = host->h_addr_list; *one; one++) part_v4(&parts, *one);
    return complete(&parts, 11);
}

/* gethostbyname2_r, which does less in glibc: the same for IPv4, or 0. */
HELPER long quick(void) {
    struct hostent host, *found = NULL;
    char buffer[1024];
    int code = 0;
    if (gethostbyname2_r(NAME, AF_INET, &host, buffer, sizeof buffer, &found, &code) || !found)
        return 0;
    return of_host(found);
}

/* The module's own function, without glibc. */
typedef int by_name2(const char *, int, struct hostent *, char *, size_t, int *, int *);

HELPER void *module_function(const char *name) {
    void *module = dlopen("libnss_cloudhosts.so.2", RTLD_NOW);
    if (!module) fail("%s", dlerror());
    void *function = dlsym(module, name);
    if (!function) fail("%s", dlerror());
    return function;
}

HELPER long direct(by_name2 *function) {
    struct hostent host;
    char buffer[1024];
    int error = 0, code = 0;
    if (function(NAME, AF_INET, &host, buffer, sizeof buffer, &error, &code) != 1) return 0;
    return of_host(&host);
}

/* Must be answered. */
HELPER long answered(void) {
    int code;
    long number = whole(&code);
    if (!number) fail("getaddrinfo: %s (errno: %s)", gai_strerror(code), strerror(errno));
    return number;
}

/* Looks up until a newer table answers. There must be an answer all the time. */
HELPER long newer_than(long number) {
    double start = seconds();
    for (;;) {
        long now = answered();
        if (now > number) return now;
        if (now < number) fail("table %ld after %ld", now, number);
        if (seconds() - start > DEADLINE) fail("nothing newer than table %ld", number);
    }
}

/* What the process has, counted without allocating. */
struct footprint { long descriptors, threads, tables, mapped_kib, resident_kib, heap; };

HELPER long entries(const char *directory) {
    static const char *const none[] = {".", ".."};
    long count = 0;
    char buffer[4096];
    int at = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0) fail("%s: %s", directory, strerror(errno));
    for (;;) {
        ssize_t size = getdents64(at, buffer, sizeof buffer);
        if (size <= 0) break;
        for (ssize_t next = 0; next < size;) {
            struct { unsigned long long inode, offset; unsigned short size; unsigned char type; char name[]; }
                __attribute__((packed)) *entry = (void *)(buffer + next);
            count += strcmp(entry->name, none[0]) && strcmp(entry->name, none[1]);
            next += entry->size;
        }
    }
    close(at);
    return count;
}

/* How many mappings have that in their name. */
HELPER long mappings(const char *wanted) {
    static char text[1 << 20];
    size_t size = 0;
    long count = 0;
    int at = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (at < 0) fail("/proc/self/maps: %s", strerror(errno));
    for (;;) {
        ssize_t more = read(at, text + size, sizeof text - 1 - size);
        if (more <= 0) break;
        size += (size_t)more;
    }
    close(at);
    text[size] = 0;
    for (char *found = text; (found = strstr(found, wanted)); found++) count++;
    return count;
}

HELPER struct footprint footprint(void) {
    struct footprint now = {.descriptors = entries("/proc/self/fd") - 1, .threads = entries("/proc/self/task")};
    char text[128] = "";
    int at = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (at < 0 || read(at, text, sizeof text - 1) <= 0) fail("/proc/self/statm: %s", strerror(errno));
    close(at);
    if (sscanf(text, "%ld %ld", &now.mapped_kib, &now.resident_kib) != 2) fail("statm: %s", text);
    now.mapped_kib *= sysconf(_SC_PAGESIZE) / 1024;
    now.resident_kib *= sysconf(_SC_PAGESIZE) / 1024;
    now.tables = mappings("/memfd:cloudhosts");
    struct mallinfo2 heap = mallinfo2();
    now.heap = (long)(heap.uordblks + heap.hblkhd);
    return now;
}

HELPER void print_footprint(const char *label, struct footprint of) {
    printf("\"%s\":{\"descriptors\":%ld,\"threads\":%ld,\"tables\":%ld,\"mapped_kib\":%ld,"
           "\"resident_kib\":%ld,\"heap\":%ld}",
           label, of.descriptors, of.threads, of.tables, of.mapped_kib, of.resident_kib, of.heap);
}
