//! The inner of a line, edge by edge of PCLK, for who follows them without the schedule.

use super::{Camera, LEAD_LINES};

impl Camera {
    /// The line that is being sent, from its second byte on, if PCLK is slow enough to have one edge in a cycle.
    #[inline]
    pub(crate) fn line(&mut self) -> Option<Line<'_>> {
        let f = &mut self.frame;
        let row = f.line.checked_sub(LEAD_LINES)? as usize;
        let period = self.period.filter(|&period| period >= 32)?;
        let active = match f.cut {
            Some((line, half)) if line <= f.line => half,
            _ => 2 * f.width as u64 * f.clocks,
        };
        let inside = row < f.height && (2..active).contains(&f.half);
        if !self.streaming || !inside || self.faults.loses(self.frames, row) {
            return None;
        }
        let halves = f.line * f.line_period * 2 + f.half;
        let mut line = Line {
            pclk: 1 << self.pins.pclk,
            shift: self.pins.data.into(),
            mask: 0xff >> (8 - f.lines),
            lines: f.lines,
            clocks: f.clocks.trailing_zeros(),
            bytes: &f.bytes[row * f.width..(row + 1) * f.width],
            data: 0,
            half: &mut f.half,
            active,
            start: f.start,
            sixteenths: halves * period,
            period,
            due: 0,
        };
        line.data = line.data_at(*line.half - 1);
        line.plan();
        Some(line)
    }
}

/// The edges of PCLK within a line, one after the other.
pub(crate) struct Line<'a> {
    pclk: u32,
    /// Where the data pins begin, and as many ones as there are.
    shift: u32,
    mask: u32,
    lines: u32,
    /// Logarithm of the PCLK periods for a byte.
    clocks: u32,
    bytes: &'a [u8],
    data: u32,
    half: &'a mut u64,
    active: u64,
    start: u64,
    /// The time of the next edge, twice, from the start of the frame.
    sixteenths: u64,
    period: u64,
    due: u64,
}

impl Line<'_> {
    /// The pins that change.
    pub(crate) fn moving(&self) -> u32 {
        self.pclk | self.data_mask()
    }

    /// The data pins.
    pub(crate) fn data_mask(&self) -> u32 {
        self.mask << self.shift
    }

    /// Periods of PCLK in the line.
    pub(crate) fn bits(&self) -> u64 {
        self.active / 2
    }

    /// Cycles of a period, rounded down.
    pub(crate) fn cycles(&self) -> u64 {
        self.period / 16
    }

    /// Whether all periods have the same edges.
    pub(crate) fn even(&self) -> bool {
        self.period.is_multiple_of(16)
    }

    /// The period that begins with the next edge, if that is a falling one within the line.
    #[inline(always)]
    pub(crate) fn falls(&self) -> Option<u64> {
        (self.half.is_multiple_of(2) && *self.half < self.active).then_some(*self.half / 2)
    }

    /// What the data pins carry during period `bit`.
    #[inline(always)]
    pub(crate) fn data_of(&self, bit: u64) -> u32 {
        self.data_at(2 * bit)
    }

    /// Goes past the edges of `count` periods, from a falling edge on.
    pub(crate) fn skip(&mut self, count: u64) {
        *self.half += 2 * count;
        self.sixteenths += 2 * count * self.period;
        self.plan();
    }

    /// The cycle of the edge before the next.
    pub(crate) fn last_edge(&self) -> u64 {
        (self.start + (self.sixteenths - self.period).div_ceil(2)).div_ceil(16)
    }

    /// The cycle of the next edge.
    #[inline(always)]
    pub(crate) fn due(&self) -> u64 {
        self.due
    }

    /// What the data pins carry during half period `half`.
    #[inline(always)]
    fn data_at(&self, half: u64) -> u32 {
        let clock = half / 2;
        let byte = u32::from(self.bytes[(clock >> self.clocks) as usize]);
        let within = (clock & ((1 << self.clocks) - 1)) as u32;
        (byte >> (8 - self.lines * (1 + within)) & self.mask) << self.shift
    }

    #[inline(always)]
    fn plan(&mut self) {
        self.due = (self.start + self.sixteenths.div_ceil(2)).div_ceil(16);
    }

    /// Goes past the next edge: the level of the moving pins after it; `None` at the end of the line.
    #[inline(always)]
    pub(crate) fn step(&mut self) -> Option<u32> {
        let half = *self.half;
        if half >= self.active {
            return None;
        }
        let level = if half % 2 == 1 {
            self.data | self.pclk
        } else {
            self.data = self.data_at(half);
            self.data
        };
        *self.half = half + 1;
        self.sixteenths += self.period;
        self.plan();
        Some(level)
    }
}
