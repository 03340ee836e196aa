//! Other users, setuid programs, a chroot, and programs that are linked statically.

use std::fs::{Permissions, create_dir, rename, set_permissions, write};
use std::os::unix::fs::PermissionsExt;

use cloudhosts_tests::process::stderr;
use cloudhosts_tests::{World, wait};

use crate::place::{LAST_GOOD, Place, compile, lines, number, try_compile};
use crate::publisher::{Pace, Publisher};

const NOBODY: [&str; 4] = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];

fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can become another user");
    }
    root
}

/// The answer is one of the `n`th table.
fn of_table(answer: &str, n: u32) -> bool {
    [format!("10.0.0.{n}"), format!("11.0.0.{n}")].contains(&answer.to_owned())
}

#[test]
fn another_user_is_answered_too() {
    if !root() {
        return;
    }
    let mut world = World::with(&[("web", "10.0.0.5")]);
    let plain = compile("host_plain", &[], &world.dir.join("plain"));
    let ask = || {
        let mut command = world.sandbox.entrance().command("setpriv");
        lines(command.args(NOBODY).arg(&plain).arg("web"))
    };
    // by the daemon itself: the file is put aside
    let file = world.sandbox.outside(LAST_GOOD);
    wait::until("there is a last good table", || file.exists().then_some(()));
    let aside = world.dir.join("aside");
    rename(&file, &aside).unwrap();
    wait::until("the daemon answers a process of another user", || {
        (ask() == ["10.0.0.5"]).then_some(())
    });
    world.daemon.kill();
    rename(&aside, &file).unwrap();
    assert_eq!(ask(), ["10.0.0.5"], "by the file");
}

/// Makes the loader find the module without `LD_LIBRARY_PATH`, as on a machine where it is
/// installed: by a cache of the sandbox's own.
fn install(place: &Place) {
    let modules = place.dir.join("modules");
    write(
        place.dir.join("ld.so.conf"),
        format!("{}\n", modules.display()),
    )
    .unwrap();
    // its second cache is the machine's: hidden under an empty file system
    let script = r#"mount -t tmpfs none /var/cache && ldconfig -X -f "$1" -C /etc/ld.so.cache"#;
    let mut command = place.command("unshare", &["-m", "sh", "-c", script, "install"]);
    lines(command.arg(place.dir.join("ld.so.conf")));
}

#[test]
fn a_setuid_program_ignores_the_socket_in_its_environment() {
    if !root() {
        return;
    }
    let place = Place::new(Pace::only(7));
    install(&place);
    let planted = place.dir.join("planted");
    let _other = Publisher::start(&planted, Pace::only(66));
    let plain = place.compile("host_plain", &[]);
    let ask = || {
        let mut command = place.command("setpriv", &NOBODY);
        command.arg(&plain).arg("which");
        lines(command.env("CLOUDHOSTS_SOCKET", &planted))
    };
    wait::until(
        "a program that is not setuid asks the planted daemon",
        || of_table(&ask()[0], 66).then_some(()),
    );

    set_permissions(&plain, Permissions::from_mode(0o4755)).unwrap();
    let script = r#"test -u "$1" && ! findmnt -n -o OPTIONS -T "$1" | grep -qw nosuid"#;
    let mut command = place.command("sh", &["-c", script, "sh"]);
    let output = cloudhosts_tests::process::run(command.arg(&plain));
    if !output.status.success() {
        eprintln!("skipped: {} is mounted nosuid", place.dir.path().display());
        return;
    }
    let answers = ask();
    assert!(of_table(&answers[0], 7), "setuid: {answers:?}");
}

#[test]
fn in_a_chroot_without_run_each_change_is_followed() {
    let place = Place::new(Pace::every(std::time::Duration::from_millis(50)));
    let empty = place.dir.join("empty");
    create_dir(&empty).unwrap();
    let report = place.report("host_limits", &["chroot", empty.to_str().unwrap()]);
    assert!(number(&report, "/tables") > 10, "{report}");
}

/// The machine's programs and libraries and the sandbox's `/etc`, but neither `/run` nor `/var`.
const JAIL: &str = r#"
set -e
mkdir -p "$1/usr" "$1/etc" "$1/dir"
mount --bind /usr "$1/usr"
for link in bin lib lib32 lib64; do
    if [ -L "/$link" ]; then ln -s "usr/$link" "$1/$link"
    elif [ -d "/$link" ]; then mkdir "$1/$link" && mount --bind "/$link" "$1/$link"
    fi
done
cp /etc/nsswitch.conf /etc/hosts "$1/etc/"
echo "192.0.2.7 other" >> "$1/etc/hosts"
mount --bind "$2" "$1/dir"
LD_LIBRARY_PATH=/dir/modules exec chroot "$1" /dir/host_plain which other
"#;

#[test]
fn a_program_that_starts_in_a_chroot_without_run_asks_the_next_service() {
    let place = Place::with_services("cloudhosts files", Pace::only(7));
    place.compile("host_plain", &[]);
    create_dir(place.dir.join("jail")).unwrap();
    let mut command = place.command("unshare", &["-m", "sh", "-c", JAIL, "jail"]);
    command.arg(place.dir.join("jail")).arg(place.dir.path());
    let answers = lines(&mut command);
    assert_eq!(answers, ["Name or service not known", "192.0.2.7"]);
}

#[test]
fn a_statically_linked_program_is_answered_by_the_same_glibc() {
    let place = Place::new(Pace::only(7));
    let program = place.dir.join("static");
    let output = try_compile("host_plain", &["-static"], &program);
    if !output.status.success() {
        eprintln!(
            "skipped: nothing is linked statically here: {}",
            stderr(&output)
        );
        return;
    }
    let answers = lines(&mut place.command(program, &["which", "localhost", "nothing"]));
    assert!(of_table(&answers[0], 7), "{answers:?}");
    assert_eq!(answers[1..], ["127.0.0.1", "Name or service not known"]);
}
