//! Programs that look a name up all the time, while something is done to the machine.

use cloudhosts_tests::process::Process;
use cloudhosts_tests::wait;

use crate::machine::Debian;

/// One process that runs all the time, and one new process after the other. Each writes a line for
/// each look-up.
const RUNNING: &str = r#"exec perl -e '$| = 1; until (-e "/var/tmp/stop") {
    print gethostbyname("db") ? "hit\n" : "miss\n"; select undef, undef, undef, 0.002
}' >/var/tmp/running"#;
const FRESH: &str = r#"until [ -e /var/tmp/stop ]; do
    if getent hosts db >/dev/null; then echo hit; else echo miss; fi
done >/var/tmp/fresh"#;

/// The programs, while they look up.
pub(crate) struct LookUps<'m> {
    machine: &'m Debian,
    programs: [Process; 2],
}

impl LookUps<'_> {
    /// Starts them; `db` must resolve.
    pub(crate) fn start(machine: &Debian) -> LookUps<'_> {
        let _ = machine.ok("rm -f /var/tmp/stop /var/tmp/running /var/tmp/fresh");
        let programs = [RUNNING, FRESH].map(|script| machine.background(script));
        let lookups = LookUps { machine, programs };
        lookups.go_on(20);
        lookups
    }

    /// Waits until each has looked up that often from now on.
    pub(crate) fn go_on(&self, times: usize) {
        let before = self.counts();
        wait::until("the programs look up", || {
            let now = self.counts();
            now.iter()
                .zip(before)
                .all(|(now, before)| now.0 >= before.0 + times)
                .then_some(())
        });
    }

    /// Stops them, and sees that no look-up failed.
    pub(crate) fn none_failed(mut self) {
        self.go_on(20);
        self.machine.write("/var/tmp/stop", "");
        for program in &mut self.programs {
            program.wait();
        }
        let [running, fresh] = self.counts();
        println!(
            "look-ups: {} in one process, {} in new ones",
            running.0, fresh.0
        );
        assert_eq!((running.1, fresh.1), (0, 0), "look-ups that failed");
    }

    /// How many look-ups were made, and how many failed.
    fn counts(&self) -> [(usize, usize); 2] {
        ["/var/tmp/running", "/var/tmp/fresh"].map(|file| {
            let text = std::fs::read_to_string(self.machine.path(file)).unwrap_or_default();
            (text.lines().count(), text.matches("miss").count())
        })
    }
}
