#!/usr/bin/env bash
# foreign.sh PACKAGE: unpacks the package for arm64, and has its daemon and its module do their work here, by
# qemu's emulation of a process: a program of that architecture resolves a role, and follows it to another
# address. In namespaces of its own, as root or where users may have them. What needs that architecture's own
# kernel, systemd or maintainer scripts is not tried by it.
set -euo pipefail
package=$(realpath "$1")
gnu=aarch64-linux-gnu
qemu=qemu-aarch64-static

if [ "${2:-}" != inside ]; then
    exec unshare --map-root-user --net --pid --fork --kill-child --mount-proc "$0" "$package" inside
fi

fail() {
    echo "foreign: $*" >&2
    sed 's/^/foreign: daemon: /' "$root/daemon.log" >&2
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
trap 'rm -rf "$root"' EXIT
dpkg-deb -x "$package" "$root"
cp -a "/usr/$gnu/lib" "$root/lib"
cp "$root/usr/lib/$gnu/libnss_cloudhosts.so.2" "$root/lib/"
printf 'hosts: files cloudhosts\n' >"$root/etc/nsswitch.conf"
cat >"$root/look.c" <<'END'
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
int main(int count, char **names) {
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
    if (count < 2 || getaddrinfo(names[1], NULL, &hints, &found) != 0) return 2;
    char text[INET_ADDRSTRLEN];
    puts(inet_ntop(AF_INET, &((struct sockaddr_in *) found->ai_addr)->sin_addr, text, sizeof text));
    return 0;
}
END
"$gnu-gcc" -o "$root/look" "$root/look.c"
look() {
    CLOUDHOSTS_SOCKET=$root/socket "$qemu" -L "$root" "$root/look" "$1"
}
is() {
    [ "$(look "$1")" = "$2" ]
}

redis-server --port 0 --unixsocket "$root/redis" --save '' --dir "$root" >"$root/redis.log" &
until_true "Redis answers" redis-cli -s "$root/redis" ping
redis-cli -s "$root/redis" hset cloudhosts db 10.0.0.5 >/dev/null
! look db >/dev/null || fail "db resolves without a daemon"

mkdir "$root/state"
printf 'socket = "%s"\nstate_dir = "%s"\nstatus_file = "%s"\n[redis]\nurls = ["unix://%s"]\n' \
    "$root/socket" "$root/state" "$root/status.json" "$root/redis" >"$root/config"
"$qemu" -L "$root" "$root/usr/sbin/cloudhosts-cached" --config "$root/config" >"$root/daemon.log" 2>&1 &
until_true "db is 10.0.0.5" is db 10.0.0.5
redis-cli -s "$root/redis" hset cloudhosts db 10.0.0.6 >/dev/null
until_true "db is 10.0.0.6" is db 10.0.0.6
! look nobody >/dev/null || fail "a name that is not there resolves"
"$qemu" -L "$root" "$root/usr/bin/cloudhosts" --version
echo "foreign: the daemon and the module of $(basename "$package") resolve a role and follow it"
