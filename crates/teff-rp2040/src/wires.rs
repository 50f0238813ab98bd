//! What connects the parts of the chip: the schedule, interrupt lines, DMA requests, clocks and pins.
//!
//! A peripheral gets this by reference whenever it acts, and knows no other peripheral.

use crate::clocks::Clocks;
use crate::pins::Pins;
use crate::sched::{Event, Sched};

/// Interrupt numbers (datasheet 2.3.2).
pub(crate) mod irq {
    pub(crate) const TIMER_0: u32 = 0;
    pub(crate) const PWM_WRAP: u32 = 4;
    pub(crate) const USBCTRL: u32 = 5;
    pub(crate) const PIO0_0: u32 = 7;
    pub(crate) const DMA_0: u32 = 11;
    pub(crate) const IO_BANK0: u32 = 13;
    pub(crate) const SIO_PROC0: u32 = 15;
    pub(crate) const SPI0: u32 = 18;
    pub(crate) const UART0: u32 = 20;
    pub(crate) const ADC_FIFO: u32 = 22;
    pub(crate) const I2C0: u32 = 23;
    pub(crate) const RTC: u32 = 25;
}

/// Data request numbers (datasheet 2.5.3.1).
pub(crate) mod dreq {
    pub(crate) const PIO0_TX0: u32 = 0;
    pub(crate) const PIO0_RX0: u32 = 4;
    pub(crate) const SPI0_TX: u32 = 16;
    pub(crate) const UART0_TX: u32 = 20;
    pub(crate) const PWM_WRAP0: u32 = 24;
    pub(crate) const I2C0_TX: u32 = 32;
    pub(crate) const ADC: u32 = 36;
    pub(crate) const XIP_STREAM: u32 = 37;
    pub(crate) const XIP_SSITX: u32 = 38;
    pub(crate) const XIP_SSIRX: u32 = 39;
}

#[derive(Clone, Debug)]
pub(crate) struct Wires {
    pub(crate) sched: Sched,
    pub(crate) clocks: Clocks,
    pub(crate) pins: Pins,
    /// Level of each interrupt line at each core.
    irq: [u32; 2],
    /// Set when a line changed since the run loop last looked.
    pub(crate) irq_changed: bool,
    /// Level of each data request.
    pub(crate) dreq: u64,
    /// Requests that a busy DMA channel waits for.
    pub(crate) dreq_wanted: u64,
}

impl Wires {
    /// All quiet; `crystal` is in hertz.
    pub(crate) fn new(crystal: u64) -> Wires {
        Wires {
            sched: Sched::new(),
            clocks: Clocks::new(crystal),
            pins: Pins::new(),
            irq: [0; 2],
            irq_changed: false,
            dreq: 0,
            dreq_wanted: 0,
        }
    }

    pub(crate) fn irq_lines(&self, core: usize) -> u32 {
        self.irq[core & 1]
    }

    /// Sets line `number` at both cores.
    pub(crate) fn set_irq(&mut self, number: u32, high: bool) {
        self.set_core_irq(0, number, high);
        self.set_core_irq(1, number, high);
    }

    /// Sets line `number` at one core only (the GPIO bank and the inter-core FIFO have one for each).
    pub(crate) fn set_core_irq(&mut self, core: usize, number: u32, high: bool) {
        let lines = &mut self.irq[core & 1];
        let new = *lines & !(1 << number) | u32::from(high) << number;
        if new != *lines {
            *lines = new;
            self.irq_changed = true;
            self.sched.interrupt_run();
        }
    }

    /// Sets data request `number`; a DMA channel that waits for it acts in the next cycle.
    #[inline]
    pub(crate) fn set_dreq(&mut self, number: u32, high: bool, now: u64) {
        let bit = 1u64 << number;
        if high {
            if self.dreq & bit == 0 {
                self.dreq |= bit;
                if self.dreq_wanted & bit != 0 {
                    self.sched.no_later(Event::Dma, now + 1);
                }
            }
        } else {
            self.dreq &= !bit;
        }
    }

    /// After a reset: no line is up, nothing is planned.
    pub(crate) fn forget_requests(&mut self) {
        self.irq = [0; 2];
        self.dreq = 0;
        self.dreq_wanted = 0;
        self.sched = Sched::new();
    }
}
