//! The HM01B0 camera (Himax HM01B0 datasheet, chapters 4 to 9, and the register lists that drivers ship).
//!
//! It scans the picture in front of it when it streams and its clock runs: VSYNC is high from the start of a frame to
//! the end of its last line, HREF during each line, and PCLK, at the rate of XCLK, toggles while HREF is high.
//! Data changes with the falling edge of PCLK, most significant bit first. Auto exposure is a gain on the picture,
//! moved half-way towards its target with every frame.

mod faults;
mod line;

use super::describe::CameraPins;
use super::gif::Timed;
use super::picture::GreyImage;
use crate::clocks::Domain;
use crate::periph::i2c::I2cStep;
use crate::sched::Event;
use crate::wires::Wires;
use faults::Faults;
pub(crate) use line::Line;

/// SCCB address.
const ADDRESS: u8 = 0x24;
/// Side of the pixel array.
const SIDE: usize = 324;
/// Lines between the rise of VSYNC and the first HREF. Not documented; drivers only need it to be more than none.
const LEAD_LINES: u64 = 2;

mod reg {
    pub(super) const MODEL_HIGH: usize = 0x0000;
    pub(super) const MODEL_LOW: usize = 0x0001;
    pub(super) const MODE_SELECT: usize = 0x0100;
    pub(super) const ORIENTATION: usize = 0x0101;
    pub(super) const SOFTWARE_RESET: usize = 0x0103;
    pub(super) const FRAME_LENGTH: usize = 0x0340;
    pub(super) const LINE_LENGTH: usize = 0x0342;
    pub(super) const READOUT_X: usize = 0x0383;
    pub(super) const READOUT_Y: usize = 0x0387;
    pub(super) const AE_CONTROL: usize = 0x2100;
    pub(super) const AE_TARGET: usize = 0x2101;
    pub(super) const QVGA: usize = 0x3010;
    pub(super) const BIT_CONTROL: usize = 0x3059;
}

#[derive(Default)]
pub(crate) struct Camera {
    pub(super) pins: CameraPins,
    /// What is in front of the lens, upright, one byte a pixel of the array, and which picture of the film it is.
    scene: Vec<u8>,
    shown: Option<usize>,
    film: Vec<Timed>,
    regs: Vec<u8>,
    /// Register address of the transfer, and how many of its bytes have come.
    pointer: u16,
    pointer_bytes: u32,
    selected: bool,
    /// Period of XCLK in sixteenths of a cycle of clk_sys.
    period: Option<u64>,
    in_reset: bool,
    gain: f32,
    frame: Frame,
    pub(super) frames: u64,
    streaming: bool,
    /// The last frame that was sent whole, as it went over the wires.
    pub(super) sent: Option<GreyImage>,
    faults: Faults,
}

/// The frame that is being sent.
#[derive(Default)]
struct Frame {
    /// Bytes of all lines.
    bytes: Vec<u8>,
    width: usize,
    height: usize,
    /// Data lines, and PCLK periods for one byte.
    lines: u32,
    clocks: u64,
    /// PCLK periods from the start of a line to the next, and lines in a frame.
    line_period: u64,
    frame_lines: u64,
    /// When the frame began, in sixteenths of a cycle.
    start: u64,
    /// Position: line of the frame, half periods of PCLK in it.
    line: u64,
    half: u64,
    /// The position at which it ends early.
    cut: Option<(u64, u64)>,
}

impl Camera {
    pub(crate) fn new(pins: CameraPins) -> Camera {
        let mut camera = Camera { pins, scene: vec![0; SIDE * SIDE], ..Camera::default() };
        camera.reset_registers();
        camera
    }

    /// Pictures with the nanoseconds that each is shown, from power-on, repeated.
    pub(crate) fn play(&mut self, film: Vec<Timed>) {
        self.film = film;
        self.shown = None;
    }

    /// Brings the picture that stands at `nanoseconds` before the lens.
    fn turn_film(&mut self, nanoseconds: u64) {
        let length = self.film.iter().map(|(_, shown)| shown).sum::<u64>().max(1);
        let mut left = nanoseconds % length;
        let now = self.film.iter().position(|(_, shown)| {
            let here = left < *shown;
            left = left.saturating_sub(*shown);
            here
        });
        if now != self.shown
            && let Some(now) = now
        {
            self.scene = self.film[now].0.fit(SIDE);
            self.shown = Some(now);
        }
    }

