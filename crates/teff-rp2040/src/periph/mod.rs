//! The peripherals, one file each, each citing the chapter of the RP2040 datasheet it follows.
//!
//! Each has `read` and `write` by register offset at a cycle, and where it acts by itself an `event` that the
//! schedule calls. None knows another: what they share goes through [`crate::wires::Wires`].

pub(crate) mod adc;
pub(crate) mod dma;
pub(crate) mod i2c;
pub(crate) mod interp;
pub(crate) mod io_bank;
pub(crate) mod pio;
pub(crate) mod plain;
pub(crate) mod pwm;
pub(crate) mod resets;
pub(crate) mod rtc;
pub(crate) mod sio;
pub(crate) mod spi;
pub(crate) mod ssi;
pub(crate) mod timer;
pub(crate) mod uart;
pub(crate) mod usb;
pub(crate) mod usb_host;
pub(crate) mod watchdog;

/// The registers INTE, INTF and INTS of one interrupt line, which follow each other: what of INTR, the raw state that is the peripheral's
/// to know, goes through, and what is set whatever that says.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Interrupts {
    pub(crate) enable: u32,
    pub(crate) force: u32,
}

impl Interrupts {
    /// INTS: the line is high unless it is 0.
    #[inline]
    pub(crate) fn status(self, raw: u32) -> u32 {
        raw & self.enable | self.force
    }

    /// The register `offset` bytes after INTE.
    fn read(self, offset: u32, raw: u32) -> u32 {
        match offset {
            0 => self.enable,
            4 => self.force,
            _ => self.status(raw),
        }
    }

    /// The same for writing; the line has the interrupts in `mask`.
    fn write(&mut self, offset: u32, value: u32, mask: u32) {
        match offset {
            0 => self.enable = value & mask,
            4 => self.force = value & mask,
            _ => {} // INTS is read-only
        }
    }
}

/// Registers that keep what is written, by their offset in bytes. Past the last there are none: they read as zero.
#[derive(Clone, Debug)]
pub(crate) struct Words<const N: usize>(pub(crate) [u32; N]);

impl<const N: usize> Words<N> {
    pub(crate) fn read(&self, reg: u32) -> u32 {
        self.0.get((reg / 4) as usize).copied().unwrap_or(0)
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32) {
        if let Some(word) = self.0.get_mut((reg / 4) as usize) {
            *word = value;
        }
    }
}

impl<const N: usize> Default for Words<N> {
    fn default() -> Words<N> {
        Words([0; N])
    }
}

impl<const N: usize> std::ops::Index<u32> for Words<N> {
    type Output = u32;

    fn index(&self, reg: u32) -> &u32 {
        &self.0[(reg / 4) as usize]
    }
}

impl<const N: usize> std::ops::IndexMut<u32> for Words<N> {
    fn index_mut(&mut self, reg: u32) -> &mut u32 {
        &mut self.0[(reg / 4) as usize]
    }
}

/// The identification registers of Arm's PrimeCells (4.2.8, 4.4.4: PERIPHID and PCELLID), and zero elsewhere; `part` is the low
/// byte of the part number.
fn primecell(part: u32, reg: u32) -> u32 {
    match reg {
        0xfe0 => part,
        0xfe4 => 0x10,
        0xfe8 => 0x34,
        0xff0 => 0x0d,
        0xff4 => 0xf0,
        0xff8 => 0x05,
        0xffc => 0xb1,
        _ => 0,
    }
}
