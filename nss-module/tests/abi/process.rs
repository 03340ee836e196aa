//! What the module does to the process it is in, and how it lives through
//! changes outside.

use std::ffi::CStr;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, ptr, thread};

use libc::ENOENT;

use crate::common::*;
use crate::fixture::*;

#[test]
fn children_draw_for_themselves() {
    let (_daemon, module) = attached();
    module.ask(&name4("one-of"));
    let mut seen = [0; 5];
    for _ in 0..400 {
        let last = in_child(|| {
            let answer = module.ask(&name4("one-of")).answer;
            match answer.map(|answer| answer.addresses[0]) {
                Some(IpAddr::V4(address)) => i32::from(address.octets()[3]),
                _ => 0,
            }
        });
        seen[last.unwrap() as usize] += 1;
    }
    // Four standard deviations of 400 even draws are 35.
    assert!(
        seen[1..].iter().all(|count| (65..135).contains(count)),
        "{seen:?}"
    );
}

/// From here on the kernel kills this process at any system call but exit and
/// these.
///
/// Not by the strict mode of seccomp(2): that forbids reading the clock too.
fn forbid_system_calls_but(allowed: &[libc::c_long]) {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, k| libc::sock_filter { code, jt, jf: 0, k };
    let allowed = [libc::SYS_exit_group].iter().chain(allowed);
    let mut steps = vec![step(LOAD_NUMBER, 0, 0)];
    let mut left = allowed.clone().count() as u8;
    for number in allowed {
        steps.push(step(JUMP_IF_EQUAL, left, *number as u32));
        left -= 1;
    }
    steps.push(step(RETURN, 0, libc::SECCOMP_RET_KILL_PROCESS));
    steps.push(step(RETURN, 0, libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the program lives through the call, which copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let (mode, program) = (libc::SECCOMP_MODE_FILTER, &raw const program);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, program), 0);
    }
}

fn forbid_system_calls() {
    forbid_system_calls_but(&[]);
}

/// The calls that nss-cloudhosts(8) names are all that an attach needs, and all
/// that is made where there is no daemon.
#[test]
fn an_attach_makes_the_system_calls_that_are_listed_and_no_other() {
    let listed = [
        libc::SYS_socket,
        libc::SYS_connect,
        libc::SYS_ppoll,
        libc::SYS_recvmsg,
        libc::SYS_fcntl,
        libc::SYS_lseek,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_close,
        libc::SYS_nanosleep,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
        #[cfg(not(target_arch = "x86_64"))]
        libc::SYS_openat,
        libc::SYS_fstat,
        libc::SYS_read,
    ];
    let daemon = Daemon::start();
    daemon.publish(roles());
    let module = Module::load();
    let code = in_child(|| {
        forbid_system_calls_but(&listed);
        i32::from(ask_quietly(&module, &[c"both", c"nobody"], 3) == 3)
    });
    assert_eq!(code, Some(1), "attached");
    daemon.die();
    let code = in_child(|| {
        forbid_system_calls_but(&listed);
        // Whether there is a file is the machine's affair.
        ask_quietly(&module, &[c"nobody"], 3);
        1
    });
    assert_eq!(code, Some(1), "looked for a daemon and for the file");
}

/// Asks for each of these so often, into a buffer of its own, without a system
/// call; returns how many were found.
fn ask_quietly(module: &Module, names: &[&CStr], times: u32) -> i32 {
    let mut room = [0; 4096];
    let (start, len) = (room.as_mut_ptr(), room.len());
    let (mut errno, mut h_errno, mut ttl) = (0, 0, 0);
    let mut found = 0;
    for _ in 0..times {
        for name in names {
            let mut list = ptr::null_mut();
            let (name, list) = (name.as_ptr(), &raw mut list);
            let (errno, h_errno) = (&raw mut errno, &raw mut h_errno);
            // SAFETY: pointers to locals.
            found += unsafe {
                (module.gethostbyname4_r)(name, list, start, len, errno, h_errno, &raw mut ttl)
            };
        }
    }
    found
}

#[test]
fn answering_makes_no_system_call() {
    let (_daemon, module) = attached();
    module.ask(&name4("both"));
    let code = in_child(|| {
        let names = [
            c"both",
            c"nobody",
            c"primary",
            c"x.apps.internal",
            c"one-of",
        ];
        forbid_system_calls();
        i32::from(ask_quietly(&module, &names, 1000) == 4000)
    });
    assert_eq!(code, Some(1));
}

