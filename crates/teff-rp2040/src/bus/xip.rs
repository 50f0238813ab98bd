//! The execute-in-place cache and its counters (datasheet 2.6.3).
//!
//! 16 kB, two ways, lines of 8 bytes whose two words are valid separately: a miss fills one word. A hit costs no
//! extra cycle. A miss occupies the flash for [`Xip::miss`] cycles, during which the cache serves nobody
//! (hit under miss is not documented; none is assumed). The way that was used longer ago is replaced
//! (the policy is not documented either).

const SETS: usize = 1024;

#[derive(Clone, Debug, Default)]
pub(crate) struct Xip {
    /// Two ways for each set: flash address bits 23 to 13, then one valid bit for each word.
    ways: Vec<[u32; 2]>,
    /// The way of each set to replace next.
    victim: Vec<u8>,
    pub(crate) ctrl: u32,
    pub(crate) hits: u32,
    pub(crate) accesses: u32,
    /// The flash serves something until this cycle.
    pub(crate) flash_busy: u64,
    /// The cache serves nothing until this cycle.
    busy: u64,
    /// Cycles of clk_sys that a miss takes.
    pub(crate) miss: u64,
}

/// CTRL.EN: the cache is on (2.6.3.6).
pub(crate) const CTRL_EN: u32 = 1;
/// CTRL.ERR_BADWRITE: a store to the cacheable alias faults.
pub(crate) const CTRL_ERR_BADWRITE: u32 = 2;

impl Xip {
    pub(crate) fn new(miss: u64) -> Xip {
        let ctrl = CTRL_EN | CTRL_ERR_BADWRITE;
        Xip { ways: vec![[0; 2]; SETS], victim: vec![0; SETS], ctrl, miss, ..Xip::default() }
    }

    /// Lines, ways to replace, and for how long the flash is busy from `now` on.
    pub(crate) fn state(&self, now: u64) -> (Vec<[u32; 2]>, Vec<u8>, u64) {
        (self.ways.clone(), self.victim.clone(), self.flash_busy.max(self.busy).saturating_sub(now))
    }

    /// Forgets every line.
    pub(crate) fn flush(&mut self) {
        self.ways.fill([0; 2]);
    }

    /// Forgets the line of flash address `addr`, as a store to the cacheable alias does.
    pub(crate) fn invalidate(&mut self, addr: u32) {
        let set = (addr >> 3) as usize % SETS;
        for way in &mut self.ways[set] {
            if *way >> 2 == addr >> 13 & 0x7ff {
                *way = 0;
            }
        }
    }

    /// One access to the word at `addr` (any of the four aliases) at cycle `at`, which moves to where its data
    /// is there.
    #[inline(always)]
    pub(crate) fn fetch(&mut self, addr: u32, at: &mut u64) {
        if self.busy <= *at && addr & 0x0300_0000 == 0 {
            let set = (addr >> 3) as usize % SETS;
            let want = (addr >> 13 & 0x7ff) << 2;
            let valid = 1 << (addr >> 2 & 1);
            let ways = &self.ways[set];
            for way in 0..2 {
                // Same tag and a valid word: the difference lies at most in the other word's valid bit.
                if (ways[way] ^ (want | valid)) & !(3 ^ valid) == 0 {
                    self.victim[set] = 1 - way as u8;
                    self.hits = self.hits.saturating_add(1);
                    self.accesses = self.accesses.saturating_add(1);
                    return;
                }
            }
        }
        self.slow(addr, at);
    }

    /// Misses, waits behind a miss, and the aliases that bypass the cache or do not allocate.
    #[inline(never)]
    fn slow(&mut self, addr: u32, at: &mut u64) {
        *at = (*at).max(self.busy);
        let enabled = self.ctrl & CTRL_EN != 0;
        let check = enabled && addr & 0x0200_0000 == 0;
        let allocate = enabled && addr & 0x0100_0000 == 0;
        let set = (addr >> 3) as usize % SETS;
        let tag = (addr >> 13 & 0x7ff) << 2;
        let valid = 1 << (addr >> 2 & 1);
        let ways = &mut self.ways[set];
        let same = (0..2).find(|&w| ways[w] & 3 != 0 && ways[w] & !3 == tag);
        if check {
            self.accesses = self.accesses.saturating_add(1);
            if let Some(way) = same
                && ways[way] & valid != 0
            {
                self.hits = self.hits.saturating_add(1);
                self.victim[set] = 1 - way as u8;
                return;
            }
        }
        if allocate {
            let way = same.unwrap_or(usize::from(self.victim[set]));
            ways[way] = if same.is_some() { ways[way] | valid } else { tag | valid };
            self.victim[set] = 1 - way as u8;
        }
        *at = self.use_flash(*at, self.miss);
        self.busy = *at;
    }

    /// Occupies the flash for `cycles` from `from` or as soon as it is free; returns the end.
    pub(crate) fn use_flash(&mut self, from: u64, cycles: u64) -> u64 {
        self.flash_busy = self.flash_busy.max(from) + cycles;
        self.flash_busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(xip: &mut Xip, now: &mut u64, addr: u32) -> u64 {
        let mut at = *now;
        xip.fetch(addr, &mut at);
        let cost = at - *now;
        *now = at + 1;
        cost
    }

    #[test]
    fn a_miss_fills_one_word_and_two_ways_hold_two_tags() {
        let mut xip = Xip::new(40);
        let mut now = 100;
        let mut c = |addr| cost(&mut xip, &mut now, addr);
        assert_eq!(c(0x1000_0000), 40);
        assert_eq!(c(0x1000_0000), 0);
        assert_eq!(c(0x1000_0004), 40, "the other half of the line");
        assert_eq!(c(0x1000_2000), 40, "same set, second way");
        assert_eq!(c(0x1000_0004), 0);
        assert_eq!(c(0x1000_4000), 40, "evicts the way used longer ago");
        assert_eq!(c(0x1000_0000), 0);
        assert_eq!(c(0x1000_2000), 40);
        assert_eq!((xip.hits, xip.accesses), (3, 8));
    }

    #[test]
    fn aliases_bypass_or_do_not_allocate() {
        let mut xip = Xip::new(40);
        let mut now = 0;
        let mut c = |addr| cost(&mut xip, &mut now, addr);
        assert_eq!(c(0x1100_0000), 40);
        assert_eq!(c(0x1100_0000), 40, "not allocated");
        assert_eq!(c(0x1000_0000), 40);
        assert_eq!(c(0x1100_0000), 0, "hits what another access allocated");
        assert_eq!(c(0x1300_0000), 40, "never looks");
    }

    #[test]
    fn another_master_waits_while_a_miss_fills() {
        let mut xip = Xip::new(40);
        let mut at = 10;
        xip.fetch(0x1000_0000, &mut at);
        assert_eq!(at, 50);
        let mut other = 12;
        xip.fetch(0x1000_0000, &mut other);
        assert_eq!(other, 50);
    }
}
