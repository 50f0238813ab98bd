//! Twelve DMA channels (datasheet 2.5): pacing, chaining, rings, byte swap, the sniffer and the pacing timers.
//!
//! One transfer starts in each cycle in which a channel is ready; it reads in that cycle and writes in the next.
//! Channels of high priority go first, then the others, round-robin in each group.

use super::Interrupts;
use crate::bus::Bus;
use crate::sched::Event;
use crate::wires::{Wires, irq};

const CHANNELS: usize = 12;
const EN: u32 = 1;
const HIGH_PRIORITY: u32 = 2;
const IRQ_QUIET: u32 = 1 << 21;
const BSWAP: u32 = 1 << 22;
const SNIFF_EN: u32 = 1 << 23;
const WRITE_ERROR: u32 = 1 << 29;
const READ_ERROR: u32 = 1 << 30;
/// TREQ_SEL that always asks.
const PERMANENT: u32 = 0x3f;
/// The first of the four pacing timers' TREQ_SEL.
const TIMER0: u32 = 0x3b;

#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    read: u32,
    write: u32,
    /// Transfers still to do, and the number to reload.
    count: u32,
    reload: u32,
    ctrl: u32,
    busy: bool,
}

impl Channel {
    fn treq(&self) -> u32 {
        self.ctrl >> 15 & 0x3f
    }
    fn size(&self) -> u32 {
        1 << (self.ctrl >> 2 & 3).min(2)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Dma {
    channels: [Channel; CHANNELS],
    raised: u32,
    interrupts: [Interrupts; 2],
    timers: [u32; 4],
    /// For each pacing timer, its accumulated fraction and the cycle it was looked at.
    timer_state: [(u64, u64); 4],
    sniff_ctrl: u32,
    sniff_data: u32,
    /// The channel served last, for round-robin.
    last: usize,
    /// The transfer before holds the bus until this cycle.
    free_at: u64,
    /// Any channel has transfers left.
    pub(crate) active: bool,
}

impl Dma {
    pub(crate) fn new() -> Dma {
        let mut dma = Dma::default();
        for (i, channel) in dma.channels.iter_mut().enumerate() {
            channel.ctrl = (i as u32) << 11; // CHAIN_TO itself: no chaining
        }
        dma
    }

    fn update(&mut self, now: u64, wires: &mut Wires) {
        let (mut active, mut wanted) = (false, 0);
        for channel in &self.channels {
            active |= channel.busy;
            wanted |= u64::from(channel.busy && channel.ctrl & EN != 0) << channel.treq();
        }
        (self.active, wires.dreq_wanted) = (active, wanted);
        for (i, line) in (0..).zip(self.interrupts) {
            wires.set_irq(irq::DMA_0 + i, line.status(self.raised) != 0);
        }
        let paced = wanted >> TIMER0 & 15 != 0;
        if paced || wanted & (wires.dreq | 1 << PERMANENT) != 0 {
            wires.sched.no_later(Event::Dma, self.free_at.max(now + 1));
        }
    }

    /// The channel to serve next, given the requests.
    fn pick(&self, requests: u64) -> Option<usize> {
        let (mut ready, mut high) = (0u32, 0u32);
        for (i, c) in self.channels.iter().enumerate() {
            if c.busy && c.ctrl & EN != 0 && requests >> c.treq() & 1 != 0 {
                ready |= 1 << i;
                high |= u32::from(c.ctrl & HIGH_PRIORITY != 0) << i;
            }
        }
        let chosen = if high != 0 { high } else { ready };
        // The first after the one served last, else the first of all.
        let later = chosen & (u32::MAX << self.last << 1);
        let from = if later != 0 { later } else { chosen };
        (from != 0).then_some(from.trailing_zeros() as usize)
    }

    /// Pacing timers (2.5.3.3): X/Y requests a cycle. Returns those with a request, as TREQ bits.
    fn timer_requests(&mut self, now: u64) -> u64 {
        let mut requests = 0;
        for i in 0..4 {
            let (x, y) = (u64::from(self.timers[i] >> 16), u64::from(self.timers[i] & 0xffff));
            let (acc, at) = &mut self.timer_state[i];
            if y != 0 {
                *acc = (*acc + now.saturating_sub(*at) * x).min(2 * y);
                if *acc >= y {
                    requests |= 1 << (TIMER0 as usize + i);
                }
            }
            *at = now;
        }
        requests
    }

    /// Starts channel `i`, if it is idle and enabled.
    fn trigger(&mut self, i: usize) {
        let channel = &mut self.channels[i];
        if channel.ctrl & EN != 0 && !channel.busy {
            channel.count = channel.reload;
            channel.busy = channel.count > 0;
            if channel.count == 0 {
                self.complete(i);
            }
        }
    }

    /// Raises the channel's interrupt and starts the one it chains to.
    fn complete(&mut self, i: usize) {
        let channel = &mut self.channels[i];
        channel.busy = false;
        let (quiet, next) = (channel.ctrl & IRQ_QUIET != 0, (channel.ctrl >> 11 & 15) as usize);
        if !quiet {
            self.raised |= 1 << i;
        }
        if next != i && next < CHANNELS {
            self.trigger(next);
        }
    }

    pub(crate) fn read(&self, reg: u32) -> u32 {
        match reg {
            0..0x300 => {
                let channel = &self.channels[(reg >> 6) as usize];
                match field(reg) {
                    Field::Read => channel.read,
                    Field::Write => channel.write,
                    Field::Count => channel.count,
                    Field::Ctrl => {
                        let error = u32::from(channel.ctrl & (READ_ERROR | WRITE_ERROR) != 0) << 31;
                        channel.ctrl | u32::from(channel.busy) << 24 | error
                    }
                }
            }
            0x400 => self.raised,
            0x404..=0x40c => self.interrupts[0].read(reg - 0x404, self.raised),
            0x414..=0x41c => self.interrupts[1].read(reg - 0x414, self.raised),
            0x420..0x430 => self.timers[(reg >> 2 & 3) as usize],
            0x434 => self.sniff_ctrl,
            0x438 => self.sniff_result(),
            0x448 => CHANNELS as u32,
            0x800..0xb00 if reg & 0x3f == 4 => self.channels[((reg - 0x800) >> 6) as usize].reload,
            _ => 0,
        }
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        match reg {
            0..0x300 => self.write_channel(reg, value),
            0x400 | 0x40c | 0x41c => self.raised &= !value,
            0x404 | 0x408 => self.interrupts[0].write(reg - 0x404, value, 0xffff),
            0x414 | 0x418 => self.interrupts[1].write(reg - 0x414, value, 0xffff),
            0x420..0x430 => self.timers[(reg >> 2 & 3) as usize] = value,
            0x430 => (0..CHANNELS).filter(|i| value >> i & 1 != 0).for_each(|i| self.trigger(i)),
            0x434 => self.sniff_ctrl = value & 0xfff,
            0x438 => self.sniff_data = value,
            0x444 => {
                for i in (0..CHANNELS).filter(|i| value >> i & 1 != 0) {
                    self.channels[i].busy = false;
                    self.channels[i].count = 0;
                }
            }
            _ => {} // read-only
        }
        self.update(now, wires);
    }

    fn write_channel(&mut self, reg: u32, value: u32) {
        let i = (reg >> 6) as usize;
        let channel = &mut self.channels[i];
        match field(reg) {
            Field::Read => channel.read = value,
            Field::Write => channel.write = value,
            Field::Count => channel.reload = value,
            Field::Ctrl => {
                let errors = channel.ctrl & (READ_ERROR | WRITE_ERROR) & !value;
                channel.ctrl = value & 0x00ff_ffff | errors;
            }
        }
        // The last register of each alias starts the channel, but a null written there only raises its
        // interrupt in quiet mode (2.5.2.3).
        if reg & 15 == 12 {
            if value != 0 {
                self.trigger(i);
            } else if self.channels[i].ctrl & IRQ_QUIET != 0 {
                self.raised |= 1 << i;
            }
        }
    }

    fn sniff_result(&self) -> u32 {
        let data =
            if self.sniff_ctrl >> 10 & 1 != 0 { self.sniff_data.reverse_bits() } else { self.sniff_data };
        if self.sniff_ctrl >> 11 & 1 != 0 { !data } else { data }
    }

    /// Takes a transferred value into the checksum (2.5.5.2).
    fn sniff(&mut self, value: u32, size: u32) {
        let value = if self.sniff_ctrl >> 9 & 1 != 0 { value.swap_bytes() >> (32 - 8 * size) } else { value };
        for i in 0..size {
            let byte = value >> (8 * i) & 0xff;
            self.sniff_data = match self.sniff_ctrl >> 5 & 15 {
                0 => crc32(self.sniff_data, byte),
                1 => crc32(self.sniff_data, byte.reverse_bits() >> 24),
                2 => crc16(self.sniff_data, byte),
                3 => crc16(self.sniff_data, byte.reverse_bits() >> 24),
                14 => self.sniff_data ^ (byte.count_ones() & 1),
                _ => self.sniff_data,
            };
        }
        if self.sniff_ctrl >> 5 & 15 == 15 {
            self.sniff_data = self.sniff_data.wrapping_add(value);
        }
    }
}

#[derive(Clone, Copy)]
enum Field {
    Read,
    Write,
    Count,
    Ctrl,
}

/// Which register of a channel `reg` is: four aliases order them differently (2.5.2.1).
fn field(reg: u32) -> Field {
    use Field::{Count, Ctrl, Read, Write};
    [Read, Write, Count, Ctrl, Ctrl, Read, Write, Count, Ctrl, Count, Read, Write, Ctrl, Write, Count, Read]
        [(reg >> 2 & 15) as usize]
}

/// `crc` after another byte, by a polynomial of `width` bits.
fn crc(crc: u32, byte: u32, width: u32, polynomial: u32) -> u32 {
    let shifted = (0..8).fold(crc ^ byte << (width - 8), |crc, _| {
        crc << 1 ^ if crc >> (width - 1) & 1 != 0 { polynomial } else { 0 }
    });
    shifted & u32::MAX >> (32 - width)
}

pub(crate) fn crc32(old: u32, byte: u32) -> u32 {
    crc(old, byte, 32, 0x04c1_1db7)
}

fn crc16(old: u32, byte: u32) -> u32 {
    crc(old, byte, 16, 0x1021)
}

impl Bus {
    /// One cycle of the DMA: serves the next ready channel and plans the cycle after.
    pub(crate) fn dma_event(&mut self, now: u64) {
        if now < self.dma.free_at {
            self.wires.sched.set(Event::Dma, Some(self.dma.free_at));
            return;
        }
        let requests = self.wires.dreq | 1 << PERMANENT | self.dma.timer_requests(now);
        if let Some(i) = self.dma.pick(requests) {
            let treq = self.dma.channels[i].treq();
            if (TIMER0..TIMER0 + 4).contains(&treq) {
                let t = (treq - TIMER0) as usize;
                self.dma.timer_state[t].0 -= u64::from(self.dma.timers[t] & 0xffff);
            }
            self.dma.last = i;
            self.transfer(i, now);
        }
        self.dma.update(now, &mut self.wires);
    }

    /// Moves one element of channel `i`.
    fn transfer(&mut self, i: usize, now: u64) {
        let channel = self.dma.channels[i];
        let size = channel.size();
        let mut at = now;
        let value = match self.read(channel.read & !(size - 1), size, &mut at) {
            Ok(value) => value,
            Err(_) => return self.dma_failed(i, READ_ERROR),
        };
        if channel.ctrl & SNIFF_EN != 0
            && self.dma.sniff_ctrl & 1 != 0
            && self.dma.sniff_ctrl >> 1 & 15 == i as u32
        {
            self.dma.sniff(value, size);
        }
        let out = if channel.ctrl & BSWAP != 0 { value.swap_bytes() >> (32 - 8 * size) } else { value };
        at += 1;
        if self.write(channel.write & !(size - 1), size, out, &mut at).is_err() {
            return self.dma_failed(i, WRITE_ERROR);
        }
        let ring = channel.ctrl >> 6 & 15;
        let ring_write = channel.ctrl >> 10 & 1 != 0;
        let c = &mut self.dma.channels[i];
        if channel.ctrl & 0x10 != 0 {
            c.read = step(c.read, size, if ring_write { 0 } else { ring });
        }
        if channel.ctrl & 0x20 != 0 {
            c.write = step(c.write, size, if ring_write { ring } else { 0 });
        }
        c.count -= 1;
        if c.count == 0 {
            self.dma.complete(i);
        }
        if (crate::wires::dreq::PWM_WRAP0..crate::wires::dreq::I2C0_TX).contains(&channel.treq()) {
            self.wires.set_dreq(channel.treq(), false, now); // one transfer for each wrap
        }
        // Reads and writes overlap, so the next transfer follows in the next cycle unless this one stalled
        // (flash, the APB bridge).
        self.dma.free_at = at;
    }

    fn dma_failed(&mut self, i: usize, error: u32) {
        let channel = &mut self.dma.channels[i];
        channel.ctrl |= error;
        channel.busy = false;
        self.dma.raised |= 1 << i;
    }
}

/// The next address, wrapping within `1 << ring` bytes when `ring` is not 0.
fn step(addr: u32, size: u32, ring: u32) -> u32 {
    let next = addr.wrapping_add(size);
    if ring == 0 {
        return next;
    }
    let mask = (1 << ring) - 1;
    addr & !mask | next & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_match_their_published_check_values() {
        let check = |mode: u32, seed: u32| {
            let mut dma = Dma::new();
            dma.sniff_ctrl = mode << 5;
            dma.sniff_data = seed;
            for byte in *b"123456789" {
                dma.sniff(u32::from(byte), 1);
            }
            dma.sniff_data
        };
        assert_eq!(check(0, u32::MAX), !0xfc89_1918, "CRC-32/BZIP2 before its final inversion");
        assert_eq!(check(1, u32::MAX).reverse_bits(), !0xcbf4_3926, "CRC-32");
        assert_eq!(check(2, 0xffff), 0x29b1, "CRC-16/IBM-3740");
        assert_eq!(check(15, 0), 477);
    }

    #[test]
    fn rings_wrap_within_their_size() {
        assert_eq!(step(0x2000_001c, 4, 5), 0x2000_0000);
        assert_eq!(step(0x2000_001c, 4, 0), 0x2000_0020);
    }
}
