//! Which of a role's addresses one look-up answers, and in what order.

/// How several addresses are ordered (`order` in the configuration).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Start somewhere else at each look-up.
    #[default]
    Rotate,
    /// As written in Redis.
    Fixed,
}

/// The addresses one look-up answers, in order. Made by [`choose`].
#[derive(Debug, Clone)]
pub struct Choice<'t, const N: usize> {
    addresses: &'t [[u8; N]],
    at: usize,
    step: usize,
    left: usize,
}

/// Chooses `pick` of the addresses (0: all of them) by the bits of `random`.
///
/// All of them are given in `order`. Of a pick, each address is as likely as
/// any other to be chosen and to come first; they are taken along a circle
/// from a random start with a random stride, which needs neither memory nor a
/// pass over a role of thousands.
#[must_use]
pub fn choose<const N: usize>(
    addresses: &[[u8; N]],
    pick: u16,
    order: Order,
    random: u64,
) -> Choice<'_, N> {
    let all = addresses.len();
    if all < 2 {
        return Choice::new(addresses, 0, 1, all);
    }
    let (start, stride) = (random >> 32, random & 0xffff_ffff);
    let scaled = |bits: u64, below: usize| (bits.wrapping_mul(below as u64) >> 32) as usize;
    let start = scaled(start, all);
    let pick = usize::from(pick);
    if pick == 0 || pick >= all {
        let start = if order == Order::Fixed { 0 } else { start };
        return Choice::new(addresses, start, 1, all);
    }
    let mut step = 1 + scaled(stride, all - 1);
    while common_divisor(step, all) != 1 {
        step -= 1;
    }
    Choice::new(addresses, start, step, pick)
}

/// The greatest number that divides both; a stride visits every address
/// exactly when this is 1.
fn common_divisor(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl<'t, const N: usize> Choice<'t, N> {
    fn new(addresses: &'t [[u8; N]], at: usize, step: usize, left: usize) -> Self {
        Choice {
            addresses,
            at,
            step,
            left,
        }
    }
}

impl<'t, const N: usize> Iterator for Choice<'t, N> {
    type Item = &'t [u8; N];

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let address = self.addresses.get(self.at)?;
        self.at += self.step;
        if self.at >= self.addresses.len() {
            self.at -= self.addresses.len();
        }
        Some(address)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<const N: usize> ExactSizeIterator for Choice<'_, N> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(count: u16) -> Vec<[u8; 2]> {
        (0..count).map(u16::to_be_bytes).collect()
    }

    /// A cheap source of different bits for each look-up.
    fn random(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (n << 29)
    }

    #[test]
    fn fixed_is_as_written_and_rotate_starts_anywhere() {
        let list = addresses(5);
        let fixed: Vec<_> = choose(&list, 0, Order::Fixed, u64::MAX).copied().collect();
        assert_eq!(fixed, list);
        let rotated: Vec<_> = choose(&list, 0, Order::Rotate, u64::MAX).copied().collect();
        assert_eq!(rotated, [list[4], list[0], list[1], list[2], list[3]]);
    }

    #[test]
    fn a_pick_never_repeats_an_address() {
        for count in 1..40 {
            let list = addresses(count);
            for pick in 1..=count + 2 {
                for n in 0..50 {
                    let choice = choose(&list, pick, Order::Fixed, random(n));
                    assert_eq!(choice.len(), usize::from(pick.min(count)));
                    let mut chosen: Vec<_> = choice.collect();
                    chosen.sort();
                    chosen.dedup();
                    assert_eq!(chosen.len(), usize::from(pick.min(count)));
                }
            }
        }
    }

    #[test]
    fn each_address_is_chosen_as_often_as_any_other() {
        let list = addresses(6);
        let mut seen = [0u32; 6];
        for n in 0..60_000 {
            for address in choose(&list, 2, Order::Rotate, random(n)) {
                seen[usize::from(address[1])] += 1;
            }
        }
        for count in seen {
            assert!((19_000..21_000).contains(&count), "{seen:?}");
        }
    }

    #[test]
    fn nothing_is_chosen_of_nothing() {
        assert_eq!(choose::<4>(&[], 1, Order::Rotate, 7).count(), 0);
    }
}
