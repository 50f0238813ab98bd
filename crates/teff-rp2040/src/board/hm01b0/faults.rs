//! What can be wrong with the camera.

use super::Camera;
use crate::board::GreyImage;
use crate::board::faults::{BoardFault, Revival};
use crate::wires::Wires;

#[derive(Default)]
pub(super) struct Faults {
    pub(super) unplugged: bool,
    pub(super) stopped: Option<Revival>,
    /// Frames that end early: number, whole lines, bytes of the next.
    short: Vec<(u64, usize, usize)>,
    /// Pulses of PCLK that are missing: frame, line, the first of them and the first that is there again.
    lost: Vec<(u64, usize, u64, u64)>,
}

impl Faults {
    /// Where frame `number` ends early.
    pub(super) fn cut(&self, number: u64) -> Option<(usize, usize)> {
        let cuts = self.short.iter().filter(|(frame, ..)| *frame == number);
        cuts.map(|&(_, lines, bytes)| (lines, bytes)).min()
    }

    /// Whether clocks are missing in line `row` of frame `number`.
    pub(super) fn loses(&self, number: u64, row: usize) -> bool {
        self.lost.iter().any(|&(frame, line, ..)| (frame, line) == (number, row))
    }

    /// Whether pulse `clock` of line `row` of frame `number` is missing.
    pub(super) fn lost(&self, number: u64, row: usize, clock: u64) -> bool {
        let mut lost = self.lost.iter().filter(|&&(frame, line, ..)| (frame, line) == (number, row));
        lost.any(|&(_, _, from, to)| (from..to).contains(&clock))
    }

    fn damages(&self, number: u64) -> bool {
        self.cut(number).is_some() || self.lost.iter().any(|(frame, ..)| *frame == number)
    }
}

impl Camera {
    pub(crate) fn inject(&mut self, fault: BoardFault, now: u64, wires: &mut Wires) {
        match fault {
            BoardFault::CameraUnplugged => {
                self.faults.unplugged = true;
                self.reset_registers();
                self.restart(now, wires);
            }
            BoardFault::CameraStops(revival) => {
                self.faults.stopped = Some(revival);
                self.restart(now, wires);
            }
            BoardFault::ShortFrame { frame, lines, bytes } => {
                self.faults.short.push((frame, lines, bytes));
                self.cut_frame(); // the one that is being sent may be meant
            }
            BoardFault::LostClocks { frame, line, clock, count } => {
                self.faults.lost.push((frame, line, clock, clock.saturating_add(count)));
            }
            BoardFault::DisplayUnplugged | BoardFault::SdaLow { .. } | BoardFault::SclLow { .. } => {}
        }
    }

    pub(crate) fn repair(&mut self, now: u64, wires: &mut Wires) {
        let silent = self.faults.unplugged || self.faults.stopped.is_some();
        self.faults = Faults::default();
        self.cut_frame();
        if silent {
            self.restart(now, wires);
        }
    }

    /// The camera is reset by its pin, or by its register: true if that ends a stop.
    pub(super) fn revive(&mut self, by_pin: bool) {
        let revived = match self.faults.stopped {
            Some(Revival::Reset) => true,
            Some(Revival::ResetPin) => by_pin,
            Some(Revival::Never) | None => false,
        };
        if revived {
            self.faults.stopped = None;
        }
    }

    /// Keeps the frame that has just been sent, if it was whole.
    pub(super) fn keep_frame(&mut self) {
        if !self.faults.damages(self.frames) {
            let (width, height, pixels) = (self.frame.width, self.frame.height, self.frame.bytes.clone());
            self.sent = Some(GreyImage { width, height, pixels });
        }
    }
}
