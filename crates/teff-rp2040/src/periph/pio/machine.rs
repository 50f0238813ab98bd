//! The state of one PIO state machine: registers, FIFOs, and its clock divider (datasheet 3.5).

/// Not due: disabled, or asleep until something wakes it.
pub(crate) const NOT_DUE: u64 = u64::MAX;

/// A FIFO of at most eight words (two of four joined).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fifo {
    words: [u32; 8],
    first: usize,
    len: usize,
}

impl Fifo {
    pub(crate) fn len(&self) -> usize {
        self.len
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Adds a word; the caller has checked that there is room.
    pub(crate) fn push(&mut self, word: u32) {
        self.words[(self.first + self.len) % 8] = word;
        self.len = (self.len + 1).min(8);
    }
    pub(crate) fn pop(&mut self) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let word = self.words[self.first];
        self.first = (self.first + 1) % 8;
        self.len -= 1;
        Some(word)
    }
}

/// Why a machine does not go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Stall {
    #[default]
    None,
    Pin(u8),
    Flag,
    /// TX FIFO empty.
    Data,
    /// RX FIFO full.
    Room,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) enabled: bool,
    pub(crate) pc: u8,
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) isr: u32,
    pub(crate) osr: u32,
    /// Bits shifted in and out so far.
    pub(crate) isr_count: u32,
    pub(crate) osr_count: u32,
    pub(crate) tx: Fifo,
    pub(crate) rx: Fifo,
    clkdiv: u32,
    pub(crate) exec_ctrl: u32,
    pub(crate) shift_ctrl: u32,
    pub(crate) pin_ctrl: u32,
    /// An instruction from EXEC or SMx_INSTR that runs before the one at `pc`.
    pub(crate) pending: Option<u16>,
    pub(crate) stall: Stall,
    /// An IN has shifted and waits to push.
    pub(crate) pushing: bool,
    /// An IRQ instruction has set its flag and waits for it to be cleared.
    pub(crate) flag_set: bool,
    /// The cycle of the next tick on which it does something.
    pub(crate) due: u64,
    /// A tick of the divider, and the fraction of a cycle (in 1/256) carried after it.
    tick: u64,
    fraction: u64,
}

impl Machine {
    pub(crate) fn new() -> Machine {
        Machine {
            osr_count: 32,
            clkdiv: 0x1_0000,
            exec_ctrl: 0x1_f000,
            shift_ctrl: 0xc_0000,
            pin_ctrl: 0x1400_0000,
            due: NOT_DUE,
            ..Machine::default()
        }
    }

    /// Cycles between ticks in 1/256; an integer part of zero means 65536 (3.5.5).
    fn divider(&self) -> u64 {
        let (int, frac) = (u64::from(self.clkdiv >> 16), u64::from(self.clkdiv >> 8 & 0xff));
        if int == 0 { 65536 * 256 } else { int * 256 + frac }
    }

    /// Moves to the tick `count` after the last one.
    fn skip(&mut self, count: u64) {
        let moved = count * self.divider() + self.fraction;
        self.tick += moved >> 8;
        self.fraction = moved & 0xff;
    }

    /// It is due again `ticks` ticks after the one at `self.tick`.
    pub(crate) fn due_after(&mut self, ticks: u64) {
        if self.undivided() {
            self.tick += ticks;
        } else {
            self.skip(ticks);
        }
        self.due = self.tick;
    }

    /// Due at the first tick at or after `from`.
    pub(crate) fn wake(&mut self, from: u64) {
        if from > self.tick {
            let distance = (from - self.tick) * 256 - self.fraction;
            self.skip(distance.div_ceil(self.divider()));
        }
        self.due = self.tick;
    }

    /// It ticks in every cycle.
    pub(crate) fn undivided(&self) -> bool {
        self.clkdiv == 0x1_0000
    }

    /// Leaves an undivided machine due at `due`, or asleep.
    pub(crate) fn stop_at(&mut self, due: u64) {
        if due != NOT_DUE {
            self.tick = due;
        }
        self.due = due;
    }

    /// The pin that IN and WAIT PIN count from.
    #[inline(always)]
    pub(crate) fn in_base(&self) -> u32 {
        self.pin_ctrl >> 15 & 31
    }