    fn reset_registers(&mut self) {
        self.regs = vec![0; 0x1_0000];
        for (reg, value) in [
            (reg::MODEL_HIGH, 0x01),
            (reg::MODEL_LOW, 0xb0),
            (reg::FRAME_LENGTH, 0x02),
            (reg::FRAME_LENGTH + 1, 0x32),
            (reg::LINE_LENGTH, 0x01),
            (reg::LINE_LENGTH + 1, 0x72),
            (reg::READOUT_X, 1),
            (reg::READOUT_Y, 1),
            (reg::AE_CONTROL, 1),
            (reg::AE_TARGET, 0x3c),
            (reg::BIT_CONTROL, 0x02),
        ] {
            self.regs[reg] = value;
        }
        self.gain = 1.0;
    }

    /// The reset pin changed.
    pub(crate) fn reset_pin(&mut self, changed: u32, level: u32, now: u64, wires: &mut Wires) {
        let bit = 1 << self.pins.reset;
        if changed & bit != 0 {
            self.in_reset = level & bit == 0;
            if self.in_reset {
                self.revive(true);
                self.reset_registers();
            }
            self.restart(now, wires);
        }
    }

    /// XCLK has another period.
    pub(crate) fn set_clock(&mut self, period: Option<u64>, now: u64, wires: &mut Wires) {
        if self.period != period {
            self.period = period;
            self.restart(now, wires);
        }
    }

    /// A step of an SCCB transfer: 16-bit register address, then data with auto-increment.
    pub(crate) fn i2c(&mut self, step: I2cStep, now: u64, wires: &mut Wires) -> (bool, u8) {
        match step {
            I2cStep::Address { address, read } => {
                self.selected = address == ADDRESS && !self.in_reset && !self.faults.unplugged;
                if !read {
                    self.pointer_bytes = 0;
                }
                (self.selected, 0xff)
            }
            I2cStep::Write(byte) if self.selected => {
                if self.pointer_bytes < 2 {
                    self.pointer = self.pointer << 8 | u16::from(byte);
                    self.pointer_bytes += 1;
                } else {
                    self.write(usize::from(self.pointer), byte, now, wires);
                    self.pointer = self.pointer.wrapping_add(1);
                }
                (true, 0xff)
            }
            I2cStep::Read if self.selected => {
                let byte = self.regs[usize::from(self.pointer)];
                self.pointer = self.pointer.wrapping_add(1);
                (true, byte)
            }
            I2cStep::Write(_) | I2cStep::Read => (false, 0xff),
            I2cStep::Stop => {
                self.selected = false;
                (true, 0xff)
            }
        }
    }

    fn write(&mut self, register: usize, value: u8, now: u64, wires: &mut Wires) {
        match register {
            reg::MODEL_HIGH | reg::MODEL_LOW => {}
            reg::SOFTWARE_RESET => {
                self.revive(false);
                self.reset_registers();
                self.restart(now, wires);
            }
            reg::MODE_SELECT => {
                self.regs[register] = value;
                self.restart(now, wires);
            }
            _ => self.regs[register] = value,
        }
    }

    fn word(&self, reg: usize) -> u64 {
        u64::from(self.regs[reg]) << 8 | u64::from(self.regs[reg + 1])
    }

    /// Starts or stops to stream, as mode, reset and clock now have it.
    fn restart(&mut self, now: u64, wires: &mut Wires) {
        let well = !self.faults.unplugged && self.faults.stopped.is_none();
        let asked = self.regs[reg::MODE_SELECT] & 7 != 0 && !self.in_reset && self.period.is_some();
        let p = self.pins;
        wires.pins.drive_outside(1 << p.vsync | 1 << p.href | 1 << p.pclk, 0, now);
        self.streaming = asked && well;
        if self.streaming {
            // The first frame follows after one line's time.
            self.begin_frame(now * 16, wires);
            self.plan(wires);
        } else {
            wires.sched.set(Event::Board, None);
        }
    }

    /// Lays out the next frame, starting at `start` sixteenths of a cycle.
    fn begin_frame(&mut self, start: u64, wires: &Wires) {
        self.turn_film(wires.clocks.ticks(Domain::Nanosecond, start / 16));
        let binned = self.regs[reg::READOUT_X] == 3;
        let qvga = self.regs[reg::QVGA] & 1 != 0;
        // The QVGA window leaves out the border and 40 lines above and below (datasheet 4.2).
        let (width, height) = match (qvga, binned) {
            (false, false) => (SIDE, SIDE),
            (true, false) => (324, 244),
            (false, true) => (162, 162),
            (true, true) => (162, 122),
        };
        let lines = match self.regs[reg::BIT_CONTROL] & 0x60 {
            0x20 => 1,
            0x40 => 4,
            _ => 8,
        };
        let clocks = u64::from(8 / lines);
        let active = width as u64 * clocks;
        let frame = &mut self.frame;
        (frame.width, frame.height, frame.lines, frame.clocks) = (width, height, lines, clocks);
        (frame.start, frame.line, frame.half) = (start, 0, 0);
        let (line, length) = (self.word(reg::LINE_LENGTH), self.word(reg::FRAME_LENGTH));
        self.frame.line_period = (line * clocks).max(active + 2 * clocks);
        self.frame.frame_lines = length.max(height as u64 + LEAD_LINES + 2);
        self.cut_frame();
        self.expose(binned);
    }

