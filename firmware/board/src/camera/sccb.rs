//! The camera's control bus: I2C0 as its registers are (RP2040 datasheet 4.3), every wait with an end. A device that was cut off in
//! the middle of a byte holds the data line low; clocking it out (I2C specification UM10204, 3.1.16) frees the bus.

use super::Fault;
use crate::time::within;
use rp2040_hal::pac;

/// SDA and SCL.
const SDA: usize = 4;
const SCL: usize = 5;
/// A transfer of three bytes takes 0.3 ms at 100 kHz.
const TIMEOUT_US: u32 = 5_000;

/// The bus.
pub struct Sccb {
    i2c: pac::I2C0,
}

impl Sccb {
    /// Takes I2C0, which is out of reset, and its pins.
    pub fn new(i2c: pac::I2C0) -> Sccb {
        Sccb { i2c }
    }

    /// Sets the bus up for `address` at 100 kHz, freeing it first if a device holds it.
    pub fn start(&mut self, address: u8, clock_hz: u32) -> Result<(), Fault> {
        self.free()?;
        let i2c = &self.i2c;
        i2c.ic_enable().write(|w| w.enable().disabled());
        if !within(TIMEOUT_US, || i2c.ic_enable_status().read().ic_en().bit_is_clear()) {
            return Err(Fault::BusHeld);
        }
        i2c.ic_con().write(|w| {
            w.speed().standard();
            w.master_mode().enabled();
            w.ic_slave_disable().slave_disabled();
            w.ic_restart_en().enabled();
            w.tx_empty_ctrl().enabled()
        });
        let half = clock_hz / 100_000 / 2;
        // SAFETY: counts and addresses within the widths of their fields.
        unsafe {
            i2c.ic_tar().write(|w| w.ic_tar().bits(u16::from(address)));
            i2c.ic_ss_scl_hcnt().write(|w| w.bits(half));
            i2c.ic_ss_scl_lcnt().write(|w| w.bits(half));
            i2c.ic_sda_hold().write(|w| w.ic_sda_tx_hold().bits((clock_hz / 3_000_000) as u16));
        }
        i2c.ic_enable().write(|w| w.enable().enabled());
        Ok(())
    }

    /// Writes a register of 16-bit address.
    pub fn write(&mut self, register: u16, value: u8) -> Result<(), Fault> {
        let i2c = &self.i2c;
        let bytes = [(register >> 8) as u8, register as u8, value];
        for (k, byte) in bytes.into_iter().enumerate() {
            // SAFETY: a byte.
            i2c.ic_data_cmd().write(|w| unsafe { w.dat().bits(byte).stop().bit(k == 2) });
        }
        self.finish()
    }

    /// Reads a register of 16-bit address.
    pub fn read(&mut self, register: u16) -> Result<u8, Fault> {
        let i2c = &self.i2c;
        for byte in [(register >> 8) as u8, register as u8] {
            // SAFETY: a byte.
            i2c.ic_data_cmd().write(|w| unsafe { w.dat().bits(byte) });
        }
        i2c.ic_data_cmd().write(|w| w.cmd().read().restart().enable().stop().enable());
        self.finish()?;
        if i2c.ic_rxflr().read().bits() == 0 {
            return Err(Fault::Silent);
        }
        Ok(i2c.ic_data_cmd().read().dat().bits())
    }

    /// Waits for the stop condition.
    fn finish(&self) -> Result<(), Fault> {
        let i2c = &self.i2c;
        let done = within(TIMEOUT_US, || {
            let status = i2c.ic_raw_intr_stat().read();
            status.stop_det().bit_is_set() || status.tx_abrt().bit_is_set()
        });
        if !done {
            // Neither stop nor abort: somebody holds a line. Disabling flushes the FIFOs (datasheet 4.3.14.3).
            i2c.ic_enable().write(|w| w.enable().disabled());
            return Err(Fault::BusHeld);
        }
        let aborted = i2c.ic_raw_intr_stat().read().tx_abrt().bit_is_set();
        i2c.ic_clr_tx_abrt().read();
        within(TIMEOUT_US, || i2c.ic_raw_intr_stat().read().stop_det().bit_is_set());
        i2c.ic_clr_stop_det().read();
        if aborted { Err(Fault::Silent) } else { Ok(()) }
    }

    /// Sees that both lines are high, with up to nine clocks if the data line is not.
    fn free(&mut self) -> Result<(), Fault> {
        // SAFETY: the pins belong to this bus; only its own bits are written.
        let (sio, io) = unsafe { (&*pac::SIO::ptr(), &*pac::IO_BANK0::ptr()) };
        let high = |pin: usize| sio.gpio_in().read().bits() >> pin & 1 == 1;
        let select = |function: u8| {
            for pin in [SDA, SCL] {
                // SAFETY: 3 is I2C, 5 is SIO (datasheet 2.19.2).
                io.gpio(pin).gpio_ctrl().write(|w| unsafe { w.funcsel().bits(function) });
            }
        };
        // As outputs the pins are low; as inputs the pull-ups have them. So a line is driven by its direction alone.
        // SAFETY: bits of these two pins.
        unsafe {
            sio.gpio_out_clr().write(|w| w.bits(1 << SDA | 1 << SCL));
            sio.gpio_oe_clr().write(|w| w.bits(1 << SDA | 1 << SCL));
        }
        select(5);
        within(10, || false);
        let mut free = high(SDA) && high(SCL);
        for _ in 0..9 {
            if free || !high(SCL) {
                break;
            }
            // SAFETY: bits of SCL.
            unsafe { sio.gpio_oe_set().write(|w| w.bits(1 << SCL)) };
            within(5, || false);
            // SAFETY: as above.
            unsafe { sio.gpio_oe_clr().write(|w| w.bits(1 << SCL)) };
            within(5, || false);
            free = high(SDA) && high(SCL);
        }
        // A stop condition, so that whoever listened is idle: data rises while the clock is high.
        // SAFETY: bits of SDA.
        unsafe {
            sio.gpio_oe_set().write(|w| w.bits(1 << SDA));
            within(5, || false);
            sio.gpio_oe_clr().write(|w| w.bits(1 << SDA));
        }
        within(5, || false);
        free = high(SDA) && high(SCL);
        select(3);
        if free { Ok(()) } else { Err(Fault::BusHeld) }
    }
}
