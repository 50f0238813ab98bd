//! Collisions: two masters that want one bank in one cycle (datasheet 2.1.1, 2.6.2).
//!
//! Each access claims a port for the one cycle it takes. Who comes second waits a cycle and tries the next.
//! Masters are simulated an instruction at a time, so claims may lie a few cycles ahead of each other; claims
//! are kept for the last 64 cycles. Equal priorities are assumed: whoever was simulated first goes first.

pub(crate) const PORTS: usize = 8;
const CYCLES: usize = 64;

#[derive(Clone, Debug)]
pub(crate) struct Banks {
    /// For each port and cycle modulo 64, the low half of the cycle that claimed it last.
    claimed: [[u32; CYCLES]; PORTS],
}

impl Banks {
    pub(crate) fn new() -> Banks {
        Banks { claimed: [[u32::MAX; CYCLES]; PORTS] }
    }

    /// Takes `port` in cycle `at` or the first free one after it, moving `at` there; returns the cycles lost.
    #[inline(always)]
    pub(crate) fn claim(&mut self, port: usize, at: &mut u64) -> u64 {
        let slot = &mut self.claimed[port % PORTS][*at as usize % CYCLES];
        if *slot != *at as u32 {
            *slot = *at as u32;
            return 0;
        }
        self.wait(port, at)
    }

    /// For each port, which of the cycles from `now` on are claimed, as bits.
    pub(crate) fn ahead(&self, now: u64) -> [u64; PORTS] {
        self.claimed.map(|slots| {
            let claimed = |i: &u64| slots[(now + i) as usize % CYCLES] == (now + i) as u32;
            (0..CYCLES as u64).filter(claimed).fold(0, |bits, i| bits | 1 << i)
        })
    }

    #[cold]
    fn wait(&mut self, port: usize, at: &mut u64) -> u64 {
        let asked = *at;
        while self.claimed[port % PORTS][*at as usize % CYCLES] == *at as u32 {
            *at += 1;
        }
        self.claimed[port % PORTS][*at as usize % CYCLES] = *at as u32;
        *at - asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_master_waits_one_cycle_and_other_banks_do_not() {
        let mut banks = Banks::new();
        let mut at = 1000;
        assert_eq!(banks.claim(2, &mut at), 0);
        assert_eq!(banks.claim(3, &mut at), 0);
        assert_eq!(banks.claim(2, &mut at), 1);
        assert_eq!(at, 1001);
        let mut later = 1064; // the same slot, another cycle
        assert_eq!(banks.claim(2, &mut later), 0);
    }
}
