//! A scripted peer, and a proxy that makes the way to a real Redis hard.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Listens, and gives every connection to `serve` on a thread of its own.
pub struct Peer {
    pub url: String,
    stop: Arc<AtomicBool>,
    pub connections: Arc<AtomicUsize>,
    port: u16,
}

impl Peer {
    pub fn new(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(AtomicUsize::new(0));
        let (stopped, count) = (stop.clone(), connections.clone());
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
                let serve = serve.clone();
                thread::spawn(move || serve(stream));
            }
        });
        let url = format!("redis://127.0.0.1:{port}");
        Peer {
            url,
            stop,
            connections,
            port,
        }
    }

    /// Answers every question with what `answer` makes of its words.
    pub fn answering(answer: impl Fn(&[String]) -> Vec<u8> + Send + Sync + 'static) -> Peer {
        Peer::new(move |mut stream| {
            stream.set_nodelay(true).unwrap();
            let mut pending = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                pending.extend_from_slice(&buffer[..read]);
                while let Some((words, used)) = question(&pending) {
                    pending.drain(..used);
                    if stream.write_all(&answer(&words)).is_err() {
                        return;
                    }
                }
            }
        })
    }

    /// Stands before a real Redis. Each request, the commands of a transaction or one alone, is given
    /// to `ask` before Redis has it.
    pub fn asking(port: u16, ask: impl Fn(&[Vec<String>]) + Send + Sync + 'static) -> Peer {
        Peer::new(move |mut client| {
            let mut redis = TcpStream::connect(("127.0.0.1", port)).unwrap();
            redis.set_nodelay(true).unwrap();
            client.set_nodelay(true).unwrap();
            let (mut from, mut to) = (redis.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Both);
            });
            let (mut pending, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
            let (mut request, mut bytes): (Vec<Vec<String>>, Vec<u8>) = (Vec::new(), Vec::new());
            while let Ok(read @ 1..) = client.read(&mut buffer) {
                pending.extend_from_slice(&buffer[..read]);
                while let Some((words, used)) = question(&pending) {
                    bytes.extend(pending.drain(..used));
                    request.push(words);
                    let is = |words: Option<&Vec<String>>, name| {
                        words.is_some_and(|words| words[0] == name)
                    };
                    if is(request.first(), "MULTI") && !is(request.last(), "EXEC") {
                        continue;
                    }
                    ask(&std::mem::take(&mut request));
                    if redis.write_all(&std::mem::take(&mut bytes)).is_err() {
                        return;
                    }
                }
            }
            let _ = redis.shutdown(std::net::Shutdown::Both);
        })
    }

    /// Stands before a real Redis; what Redis says goes through `pass`.
    pub fn before(
        port: u16,
        pass: impl Fn(&[u8], &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Peer {
        let pass = Arc::new(pass);
        Peer::new(move |client| {
            let mut redis = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), redis.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Both);
            });
            let mut client = client;
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(read @ 1..) = redis.read(&mut buffer) {
                if !pass(&buffer[..read], &mut client) {
                    break;
                }
            }
            let _ = client.shutdown(std::net::Shutdown::Both);
            let _ = redis.shutdown(std::net::Shutdown::Both);
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// The words of a whole question at the start of `bytes`, and its length.
fn question(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let line = |at: usize| {
        let end = bytes
            .get(at..)?
            .windows(2)
            .position(|pair| pair == b"\r\n")?
            + at;
        let number = std::str::from_utf8(&bytes[at + 1..end])
            .unwrap()
            .parse::<usize>()
            .unwrap();
        Some((number, end + 2))
    };
    let (count, mut at) = line(0)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (length, start) = line(at)?;
        let word = bytes.get(start..start + length)?;
        words.push(String::from_utf8_lossy(word).into_owned());
        at = start + length + 2;
        bytes.get(..at)?;
    }
    Some((words, at))
}

/// What a Redis says to HELLO, CLIENT and PING, for scripts about the rest. Its
/// user may use no transactions, and may not know what INFO tells.
pub fn manners(words: &[String]) -> Option<Vec<u8>> {
    match words[0].as_str() {
        "HELLO" => Some(b"%1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n".to_vec()),
        "CLIENT" => Some(b"+OK\r\n".to_vec()),
        "PING" => Some(b"+PONG\r\n".to_vec()),
        "MULTI" | "EXEC" | "XRANGE" | "XREVRANGE" | "PTTL" | "INFO" => {
            let refused = format!("-NOPERM User default has no permissions to run {words:?}\r\n");
            Some(refused.replace('"', "'").into_bytes())
        }
        _ => None,
    }
}
