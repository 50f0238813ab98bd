//! The 30 GPIO pads: who drives each, and what level it has (datasheet 2.19).
//!
//! Every function that can drive pins keeps a word of output levels and one of output enables here; the pin's
//! FUNCSEL picks among them. Outside drivers come from the board. Inputs pass the two-flop synchroniser: what
//! a reader sees at a cycle is the level two cycles before (2.19.1, 3.5.6.3).

/// FUNCSEL values (2.19.2).
pub(crate) mod func {
    pub(crate) const I2C: usize = 3;
    pub(crate) const PWM: usize = 4;
    pub(crate) const SIO: usize = 5;
    pub(crate) const PIO0: usize = 6;
    pub(crate) const NONE: usize = 31;
}

/// Number of GPIO pads.
pub(crate) const COUNT: usize = 30;
pub(crate) const MASK: u32 = (1 << COUNT) - 1;
/// Delay of the input synchronisers in cycles.
const SYNC: u64 = 2;
const HISTORY: usize = 8;
const FUNCTIONS: usize = 10;

/// Reset value of a pad's register: input enabled, pull-down, Schmitt trigger, 4 mA (2.19.6.3).
const PAD_RESET: u32 = 0x56;

#[derive(Clone, Debug, Default)]
pub(crate) struct Pins {
    /// IO_BANK0 GPIOx_CTRL.
    pub(crate) ctrl: [u32; COUNT],
    /// PADS_BANK0 GPIOx.
    pub(crate) pads: [u32; COUNT],
    /// Pins that have selected each function.
    selected: [u32; FUNCTIONS],
    out: [u32; FUNCTIONS],
    enable: [u32; FUNCTIONS],
    /// What the chip drives, of all functions together: levels and enables.
    chip: (u32, u32),
    overridden: bool,
    pull_up: u32,
    input_enable: u32,
    output_disable: u32,
    /// Level on the pads, as the outside sees it.
    pub(crate) pad_level: u32,
    /// Pads that the chip drives.
    pub(crate) driven: u32,
    outside_level: u32,
    outside_driven: u32,
    /// Pads that a fault outside ties to ground, whatever drives them.
    held_low: u32,
    /// Level as it enters the chip (after input enable and override).
    level: u32,
    history: [(u64, u32); HISTORY],
    newest: usize,
    /// Pads on which a device of the board wants every edge, however fast.
    pub(crate) clocks: u32,
    /// Pads whose level changed and whose watchers have not been told.
    pub(crate) changed: u32,
    /// Inputs that changed and whose watchers have not been told.
    pub(crate) input_changed: u32,
}

impl Pins {
    pub(crate) fn new() -> Pins {
        let (ctrl, pads) = ([func::NONE as u32; COUNT], [PAD_RESET; COUNT]);
        let mut pins = Pins { ctrl, pads, ..Pins::default() };
        pins.reconfigure(0);
        pins
    }

    /// Takes in changes of the control and pad registers.
    pub(crate) fn reconfigure(&mut self, now: u64) {
        self.selected = [0; FUNCTIONS];
        self.overridden = false;
        (self.pull_up, self.input_enable, self.output_disable) = (0, 0, 0);
        for pin in 0..COUNT {
            let function = (self.ctrl[pin] & 31) as usize;
            if function < FUNCTIONS {
                self.selected[function] |= 1 << pin;
            }
            self.overridden |= self.ctrl[pin] & 0x3_3300 != 0;
            self.pull_up |= (self.pads[pin] >> 3 & 1) << pin;
            self.input_enable |= (self.pads[pin] >> 6 & 1) << pin;
            self.output_disable |= (self.pads[pin] >> 7 & 1) << pin;
        }
        self.resolve(now);
    }

    /// Sets what `function` drives: levels and enables of all pins.
    #[inline]
    pub(crate) fn drive(&mut self, function: usize, out: u32, enable: u32, now: u64) {
        let selected = self.selected[function];
        let differs = (self.out[function] ^ out | self.enable[function] ^ enable) & selected != 0;
        self.out[function] = out;
        self.enable[function] = enable;
        if differs {
            self.resolve(now);
        }
    }