    /// Shifts the low `count` bits (1 to 32) of `value` into the ISR.
    #[inline(always)]
    pub(crate) fn shift_in(&mut self, value: u32, count: u32) {
        let value = value & (u32::MAX >> (32 - count));
        self.isr = match (count, self.shift_ctrl >> 18 & 1) {
            (32, _) => value,
            (_, 0) => self.isr << count | value,
            _ => self.isr >> count | value << (32 - count),
        };
        self.isr_count = (self.isr_count + count).min(32);
    }

    pub(crate) fn set_enabled(&mut self, on: bool, now: u64) {
        if on && !self.enabled {
            self.enabled = true;
            self.tick = self.tick.max(now);
            self.wake(now + 1);
        } else if !on {
            self.enabled = false;
            self.due = NOT_DUE;
        }
    }

    /// SM_RESTART clears what an instruction leaves behind: counters, a stalled or pending instruction (3.7).
    pub(crate) fn restart(&mut self) {
        (self.isr, self.isr_count, self.osr_count) = (0, 0, 32);
        (self.pending, self.stall) = (None, Stall::None);
        (self.pushing, self.flag_set) = (false, false);
    }

    /// CLKDIV_RESTART: the divider starts anew.
    pub(crate) fn restart_clock(&mut self, now: u64) {
        self.tick = now;
        self.fraction = 0;
        if self.due != NOT_DUE {
            self.wake(now + 1);
        }
    }

    fn joined(&self, bit: u32) -> bool {
        self.shift_ctrl >> bit & 1 != 0
    }

    /// Words that fit a FIFO, by the bits of SHIFTCTRL that join the other one to it, and it to the other.
    fn depth(&self, grows: u32, goes: u32) -> usize {
        match (self.joined(grows), self.joined(goes)) {
            (true, false) => 8,
            (_, true) => 0,
            (false, false) => 4,
        }
    }

    /// Words in both FIFOs.
    pub(crate) fn levels(&self) -> (usize, usize) {
        (self.tx.len(), self.rx.len())
    }

    pub(crate) fn tx_full(&self) -> bool {
        self.tx.len() >= self.depth(30, 31)
    }

    pub(crate) fn rx_full(&self) -> bool {
        self.rx.len() >= self.depth(31, 30)
    }

    pub(crate) fn waits_for_pin(&self) -> Option<u8> {
        match self.stall {
            Stall::Pin(pin) => Some(pin),
            Stall::None | Stall::Flag | Stall::Data | Stall::Room => None,
        }
    }

    /// Reads CLKDIV (0), EXECCTRL (4), SHIFTCTRL (8) or PINCTRL (0x14).
    pub(crate) fn read(&self, field: u32) -> u32 {
        match field {
            0x00 => self.clkdiv,
            0x04 => {
                let stalled = self.pending.is_some() && self.stall != Stall::None;
                self.exec_ctrl & 0x7fff_ffff | u32::from(stalled) << 31
            }
            0x08 => self.shift_ctrl,
            _ => self.pin_ctrl,
        }
    }

    pub(crate) fn write(&mut self, field: u32, value: u32, now: u64) {
        match field {
            0x00 => {
                // The divider comes to the present, without making the machine due.
                if self.enabled && self.tick < now {
                    let asleep = self.due == NOT_DUE;
                    self.wake(now);
                    self.due = if asleep { NOT_DUE } else { self.tick };
                }
                self.clkdiv = value & 0xffff_ff00;
            }
            0x04 => self.exec_ctrl = value & 0x7fff_ffff,
            0x08 => {
                // Changing how the FIFOs are joined empties them (3.5.4.3).
                if (self.shift_ctrl ^ value) >> 30 != 0 {
                    self.tx = Fifo::default();
                    self.rx = Fifo::default();
                }
                self.shift_ctrl = value;
            }
            _ => self.pin_ctrl = value,
        }
    }

    pub(crate) fn autopush(&self) -> bool {
        self.shift_ctrl >> 16 & 1 != 0
    }

    pub(crate) fn autopull(&self) -> bool {
        self.shift_ctrl >> 17 & 1 != 0
    }

    /// Bits after which ISR is pushed; 0 means 32.
    pub(crate) fn push_threshold(&self) -> u32 {
        (self.shift_ctrl >> 20 & 31).wrapping_sub(1) % 32 + 1
    }

    pub(crate) fn pull_threshold(&self) -> u32 {
        (self.shift_ctrl >> 25 & 31).wrapping_sub(1) % 32 + 1
    }
}