    /// Notes where the present frame ends early.
    fn cut_frame(&mut self) {
        let clocks = self.frame.clocks;
        let halves = |bytes: usize| 2 * bytes as u64 * clocks;
        let place = |(lines, bytes): (usize, usize)| (LEAD_LINES + lines as u64, halves(bytes));
        self.frame.cut = self.faults.cut(self.frames).map(place);
    }

    /// Reads the scene into the frame's bytes, with mirror, binning and gain.
    fn expose(&mut self, binned: bool) {
        let orientation = self.regs[reg::ORIENTATION];
        let turn = self.pins.upside_down;
        let mirror_x = (orientation & 1 != 0) != turn;
        let mirror_y = (orientation & 2 != 0) != turn;
        let (width, height) = (self.frame.width, self.frame.height);
        let step = if binned { 2 } else { 1 };
        let top = (SIDE - height * step) / 2;
        let mut sum = 0u64;
        self.frame.bytes.clear();
        for y in 0..height {
            for x in 0..width {
                let mut level = 0;
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)].iter().take(step * step) {
                    let (column, row) = (x * step + dx, top + y * step + dy);
                    let column = if mirror_x { SIDE - 1 - column } else { column };
                    let row = if mirror_y { SIDE - 1 - row } else { row };
                    level += u32::from(self.scene[row * SIDE + column]);
                }
                let value = (level as f32 / (step * step) as f32 * self.gain).min(255.0) as u8;
                sum += u64::from(value);
                self.frame.bytes.push(value);
            }
        }
        if self.regs[reg::AE_CONTROL] & 1 != 0 {
            let mean = (sum as f32 / self.frame.bytes.len() as f32).max(1.0);
            let wanted = self.gain * f32::from(self.regs[reg::AE_TARGET]) / mean;
            self.gain = ((self.gain + wanted) / 2.0).clamp(0.25, 4.0);
        } else {
            self.gain = 1.0;
        }
    }

    /// When the current position of the frame comes, rounded up to a cycle.
    fn due(&self) -> u64 {
        let f = &self.frame;
        let period = self.period.unwrap_or(16);
        let halves = f.line * f.line_period * 2 + f.half;
        (f.start + (halves * period).div_ceil(2)).div_ceil(16)
    }

    fn plan(&self, wires: &mut Wires) {
        wires.sched.set(Event::Board, Some(self.due()));
    }

    /// What happens at the position that has come.
    pub(crate) fn event(&mut self, now: u64, wires: &mut Wires) {
        if !self.streaming {
            return;
        }
        let p = self.pins;
        let (vsync, href, pclk) = (1 << p.vsync, 1 << p.href, 1 << p.pclk);
        let f = &mut self.frame;
        let first = LEAD_LINES;
        let after = first + f.height as u64;
        let active = 2 * f.width as u64 * f.clocks;
        if (first..after).contains(&f.line) && f.cut.is_some_and(|cut| cut <= (f.line, f.half)) {
            wires.pins.drive_outside(href | pclk | vsync, 0, now);
            (f.line, f.half) = (after, 0);
        } else if (first..after).contains(&f.line) && f.half < active {
            if f.half % 2 == 1 {
                let lost = self.faults.lost(self.frames, (f.line - first) as usize, f.half / 2);
                wires.pins.drive_outside(pclk, if lost { 0 } else { pclk }, now);
            } else {
                let clock = f.half / 2;
                let byte = f.bytes[(f.line - first) as usize * f.width + (clock / f.clocks) as usize];
                let shift = 8 - f.lines * (1 + (clock % f.clocks) as u32);
                let value = u32::from(byte) >> shift & (0xff >> (8 - f.lines));
                let data = (0xffu32 >> (8 - f.lines)) << p.data;
                wires.pins.drive_outside(data | pclk | href, value << p.data | href, now);
            }
            f.half += 1;
        } else if (first..after).contains(&f.line) {
            let ends = f.line + 1 == after;
            wires.pins.drive_outside(href | pclk | if ends { vsync } else { 0 }, 0, now);
            (f.line, f.half) = (f.line + 1, 0);
            if ends {
                self.keep_frame();
            }
        } else if f.line == 0 {
            wires.pins.drive_outside(vsync, vsync, now);
            f.line = first;
        } else {
            // The last line is out: the rest of the frame is blank.
            let period = self.period.unwrap_or(16);
            let next = f.start + f.frame_lines * f.line_period * period;
            self.frames += 1;
            self.begin_frame(next, wires);
        }
        self.plan(wires);
    }
}
