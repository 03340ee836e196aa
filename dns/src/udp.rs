//! Questions by UDP: for each address as many threads as there are cores, each
//! with a socket of its own, among which the kernel spreads those who ask.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing::warn;

use crate::answer::MOST_UDP;
use crate::server::Server;
use crate::socket;

/// Most bytes of a question. One that is longer is cut off, and malformed then.
const LONGEST_QUESTION: usize = 4096;

/// How long to rest when the system fails.
const REST: Duration = Duration::from_millis(10);

/// The sockets of one address.
#[derive(Debug)]
pub struct Listeners(Vec<UdpSocket>);

impl Listeners {
    /// So many sockets.
    ///
    /// # Errors
    /// The address can't be had.
    pub fn bind(address: SocketAddr, count: usize) -> io::Result<Listeners> {
        let sockets = (0..count)
            .map(|_| socket::udp(address).map(UdpSocket::from))
            .collect::<io::Result<_>>()?;
        Ok(Listeners(sockets))
    }

    /// Answers, for as long as the process lives.
    ///
    /// # Errors
    /// A thread can't be started.
    pub fn serve(self, server: &Arc<Server>) -> io::Result<()> {
        for socket in self.0 {
            let server = Arc::clone(server);
            thread::Builder::new()
                .name("udp".to_owned())
                .spawn(move || serve(&socket, &server))?;
        }
        Ok(())
    }
}

fn serve(socket: &UdpSocket, server: &Server) {
    let mut query = [0; LONGEST_QUESTION];
    let mut out = [0; MOST_UDP];
    let mut failing = false;
    loop {
        let (len, from) = match socket.recv_from(&mut query) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                // The same again and again is one line.
                if !failing {
                    warn!("can't receive by UDP: {error}; trying again");
                }
                failing = true;
                thread::sleep(REST);
                continue;
            }
        };
        failing = false;
        let query = query.get(..len).unwrap_or_default();
        let answered = server.answer_datagram(query, from, &mut out);
        if let Some(answer) = answered.and_then(|len| out.get(..len)) {
            // Who can't be reached asks again, or is not there.
            let _ = socket.send_to(answer, from);
        }
    }
}
