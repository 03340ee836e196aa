#!/bin/sh
# deps.sh demo|all|bench|deb|rpm|arm64|i386|packages|redis-matrix|fresh|lint TARGET: sees that the programs are here that the
# demonstration, all the tests, the benchmarks, the packages (also for arm64 and i386), their tests, `make redis-matrix`,
# `make fresh`, or the linters of the workflows need.
# Installs the missing ones where it may (as root, or by sudo without a password), or else says
# which one command does.
#
# Then it makes TARGET/programs/LIST, a directory of links to these programs. What runs with that
# as its whole PATH finds what is declared here and nothing else, so a program that nobody has
# declared is missing at home already, and not only on somebody else's machine.
set -eu

# The system's programs come first: what a version manager puts before them may start others.
PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH:/usr/lib/systemd:/lib/systemd"

# Each line is a Debian package and the programs of it that are used.
demo='
redis-server redis-server
redis-tools redis-cli
python3 python3
curl curl
gcc cc
binutils as ld
util-linux nsenter setpriv unshare
libc-bin getent
mount mount
dash sh
coreutils cat echo install mkdir rm sleep sort timeout
mawk awk
findutils xargs
'
all="$demo
iproute2 ip
openssl openssl
mandoc mandoc
binutils ar readelf nm objdump
valgrind valgrind
bsdutils script
dnsmasq-base dnsmasq
bind9-dnsutils dig
ldnsutils drill
musl-tools musl-gcc
golang-go go
nodejs node
busybox-static busybox
faketime faketime
util-linux findmnt prlimit
libc-bin ldconfig
coreutils chgrp chmod chroot cp env false head ln ls mkfifo mv rmdir test true
bash bash
grep grep
sed sed
"
bench="$demo
binutils readelf
openssl openssl
valgrind valgrind
dnsmasq-base dnsmasq
dnsperf dnsperf
bind9-dnsutils dig
util-linux taskset
iproute2 ip
git git
"
deb='
dpkg dpkg-deb
binutils readelf
'
rpm='
rpm rpmbuild
checkpolicy checkmodule
semodule-utils semodule_package
'
arm64='
gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc
qemu-user-static qemu-aarch64-static
redis-server redis-server
redis-tools redis-cli
util-linux unshare
'
i386='
gcc-i686-linux-gnu i686-linux-gnu-gcc
redis-server redis-server
redis-tools redis-cli
util-linux unshare prlimit
'
packages="$demo
binutils ar readelf strings
coreutils chmod chroot cp md5sum nproc
bash bash
tar tar
gzip gunzip gzip
cpio cpio
file file
man-db lexgrog man
groff-base groff grotty troff
dpkg dpkg-deb
xz-utils xz
mmdebstrap mmdebstrap
lintian lintian
rpm rpm
rpm2cpio rpm2cpio
rpmlint rpmlint
apparmor apparmor_parser
checkpolicy checkmodule
semodule-utils semodule_package
policycoreutils semodule
selinux-utils matchpathcon
setools sesearch
make make
m4 m4
gawk gawk
sed sed
findutils find
coreutils touch
systemd systemd-analyze
systemd-container systemd-nspawn
"
redis_matrix='
mmdebstrap mmdebstrap
'
fresh='
mmdebstrap mmdebstrap
git git
tar tar
util-linux pivot_root unshare
coreutils chroot
mount mount umount
'
lint='
python3 python3
python3-pip pip3
apt apt-get
dpkg dpkg-deb
'

case "${1:-}:${2:+target}" in
    demo:target) declared=$demo ;;
    all:target) declared=$all ;;
    bench:target) declared=$bench ;;
    deb:target) declared=$deb ;;
    rpm:target) declared=$rpm ;;
    arm64:target) declared=$arm64 ;;
    i386:target) declared=$i386 ;;
    packages:target) declared=$packages ;;
    redis-matrix:target) declared=$redis_matrix ;;
    fresh:target) declared=$fresh ;;
    lint:target) declared=$lint ;;
    *) echo "usage: deps.sh demo|all|bench|deb|rpm|arm64|i386|packages|redis-matrix|fresh|lint TARGET" >&2; exit 64 ;;
esac
list=$1
target=$2

# where PROGRAM: its path. (Of a program that the shell has too, `command -v` says the name alone.)
where() (
    IFS=:
    for directory in $PATH; do
        if [ -f "$directory/$1" ] && [ -x "$directory/$1" ]; then
            echo "$directory/$1"
            return
        fi
    done
    return 1
)

