//! Names and addresses, asked of this process's table.

use std::iter;
use std::net::IpAddr;

use cloudhosts_table::clock::last_tick;
use cloudhosts_table::{Answer, Client, Name, View};

use crate::abi::addrtuple::{TupleList, TupleSlot};
use crate::abi::environment;
use crate::abi::hostent::{Host, HostSlot};
use crate::random::draw;
use crate::status::Situation;

/// The table of this process. Its first user attaches it.
static CLIENT: Client = Client::new();

/// The kinds of address a host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// An address that somebody wants the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

/// Asks the table, when there is one.
pub(crate) fn ask(question: impl for<'t> FnOnce(&View<'t>) -> Situation) -> Situation {
    CLIENT
        .with(environment::paths, last_tick(), question)
        .unwrap_or(Situation::Unavailable)
}

/// The addresses of a name in one family.
pub(crate) fn by_name(name: &[u8], family: Family, slot: HostSlot<'_>) -> Situation {
    ask_name(name, |answer, view| {
        let (order, pick) = (view.order(), answer.pick());
        let canonical = answer.canonical();
        let name = canonical.as_ref();
        let asked = Some(answer.asked()).filter(|&asked| asked != name);
        let aliases = asked.into_iter();
        match family {
            Family::V4 => {
                let all = answer.v4();
                let random = draw(all.len());
                slot.put(&Host {
                    name,
                    aliases,
                    addresses: all.chosen(pick, order, random),
                })
            }
            Family::V6 => {
                let all = answer.v6();
                let random = draw(all.len());
                slot.put(&Host {
                    name,
                    aliases,
                    addresses: all.chosen(pick, order, random),
                })
            }
        }
    })
}

/// The addresses of a name in both families.
pub(crate) fn by_name_in_both(name: &[u8], slot: TupleSlot<'_>) -> Situation {
    ask_name(name, |answer, view| {
        let (order, pick) = (view.order(), answer.pick());
        let (v4, v6) = (answer.v4(), answer.v6());
        let (random4, random6) = (draw(v4.len()), draw(v6.len()));
        slot.put(&TupleList {
            name: answer.canonical().as_ref(),
            v4: v4.chosen(pick, order, random4),
            v6: v6.chosen(pick, order, random6),
        })
    })
}

/// The names of an address.
pub(crate) fn by_address(address: Address, slot: HostSlot<'_>) -> Situation {
    let ip = match address {
        Address::V4(bytes) => IpAddr::from(bytes),
        Address::V6(bytes) => IpAddr::from(bytes),
    };
    ask(|view| {
        let Some(names) = view.reverse(ip) else {
            return Situation::NoSuchName;
        };
        let (name, aliases) = (names.canonical(), names.aliases());
        match &address {
            Address::V4(bytes) => slot.put(&Host {
                name,
                aliases,
                addresses: iter::once(*bytes),
            }),
            // An IPv4 address mapped into IPv6 comes back as it was asked.
            Address::V6(bytes) => slot.put(&Host {
                name,
                aliases,
                addresses: iter::once(*bytes),
            }),
        }
    })
}

/// Looks a name up. One that no role can have is not found, whether or not
/// there is a table: DNS or `files` may know it.
fn ask_name(name: &[u8], found: impl FnOnce(&Answer<'_>, &View<'_>) -> Situation) -> Situation {
    let mut role = Name::EMPTY;
    if role.read(name).is_err() {
        return Situation::NoSuchName;
    }
    ask(|view| match view.lookup(&role) {
        Some(answer) => found(&answer, view),
        None => Situation::NoSuchName,
    })
}
