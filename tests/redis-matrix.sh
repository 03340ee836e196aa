#!/bin/sh
# redis-matrix.sh TARGET FILTER NEXTEST...: runs the tests of that filter with that command of nextest, once for each
# release of Redis and Valkey below, whose `redis-server` and `redis-cli` come first in the PATH, before the programs that
# deps.sh declares for all tests. Then it says in a table how each went.
#
# SERVERS (words, as in SERVERS="redis-6.0 valkey-8.1") chooses among them. `make redis-matrix` runs this.
#
# The servers are Debian's packages, unpacked with their libraries into TARGET/servers, and run by their own
# loader: nothing is installed, and no chroot is needed. One that cannot be had is said and left out.
set -eu

# Each line: what it is called here, the release of Debian, the program's name, and a pattern of tests that cannot be
# run with it: the Sentinel of Redis 6.0 has no users.
servers='
redis-6.0 bullseye redis ^sentinel::
redis-7.0 bookworm redis
redis-8.0 trixie redis
redis-experimental experimental redis
valkey-8.1 trixie valkey
valkey-sid sid valkey
'

target=$1 filter=$2
shift 2
here=$target/servers
mkdir -p "$here"

# fetch ROOT RELEASE PROGRAM: unpacks the packages of the server and all that they need.
fetch() (
    root=$1 suite=$2 include=$3-server,$3-tools
    set --
    if [ "$suite" = experimental ]; then
        # which is nothing without sid
        mirror=http://deb.debian.org/debian
        set -- --aptopt='APT::Default-Release "experimental"' sid "$root.new" \
            "deb $mirror sid main" "deb $mirror experimental main"
    else
        set -- "$suite" "$root.new"
    fi
    rm -rf "$root.new"
    # A mirror may lag behind, and a clock be wrong; what is fetched is signed all the same.
    mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' --include="$include" "$@" &&
        mv "$root.new" "$root"
)

# start_by_loader ROOT PROGRAM LINK: a script that starts a program of a root with the root's own libraries.
start_by_loader() {
    loader=$(find "$1" -type f \( -name 'ld-linux-*.so.*' -o -name 'ld-2.*.so' \) | head -n 1)
    libraries=$(find "$1" -maxdepth 3 -type d -path '*lib/*-linux-gnu' | paste -sd :)
    printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$loader" "$libraries" "$1/usr/bin/$2" >"$3"
    chmod +x "$3"
}

# run_with NAME RELEASE PROGRAM LEFT_OUT NEXTEST...: adds a line to the table
run_with() {
    name=$1 release=$2 program=$3 root=$here/$1/root chosen=$filter
    [ -z "$4" ] || chosen="($filter) - test(/$4/)"
    shift 4
    mkdir -p "$here/$name/bin"
    if ! [ -d "$root" ] && ! fetch "$root" "$release" "$program"; then
        echo "$name|cannot be had from $release" >>"$table"
        return 0
    fi
    start_by_loader "$root" "$program-server" "$here/$name/bin/redis-server"
    start_by_loader "$root" "$program-cli" "$here/$name/bin/redis-cli"
    version=$("$here/$name/bin/redis-server" --version | sed 's/ sha=.*//')
    echo "== $name: $version"
    if PATH="$here/$name/bin:$target/programs/all" "$@" -E "$chosen" >"$here/$name/log" 2>&1; then result=0; else result=$?; fi
    grep -E '^ +(FAIL|TIMEOUT|SIGABRT|Summary)' "$here/$name/log" || tail -n 30 "$here/$name/log"
    summary=$(sed -n 's/\x1b\[[0-9;]*m//g; s/^ *Summary \[.*\] *//p' "$here/$name/log" | tail -n 1)
    echo "$name|$version|${summary:-no test was run (exit status $result)}" >>"$table"
    [ "$result" -eq 0 ] || failed="$failed $name"
}

table=$here/table
: >"$table"
failed=
while read -r name release program left_out; do
    case " ${SERVERS:-$name} " in
        *" $name "*) [ -z "$name" ] || run_with "$name" "$release" "$program" "$left_out" "$@" </dev/null ;;
    esac
done <<LIST
$servers
LIST

cat "$table"
[ -z "$failed" ] || { echo "failed:$failed; see $here/*/log" >&2; exit 1; }
