//! Maintainer scripts that are cut short after each of their commands in turn: dpkg then runs them
//! again, and in the end all is as if nothing had happened.

use crate::built;
use crate::files::{self, Files};
use crate::machine::Debian;

/// Runs a script (`$0`) with its arguments after the first (`$1`), and is killed before the command
/// after that many, functions and conditions counted. Ends with 0 when that was all of it.
const CUT: &str = r#"
script=$0 left=$1; shift
trap '[ $((left--)) -gt 0 ] || kill -KILL $$' DEBUG
set -eT
. "$script""#;

/// More commands than any script has.
const ALL: u32 = 100;

/// Puts the package into one state, cuts a script short, and lets dpkg go on.
struct Trial<'m> {
    machine: &'m Debian,
    /// To where it starts.
    prepare: String,
    /// The script and its arguments.
    script: &'static str,
    arguments: &'static str,
    /// What dpkg is told afterwards.
    go_on: &'static str,
}

impl Trial<'_> {
    /// Tries all the places, from the first command to the last; how many there are.
    fn everywhere(&self) -> u32 {
        let whole = self.once(ALL).1;
        for after in 0..ALL {
            let (cut, state) = self.once(after);
            let changes = files::changes(&whole, &state);
            let script = self.script;
            assert!(
                changes.is_empty(),
                "{script} cut short after {after} commands: {changes:#?}"
            );
            if !cut {
                return after;
            }
        }
        panic!("{} has more than {ALL} commands", self.script)
    }

    /// Whether it was cut short, and what there is in the end.
    fn once(&self, after: u32) -> (bool, Files) {
        self.machine.ok(&self.prepare);
        let Trial {
            script,
            arguments,
            go_on,
            ..
        } = self;
        self.machine.write("/var/tmp/cut", CUT);
        let output = self.machine.run(&format!(
            "bash -c \"$(cat /var/tmp/cut)\" /var/lib/dpkg/info/cloudhosts.{script} {after} {arguments}"
        ));
        self.machine.ok(go_on);
        (!output.status.success(), files::of(self.machine.root()))
    }
}

#[test]
fn dpkg_gets_over_scripts_that_are_cut_short() {
    let machine = Debian::new("bookworm");
    let package = machine.bring(&built::deb());
    let nothing = "dpkg --purge cloudhosts";
    let installed = format!("dpkg --install {package}");
    for (prepare, script, arguments, go_on) in [
        (
            format!("{nothing}; dpkg --unpack {package}"),
            "postinst",
            "configure ''",
            "dpkg --configure -a",
        ),
        (
            installed.clone(),
            "prerm",
            "remove",
            "dpkg --remove cloudhosts",
        ),
        (
            installed.clone(),
            "prerm",
            "remove",
            "dpkg --install /again.deb",
        ),
        (
            format!("{installed}; dpkg --remove cloudhosts"),
            "postrm",
            "purge",
            nothing,
        ),
    ] {
        machine.ok(&format!("ln -sf {package} /again.deb"));
        let places = Trial {
            machine: &machine,
            prepare,
            script,
            arguments,
            go_on,
        }
        .everywhere();
        println!("{script}, then {go_on}: cut short in {places} places");
        assert!(places > 3, "{script} was cut short in {places} places only");
    }
}
