/*
 * Looks names up and says how long it took. An ordinary program: linked with libc alone, it knows
 * nothing of any name service.
 *
 *   lookups first NAME [SINCE]   one getaddrinfo; prints how long it took, its page faults, and the
 *                                nanoseconds since SINCE (CLOCK_MONOTONIC)
 *   lookups starts COUNT NAME    starts COUNT processes, one after the other, that do just that:
 *                                SINCE is when each was started
 *   lookups parts MODULE PREFIX NAME
 *                                loads a module as glibc does and calls its gethostbyname4_r
 *                                twice; prints the time and the page faults of each of the three
 *   lookups module MODULE PREFIX NAMES HIT COUNT
 *                                that function COUNT times and nothing else, for callgrind
 *   lookups stay                 reads commands on stdin, one a line, and answers with one line:
 *
 *   time CALL HIT NAMES COUNT MS     COUNT look-ups of names drawn from NAMES at random, or as
 *                                    many as MS milliseconds hold: nanoseconds of each, in order
 *                                    of size, thinned out to 1000
 *   threads CALL NAMES COUNT MS      COUNT threads look up for MS milliseconds: look-ups a second
 *   memory                           memory of this process alone, in KiB: no file's, no table's
 *
 * CALL: unspec, inet (getaddrinfo), byname, byaddr (gethostbyname_r, gethostbyaddr_r). HIT: 1, or 0
 * for names that are not there. Of N names the nth is service-N.internal (seven digits, 24 bytes)
 * with the address 10.0.0.0 + n.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum call { UNSPEC, INET, BYNAME, BYADDR };

/* How many numbers a sample is thinned out to. */
enum { KEPT = 1000, MOST = 8000000 };

static void fail(const char *what, const char *why) {
    fprintf(stderr, "lookups: %s: %s\n", what, why);
    exit(1);
}

static uint64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

/* xorshift64*, by Vigna: the same draws in each process, so that all look the same names up. */
static uint32_t draw(uint64_t *state, uint32_t below) {
    *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
    return (uint32_t)(((*state * 0x2545f4914f6cdd1dULL >> 32) * below) >> 32);
}

/* One question, made before the clock starts. */
struct question { char name[28]; uint32_t address; };

static struct question question(uint64_t *state, uint32_t names, int hit) {
    struct question made;
    uint32_t n = draw(state, names), rest = n;
    strcpy(made.name, hit ? "service-0000000.internal" : "absent--0000000.internal");
    for (char *digit = made.name + 14; rest; digit--, rest /= 10) *digit += (char)(rest % 10);
    made.address = htonl((hit ? 0x0a000000 : 0x0b000000) + n);
    return made;
}

/* Asks; ends the process where the answer is not the expected one. */
static void ask(enum call call, const struct question *of, int hit) {
    int found, code = 0;
    if (call == UNSPEC || call == INET) {
        struct addrinfo hints = {.ai_family = call == INET ? AF_INET : AF_UNSPEC,
                                 .ai_socktype = SOCK_STREAM}, *list = NULL;
        code = getaddrinfo(of->name, NULL, &hints, &list);
        found = code == 0;
        if (found) freeaddrinfo(list);
    } else {
        struct hostent host, *result = NULL;
        char buffer[1024];
        if (call == BYNAME)
            gethostbyname_r(of->name, &host, buffer, sizeof buffer, &result, &code);
        else
            gethostbyaddr_r(&of->address, 4, AF_INET, &host, buffer, sizeof buffer, &result, &code);
        found = result != NULL;
    }
    if (found != hit) fail(of->name, found ? "was found" : "was not found");
}

static int by_size(const void *one, const void *other) {
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

/* What reading the clock twice costs: the median of many. It is taken off each time measured. */
static uint64_t clock_cost(void) {
    uint64_t costs[1001];
    for (size_t at = 0; at < 1001; at++) {
        uint64_t start = now();
        costs[at] = now() - start;
    }
    qsort(costs, 1001, sizeof *costs, by_size);
    return costs[500];
}

static void take_times(enum call call, int hit, uint32_t names, size_t count, uint64_t limit) {
    static uint64_t seed = 0x9e3779b97f4a7c15;
    static uint64_t times[MOST];
    if (count > MOST) count = MOST;
    uint64_t cost = clock_cost(), until = now() + limit;
    size_t taken = 0;
    while (taken < count) {
        struct question one = question(&seed, names, hit);
        uint64_t start = now();
        ask(call, &one, hit);
        uint64_t end = now(), took = end - start;
        times[taken++] = took > cost ? took - cost : 0;
        if (end > until) break;
    }
    qsort(times, taken, sizeof *times, by_size);
    size_t kept = taken < KEPT ? taken : KEPT;
    printf("%zu", taken);
    /* evenly, the least and the largest among them */
    for (size_t at = 0; at < kept; at++)
        printf(" %lu", times[kept > 1 ? at * (taken - 1) / (kept - 1) : 0]);
    puts("");
}

/* What the threads have in common. */
struct shared { enum call call; uint32_t names; atomic_int stop; atomic_ulong done; pthread_barrier_t start; };

static void *look_up(void *given) {
    struct shared *shared = given;
    uint64_t seed = (uint64_t)(uintptr_t)&seed | 1;
    unsigned long done = 0;
    pthread_barrier_wait(&shared->start);
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
        struct question one = question(&seed, shared->names, 1);
        ask(shared->call, &one, 1);
        done++;
    }
    atomic_fetch_add(&shared->done, done);
    return NULL;
}

