//! Carrying out what the schedule says, and telling the watchers of pins.

use super::Bus;
use super::xip::CTRL_EN;
use crate::periph::dma::Dma;
use crate::periph::ssi::STREAM_FIFO;
use crate::sched::Event;
use crate::{periph, pins};

impl Bus {
    /// Handles every event due at or before `now`.
    #[inline]
    pub(crate) fn sync(&mut self, now: u64) {
        while self.wires.sched.next() <= now {
            self.hidden_events(now);
            if let Some((event, when)) = self.wires.sched.take(now) {
                self.handle(event, when);
            }
        }
        self.synced = self.synced.max(now);
    }

    /// Handles the events of the board and the PIO blocks that come before any other and at or before `now`.
    fn hidden_events(&mut self, now: u64) {
        self.wires.sched.begin_hidden();
        self.stream(now);
        while let Some((event, when)) = self.wires.sched.take_hidden(now) {
            self.unsettle();
            match event {
                Event::Board => self.board.event(when, &mut self.wires),
                Event::Pio0 => self.pios[0].event(when, &mut self.wires),
                _ => self.pios[1].event(when, &mut self.wires),
            }
            self.after_change(when);
        }
        self.wires.sched.end_hidden();
    }

    /// The cycle before which nothing happens that a core sees without looking: no interrupt and no transfer. What
    /// camera and PIO do until then can be put off.
    fn next_seen(&mut self) -> u64 {
        let sched = &self.wires.sched;
        let (next, seen) = (sched.next(), sched.next_seen());
        if next >= seen || self.io_bank.used || !self.shortcuts {
            return next;
        }
        if let Some(steady) = self.steady.filter(|steady| steady.seen != 0) {
            return seen.min(steady.seen);
        }
        self.pios.iter_mut().fold(seen, |seen, pio| seen.min(pio.next_seen(next)))
    }

    /// Lets the cores run up to the next event that they see.
    pub(crate) fn run_on(&mut self) {
        let seen = self.next_seen();
        self.wires.sched.run_on(seen);
    }

    /// Before a core that began its instruction at `begin` accesses a register: handles what was put off.
    #[inline]
    pub(crate) fn heed(&mut self, begin: u64) {
        if self.wires.sched.lazy {
            self.sync(begin);
            self.wires.sched.heed();
        }
    }

    /// Whether an event falls into the stall of a fetch, after `begin` and up to `end`.
    #[inline(always)]
    pub(crate) fn event_in(&mut self, begin: u64, end: u64) -> bool {
        if !self.wires.sched.lazy {
            return end >= self.wires.sched.horizon;
        }
        if self.wires.sched.next().min(self.wires.sched.limit) > end {
            return false;
        }
        if end < self.wires.sched.horizon
            && let Some(acts) = self.steady.and_then(|steady| steady.acts_in(begin, end))
        {
            return acts;
        }
        self.sync(begin);
        self.wires.sched.next().min(self.wires.sched.limit) <= end
    }

    /// Handles every event due at `now`, the cycle of the core that is behind, and lets the cores run on to the next.
    /// False when the run loop has to look at the cores, or the run is over.
    #[inline]
    pub(crate) fn catch_up(&mut self, now: u64) -> bool {
        if self.wires.sched.horizon == 0 || now >= self.wires.sched.limit {
            return false;
        }
        self.sync(now);
        if self.wires.sched.horizon == 0 {
            return false;
        }
        self.run_on();
        true
    }

