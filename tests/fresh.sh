#!/usr/bin/env bash
# fresh.sh TARGET: the README's two commands on a machine that nobody has prepared.
#
# That machine is a minimal Debian with what the README asks for, a C compiler and a Rust toolchain
# (this machine's own, read-only), and nothing else. In it a clone of HEAD runs `make demo` and
# `make test`, which install what they need. Takes root, and the network for packages and crates;
# everything is built anew. TARGET/fresh keeps the Debian, and what a failed run leaves behind.
set -euo pipefail
cd "$(dirname "$0")/.."

release=bookworm
packages=ca-certificates,git,make,gcc,libc6-dev
fresh=$1/fresh
base=$fresh/$release.tar
root=$fresh/root

say() { echo "fresh: $*"; }
fail() { say "$*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || fail "it takes root to make a machine"
toolchain=$(rustc --print sysroot)
[ "$toolchain" != /usr ] && [ -x "$toolchain/bin/cargo" ] ||
    fail "$toolchain is no directory of a Rust toolchain alone; have rustup make one"
[ -z "$(git status --porcelain)" ] || say "HEAD is tried: what is not committed is not in it"

# How apt gets through to the packages from here. (A mirror may lag behind; packages are signed.)
mkdir -p "$fresh"
{
    echo 'Acquire::Check-Valid-Until "false";'
    apt-config dump Acquire::http
    apt-config dump Acquire::https
} >"$fresh/apt.conf"

if [ ! -e "$base" ] || [ "$(cat "$fresh/packages" 2>&1)" != "$packages" ]; then
    say "making a minimal $release with $packages"
    rm -f "$base" "$fresh/new.tar"
    mmdebstrap --quiet --variant=minbase --include="$packages" --aptopt="$fresh/apt.conf" "$release" "$fresh/new.tar"
    mv "$fresh/new.tar" "$base"
    echo "$packages" >"$fresh/packages"
fi

say "unpacking it into $root, with a clone of $(git log -1 --format='%h (%s)')"
rm -rf "$root"
mkdir "$root"
tar -C "$root" --numeric-owner -xpf "$base"
mkdir "$root/opt/rust"
git clone --quiet . "$root/home/cloudhosts"

# The network is this machine's: names, proxies, certificates and the registry of crates are too.
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
cp "$fresh/apt.conf" "$root/etc/apt/apt.conf.d/99fresh"
for config in "${CARGO_HOME:-$HOME/.cargo}"/config{,.toml}; do
    [ ! -e "$config" ] || install -D -m 644 "$config" "$root/root/.cargo/${config##*/}"
done
if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates >/dev/null
fi
mapfile -t network < <(env | grep -iE '^((https?|all|no)_proxy|CARGO_(HTTP|NET|REGISTR(Y|IES)|SOURCE)_[A-Z0-9_]*)=')

# By pivot_root, in namespaces that end with it. (After a chroot nsenter, which the tests use, would
# be back in this machine.)
enter='
set -e
mount --bind "$1" "$1"
mount --bind "$2" "$1/opt/rust"
mount -o remount,bind,ro "$1/opt/rust"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --rbind /sys "$1/sys"
cd "$1"
pivot_root . mnt
umount -l /mnt
cd /home/cloudhosts
shift 2
exec env -i HOME=/root TERM="${TERM:-dumb}" "$@"
'
inside() {
    unshare --mount --pid --fork --kill-child sh -c "$enter" enter "$root" "$toolchain" "${network[@]}" \
        PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

for what in demo test; do
    say "make $what"
    SECONDS=0
    inside make "$what" || fail "make $what has failed; $root is left as it was then"
    say "make $what has passed, after $SECONDS s"
done
rm -rf "$root"
