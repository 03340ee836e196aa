#!/usr/bin/env bash
# i386.sh PACKAGE PROGRAMS: a 32-bit program has the module of that package in a root of its own, and the
# daemon of PROGRAMS is a 64-bit one: the program resolves a role and follows it, from the shared table, and
# from the last good table where its address space has no room for the other, or where no daemon runs. In
# namespaces of its own, as root or where users may have them.
set -euo pipefail
package=$(realpath "$1") programs=$(realpath "$2")
gnu=i686-linux-gnu

if [ "${3:-}" != inside ]; then
    exec unshare --map-root-user --net --pid --fork --kill-child --mount-proc "$0" "$package" "$programs" inside
fi

fail() {
    echo "i386: $*" >&2
    sed 's/^/i386: daemon: /' "$root/daemon.log" >&2
    exit 1
}

# until_true WHAT COMMAND...
until_true() {
    local what=$1 end=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "waited 60 s until $what"
        sleep 0.1
    done
}

root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT
chmod 755 "$root"
dpkg-deb -x "$package" "$root"
cp -a "/usr/$gnu/lib" "$root/lib"
cp "$root/usr/lib/i386-linux-gnu/libnss_cloudhosts.so.2" "$root/lib/"
mkdir -p "$root"/{etc,run/cloudhosts,var/lib/cloudhosts}
printf 'hosts: cloudhosts\n' >"$root/etc/nsswitch.conf"

# look NAME [MEBIBYTES]: prints the address, and whether the table is mapped or the file was read. With
# MEBIBYTES the address space has no more than these. (The program changes its root itself, since none has /proc.)
cat >"$root/look.c" <<'END'
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
_Static_assert(sizeof(void *) == 4, "a 32-bit program");
int main(int count, char **words) {
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
    FILE *maps = fopen("/proc/self/maps", "r");
    if (maps == NULL || chroot(words[1]) != 0 || chdir("/") != 0) return 4;
    if (count > 3) {
        struct rlimit limit = { atol(words[3]) << 20, atol(words[3]) << 20 };
        if (setrlimit(RLIMIT_AS, &limit) != 0) return 3;
    }
    if (getaddrinfo(words[2], NULL, &hints, &found) != 0) return 2;
    char text[INET_ADDRSTRLEN], line[512];
    const char *from = "file";
    while (fgets(line, sizeof line, maps))
        if (strstr(line, "r--s") && strstr(line, "/memfd:")) from = "memory";
    printf("%s %s\n", inet_ntop(AF_INET, &((struct sockaddr_in *) found->ai_addr)->sin_addr, text, sizeof text), from);
    return 0;
}
END
"$gnu-gcc" -o "$root/look" "$root/look.c"
look() {
    "$root/lib/ld-linux.so.2" --library-path "$root/lib" "$root/look" "$root" "$@"
}
# is ANSWER NAME [MEBIBYTES]
is() {
    local answer=$1
    shift
    [ "$(look "$@")" = "$answer" ]
}

redis-server --port 0 --unixsocket "$root/redis" --save '' --dir "$root" >"$root/redis.log" &
until_true "Redis answers" redis-cli -s "$root/redis" ping
redis-cli -s "$root/redis" hset cloudhosts db 10.0.0.5 >/dev/null
! look db >/dev/null || fail "db resolves without a daemon"

printf 'socket = "%s"\nstate_dir = "%s"\nstatus_file = "%s"\n[redis]\nurls = ["unix://%s"]\n' "$root/run/cloudhosts/cached.sock" \
    "$root/var/lib/cloudhosts" "$root/run/cloudhosts/status.json" "$root/redis" >"$root/config"
"$programs/cloudhosts-cached" --config "$root/config" >"$root/daemon.log" 2>&1 &
daemon=$!
until_true "db is 10.0.0.5" is "10.0.0.5 memory" db
redis-cli -s "$root/redis" hset cloudhosts db 10.0.0.6 >/dev/null
until_true "db is 10.0.0.6" is "10.0.0.6 memory" db
! look nobody >/dev/null || fail "a name that is not there resolves"

# A table that a 32-bit process of little room can't map: 400,000 names, some 40 MB.
seq 400000 | sed 's/.*/HSET cloudhosts name-of-some-length-& 10.1.2.3/' | redis-cli -s "$root/redis" --pipe >/dev/null
until_true "the large table is there" is "10.1.2.3 memory" name-of-some-length-400000
until_true "the file answers where memory is short" is "10.1.2.3 file" name-of-some-length-400000 24

kill "$daemon"
wait "$daemon" || true
is "10.1.2.3 file" name-of-some-length-400000 || fail "the file does not answer without a daemon"
echo "i386: a 32-bit program resolves, from memory and from the file"
