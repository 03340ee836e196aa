//! Names and addresses, looked up in this process's table.

use std::iter;
use std::net::IpAddr;

use cloudhosts_table::clock::last_tick;
use cloudhosts_table::random::draw;
use cloudhosts_table::{Answer, Client, Name, View};

use crate::abi::addrtuple::{TupleList, TupleSlot};
use crate::abi::environment;
use crate::abi::hostent::{Host, HostSlot};
use crate::outcome::Outcome;

/// The table of this process, which the first lookup attaches to.
static CLIENT: Client = Client::new();

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// An address whose names are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

/// Asks the table, if there is one.
pub(crate) fn ask(question: impl for<'t> FnOnce(&View<'t>) -> Outcome) -> Outcome {
    CLIENT
        .with(environment::paths, last_tick(), question)
        .unwrap_or(Outcome::Unavailable)
}

/// The addresses of a name in one family.
pub(crate) fn by_name(name: &[u8], family: Family, slot: HostSlot<'_>) -> Outcome {
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
pub(crate) fn by_name_in_both(name: &[u8], slot: TupleSlot<'_>) -> Outcome {
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
pub(crate) fn by_address(address: Address, slot: HostSlot<'_>) -> Outcome {
    let ip = match address {
        Address::V4(bytes) => IpAddr::from(bytes),
        Address::V6(bytes) => IpAddr::from(bytes),
    };
    ask(|view| {
        let Some(names) = view.reverse(ip) else {
            return Outcome::NoSuchName;
        };
        let (name, aliases) = (names.canonical(), names.aliases());
        match &address {
            Address::V4(bytes) => slot.put(&Host {
                name,
                aliases,
                addresses: iter::once(*bytes),
            }),
            // An IPv4-mapped address is returned as it was given.
            Address::V6(bytes) => slot.put(&Host {
                name,
                aliases,
                addresses: iter::once(*bytes),
            }),
        }
    })
}

/// Looks a name up. A name that no role can have is not found, whether or not
/// there is a table, so that DNS or `files` are asked for it.
fn ask_name(name: &[u8], found: impl FnOnce(&Answer<'_>, &View<'_>) -> Outcome) -> Outcome {
    let mut role = Name::EMPTY;
    if role.read(name).is_err() {
        return Outcome::NoSuchName;
    }
    ask(|view| match view.lookup(&role) {
        Some(answer) => found(&answer, view),
        None => Outcome::NoSuchName,
    })
}
