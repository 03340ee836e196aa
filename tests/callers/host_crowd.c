/*
 * Many threads and many processes, while table after table is published.
 *
 *   host_crowd crowd THREADS MILLISECONDS   twice so many threads look up; footprint after each time
 *   host_crowd soak LOOKUPS TABLES          until there were so many of both; footprint before, after
 *   host_crowd fork CHILDREN                forks while other threads are in the module
 *   host_crowd spawn TIMES PROGRAM ARG      vfork and posix_spawn, likewise
 *   host_crowd swarm PROCESSES PROGRAM ARG  so many processes, eight at a time
 *   host_crowd cancel TIMES                 cancels threads while they look up
 *   host_crowd exiting THREADS              threads that look up while they exit
 */
#include "host.h"
#include <spawn.h>

extern char **environ;

static atomic_int stop;
static atomic_long lookups;
static by_name2 *module;

static void join(pthread_t thread) {
    if (pthread_join(thread, NULL)) fail("pthread_join");
}

static pthread_t start(void *(*body)(void *), void *given) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    /* small enough to be kept by glibc for the next thread, so that the footprint is steady */
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    int failed = pthread_create(&thread, &attributes, body, given);
    if (failed) fail("pthread_create: %s", strerror(failed));
    pthread_attr_destroy(&attributes);
    return thread;
}

static void *look(void *given) {
    atomic_long *newest = given;
    long last = 0, count = 0;
    for (; !stop; count++) {
        long now = count % 4 ? quick() : answered();
        if (!now) fail("no answer");
        if (now < last) fail("table %ld after %ld", now, last);
        *newest = last = now;
    }
    atomic_fetch_add(&lookups, count);
    return NULL;
}

/* For so long, and then until each thread has seen a newer table than there was. */
static struct footprint crowd_of(int count, int milliseconds) {
    pthread_t threads[256];
    static atomic_long newest[256];
    long began = answered();
    double end = seconds() + milliseconds / 1e3;
    const struct timespec pause = {0, 10 * 1000 * 1000};
    stop = 0;
    for (int at = 0; at < count; at++) threads[at] = start(look, &newest[at]);
    for (int followed = 0; followed < count || seconds() < end; nanosleep(&pause, NULL)) {
        followed = 0;
        for (int at = 0; at < count; at++) followed += newest[at] > began + 1;
        if (seconds() > end + DEADLINE / 2) fail("%d of %d threads have followed", followed, count);
    }
    stop = 1;
    for (int at = 0; at < count; at++) join(threads[at]);
    newer_than(answered());
    return footprint();
}

static void crowd(int count, int milliseconds) {
    if (count > 256) fail("at most 256 threads");
    struct footprint first = crowd_of(count, milliseconds);
    struct footprint second = crowd_of(count, milliseconds);
    printf("{\"lookups\":%ld,\"newest\":%ld,", lookups, answered());
    print_footprint("before", first);
    putchar(',');
    print_footprint("after", second);
    puts("}");
}

static void soak(long count, long tables) {
    long last = 0, done = 0, seen = 0;
    for (int warm = 0; warm < 20; warm++) last = newer_than(last);
    for (int warm = 0; warm < 1000; warm++) answered();
    struct footprint before = footprint();
    double began = seconds();
    for (; done < count || seen < tables; done++) {
        long now = done % 16 ? quick() : answered();
        if (!now) fail("no answer");
        if (now < last) fail("table %ld after %ld", now, last);
        seen += now > last;
        last = now;
        if (seconds() - began > 1.8 * DEADLINE) fail("%ld look-ups and %ld tables only", done, seen);
    }
    newer_than(answered());
    struct footprint after = footprint();
    printf("{\"lookups\":%ld,\"tables\":%ld,", done, seen);
    print_footprint("before", before);
    putchar(',');
    print_footprint("after", after);
    puts("}");
}

/* Other threads are in the module, not in glibc, which has locks of its own that a child of a
 * process with threads may find held for ever (glibc's bug 20975 and its kin). */
static void *inside(void *unused) {
    while (!stop)
        if (!direct(module)) fail("the module has no answer");
    return unused;
}

static void ended(pid_t child, const char *what) {
    int status;
    if (waitpid(child, &status, 0) != child) fail("waitpid: %s", strerror(errno));
    if (status) fail("%s: status %#x", what, (unsigned)status);
}