    /// Sets what the outside drives on the pins in `mask`.
    #[inline]
    pub(crate) fn drive_outside(&mut self, mask: u32, level: u32, now: u64) {
        self.outside_driven |= mask;
        self.outside_level = self.outside_level & !mask | level & mask;
        self.settle(now);
    }

    /// Whether the inputs in `mask` have just the level that the outside gives them.
    pub(crate) fn follows_outside(&self, mask: u32) -> bool {
        let free = self.outside_driven & self.input_enable & !self.chip.1 & !self.held_low;
        !self.overridden && mask & !free == 0
    }

    /// Sets what the outside drives on pins that follow it, all in `mask`, later than any change before. Nobody is told.
    #[inline(always)]
    pub(crate) fn follow(&mut self, mask: u32, level: u32, now: u64) {
        self.outside_level = self.outside_level & !mask | level;
        self.pad_level = self.pad_level & !mask | level;
        self.level = self.level & !mask | level;
        self.newest = (self.newest + 1) % HISTORY;
        self.history[self.newest] = (now, self.level);
    }

    /// Lets go of the pins in `mask` from outside.
    pub(crate) fn release_outside(&mut self, mask: u32, now: u64) {
        self.outside_driven &= !mask;
        self.settle(now);
    }

    /// Ties the pins in `mask` to ground, or lets go of them.
    pub(crate) fn hold_low(&mut self, mask: u32, held: bool, now: u64) {
        self.held_low = if held { self.held_low | mask } else { self.held_low & !mask };
        self.settle(now);
    }

    /// Whether something outside holds SCL and SDA of I2C controller `id` low, on pins that have selected it: even ones
    /// are SDA, and controllers alternate by pairs (2.19.2). A line that nobody holds is high: a bus has pull-ups.
    pub(crate) fn i2c_held(&self, id: u32) -> (bool, bool) {
        let low = self.held_low | self.outside_driven & !self.outside_level;
        let pins = (self.selected[func::I2C] & low) >> (2 * id);
        (pins & 0x2222_2222 != 0, pins & 0x1111_1111 != 0)
    }

    /// Whether any of the pins in `mask` belongs to an I2C controller.
    pub(crate) fn on_i2c(&self, mask: u32) -> bool {
        self.selected[func::I2C] & mask != 0
    }

    /// After a reset of the chip: no function drives anything, and pads and their controls are as at power-on.
    pub(crate) fn power_on(&mut self, now: u64) {
        (self.out, self.enable) = ([0; FUNCTIONS], [0; FUNCTIONS]);
        (self.ctrl, self.pads) = ([func::NONE as u32; COUNT], [PAD_RESET; COUNT]);
        self.reconfigure(now);
    }

    /// What a function drives, or which drives a pin, has changed.
    fn resolve(&mut self, now: u64) {
        let (mut out, mut enable) = (0, 0);
        for f in 0..FUNCTIONS {
            out |= self.out[f] & self.selected[f];
            enable |= self.enable[f] & self.selected[f];
        }
        if self.overridden {
            // OUTOVER and OEOVER.
            (out, enable) = (self.over(out, 8), self.over(enable, 12));
        }
        self.chip = (out, enable & !self.output_disable);
        self.settle(now);
    }

    /// Levels on the pads, from the chip's drivers and those outside.
    fn settle(&mut self, now: u64) {
        let (out, enable) = self.chip;
        let floating = self.outside_driven & self.outside_level | !self.outside_driven & self.pull_up;
        let pad = (enable & out | !enable & floating) & MASK & !self.held_low;
        self.driven = enable;
        self.changed |= pad ^ self.pad_level;
        self.pad_level = pad;
        let mut level = pad & self.input_enable;
        if self.overridden {
            level = self.over(level, 16); // INOVER
        }
        if level != self.level {
            self.input_changed |= level ^ self.level;
            self.level = level;
            if self.history[self.newest].0 < now {
                self.newest = (self.newest + 1) % HISTORY;
            }
            self.history[self.newest] = (now, level);
        }
    }

