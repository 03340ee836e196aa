/*
 * Preloaded, it makes the wall clock of one program step: by as many seconds as the file named in
 * CLOUDHOSTS_TEST_STEP holds. The monotonic clock goes on as it was, as when somebody sets the time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long failed = syscall(SYS_clock_gettime, clock, now);
    char text[32] = "";
    const char *path = getenv("CLOUDHOSTS_TEST_STEP");
    int file;

    if (failed || clock != CLOCK_REALTIME || !path)
        return (int)failed;
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        if (read(file, text, sizeof text - 1) > 0)
            now->tv_sec += atol(text);
        close(file);
    }
    return 0;
}
