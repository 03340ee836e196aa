//! The program that answers DNS at an address of this machine, by the kernel's list of
//! sockets (proc_net(5)).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The port of DNS.
const PORT: u16 = 53;

/// The lists of UDP sockets.
const LISTS: [&str; 2] = ["/proc/self/net/udp", "/proc/self/net/udp6"];

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    /// The name of its program, of which the kernel retains 15 bytes.
    pub(crate) program: String,
    /// Its command line, with blanks between the words.
    pub(crate) command_line: String,
}

/// Who answers DNS at this address. None where nobody does, or this user may not see who.
pub(crate) fn at(address: IpAddr) -> Option<Listener> {
    let sockets: Vec<String> = LISTS
        .iter()
        .filter_map(|list| fs::read_to_string(list).ok())
        .flat_map(|list| sockets(&list, address))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let holder = |process: &fs::DirEntry| holds(&process.path(), &sockets);
    let process = processes.into_iter().find(holder)?.path();
    let program = fs::read_to_string(process.join("comm")).ok()?;
    let command_line = fs::read(process.join("cmdline")).unwrap_or_default();
    let command_line = String::from_utf8_lossy(&command_line).replace('\0', " ");
    Some(Listener {
        program: program.trim_end().to_owned(),
        command_line,
    })
}

/// Whether a process has one of these sockets.
fn holds(process: &Path, sockets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors.flatten().any(|descriptor| {
        let target = fs::read_link(descriptor.path()).unwrap_or_default();
        target
            .to_str()
            .is_some_and(|target| sockets.iter().any(|socket| socket == target))
    })
}

/// The sockets in a list that get what is sent to the address, as links to them read.
fn sockets(list: &str, address: IpAddr) -> Vec<String> {
    let ours = |line: &str| {
        let local = line.split_whitespace().nth(1)?;
        let (ip, port) = local.split_once(':')?;
        let ip = ip_of(ip)?;
        let takes = ip == address || (ip.is_unspecified() && (ip.is_ipv6() || address.is_ipv4()));
        (takes && u16::from_str_radix(port, 16).ok()? == PORT).then_some(())
    };
    let lines = list.lines().filter(|line| ours(line).is_some());
    let inodes = lines.filter_map(|line| line.split_whitespace().nth(9));
    inodes.map(|inode| format!("socket:[{inode}]")).collect()
}

/// An address as the kernel writes it: its 32-bit words in the order of the machine.
fn ip_of(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (n, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(n * 8)?);
            }
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
  100: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   990        0 19 2 0 0
  101: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 20 2 0 0
  102: 0100007F:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 21 2 0 0
";

    const V6: &str = "\
  103: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0 0:0 0 0 0 22 2 0 0
  104: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 07 0:0 0:0 0 0 0 23 2 0 0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_sockets_of_an_address_are_found() {
        let at = |list, address: &str| sockets(list, address.parse().unwrap());
        assert_eq!(at(V4, "127.0.0.53"), ["socket:[19]"]);
        assert_eq!(at(V4, "127.0.0.1"), ["socket:[20]"]);
        assert!(at(V4, "10.0.0.1").is_empty());
        assert_eq!(at(V6, "::1"), ["socket:[22]", "socket:[23]"]);
        assert_eq!(at(V6, "127.0.0.1"), ["socket:[23]"]);
        assert!(at("", "::1").is_empty());
    }
}
