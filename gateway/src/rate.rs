//! How often something may happen: so often a second, and so often at once (the generic cell rate
//! algorithm).

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Networks that are told apart. Those that share a place by chance share its rate.
const PLACES: usize = 16_384;

/// The bits that all IPv6 addresses of one host may have in common: it can choose the others.
const HOST_BITS: u32 = 64;

/// A rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    /// Between two that come steadily.
    interval: Duration,
    /// By how much one may come too early.
    ahead: Duration,
}

impl Rate {
    /// So many a second, and so many at once.
    pub(crate) fn new(per_second: f64, burst: u32) -> Rate {
        let interval = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX);
        Rate {
            interval,
            ahead: interval.saturating_mul(burst.saturating_sub(1)),
        }
    }
}

/// How much has happened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Meter {
    /// When the next one would come, if they came steadily.
    next: Option<Instant>,
}

impl Meter {
    /// Counts one more, or says after how long there may be one.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let next = self.next.map_or(now, |next| next.max(now));
        let early = next.saturating_duration_since(now);
        if early > rate.ahead {
            return Err(early.saturating_sub(rate.ahead));
        }
        self.next = next.checked_add(rate.interval);
        Ok(())
    }
}

/// A meter for each address.
#[derive(Debug)]
pub(crate) struct AddressMeters {
    places: Box<[Meter]>,
    /// Nobody can choose an address to share a place with.
    seed: RandomState,
}

impl AddressMeters {
    pub(crate) fn new() -> AddressMeters {
        AddressMeters {
            places: vec![Meter::default(); PLACES].into_boxed_slice(),
            seed: RandomState::new(),
        }
    }

    /// Counts one more of this address, or says after how long there may be one.
    pub(crate) fn take(
        &mut self,
        address: IpAddr,
        rate: Rate,
        now: Instant,
    ) -> Result<(), Duration> {
        let number = self.seed.hash_one(host(address)) % PLACES as u64;
        let place = usize::try_from(number)
            .ok()
            .and_then(|number| self.places.get_mut(number));
        place.map_or(Ok(()), |meter| meter.take(rate, now))
    }
}

/// What all addresses of one host have in common.
pub(crate) fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = v6.to_bits() >> HOST_BITS << HOST_BITS;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_so_many_a_second() {
        let rate = Rate::new(5.0, 3);
        let (mut meter, start) = (Meter::default(), Instant::now());
        let mut take = |ms| meter.take(rate, start + Duration::from_millis(ms)).is_ok();
        assert!(take(0) && take(0) && take(0) && !take(0));
        assert!(!take(199) && take(200) && !take(200));
        assert!(take(10_000) && take(10_000) && take(10_000) && !take(10_000));
        let wait = meter.take(rate, start + Duration::from_millis(10_050));
        assert_eq!(wait, Err(Duration::from_millis(150)));
    }

    #[test]
    fn a_host_can_not_choose_another_meter() {
        let mut meters = AddressMeters::new();
        let (rate, now) = (Rate::new(0.001, 1), Instant::now());
        let mut take = |text: &str| meters.take(text.parse().unwrap(), rate, now).is_ok();
        assert!(take("2001:db8::1") && !take("2001:db8::ffff:2"));
        assert!(take("192.0.2.1") && !take("::ffff:192.0.2.1"));
    }
}
