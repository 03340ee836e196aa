/*
 * host_memory: the module's own functions where there is no memory to be allocated. The program's
 * malloc is the one the module would call as well (the program is linked with -rdynamic), and while
 * the switch is on it counts who asks and has nothing to give.
 *
 * host_memory reload TIMES: dlclose and dlopen, again and again.
 */
#include "host.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static volatile int empty;
static volatile long asked;

static int refused(void) {
    if (!empty) return 0;
    asked++;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return refused() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return refused() ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return refused() ? NULL : __libc_realloc(old, size); }
void *memalign(size_t alignment, size_t size) { return refused() ? NULL : __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void **made, size_t alignment, size_t size) {
    return (*made = memalign(alignment, size)) ? 0 : ENOMEM;
}

typedef int by_address(const void *, socklen_t, int, struct hostent *, char *, size_t, int *, int *);
typedef int set_entry(int);
typedef int next_entry(struct hostent *, char *, size_t, int *, int *);
typedef int end_entry(void);

static void without_memory(void) {
    by_name2 *by_name = (by_name2 *)module_function("_nss_cloudhosts_gethostbyname2_r");
    by_address *by_address_r = (by_address *)module_function("_nss_cloudhosts_gethostbyaddr_r");
    set_entry *set = (set_entry *)module_function("_nss_cloudhosts_sethostent");
    next_entry *next = (next_entry *)module_function("_nss_cloudhosts_gethostent_r");
    end_entry *end = (end_entry *)module_function("_nss_cloudhosts_endhostent");
    struct hostent host;
    char buffer[1024];
    int error, code;

    empty = 1;
    void *nothing = malloc(1);
    long began = asked;
    /* the first look-up attaches, later ones attach newer tables */
    long last = direct(by_name), tables = 0, listed = 0;
    double start = seconds();
    while (last && tables < 20 && seconds() - start < DEADLINE) {
        long now = direct(by_name);
        tables += now > last;
        last = now;
    }
    /* by its address: of the newest table by the time it is asked, so it may take some attempts */
    int reverse = 0;
    while (reverse != 1 && seconds() - start < DEADLINE) {
        long now = direct(by_name);
        unsigned char raw[4] = {10, (unsigned char)(now >> 16), (unsigned char)(now >> 8), (unsigned char)now};
        reverse = by_address_r(raw, 4, AF_INET, &host, buffer, sizeof buffer, &error, &code);
    }
    set(1);
    while (next(&host, buffer, sizeof buffer, &error, &code) == 1) listed++;
    end();
    empty = 0;

    if (nothing || began != 1) fail("the switch does nothing");
    if (!last || tables < 20) fail("%ld newer tables, the last look-up by table %ld", tables, last);
    if (reverse != 1) fail("no answer for the address: %d", reverse);
    if (listed < 2) fail("%ld entries", listed);
    if (asked != began) fail("asked for memory %ld times", asked - began);
}

static void reload(int times) {
    long first = 0;
    for (int at = 0; at < times; at++) {
        void *handle = dlopen("libnss_cloudhosts.so.2", RTLD_NOW);
        if (!handle) fail("%s", dlerror());
        by_name2 *function = (by_name2 *)dlsym(handle, "_nss_cloudhosts_gethostbyname2_r");
        if (!function || !direct(function)) fail("no answer after %d times", at);
        if (dlclose(handle)) fail("%s", dlerror());
        /* glibc loads it too */
        if (at == times / 2) answered();
        long now = mappings("/memfd:cloudhosts");
        if (!first) first = now;
    }
    long now = mappings("/memfd:cloudhosts");
    /* one table that came since the first, and was not the last */
    if (now > first + 1) fail("%ld mappings, where %ld were at first", now, first);
}

int main(int argc, char **argv) {
    mortal();
    if (argc == 1) without_memory();
    else if (argc == 3 && !strcmp(argv[1], "reload")) reload(atoi(argv[2]));
    else fail("usage");
    return 0;
}
