//! A web server of a few lines, for programs that open a URL by a role's name.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Serves one text at every path of 127.0.0.1, for as long as we live; its port.
pub fn serve(text: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of 127.0.0.1");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // a client that goes away early is its own business
            let _ = answer(stream, text);
        }
    });
    port
}

fn answer(stream: TcpStream, text: &str) -> std::io::Result<()> {
    let mut request = BufReader::new(stream);
    let mut line = String::new();
    // to the empty line that ends the head of the request
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    write!(
        request.get_mut(),
        "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
}
