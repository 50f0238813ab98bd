//! The private peripheral bus: NVIC, system control block and SysTick of one core.
//!
//! DDI 0419 chapters B3.2 to B3.4; RP2040 datasheet 2.4.8. The MPU's registers are absent (they read as zero,
//! and MPU_TYPE says no regions).

use super::Core;
use super::exception::{FIRST_IRQ, NMI, PEND_SV, SYS_TICK};
use crate::bus::Bus;
use crate::sched::Event;

/// Configurable priorities 0 to 3, in two bits; this is the priority of thread mode.
pub(crate) const NUM_PRIORITIES: i32 = 4;

/// Pending, enabled and active exceptions, as bits by exception number (interrupt n is 16 + n).
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Nvic {
    pub(crate) enabled: u32,
    pub(crate) pending: u64,
    pub(crate) active: u64,
    lines: u32,
    /// As their registers have them: four exceptions a word, each its priority in the upper two bits of a byte.
    priorities: [[u8; 4]; 12],
    pub(crate) vtor: u32,
    pub(crate) sev_on_pend: bool,
    pub(crate) scr: u32,
}

impl Nvic {
    /// The configurable priority of exception `number`.
    pub(crate) fn priority(&self, number: u32) -> i32 {
        i32::from(self.priorities.as_flattened()[number as usize] >> 6)
    }

    /// Latches the level of the interrupt lines: an edge always pends, a level does unless its handler is active
    /// (DDI 0419 B3.4.1). True when something became pending.
    pub(crate) fn sample(&mut self, lines: u32) -> bool {
        let rising = lines & !self.lines;
        self.lines = lines;
        let active = (self.active >> FIRST_IRQ) as u32;
        let before = self.pending;
        self.pending |= u64::from(rising | lines & !active) << FIRST_IRQ;
        self.pending != before
    }

    /// Exceptions that are pending and enabled.
    pub(crate) fn ready(&self) -> u64 {
        self.pending & (u64::from(self.enabled) << FIRST_IRQ | 0xffff)
    }

    pub(crate) fn activate(&mut self, number: u32) {
        self.pending &= !(1 << number);
        self.active |= 1 << number;
    }

    pub(crate) fn deactivate(&mut self, number: u32) {
        self.active &= !(1 << number);
    }
}

/// The 24-bit system timer, kept as the cycle at which it last had a known value.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(crate) struct SysTick {
    control: u32,
    reload: u32,
    /// Count at cycle `since`.
    count: u32,
    since: u64,
    /// Reached zero since CSR was last read (COUNTFLAG).
    flag: bool,
}

impl SysTick {
    const ENABLE: u32 = 1;
    const TICKINT: u32 = 2;

    /// Brings the count to `now`; returns whether it reached zero on the way.
    fn advance(&mut self, now: u64) -> bool {
        let elapsed = now.saturating_sub(self.since);
        self.since = self.since.max(now);
        if self.control & Self::ENABLE == 0 || elapsed == 0 {
            return false;
        }
        let count = u64::from(self.count);
        if count > elapsed {
            self.count -= elapsed as u32;
            return false;
        }
        let reached = count > 0;
        // After zero the next clock loads RELOAD; a reload of zero stops the counter.
        let period = u64::from(self.reload) + 1;
        let past = elapsed - count;
        self.count = ((period - past % period) % period) as u32;
        let hit = reached || self.reload > 0 && past >= period;
        self.flag |= hit;
        hit
    }

    /// Whether it runs and interrupts.
    pub(crate) fn interrupts(&self) -> bool {
        self.control & (Self::ENABLE | Self::TICKINT) == Self::ENABLE | Self::TICKINT
    }

    /// When the count next reaches zero.
    fn next_zero(&self) -> Option<u64> {
        if self.control & Self::ENABLE == 0 {
            None
        } else if self.count > 0 {
            Some(self.since + u64::from(self.count))
        } else if self.reload > 0 {
            Some(self.since + u64::from(self.reload) + 1)
        } else {
            None
        }
    }
}

impl Core {
    /// Handles the schedule's SysTick event, or a change of its registers.
    pub(crate) fn systick_due(&mut self, now: u64, bus: &mut Bus) {
        if self.systick.advance(now) && self.systick.control & SysTick::TICKINT != 0 {
            self.nvic.pending |= 1 << SYS_TICK;
        }
        let interrupts = self.systick.control & SysTick::TICKINT != 0;
        let next = self.systick.next_zero().filter(|_| interrupts);
        bus.wires.sched.set(Event::SysTick0.of(self.id), next);
        bus.wires.sched.interrupt_run();
    }