    /// `word` after the override that begins at this bit of the pins' controls: 1 inverts, 2 forces low or off, 3 high or on.
    fn over(&self, word: u32, field: u32) -> u32 {
        (0..COUNT).fold(word, |word, pin| match self.ctrl[pin] >> field & 3 {
            0 => word,
            1 => word ^ 1 << pin,
            2 => word & !(1 << pin),
            _ => word | 1 << pin,
        })
    }

    /// Input levels right now, before the synchronisers.
    #[inline]
    pub(crate) fn input(&self) -> u32 {
        self.level
    }

    /// Input levels as seen behind the synchronisers at cycle `now`.
    #[inline]
    pub(crate) fn synchronised(&self, now: u64) -> u32 {
        let mut i = self.newest;
        // A change of cycle c is seen from cycle c + 2 on.
        for _ in 0..HISTORY - 1 {
            if self.history[i].0 + SYNC <= now {
                break;
            }
            i = (i + HISTORY - 1) % HISTORY;
        }
        self.history[i].1
    }

    /// The cycle after `now` at which the next change comes out of the synchronisers, if one is in them.
    #[inline]
    pub(crate) fn next_arrival(&self, now: u64) -> Option<u64> {
        let mut i = self.newest;
        let mut arrives = None;
        for _ in 0..HISTORY {
            let seen = self.history[i].0 + SYNC;
            if seen <= now {
                break;
            }
            arrives = Some(seen);
            i = (i + HISTORY - 1) % HISTORY;
        }
        arrives
    }

    /// GPIOx_STATUS (2.19.6.1).
    pub(crate) fn status(&self, pin: usize) -> u32 {
        let bit = |word: u32| word >> pin & 1;
        let function = (self.ctrl[pin] & 31) as usize;
        let (out, enable) =
            if function < FUNCTIONS { (bit(self.out[function]), bit(self.enable[function])) } else { (0, 0) };
        out << 8
            | bit(self.pad_level) << 9
            | enable << 12
            | bit(self.driven) << 13
            | bit(self.pad_level) << 17
            | bit(self.level) << 19
    }

    /// True when a device of the board is clocked by one of the pins in `mask` that have selected `function`.
    pub(crate) fn clocks_by(&self, function: usize, mask: u32) -> bool {
        self.clocks & self.selected[function] & mask != 0
    }

    /// The function that pin `pin` has selected.
    pub(crate) fn function(&self, pin: usize) -> usize {
        (self.ctrl[pin] & 31) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_function_drives_and_readers_see_it_two_cycles_later() {
        let mut pins = Pins::new();
        pins.ctrl[3] = func::SIO as u32;
        pins.reconfigure(0);
        pins.drive(func::PWM, 8, 8, 10);
        assert_eq!(pins.pad_level, 0, "PWM is not selected");
        pins.drive(func::SIO, 8, 8, 20);
        assert_eq!((pins.pad_level, pins.driven), (8, 8));
        assert_eq!((pins.synchronised(21), pins.synchronised(22)), (0, 8));
        pins.drive(func::SIO, 0, 8, 23);
        assert_eq!((pins.synchronised(24), pins.synchronised(25)), (8, 0));
    }

    #[test]
    fn pulls_outside_drivers_and_overrides() {
        let mut pins = Pins::new();
        pins.pads[0] |= 8;
        pins.reconfigure(0);
        assert_eq!(pins.pad_level & 1, 1, "pulled up");
        pins.drive_outside(1, 0, 5);
        assert_eq!(pins.pad_level & 1, 0);
        pins.ctrl[0] |= 1 << 16;
        pins.reconfigure(6);
        assert_eq!(pins.input() & 1, 1, "inverted on the way in");
    }
}
