/*
 * One process that has too little of something, or is disturbed all the time.
 *
 *   host_limits interrupted TABLES   SIGALRM every 100 us, until there were so many
 *   host_limits stack KIB NAME       two look-ups on a thread with such a stack; how much they used
 *   host_limits descriptors          every descriptor taken, before and after the first table
 *   host_limits memory               no address space left, before and after the first table
 *   host_limits closing TIMES        closes every descriptor from 3 up between two look-ups
 *   host_limits left                 a handler leaves the first look-up, an attach, by siglongjmp
 *   host_limits forking TIMES        a handler forks in the midst of look-ups; the children look up too
 *   host_limits chroot DIRECTORY     chroots to an empty directory after the first look-up; how many
 *                                    tables it sees from there
 */
#include "host.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>

static atomic_long interruptions;

static void on_alarm(int unused) {
    (void)unused;
    atomic_fetch_add(&interruptions, 1);
}

/* For so many tables. An attach that a signal ended would be tried again only a second later, so
 * that so many would not be seen before the deadline. */
static void interrupted(int tables) {
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    alarm(0);
    if (sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &often, NULL)) fail("setitimer");
    double start = seconds();
    /* the first look-up is interrupted too */
    long last = answered(), seen = 0, lookups = 0;
    for (; seen < tables || interruptions < 1000; lookups++) {
        long now = answered();
        if (now < last) fail("table %ld after %ld", now, last);
        seen += now > last;
        last = now;
        if (seconds() - start > DEADLINE) fail("%ld of %d tables, %ld interruptions", seen, tables, interruptions);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    printf("{\"interruptions\":%ld,\"lookups\":%ld,\"tables\":%ld,\"took_ms\":%.0f}\n", interruptions, lookups, seen,
           (seconds() - start) * 1e3);
}

static void *look_twice(void *name) {
    for (int times = 0; times < 2; times++) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
        int code = getaddrinfo(name, NULL, &hints, &found);
        if (code) fail("%s", gai_strerror(code));
        freeaddrinfo(found);
    }
    return NULL;
}

static void stack(long kib, char *name) {
    const unsigned char untouched = 0xa5;
    size_t size = (size_t)kib * 1024, guard = 65536, left = 0;
    unsigned char *low = mmap(NULL, guard + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (low == MAP_FAILED || mprotect(low, guard, PROT_NONE)) fail("mmap: %s", strerror(errno));
    low += guard;
    memset(low, untouched, size);
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    int failed = pthread_attr_setstack(&attributes, low, size);
    if (!failed) failed = pthread_create(&thread, &attributes, look_twice, name);
    if (failed) fail("a stack of %ld KiB: %s", kib, strerror(failed));
    pthread_join(thread, NULL);
    while (left < size && low[left] == untouched) left++;
    printf("{\"used\":%zu}\n", size - left);
}

/* Loads the module where it cannot attach: the second look-up comes when it may try again. */
static void load_alone(void) {
    setenv("CLOUDHOSTS_SOCKET", "/nowhere/socket", 1);
    if (whole(NULL)) fail("an answer without a daemon");
    unsetenv("CLOUDHOSTS_SOCKET");
    sleep(2);
}

static long eventually_answered(void) {
    double start = seconds();
    for (;;) {
        long now = whole(NULL);
        if (now) return now;
        if (seconds() - start > DEADLINE) fail("no answer any more");
    }
}

/* Asked directly where it is tight: glibc needs descriptors and memory itself. */
static by_name2 *module;

/* While it is tight there is no first table; whoever is attached follows every change all the same. */
static void tight(void (*tighten)(void), void (*loosen)(void)) {
    load_alone();
    module = (by_name2 *)module_function("_nss_cloudhosts_gethostbyname2_r");
    tighten();
    if (direct(module)) fail("attached all the same");
    loosen();
    long first = eventually_answered();
    tighten();
    double end = seconds() + 2.5;
    long lookups = 0, last = first, tables = 0;
    for (; seconds() < end; lookups++) {
        long now = direct(module);
        if (now < last) fail("table %ld after %ld", now, last);
        tables += now > last;
        last = now;
    }
    loosen();
    newer_than(last);
    printf("{\"lookups\":%ld,\"tables\":%ld}\n", lookups, tables);
}

static int taken[4096], taken_count;

static void take_descriptors(void) {
    struct rlimit limit = {256, 256};
    if (getrlimit(RLIMIT_NOFILE, &limit)) fail("getrlimit");
    limit.rlim_cur = 256;
    if (setrlimit(RLIMIT_NOFILE, &limit)) fail("setrlimit: %s", strerror(errno));
    for (;;) {
        int one = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (one < 0) break;
        taken[taken_count++] = one;
    }
    if (errno != EMFILE) fail("open: %s", strerror(errno));
}

static void give_descriptors(void) {
    while (taken_count > 0) close(taken[--taken_count]);
}

static void limit_memory(rlim_t bytes) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit)) fail("getrlimit");
    limit.rlim_cur = bytes;
    if (setrlimit(RLIMIT_AS, &limit)) fail("setrlimit: %s", strerror(errno));
}