# each DO: calls DO with the name of each program and the package that has it.
each() {
    printf '%s\n' "$declared" | while read -r package programs; do
        for program in $programs; do "$1" "$program" "$package"; done
    done
}

missing() {
    where "$1" >/dev/null || echo "$2"
}

# install_packages PACKAGE...: installs them where that is allowed, or else says which one command does.
install_packages() {
    packages=$(printf '%s\n' "$@" | sort -u | xargs)
    install="apt-get install -y --no-install-recommends $packages"
    if ! where apt-get >/dev/null; then
        echo "missing, by the names of Debian's packages: $packages; install them first" >&2
        exit 1
    fi
    if [ "$(id -u)" -eq 0 ]; then
        as=
    elif sudo -n true 2>/dev/null; then
        as='sudo -n'
    else
        echo "missing: $packages; this installs them:" >&2
        echo "    sudo $install" >&2
        exit 1
    fi
    echo "installing: $packages"
    $as apt-get update -q
    # shellcheck disable=SC2086 # words on purpose
    $as env DEBIAN_FRONTEND=noninteractive $install
}

# libraries PACKAGE: those that it needs and are not installed
libraries() {
    apt-cache depends "$1" | sed -n 's/^ *Depends: \(lib[^ ]*\)$/\1/p' | while read -r library; do
        dpkg-query -W -f '${Status}\n' "$library" 2>/dev/null | grep -q 'ok installed' || echo "$library"
    done
}

# unpack PACKAGE PROGRAM: these are unpacked, not installed, since their packages start what caches,
# answers or asks for the whole machine. Their libraries are installed.
unpack() {
    unpacked=$target/tools/$1
    PATH="$PATH:$unpacked/usr/sbin:$unpacked/usr/bin:$unpacked/usr/lib/systemd:$unpacked/lib/systemd"
    if ! where "$2" >/dev/null && where apt-get >/dev/null; then
        echo "unpacking $1 into $unpacked"
        mkdir -p "$unpacked"
        # Where it cannot be had the tests behind it say so; the benchmarks cannot do without.
        (cd "$unpacked" && apt-get download -q "$1" && dpkg -x "$1"_*.deb .) || [ "$list" != bench ]
        needed=$(libraries "$1")
        # shellcheck disable=SC2086 # words on purpose
        [ -z "$needed" ] || install_packages $needed
    fi
    link "$2"
}

# A script may look for what it starts beside itself, as valgrind does, so it is run where it is.
link() {
    path=$(where "$1") || return 0
    if [ "$(head -c 2 "$path" | tr -d '\000')" = '#!' ]; then
        printf '#!/bin/sh\nexec %s "$@"\n' "$path" >"$links/$1"
        chmod +x "$links/$1"
    else
        ln -s "$path" "$links/$1"
    fi
}

# The links, in a directory that takes the place of the one before.
link_all() {
    links=$target/programs/$list.new
    rm -rf "$links"
    mkdir -p "$links"
    each link
    case "$list" in
        all)
            unpack nscd nscd; unpack unbound unbound; unpack systemd-resolved systemd-resolved
            unpack ddclient ddclient; unpack inadyn inadyn
            # by which ddclient speaks HTTPS; its package only recommends it
            [ -e /usr/share/perl5/IO/Socket/SSL.pm ] || install_packages libio-socket-ssl-perl
            ;;
        bench) unpack nscd nscd; unpack unbound unbound ;;
    esac
    # The toolchain's own: a stand-in of rustup's puts all that cargo has ever installed into the PATH.
    case "$list" in
        all | bench | packages)
            sysroot=$(rustc --print sysroot)
            ln -s "$sysroot/bin/cargo" "$sysroot/bin/rustc" "$sysroot/bin/rustdoc" "$links"
            ;;
    esac
    rm -rf "$target/programs/$list"
    mv "$links" "$target/programs/$list"
}

packages=$(each missing | sort -u)
# cc without its headers compiles nothing
[ -e /usr/include/netdb.h ] || packages="$packages libc6-dev"
if [ "$list" = packages ]; then
    # the policy that SELinux's module is checked with, and the macros for modules of others
    [ -e /var/lib/selinux/default ] || packages="$packages selinux-policy-default"
    [ -e /usr/share/selinux/devel/include ] || packages="$packages selinux-policy-dev"
fi
# shellcheck disable=SC2086 # words on purpose
[ -z "$packages" ] || install_packages $packages
link_all
