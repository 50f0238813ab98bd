//! What is around the chip: a board is a list of pins and devices.

use crate::periph::i2c::Step;
use crate::wires::Wires;

/// The devices of one board.
pub struct Board {
    uarts: [Vec<u8>; 2],
}

impl Board {
    /// A chip with nothing around it.
    #[must_use]
    pub fn bare() -> Board {
        Board { uarts: [Vec::new(), Vec::new()] }
    }

    pub(crate) fn uart_byte(&mut self, port: usize, byte: u8) {
        self.uarts[port].push(byte);
    }

    pub(crate) fn uart_output(&mut self, port: usize) -> &mut Vec<u8> {
        &mut self.uarts[port]
    }

    pub(crate) fn spi_frame(&mut self, _port: usize, _word: u16, _bits: u32, _pins: u32) -> u16 {
        0
    }

    pub(crate) fn i2c_step(&mut self, _port: usize, _step: Step, _now: u64, _w: &mut Wires) -> (bool, u8) {
        (false, 0xff)
    }

    pub(crate) fn pins_changed(&mut self, _changed: u32, _now: u64, _wires: &mut Wires) {}

    pub(crate) fn event(&mut self, _now: u64, _wires: &mut Wires) {}

    pub(crate) fn clock_pin(&self) -> Option<usize> {
        None
    }

    pub(crate) fn set_clock(&mut self, _period: Option<u64>, _now: u64, _wires: &mut Wires) {}
}