    fn handle(&mut self, event: Event, now: u64) {
        // These may change pins, their clock, or what the camera does.
        if matches!(event, Event::Board | Event::Pio0 | Event::Pio1 | Event::I2c0 | Event::I2c1 | Event::Pwm)
        {
            self.unsettle();
        }
        let w = &mut self.wires;
        match event {
            Event::Board => self.board.event(now, w),
            Event::Pio0 => self.pios[0].event(now, w),
            Event::Pio1 => self.pios[1].event(now, w),
            Event::Spi0 => self.spi_event(0, now),
            Event::Spi1 => self.spi_event(1, now),
            Event::Uart0 => self.uart_event(0, now),
            Event::Uart1 => self.uart_event(1, now),
            Event::I2c0 => self.i2c_event(0, now),
            Event::I2c1 => self.i2c_event(1, now),
            Event::Adc => self.adc.event(now, w),
            Event::Pwm => self.pwm.event(now, w),
            Event::Stream => self.stream_event(now),
            Event::Ssi => {
                // IO_QSPI SS OUTOVER = 2 holds chip select low (2.19.6.2).
                let held = self.plain.io_qspi[0x0c] >> 8 & 3 == 2;
                let (flash, words) = (&self.flash, self.flash.len());
                self.ssi.event(now, w, |addr| flash[(addr & 0x00ff_ffff) as usize / 4 % words], held);
            }
            Event::Dma => self.dma_event(now),
            Event::Timer => self.timer.event(now, w),
            Event::Rtc => self.rtc.event(now, w),
            Event::Usb => self.usb.event(now, w),
            Event::Watchdog => {
                if self.watchdog.event(now, w) {
                    self.watchdog_fires(now);
                }
            }
            Event::SysTick0 | Event::SysTick1 => {
                self.systick_due[usize::from(event == Event::SysTick1)] = true;
                w.sched.interrupt_run();
            }
        }
        self.after_change(now);
    }

    fn spi_event(&mut self, port: usize, now: u64) {
        if let Some(word) = self.spis[port].event(now) {
            let bits = self.spis[port].bits();
            let answer = self.board.spi_frame(port, word, bits, self.wires.pins.pad_level);
            self.spis[port].finish(answer, now, &mut self.wires);
        }
    }

    fn uart_event(&mut self, port: usize, now: u64) {
        if let Some(byte) = self.uarts[port].event(now, &mut self.wires) {
            self.board.uarts[port].push(byte);
        }
    }

    fn i2c_event(&mut self, port: usize, now: u64) {
        if let Some(step) = self.i2cs[port].event(now, &mut self.wires) {
            let (acknowledged, byte) = self.board.devices.i2c(port, step, now, &mut self.wires);
            self.i2cs[port].answer(acknowledged, byte, now, &mut self.wires);
        }
    }

    /// Tells everybody who watches pins that some changed. Watchers may drive pins in turn.
    #[inline]
    pub(crate) fn after_change(&mut self, now: u64) {
        while self.wires.pins.changed | self.wires.pins.input_changed != 0 {
            self.pins_changed(now);
        }
    }

    fn pins_changed(&mut self, now: u64) {
        self.unsettle();
        let outside = std::mem::take(&mut self.wires.pins.changed);
        let inside = std::mem::take(&mut self.wires.pins.input_changed);
        if inside != 0 {
            self.io_bank.inputs_changed(inside, &mut self.wires);
            for pio in &mut self.pios {
                pio.inputs_changed(inside, now, &mut self.wires);
            }
        }
        if outside != 0 {
            self.board.pins_changed(outside, now, &mut self.wires);
            if self.wires.pins.on_i2c(outside) {
                self.i2c_lines_changed(now);
            }
        }
    }

    /// Tells the I2C controllers that a line may have been pulled low or let go.
    pub(crate) fn i2c_lines_changed(&mut self, now: u64) {
        for i2c in &mut self.i2cs {
            i2c.lines_changed(now, &mut self.wires);
        }
    }

    /// Tells the board how fast the pin that clocks its camera toggles, after PWM or pins were set.
    pub(crate) fn clock_outputs_changed(&mut self, now: u64) {
        let Some(pin) = self.board.clock_pin() else { return };
        let period =
            (self.wires.pins.function(pin) == pins::func::PWM).then(|| self.pwm.period_of_pin(pin)).flatten();
        self.board.set_clock(period, now, &mut self.wires);
    }

    /// XIP_CTRL (2.6.3.6).
    pub(crate) fn read_xip_ctrl(&mut self, reg: u32, now: u64) -> u32 {
        match reg {
            0x00 => self.xip.ctrl,
            0x08 => {
                let words = self.ssi.stream.len();
                1 | u32::from(words == 0) << 1 | u32::from(words == STREAM_FIFO) << 2
            }
            0x0c => self.xip.hits,
            0x10 => self.xip.accesses,
            0x14 => self.ssi.stream_addr,
            0x18 => self.ssi.stream_left,
            0x1c => self.pop_stream(now),
            _ => 0,
        }
    }

