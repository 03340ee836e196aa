#!/bin/sh
# deps.sh demo|all|bench|packages [TOOLS]: sees that the programs are here that the demonstration, all
# the tests, the benchmarks, or the packages and their tests need.
# Installs the missing ones where it may (as root, or by sudo without a password), or else says
# which one command does.
set -eu
PATH="$PATH:/usr/sbin:/sbin"

# program and the Debian package that has it
demo='redis-server:redis-server redis-cli:redis-tools python3:python3 curl:curl cc:gcc ld:binutils
      unshare:util-linux nsenter:util-linux setpriv:util-linux getent:libc-bin'
all="$demo ip:iproute2 openssl:openssl mandoc:mandoc readelf:binutils nm:binutils valgrind:valgrind
     script:bsdutils dnsmasq:dnsmasq-base"
bench="$demo readelf:binutils valgrind:valgrind dnsmasq:dnsmasq-base ip:iproute2 git:git"
packaging="$demo dpkg-shlibdeps:dpkg-dev xz:xz-utils mmdebstrap:mmdebstrap lintian:lintian rpm:rpm
     rpmlint:rpmlint apparmor_parser:apparmor systemd-analyze:systemd systemd-nspawn:systemd-container"

case "${1:-}" in
    demo) wanted=$demo ;;
    all) wanted=$all ;;
    bench) wanted=$bench ;;
    packages) wanted=$packaging ;;
    *) echo "usage: deps.sh demo|all|bench|packages [TOOLS]" >&2; exit 64 ;;
esac

# nscd is unpacked, not installed: its package starts a daemon that caches for the whole machine.
# Where it can't be had, the tests behind it say so and pass; only the benchmarks need it.
nscd() {
    [ -x "$1/usr/sbin/nscd" ] || [ -x /usr/sbin/nscd ] && return
    command -v apt-get >/dev/null 2>&1 || return 0
    echo "unpacking nscd into $1"
    mkdir -p "$1"
    (cd "$1" && apt-get download -q nscd && dpkg -x nscd_*.deb .) || [ "$2" != bench ]
}

# What is unpacked into TOOLS.
unpack() {
    case "$1" in
        all | bench) [ -z "${2:-}" ] || nscd "$2/nscd" "$1" ;;
    esac
}

packages=
for one in $wanted; do
    command -v "${one%%:*}" >/dev/null 2>&1 || packages="$packages ${one#*:}"
done
# cc without its headers compiles nothing
[ -e /usr/include/netdb.h ] || packages="$packages libc6-dev"
if [ -z "$packages" ]; then
    unpack "$@"
    exit 0
fi

packages=$(printf '%s\n' $packages | sort -u | xargs)
install="apt-get install -y --no-install-recommends $packages"
if command -v apt-get >/dev/null 2>&1; then
    as=none
    if [ "$(id -u)" -eq 0 ]; then
        as=
    elif sudo -n true 2>/dev/null; then
        as='sudo -n'
    fi
    if [ "$as" != none ]; then
        echo "installing: $packages"
        $as apt-get update -q
        # shellcheck disable=SC2086 # words on purpose
        $as env DEBIAN_FRONTEND=noninteractive $install
        unpack "$@"
        exit 0
    fi
    echo "missing: $packages; this installs them:" >&2
    echo "    sudo $install" >&2
else
    echo "missing, by the names of Debian's packages: $packages; install them first" >&2
fi
exit 1
