//! The 12-bit ADC with round-robin and FIFO (datasheet 4.9).

use super::Interrupts;
use crate::clocks::Domain;
use crate::sched::Event;
use crate::wires::{Wires, dreq, irq};
use std::collections::VecDeque;

/// Cycles of clk_adc for one conversion (4.9.2.2).
const CONVERSION: u64 = 96;
const FIFO: usize = 4;

#[derive(Clone, Debug, Default)]
pub(crate) struct Adc {
    cs: u32,
    result: u32,
    fcs: u32,
    div: u32,
    interrupts: Interrupts,
    fifo: VecDeque<u16>,
    /// Tick of clk_adc at which the running conversion ends.
    ends: Option<u64>,
    /// What is on the five inputs, as 12-bit codes.
    pub(crate) inputs: [u16; 5],
}

impl Adc {
    /// Inputs float at half scale; the temperature sensor reads 0.706 V of 3.3 V, 27 degrees Celsius (4.9.5).
    pub(crate) fn new() -> Adc {
        Adc { inputs: [0x800, 0x800, 0x800, 0x800, 876], ..Adc::default() }
    }

    /// Starts a conversion if none runs and one is asked for; free-running ones keep DIV's pace.
    fn start(&mut self, once: bool, now: u64, wires: &mut Wires) {
        let running = self.cs & 8 != 0;
        if self.cs & 1 == 0 || self.ends.is_some() || !(once || running) {
            return;
        }
        self.ends = Some(wires.clocks.ticks(Domain::Adc, now) + CONVERSION);
        self.plan(wires);
    }

    fn plan(&self, wires: &mut Wires) {
        let due = self.ends.and_then(|tick| wires.clocks.cycle_of(Domain::Adc, tick));
        wires.sched.set(Event::Adc, due);
    }

    pub(crate) fn event(&mut self, now: u64, wires: &mut Wires) {
        let Some(tick) = self.ends.take() else { return };
        let channel = (self.cs >> 12 & 7) as usize;
        self.result = u32::from(self.inputs.get(channel).copied().unwrap_or(0) & 0xfff);
        if self.fcs & 1 != 0 {
            if self.fifo.len() < FIFO {
                let shift = if self.fcs & 2 != 0 { 4 } else { 0 };
                self.fifo.push_back((self.result >> shift) as u16);
            } else {
                self.fcs |= 1 << 11; // OVER
            }
        }
        let round_robin = self.cs >> 16 & 0x1f;
        if round_robin != 0 {
            let next = (1..=5).map(|i| (channel as u32 + i) % 5).find(|&c| round_robin >> c & 1 != 0);
            self.cs = self.cs & !0x7000 | next.unwrap_or(0) << 12;
        }
        if self.cs & 8 != 0 {
            let pace = u64::from(self.div >> 8) + 1;
            self.ends = Some(tick + pace.max(CONVERSION));
        }
        self.update(now, wires);
        self.plan(wires);
    }

    fn raised(&self) -> u32 {
        let threshold = (self.fcs >> 24 & 15) as usize;
        u32::from(self.fcs & 1 != 0 && threshold > 0 && self.fifo.len() >= threshold)
    }

    fn update(&self, now: u64, wires: &mut Wires) {
        wires.set_irq(irq::ADC_FIFO, self.interrupts.status(self.raised()) != 0);
        wires.set_dreq(dreq::ADC, self.fcs & 8 != 0 && self.raised() != 0, now);
    }

    pub(crate) fn read(&mut self, reg: u32, now: u64, wires: &mut Wires) -> u32 {
        match reg {
            0x00 => self.cs | u32::from(self.ends.is_none() && self.cs & 1 != 0) << 8,
            0x04 => self.result,
            0x08 => {
                let level = self.fifo.len() as u32;
                self.fcs & 0x0f00_0c0f
                    | u32::from(level == 0) << 8
                    | u32::from(level == FIFO as u32) << 9
                    | level << 16
            }
            0x0c => {
                let value = self.fifo.pop_front();
                if value.is_none() {
                    self.fcs |= 1 << 10; // UNDER
                }
                self.update(now, wires);
                u32::from(value.unwrap_or(0))
            }
            0x10 => self.div,
            0x14 => self.raised(),
            0x18..=0x20 => self.interrupts.read(reg - 0x18, self.raised()),
            _ => 0,
        }
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        match reg {
            0x00 => {
                self.cs = value & 0x001f_700b;
                self.start(value & 4 != 0, now, wires);
            }
            0x08 => self.fcs = value & 0x0f00_000f | self.fcs & 0xc00 & !value,
            0x10 => self.div = value & 0x00ff_ffff,
            0x18..=0x20 => self.interrupts.write(reg - 0x18, value, 1),
            _ => {} // read-only
        }
        self.update(now, wires);
    }
}