static void run_threads(enum call call, uint32_t names, unsigned count, uint64_t limit) {
    struct shared shared = {.call = call, .names = names};
    pthread_t threads[64];
    if (count > 64) fail("threads", "64 at most");
    pthread_barrier_init(&shared.start, NULL, count + 1);
    for (unsigned at = 0; at < count; at++)
        if (pthread_create(&threads[at], NULL, look_up, &shared)) fail("threads", strerror(errno));
    pthread_barrier_wait(&shared.start);
    uint64_t start = now();
    struct timespec rest = {(time_t)(limit / 1000000000u), (long)(limit % 1000000000u)};
    while (nanosleep(&rest, &rest)) {}
    atomic_store(&shared.stop, 1);
    uint64_t took = now() - start;
    for (unsigned at = 0; at < count; at++) pthread_join(threads[at], NULL);
    printf("%.0f\n", (double)shared.done * 1e9 / (double)took);
}

static long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

static enum call call_of(const char *word) {
    static const char *const words[] = {"unspec", "inet", "byname", "byaddr"};
    for (int at = 0; at < 4; at++)
        if (strcmp(word, words[at]) == 0) return (enum call)at;
    fail(word, "no such call");
    return UNSPEC;
}

static void memory(void) {
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    long own = 0;
    if (!file) fail("/proc/self/smaps_rollup", strerror(errno));
    while (fgets(line, sizeof line, file)) {
        sscanf(line, "Anonymous: %ld", &own);
    }
    fclose(file);
    printf("%ld\n", own);
}

static void first(const char *name, const char *since) {
    struct question one = {.address = 0};
    snprintf(one.name, sizeof one.name, "%s", name);
    long before = faults();
    uint64_t start = now();
    ask(UNSPEC, &one, 1);
    uint64_t end = now();
    printf("%lu %ld %lu\n", end - start, faults() - before, end - (since ? (uint64_t)strtoul(since, NULL, 10) : start));
}

static void starts(char *self, int count, char *name) {
    extern char **environ;
    for (int at = 0; at < count; at++) {
        char since[24];
        char *arguments[] = {self, "first", name, since, NULL};
        pid_t child;
        int status;
        snprintf(since, sizeof since, "%lu", now());
        if (posix_spawn(&child, self, NULL, NULL, arguments, environ)) fail(self, "does not start");
        if (waitpid(child, &status, 0) != child || status) fail(self, "failed");
    }
}

typedef enum nss_status by_name4(const char *, struct gaih_addrtuple **, char *, size_t, int *, int *,
                                 int32_t *);

static by_name4 *load(const char *module, const char *prefix) {
    char name[64];
    snprintf(name, sizeof name, "%s_gethostbyname4_r", prefix);
    /* as nss_module.c of glibc loads one */
    void *loaded = dlopen(module, RTLD_LAZY);
    if (!loaded) fail(module, dlerror());
    by_name4 *function = (by_name4 *)dlsym(loaded, name);
    if (!function) fail(name, dlerror());
    return function;
}

static void call(by_name4 *function, const char *name, int hit) {
    char buffer[1024];
    struct gaih_addrtuple *list = NULL;
    int error = 0, code = 0;
    int32_t ttl;
    enum nss_status status = function(name, &list, buffer, sizeof buffer, &error, &code, &ttl);
    if (status != (hit ? NSS_STATUS_SUCCESS : NSS_STATUS_NOTFOUND)) fail(name, "unexpected answer");
}

static void parts(const char *module, const char *prefix, const char *name) {
    /* what the program itself needs to measure is there before */
    long count = faults();
    uint64_t at = now();
    at = now(), count = faults();
    by_name4 *function = load(module, prefix);
    uint64_t loaded = now();
    long loaded_faults = faults();
    call(function, name, 1);
    uint64_t called = now();
    long called_faults = faults();
    call(function, name, 1);
    uint64_t again = now();
    printf("%lu %ld %lu %ld %lu %ld\n", loaded - at, loaded_faults - count, called - loaded,
           called_faults - loaded_faults, again - called, faults() - called_faults);
}

static void module(const char *module, const char *prefix, uint32_t names, int hit, long count) {
    by_name4 *function = load(module, prefix);
    uint64_t seed = 0x9e3779b97f4a7c15;
    for (long at = 0; at < count; at++) {
        struct question one = question(&seed, names, hit);
        call(function, one.name, hit);
    }
}

int main(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "first") == 0 && (argc == 3 || argc == 4)) return first(argv[2], argv[3]), 0;
    if (strcmp(verb, "starts") == 0 && argc == 4) return starts(argv[0], atoi(argv[2]), argv[3]), 0;
    if (strcmp(verb, "parts") == 0 && argc == 5) return parts(argv[2], argv[3], argv[4]), 0;
    if (strcmp(verb, "module") == 0 && argc == 7)
        return module(argv[2], argv[3], (uint32_t)atol(argv[4]), atoi(argv[5]), atol(argv[6])), 0;
    if (argc != 2 || strcmp(argv[1], "stay") != 0) fail("usage", "see tests/bench/lookups.c");
    char line[256], call[16];
    unsigned long names, count, limit;
    int hit;
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "time %15s %d %lu %lu %lu", call, &hit, &names, &count, &limit) == 5)
            take_times(call_of(call), hit, (uint32_t)names, count, limit * 1000000u);
        else if (sscanf(line, "threads %15s %lu %lu %lu", call, &names, &count, &limit) == 4)
            run_threads(call_of(call), (uint32_t)names, (unsigned)count, limit * 1000000u);
        else if (strcmp(line, "memory\n") == 0)
            memory();
        else
            fail("no such command", line);
        fflush(stdout);
    }
    return 0;
}