static void take_memory(void) { limit_memory(1 << 20); }
static void give_memory(void) { limit_memory(RLIM_INFINITY); }

static void closing(int times) {
    struct stat null, now;
    long last = answered();
    for (int at = 0; at < times; at++) {
        if (close_range(3, ~0U, 0)) fail("close_range: %s", strerror(errno));
        int mine = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (mine != 3 || fstat(mine, &null)) fail("open: %d", mine);
        last = at % 2 ? newer_than(last) : answered();
        if (fstat(mine, &now) || now.st_rdev != null.st_rdev || now.st_ino != null.st_ino)
            fail("descriptor 3 is no longer ours");
        if (entries("/proc/self/fd") - 1 != 4) fail("a descriptor stayed open");
    }
}

static sigjmp_buf out;

static void leave(int unused) {
    (void)unused;
    siglongjmp(out, 1);
}

static void handle(void (*handler)(int), long microseconds) {
    struct sigaction action = {.sa_handler = handler};
    struct itimerval soon = {{0, 0}, {0, microseconds}};
    alarm(0);
    if (sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &soon, NULL)) fail("setitimer");
}

/* The daemon takes its time, so that the handler comes in between. */
static void left(void) {
    load_alone();
    module = (by_name2 *)module_function("_nss_cloudhosts_gethostbyname2_r");
    handle(leave, 10000);
    if (!sigsetjmp(out, 1) && direct(module)) fail("nothing was left");
    double start = seconds();
    while (!direct(module))
        if (seconds() - start > 20) fail("no table ever after");
    double attached = seconds();
    for (int times = 0; times < 100; times++)
        if (!direct(module)) fail("no table");
    printf("{\"attached_ms\":%.0f,\"hundred_us\":%.0f}\n", (attached - start) * 1e3,
           (seconds() - attached) * 1e6);
}

static volatile sig_atomic_t forked;

/* The child looks up in the midst of its parent's look-up, in which it will go on no more. */
static void fork_now(int unused) {
    (void)unused;
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (!child) {
        struct timespec moment = {0, 5000000};
        for (int times = 0; times < 10; times++) {
            if (!direct(module)) fail("no table in the child");
            nanosleep(&moment, NULL);
        }
        _exit(0);
    }
    forked++;
}

static void forking(int times) {
    load_alone();
    module = (by_name2 *)module_function("_nss_cloudhosts_gethostbyname2_r");
    long last = eventually_answered();
    int ended = 0, status;
    while (ended < times) {
        if (forked == ended) handle(fork_now, 200 + 37 * (ended % 20));
        while (forked == ended) {
            long now = direct(module);
            if (now < last) fail("table %ld after %ld", now, last);
            last = now;
        }
        for (; ended < forked; ended++)
            if (wait(&status) < 0 || status) fail("a child ended with %x", status);
    }
    printf("{\"children\":%d}\n", ended);
}

static void chrooted(const char *directory) {
    long last = answered();
    if (chroot(directory) || chdir("/")) fail("chroot: %s", strerror(errno));
    double end = seconds() + 4.5;
    long tables = 0;
    while (seconds() < end) {
        long now = quick();
        if (now < last) fail("table %ld after %ld in the chroot", now, last);
        tables += now > last;
        last = now;
    }
    printf("{\"tables\":%ld}\n", tables);
}

int main(int argc, char **argv) {
    mortal();
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "interrupted") && argc == 3) interrupted(atoi(argv[2]));
    else if (!strcmp(what, "stack") && argc == 4) stack(atol(argv[2]), argv[3]);
    else if (!strcmp(what, "descriptors")) tight(take_descriptors, give_descriptors);
    else if (!strcmp(what, "memory")) tight(take_memory, give_memory);
    else if (!strcmp(what, "closing") && argc == 3) closing(atoi(argv[2]));
    else if (!strcmp(what, "left")) left();
    else if (!strcmp(what, "forking") && argc == 3) forking(atoi(argv[2]));
    else if (!strcmp(what, "chroot") && argc == 3) chrooted(argv[2]);
    else fail("usage");
    return 0;
}
