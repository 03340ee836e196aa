/*
 * Looks up at odd moments of a process's life: those that HOST_MOMENTS lists, the first of them with
 * the process's first look-up. Prints each with the number of the table that answered. Built twice:
 * as a program, and with -DLIBRARY as a library to be loaded with it.
 */
#include "host.h"

static void at(const char *moment) {
    const char *wanted = getenv("HOST_MOMENTS");
    if (!wanted || !strstr(wanted, moment)) return;
    printf("%s %ld\n", moment, answered());
    fflush(stdout);
}

#ifdef LIBRARY
__attribute__((constructor)) static void on_load(void) { at("library-constructor"); }
__attribute__((destructor)) static void on_unload(void) { at("library-destructor"); }
#else
__attribute__((constructor)) static void on_load(void) { mortal(); at("program-constructor"); }
__attribute__((destructor)) static void on_unload(void) { at("program-destructor"); }

static pthread_key_t key;

static void on_exit_of_thread(void *given) { (void)given; at("exiting-thread"); }

static void *body(void *given) {
    pthread_setspecific(key, given);
    return NULL;
}

static void on_exit_of_process(void) { at("atexit"); }

int main(void) {
    pthread_t thread;
    if (atexit(on_exit_of_process)) fail("atexit");
    at("main");
    if (pthread_key_create(&key, on_exit_of_thread)) fail("pthread_key_create");
    if (pthread_create(&thread, NULL, body, &key) || pthread_join(thread, NULL)) fail("a thread");
    return 0;
}
#endif
