//! What core 1 does: camera and display. Every frame that comes whole is drawn; whenever core 0 has nothing to do, it is given the
//! newest. The feed never waits for the network.

use crate::answer::{ANSWERS, Answer};
use crate::screen;
use board::camera::{self, Capture, Fault, Sccb};
use board::display::{Canvas, Display};
use board::frames::Frame;
use board::guard::{self, Cause};
use board::time::micros;
use board::{link, say};
use core::fmt::Write;

/// Without a frame for this long the camera has stopped: ten frames.
const STOPPED_US: u32 = 333_000;
/// A camera that does not come is tried again after this.
const RETRY_US: u32 = 500_000;
/// The line at the bottom is drawn anew this often.
const STATUS_US: u32 = 500_000;

/// Core 1.
pub struct Show {
    /// The camera's control bus.
    sccb: Sccb,
    display: Display,
    /// The frequency of the clock of peripherals, in hertz.
    clock_hz: u32,
    told: Told,
    /// Whether core 0 holds a frame.
    asked: bool,
}

/// What is shown beside the feed.
struct Told {
    /// The newest answer, and whether it is yet to be drawn.
    answer: Answer,
    fresh: bool,
    /// Why this run began, until it has been shown.
    cause: Cause,
    /// What the camera lacks.
    fault: Option<Fault>,
    /// Since when frames are counted, and how many were drawn since.
    since_us: u32,
    drawn: u32,
}

impl Show {
    /// What is needed of the board; the capture is installed and listens.
    pub fn new(sccb: Sccb, display: Display, clock_hz: u32, cause: Cause) -> Show {
        let told = Told { answer: Answer::NONE, fresh: true, cause, fault: None, since_us: 0, drawn: 0 };
        Show { sccb, display, clock_hz, told, asked: false }
    }

    /// For ever: camera up, frames, and again when it fails. `reset` drives the camera's reset pin.
    pub fn run(&mut self, mut reset: impl FnMut(bool)) -> ! {
        loop {
            let fault = match camera::start(&mut self.sccb, &mut reset, self.clock_hz) {
                Ok(()) => {
                    let fault = self.stream();
                    Capture::halt();
                    fault
                }
                Err(fault) => fault,
            };
            if self.told.fault != Some(fault) {
                say!("camera: {}", fault.text());
                self.told.fault = Some(fault);
            }
            self.complain(fault);
        }
    }

    /// Shows what is amiss, and waits before the next try.
    fn complain(&mut self, fault: Fault) {
        let begin = micros();
        let cause = self.told.cause;
        (self.told.answer, self.told.fresh) = (Answer::NONE, true);
        self.display.draw(|canvas| {
            screen::message(canvas, fault.text());
            screen::answer(canvas, &Answer::NONE, &network::LABELS, false);
            screen::status(canvas, cause.text());
        });
        while micros().wrapping_sub(begin) < RETRY_US {
            guard::alive(1);
            self.take_answer();
            cortex_m::asm::wfe();
        }
    }

    /// Shows frames until there are none.
    fn stream(&mut self) -> Fault {
        let mut newest_us = micros();
        (self.told.since_us, self.told.drawn) = (newest_us, 0);
        loop {
            guard::alive(1);
            self.take_answer();
            if let Some(frame) = Capture::newest() {
                newest_us = micros();
                self.show(frame);
            } else if micros().wrapping_sub(newest_us) > STOPPED_US {
                return Fault::Stopped;
            } else {
                // An interrupt of camera, DMA or tick, or the other core, ends the wait.
                cortex_m::asm::wfe();
            }
        }
    }

    /// Draws a frame, then gives it to core 0 if that has none.
    fn show(&mut self, frame: Frame) {
        if self.told.fault.take().is_some() {
            say!("camera: back");
        }
        let (told, pixels) = (&mut self.told, frame.pixels());
        self.display.draw(|canvas| {
            screen::feed(canvas, pixels);
            if let Some(bounds) = told.answer.bounds {
                screen::outline(canvas, bounds);
            }
            told.tell(canvas);
        });
        if self.asked {
            Capture::release(frame);
        } else {
            self.asked = true;
            link::send(frame);
        }
    }

    /// Takes the frame that core 0 is done with, and its answer.
    // Called twice; each copy is a kilobyte of flash.
    #[inline(never)]
    fn take_answer(&mut self) {
        if let Some(frame) = link::receive() {
            self.told.answer.clone_from(ANSWERS.of(&frame));
            self.told.fresh = true;
            self.asked = false;
            Capture::release(frame);
        }
    }
}

impl Told {
    /// The lower half, and now and then frames a second; on serial what goes on.
    fn tell(&mut self, canvas: &mut Canvas) {
        if core::mem::take(&mut self.fresh) {
            screen::answer(canvas, &self.answer, &network::LABELS, true);
        }
        self.drawn += 1;
        let passed = micros().wrapping_sub(self.since_us);
        if passed < STATUS_US {
            return;
        }
        let tenths = (self.drawn * 10_000) / (passed / 1000);
        let mut line = screen::Line::default();
        match core::mem::replace(&mut self.cause, Cause::PowerOn) {
            Cause::PowerOn => {
                let _ = write!(line, "{}.{} fps", tenths / 10, tenths % 10);
            }
            cause => {
                let _ = write!(line, "{}", cause.text());
            }
        }
        screen::status(canvas, line.as_str());
        let counts = Capture::counts();
        say!(
            "feed {}.{} frames/s; {} whole, {} broken, {} unused; prepare {} us, infer {} us",
            tenths / 10,
            tenths % 10,
            counts.whole,
            counts.broken,
            counts.unused,
            self.answer.prepare_us,
            self.answer.infer_us
        );
        (self.since_us, self.drawn) = (micros(), 0);
    }
}