    /// Reads the word at `addr` (0xe000e000 region); `None` where nothing answers.
    pub(crate) fn read_ppb(&mut self, addr: u32, now: u64, bus: &mut Bus) -> Option<u32> {
        if addr & 0xffff_f000 != 0xe000_e000 {
            return None;
        }
        bus.touched += 1;
        self.nvic.sample(bus.wires.irq_lines(self.id));
        Some(match addr & 0xfff {
            0x010 => {
                self.systick.advance(now);
                let flag = std::mem::take(&mut self.systick.flag);
                self.systick.control | u32::from(flag) << 16
            }
            0x014 => self.systick.reload,
            0x018 => {
                self.systick.advance(now);
                self.systick.count
            }
            0x01c => 0xc000_0000, // no reference value (NOREF, SKEW)
            0x100 | 0x180 => self.nvic.enabled,
            0x200 | 0x280 => (self.nvic.pending >> FIRST_IRQ) as u32,
            offset @ 0x400..=0x41c => {
                u32::from_le_bytes(self.nvic.priorities[(offset as usize - 0x400 + 16) / 4])
            }
            0xd00 => 0x410c_c601, // CPUID: Cortex-M0+ r0p1
            0xd04 => self.read_icsr(),
            0xd08 => self.nvic.vtor,
            0xd0c => 0xfa05_0000,
            0xd10 => self.nvic.scr,
            0xd14 => 0x0000_0208, // CCR: STKALIGN, UNALIGN_TRP
            0xd1c => u32::from_le_bytes(self.nvic.priorities[2]),
            0xd20 => u32::from_le_bytes(self.nvic.priorities[3]),
            _ => 0, // SHCSR too: an SVC is taken at once or is a hard fault, and is never pending
        })
    }

    fn read_icsr(&self) -> u32 {
        let ready = self.nvic.ready();
        let first = self.most_urgent().map_or(0, |(number, _)| number);
        let any_irq = self.nvic.pending >> FIRST_IRQ != 0;
        u32::from(ready >> NMI & 1 != 0) << 31
            | u32::from(ready >> PEND_SV & 1 != 0) << 28
            | u32::from(ready >> SYS_TICK & 1 != 0) << 26
            | u32::from(any_irq) << 22
            | first << 12
            | self.ipsr
    }

    /// Writes the word at `addr`; `None` where nothing answers. Registers that do not exist ignore it.
    pub(crate) fn write_ppb(&mut self, addr: u32, value: u32, now: u64, bus: &mut Bus) -> Option<()> {
        if addr & 0xffff_f000 != 0xe000_e000 {
            return None;
        }
        let irqs = u64::from(value) << FIRST_IRQ;
        match addr & 0xfff {
            register @ (0x010 | 0x014 | 0x018) => {
                self.systick.advance(now);
                match register {
                    0x010 => self.systick.control = value & 7,
                    0x014 => self.systick.reload = value & 0x00ff_ffff,
                    _ => (self.systick.count, self.systick.flag) = (0, false),
                }
                self.systick_due(now, bus);
            }
            0x100 => self.nvic.enabled |= value, // inputs 26 to 31 are not wired but can be pended
            0x180 => self.nvic.enabled &= !value,
            0x200 => self.nvic.pending |= irqs,
            0x280 => self.nvic.pending &= !irqs,
            offset @ 0x400..=0x41c => {
                self.nvic.priorities[(offset as usize - 0x400 + 16) / 4] =
                    (value & 0xc0c0_c0c0).to_le_bytes();
            }
            0xd04 => {
                let pend = u64::from(value >> 31) << NMI
                    | u64::from(value >> 28 & 1) << PEND_SV
                    | u64::from(value >> 26 & 1) << SYS_TICK;
                let clear = u64::from(value >> 27 & 1) << PEND_SV | u64::from(value >> 25 & 1) << SYS_TICK;
                self.nvic.pending = self.nvic.pending & !clear | pend;
            }
            0xd08 => self.nvic.vtor = value & 0xffff_ff00,
            0xd0c if value >> 16 == 0x05fa && value & 4 != 0 => bus.request_reset(crate::bus::Reset::System),
            0xd10 => {
                self.nvic.scr = value & 0x16;
                self.nvic.sev_on_pend = value & 0x10 != 0;
            }
            // SVCall; PendSV and SysTick.
            0xd1c => self.nvic.priorities[2] = (value & 0xc000_0000).to_le_bytes(),
            0xd20 => self.nvic.priorities[3] = (value & 0xc0c0_0000).to_le_bytes(),
            _ => {} // reserved and read-only: RAZ/WI
        }
        bus.wires.sched.interrupt_run();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One clock of an enabled counter (DDI 0419 B3.3.1): whether it counted down to zero.
    fn clock(count: &mut u32, reload: u32) -> bool {
        let was = *count;
        *count = if was == 0 { reload } else { was - 1 };
        was == 1
    }

    #[test]
    fn the_timer_counts_as_one_that_is_clocked() {
        for (reload, first, enable) in
            (0..4).flat_map(|r| (0..6).flat_map(move |c| [(r, c, 0), (r, c, 1), (r, c, 3)]))
        {
            for jump in 1..9 {
                let mut timer = SysTick { control: enable, reload, count: first, since: 10, flag: false };
                let (mut count, mut flag) = (first, false);
                for now in (10 + jump..60).step_by(jump as usize) {
                    let zeros: Vec<bool> =
                        (0..jump).map(|_| enable & 1 != 0 && clock(&mut count, reload)).collect();
                    let hit = zeros.contains(&true);
                    flag |= hit;
                    let next = timer.next_zero();
                    assert_eq!(timer.advance(now), hit, "reload {reload}, from {first}, by {jump} to {now}");
                    assert_eq!((timer.count, timer.flag), (count, flag));
                    let soonest = zeros.iter().position(|&zero| zero).map(|i| now - jump + 1 + i as u64);
                    assert!(soonest.is_none_or(|at| next == Some(at)), "{next:?} is not {soonest:?}");
                    assert!(soonest.is_some() || next.is_none_or(|at| at > now));
                    // Time that has passed already changes nothing.
                    assert!(!timer.advance(now - 1) && timer.since == now);
                }
                assert_eq!(timer.interrupts(), enable == 3);
            }
        }
    }
}