/// Whatever changes: the child that may make no system call sees all of 1,000
/// changes that its parent makes meanwhile.
#[test]
fn a_thousand_changes_are_followed_without_a_system_call() {
    let (daemon, module) = attached();
    let said = shared_page();
    // SAFETY: the child uses the module, which is made for this, and exits.
    let child = match unsafe { libc::fork() } {
        0 => {
            forbid_system_calls();
            for step in 1..=LAST {
                // Told once it is published: it must be seen from then on.
                while said.step.load(Ordering::SeqCst) != step {
                    std::hint::spin_loop();
                }
                if ask_quietly(&module, &[c"followed"], 1) != step as i32 % 2 {
                    // SAFETY: ends the child at once.
                    unsafe { libc::_exit(1) }
                }
                said.seen.store(step, Ordering::SeqCst);
            }
            // SAFETY: as above.
            unsafe { libc::_exit(0) }
        }
        child => child,
    };
    for step in 1..=LAST {
        let mut now = roles();
        if step % 2 == 1 {
            now.push(entry("followed", &["192.0.2.44"]));
        }
        daemon.publish(now);
        said.step.store(step, Ordering::SeqCst);
        eventually("the child has seen it", || {
            said.seen.load(Ordering::SeqCst) == step || has_ended(child)
        });
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0, "it was killed, or missed a change");
}

const LAST: u32 = 1000;

/// What parent and child tell each other: which change is published, and which
/// is seen.
struct Said {
    step: AtomicU32,
    seen: AtomicU32,
}

/// A page that is shared with children.
fn shared_page() -> &'static Said {
    let (access, share) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_SHARED | libc::MAP_ANONYMOUS,
    );
    // SAFETY: the kernel chooses the address.
    let page = unsafe { libc::mmap(ptr::null_mut(), 4096, access, share, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    // SAFETY: a page of zeros, which is two atomics, mapped for good.
    unsafe { &*page.cast() }
}

fn has_ended(child: libc::pid_t) -> bool {
    // SAFETY: an all-zero siginfo is one to be written to.
    let mut info = unsafe { std::mem::zeroed() };
    let (kind, pid) = (libc::P_PID, child as libc::id_t);
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: looks at a child of ours, and leaves it to be waited for.
    let looked = unsafe { libc::waitid(kind, pid, &raw mut info, flags) };
    // SAFETY: what waitid filled in.
    looked == 0 && unsafe { info.si_pid() } == child
}

#[test]
fn another_region_is_taken_up_and_nothing_stays_open() {
    let (daemon, module) = attached();
    module.ask(&name4("both"));
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for generation in 2..200 {
        let address = format!("203.0.113.{generation}");
        daemon.move_to_a_new_region();
        publish(
            &daemon,
            &module,
            generation,
            vec![entry("both", &[&address])],
        );
        let outcome = module.ask(&name4("both"));
        assert_eq!(outcome, found("both", &[], &[&address]));
    }
    eventually("the daemon's threads close their ends", || open() <= before);
}

#[test]
fn without_a_daemon_the_next_service_is_asked() {
    let module = Module::load();
    let none = Outcome::failed(UNAVAIL, ENOENT, NO_RECOVERY);
    for ask in [
        Ask::Name("both".into()),
        name4("both"),
        addr("192.0.2.1"),
        Ask::Next,
    ] {
        assert_eq!(module.ask(&ask), none);
    }
    // A daemon that has no table yet is no better; its first table is taken up
    // within the second that lies between two attempts.
    let daemon = Daemon::start();
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(module.ask(&name4("both")), none);
    daemon.publish(roles());
    eventually("the first table is used", || {
        module.ask(&name4("both")).status == SUCCESS
    });
}

#[test]
fn a_table_goes_stale_without_its_daemon() {
    let daemon = Daemon::start();
    daemon.publish_for(Some(Duration::from_secs(5)), roles());
    let module = Module::load();
    eventually("the table is used", || {
        module.ask(&name4("both")).status == SUCCESS
    });
    daemon.die();
    let died = Instant::now();
    eventually("the table is stale", || {
        let outcome = module.ask(&name4("both"));
        let stale = outcome == Outcome::failed(UNAVAIL, ENOENT, NO_RECOVERY);
        assert!(stale || outcome.status == SUCCESS);
        stale
    });
    assert!(died.elapsed() > Duration::from_secs(3), "stale too early");
}
