//! The packages, installed for real: into a whole Debian of our own, by dpkg, apt and rpm.
//!
//! `make packages` builds them and runs this as root; `make package-matrix` runs the tests on other
//! releases too, which are ignored here. `make test` leaves all of it alone.
//!
//! - [`built`]: where the packages and the roots are
//! - [`machine`]: a Debian in which they are installed, booted or not
//! - [`files`]: what is in it, to tell that nothing is left
//! - [`lookups`]: programs that look a name up all the time
//! - [`content`]: what is in a package, and what lintian and rpmlint say of it
//! - [`unit`], [`confined`], [`selinux`]: the unit's sandbox, AppArmor, SELinux
//! - [`deb`], [`interrupted`], [`booted`], [`gateway`], [`rpm`]: installing, upgrading, removing
//! - [`elsewhere`]: a root with an older glibc
mod booted;
mod built;
mod confined;
mod content;
mod deb;
mod elsewhere;
mod files;
mod gateway;
mod interrupted;
mod lookups;
mod machine;
mod rpm;
mod selinux;
mod unit;