static void forks(int children) {
    pthread_t threads[6];
    long last = answered();
    module = (by_name2 *)module_function("_nss_cloudhosts_gethostbyname2_r");
    for (int at = 0; at < 6; at++) threads[at] = start(inside, NULL);
    for (int at = 0; at < children; at++) {
        pid_t child = fork();
        if (child < 0) fail("fork: %s", strerror(errno));
        if (child == 0) {
            mortal();
            long now = answered();
            if (now < last) fail("table %ld after %ld", now, last);
            for (int more = 0; more < 3; more++) now = newer_than(now);
            long tables = mappings("/memfd:cloudhosts-table");
            /* the current one, one before it, one that was coming or going at the fork */
            if (tables > 4) fail("%ld tables are mapped", tables);
            _exit(0);
        }
        ended(child, "a forked child");
        last = answered();
    }
    stop = 1;
    for (int at = 0; at < 6; at++) join(threads[at]);
    printf("{\"children\":%d}\n", children);
}

static pid_t spawned(char *const *program) {
    pid_t child;
    int failed = posix_spawn(&child, program[0], NULL, NULL, program, environ);
    if (failed) fail("posix_spawn: %s", strerror(failed));
    return child;
}

static void spawns(int times, char *const *program) {
    pthread_t threads[6];
    answered();
    module = (by_name2 *)module_function("_nss_cloudhosts_gethostbyname2_r");
    for (int at = 0; at < 6; at++) threads[at] = start(inside, NULL);
    for (int at = 0; at < times; at++) {
        ended(spawned(program), "posix_spawn");
        pid_t child = vfork();
        if (child == 0) {
            execv(program[0], program);
            _exit(127);
        }
        if (child < 0) fail("vfork: %s", strerror(errno));
        answered();
        ended(child, "vfork");
    }
    stop = 1;
    for (int at = 0; at < 6; at++) join(threads[at]);
    answered();
}

static void any_ended(void) {
    int status;
    if (wait(&status) < 0 || status) fail("one of many: status %#x", (unsigned)status);
}

static void swarm(int processes, char *const *program) {
    for (int at = 0; at < processes; at++) {
        if (at >= 8) any_ended();
        spawned(program);
    }
    for (int at = 0; at < processes && at < 8; at++) any_ended();
}

/* May be cancelled anywhere, and waits for it. */
static void *cancelled(void *progress) {
    for (;;) {
        pthread_testcancel();
        if (!direct(module)) fail("the module has no answer");
        atomic_fetch_add((atomic_long *)progress, 1);
    }
    return NULL;
}

static void cancel(int times) {
    long last = newer_than(answered());
    struct footprint before = footprint();
    module = (by_name2 *)module_function("_nss_cloudhosts_gethostbyname2_r");
    for (int at = 0; at < times; at++) {
        atomic_long progress = 0;
        void *result = NULL;
        pthread_t thread = start(cancelled, &progress);
        double began = seconds();
        for (const struct timespec pause = {0, 20 * 1000}; progress < 1 + at % 7; nanosleep(&pause, NULL))
            if (seconds() - began > DEADLINE) fail("a thread hangs");
        if (pthread_cancel(thread) || pthread_join(thread, &result)) fail("pthread_cancel");
        if (result != PTHREAD_CANCELED) fail("the thread ended otherwise");
        if (at % 10 == 0) last = newer_than(last);
    }
    newer_than(last);
    printf("{");
    print_footprint("before", before);
    putchar(',');
    print_footprint("after", footprint());
    puts("}");
}

static pthread_key_t key;
static atomic_int last_words;

static void on_exit_of_thread(void *given) {
    if (!answered()) fail("no answer");
    atomic_fetch_add(&last_words, 1);
    /* once more: destructors run again for a key that is set anew */
    if (given == &stop) pthread_setspecific(key, &lookups);
}

static void *exits(void *unused) {
    pthread_setspecific(key, &stop);
    return unused;
}

static void exiting(int threads) {
    if (pthread_key_create(&key, on_exit_of_thread)) fail("pthread_key_create");
    for (int at = 0; at < threads; at++) join(start(exits, NULL));
    printf("{\"last_words\":%d}\n", last_words);
}

int main(int argc, char **argv) {
    mortal();
    mallopt(M_ARENA_MAX, 2);
    const char *what = argc > 2 ? argv[1] : "";
    int count = argc > 2 ? atoi(argv[2]) : 0;
    if (!strcmp(what, "crowd") && argc == 4) crowd(count, atoi(argv[3]));
    else if (!strcmp(what, "soak") && argc == 4) soak(count, atol(argv[3]));
    else if (!strcmp(what, "fork")) forks(count);
    else if (!strcmp(what, "spawn") && argc > 3) spawns(count, argv + 3);
    else if (!strcmp(what, "swarm") && argc > 3) swarm(count, argv + 3);
    else if (!strcmp(what, "cancel")) cancel(count);
    else if (!strcmp(what, "exiting")) exiting(count);
    else fail("usage");
    return 0;
}