    pub(crate) fn write_xip_ctrl(&mut self, reg: u32, value: u32, now: u64) {
        match reg {
            0x00 => {
                if self.xip.ctrl & !value & CTRL_EN != 0 {
                    self.xip.flush();
                }
                self.xip.ctrl = value & 0xb;
                self.wires.sched.interrupt_run();
            }
            0x04 => self.xip.flush(),
            0x0c => self.xip.hits = 0,
            0x10 => self.xip.accesses = 0,
            0x14 => self.ssi.stream_addr = value & !3,
            0x18 => {
                self.ssi.stream_left = value & 0x3f_ffff;
                self.start_stream(now);
            }
            _ => {} // read-only
        }
    }

    pub(crate) fn pop_stream(&mut self, now: u64) -> u32 {
        let word = self.ssi.pop_stream(now, &mut self.wires);
        self.start_stream(now);
        word
    }

    /// Begins to fetch the next streamed word when there is room; misses of the cache and the stream take turns.
    fn start_stream(&mut self, now: u64) {
        let room = self.ssi.stream.len() < STREAM_FIFO;
        if self.ssi.stream_left > 0 && room && !self.wires.sched.planned(Event::Stream) {
            let miss = self.xip.miss;
            let done = self.xip.use_flash(now, miss);
            self.wires.sched.set(Event::Stream, Some(done));
        }
    }

    fn stream_event(&mut self, now: u64) {
        if self.ssi.stream_left > 0 {
            let word = self.flash_word(self.ssi.stream_addr);
            self.ssi.push_stream(word, now, &mut self.wires);
        }
        self.start_stream(now);
    }

    /// RESETS: what goes into reset loses its state.
    pub(crate) fn write_resets(&mut self, reg: u32, value: u32, now: u64) {
        let entered = self.resets.write(reg, value);
        self.reset_subsystems(entered, now);
    }

    /// The watchdog resets what the WDSEL registers of the power-on state machine and of RESETS select, which is nothing
    /// until a program has written them (4.7.1).
    pub(crate) fn watchdog_fires(&mut self, now: u64) {
        match self.resets.watchdog_resets() {
            Some(bits) => self.reset_subsystems(bits, now),
            None => self.request_reset(super::Reset::Watchdog),
        }
    }

    /// Resets the subsystems with these bits (2.14.3).
    pub(crate) fn reset_subsystems(&mut self, bits: u32, now: u64) {
        (0..25).filter(|bit| bits >> bit & 1 != 0).for_each(|bit| self.reset_subsystem(bit, now));
    }

    fn reset_subsystem(&mut self, bit: u32, now: u64) {
        let w = &mut self.wires;
        match bit {
            0 => {
                let inputs = self.adc.inputs;
                self.adc = periph::adc::Adc::new();
                self.adc.inputs = inputs;
            }
            2 => self.dma = Dma::new(),
            3 | 4 => self.i2cs[(bit - 3) as usize] = periph::i2c::I2c::new(bit - 3),
            5 => {
                w.pins.ctrl = pins::Pins::new().ctrl;
                w.pins.reconfigure(now);
                self.io_bank = Default::default();
            }
            8 => {
                w.pins.pads = pins::Pins::new().pads;
                w.pins.reconfigure(now);
            }
            10 | 11 => {
                let id = (bit - 10) as usize;
                self.pios[id] = periph::pio::Pio::new(id);
                w.pins.drive(pins::func::PIO0 + id, 0, 0, now);
            }
            12 | 13 => w.clocks.reset_pll((bit - 12) as usize, now),
            14 => {
                self.pwm = periph::pwm::Pwm::new();
                w.pins.drive(pins::func::PWM, 0, 0, now);
                self.clock_outputs_changed(now);
            }
            15 => self.rtc = Default::default(),
            16 | 17 => self.spis[(bit - 16) as usize] = periph::spi::Spi::new(bit - 16),
            21 => self.timer = Default::default(),
            22 | 23 => self.uarts[(bit - 22) as usize].reset(),
            24 => self.usb.reset(),
            _ => {} // BUSCTRL, IO_QSPI, JTAG, PADS_QSPI, SYSCFG, SYSINFO, TBMAN keep nothing that matters
        }
    }
}
