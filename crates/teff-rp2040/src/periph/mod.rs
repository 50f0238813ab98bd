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
