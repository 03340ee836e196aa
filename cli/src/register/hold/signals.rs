//! The signals that `cloudhosts hold` handles.

use std::io::{self, stdin};

use rustix::process::{Signal, getpgrp};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{self, SignalKind, signal};

/// The signals that end a holder, or are passed to its command.
pub(super) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hang_up: unix::Signal,
    quit: unix::Signal,
    user: Option<[unix::Signal; 2]>,
}

impl Signals {
    /// Installs the handlers; those of SIGUSR1 and SIGUSR2 only where there is a
    /// command, to which they are passed.
    pub(super) fn new(command: bool) -> io::Result<Signals> {
        let user = if command {
            let one = signal(SignalKind::user_defined1())?;
            Some([one, signal(SignalKind::user_defined2())?])
        } else {
            None
        };
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            user,
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        let user = async {
            match &mut self.user {
                Some([one, two]) => tokio::select! {
                    _ = one.recv() => Signal::USR1,
                    _ = two.recv() => Signal::USR2,
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.hang_up.recv() => Signal::HUP,
            _ = self.quit.recv() => Signal::QUIT,
            signal = user => signal,
        }
    }
}

/// Whether a terminal has sent the signal, to the whole foreground process group.
pub(super) fn is_from_keyboard(signal: Signal) -> bool {
    let keyboard = matches!(signal, Signal::INT | Signal::QUIT);
    keyboard && tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp())
}

/// Whether a signal ends a holder without a command.
pub(super) fn ends_holder(signal: Signal) -> bool {
    !matches!(signal, Signal::USR1 | Signal::USR2)
}
