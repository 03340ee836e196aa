//! Which of a role's addresses one lookup returns, and in what order.

/// How several addresses are ordered (`order` in the configuration).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Rotated by a random number at each lookup.
    #[default]
    Rotate,
    /// As written in Redis.
    Fixed,
}

/// The numbers of the addresses that one lookup returns, in order. Made by
/// [`choose`].
#[derive(Debug, Clone)]
pub struct Choice {
    count: usize,
    at: usize,
    step: usize,
    left: usize,
}

/// Chooses `pick` of `count` addresses (0: all of them) by the bits of `random`.
///
/// All of them are returned in `order`. If fewer are picked, each address is
/// equally likely to be chosen and to come first: they are taken in steps of a
/// random stride from a random start, modulo `count`, which takes no memory and
/// no pass over the addresses.
#[must_use]
pub fn choose(count: usize, pick: u16, order: Order, random: u64) -> Choice {
    if count < 2 {
        return Choice::new(count, 0, 1, count);
    }
    let (start, stride) = (random >> 32, random & 0xffff_ffff);
    let scaled = |bits: u64, below: usize| (bits.wrapping_mul(below as u64) >> 32) as usize;
    let start = scaled(start, count);
    let pick = usize::from(pick);
    if pick == 0 || pick >= count {
        let start = if order == Order::Fixed { 0 } else { start };
        return Choice::new(count, start, 1, count);
    }
    let mut step = 1 + scaled(stride, count - 1);
    while common_divisor(step, count) != 1 {
        step -= 1;
    }
    Choice::new(count, start, step, pick)
}

/// The greatest common divisor. A stride visits every address if this is 1 for
/// the stride and the count.
fn common_divisor(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Choice {
    fn new(count: usize, at: usize, step: usize, left: usize) -> Choice {
        Choice {
            count,
            at,
            step,
            left,
        }
    }
}

impl Iterator for Choice {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let number = self.at;
        self.at += self.step;
        if self.at >= self.count {
            self.at -= self.count;
        }
        Some(number)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Choice {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Different bits for each lookup.
    fn random(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (n << 29)
    }

    #[test]
    fn fixed_is_as_written_and_rotate_is_rotated() {
        let fixed: Vec<_> = choose(5, 0, Order::Fixed, u64::MAX).collect();
        assert_eq!(fixed, [0, 1, 2, 3, 4]);
        let rotated: Vec<_> = choose(5, 0, Order::Rotate, u64::MAX).collect();
        assert_eq!(rotated, [4, 0, 1, 2, 3]);
    }

    #[test]
    fn a_pick_never_repeats_an_address() {
        for count in 1..40 {
            for pick in 1..=count as u16 + 2 {
                for n in 0..50 {
                    let expected = usize::from(pick).min(count);
                    let choice = choose(count, pick, Order::Fixed, random(n));
                    assert_eq!(choice.len(), expected);
                    let mut chosen: Vec<_> = choice.collect();
                    chosen.sort_unstable();
                    chosen.dedup();
                    assert_eq!(chosen.len(), expected);
                    assert!(chosen.iter().all(|&number| number < count));
                }
            }
        }
    }

    #[test]
    fn each_address_is_chosen_as_often_as_any_other() {
        let mut seen = [0u32; 6];
        for n in 0..60_000 {
            for number in choose(6, 2, Order::Rotate, random(n)) {
                seen[number] += 1;
            }
        }
        for count in seen {
            assert!((19_000..21_000).contains(&count), "{seen:?}");
        }
    }

    #[test]
    fn no_addresses_give_no_choice() {
        assert_eq!(choose(0, 1, Order::Rotate, 7).count(), 0);
    }
}
