//! What core 0 does: takes a frame, makes the network's input of it, runs the network, and gives the frame back with the answer.

use crate::answer::{ANSWERS, Answer, PREVIEW};
use board::frames::{Frame, SIDE};
use board::time::micros;
use board::{guard, link, say};
use digits_vision::{Bounds, Decision, Grey, Scratch};
use network::{
    CHANNELS, CHANNELS_LAST, HEIGHT, INPUTS, Input, LABELS, Network, OUTPUTS, PIXELS, Preparation, WIDTH,
};

/// Core 0's memory.
pub struct Recogniser {
    network: Network,
    scratch: Scratch,
    /// The network's picture, in brightness.
    picture: [u8; WIDTH * HEIGHT],
    input: [Input; INPUTS],
    output: [network::Output; OUTPUTS],
    /// The class that was told last.
    told: Option<usize>,
}

impl Recogniser {
    /// Before the first frame.
    ///
    /// # Safety
    ///
    /// At most one exists, for the sake of [`Network::new`].
    pub const unsafe fn new() -> Recogniser {
        Recogniser {
            // SAFETY: there is one, as the caller says.
            network: unsafe { Network::new() },
            scratch: Scratch::new(),
            picture: [0; WIDTH * HEIGHT],
            input: [0 as Input; INPUTS],
            output: [0 as network::Output; OUTPUTS],
            told: None,
        }
    }

    /// For ever.
    pub fn run(&mut self) -> ! {
        loop {
            guard::alive(0);
            match link::receive() {
                Some(mut frame) => {
                    self.recognise(&mut frame);
                    link::send(frame);
                }
                None => cortex_m::asm::wfe(),
            }
        }
    }

    /// Answers for one frame.
    fn recognise(&mut self, frame: &mut Frame) {
        let begin = micros();
        let found = self.prepare(&Grey::new(frame.pixels(), SIDE, SIDE));
        let prepared = micros();
        let (mut bounds, mut decision) = (None, None);
        if let Some(place) = found {
            bounds = place;
            self.network.infer(&self.input, &mut self.output);
            decision = self.decide();
        }
        let done = micros();
        let pixels = frame.pixels().as_ptr();
        let answer = ANSWERS.of_mut(frame);
        *answer = Answer {
            bounds,
            preview: [0; PREVIEW * PREVIEW],
            decision,
            prepare_us: prepared.wrapping_sub(begin),
            infer_us: done.wrapping_sub(prepared),
        };
        if found.is_some() {
            let picture = Grey::new(&self.picture, WIDTH, HEIGHT);
            digits_vision::fit(&picture, PREVIEW, PREVIEW, &mut answer.preview);
        }
        let picture = found.map_or(core::ptr::null(), |_| self.picture.as_ptr());
        let (class, percent) = answer.decision.as_ref().map_or((-1, 0), |d| (d.class as i32, d.percent));
        let told = Told { percent: percent.into(), prepare_us: answer.prepare_us, infer_us: answer.infer_us };
        answered(pixels, picture, class, &told);
        self.tell(answer);
    }

    /// Fills the input. None where nothing is found; inside, where it was found if that is known.
    fn prepare(&mut self, frame: &Grey<'_>) -> Option<Option<Bounds>> {
        let bounds = match network::PREPARATION {
            Preparation::Digit => Some(find(frame, &mut self.scratch, &mut self.picture)?),
            Preparation::Image => {
                digits_vision::fit(frame, WIDTH, HEIGHT, &mut self.picture);
                None
            }
        };
        for (at, level) in self.picture.iter().enumerate() {
            let value = PIXELS[usize::from(*level)];
            for channel in 0..CHANNELS {
                let place =
                    if CHANNELS_LAST { at * CHANNELS + channel } else { channel * WIDTH * HEIGHT + at };
                self.input[place] = value;
            }
        }
        Some(bounds)
    }

    /// The class, if it is sure enough.
    fn decide(&self) -> Option<Decision> {
        let scores = self.output.map(network::fixed);
        let decision = if network::PROBABILITIES {
            let (class, top) =
                scores.iter().enumerate().max_by_key(|(k, x)| (**x, core::cmp::Reverse(*k)))?;
            Decision { class, percent: (top.clamp(&0, &256) * 100 / 256) as u8 }
        } else {
            digits_vision::decide(&scores)
        };
        let wanted = match network::PREPARATION {
            Preparation::Digit => digits_vision::SURE_PERCENT,
            Preparation::Image => 0,
        };
        (decision.percent >= wanted).then_some(decision)
    }

    /// Says a new answer on serial.
    fn tell(&mut self, answer: &Answer) {
        let class = answer.decision.as_ref().map(|d| d.class);
        if class == self.told {
            return;
        }
        self.told = class;
        let Answer { decision, prepare_us, infer_us, .. } = answer;
        match decision {
            Some(d) => {
                let label = LABELS.get(d.class).copied().unwrap_or("?");
                say!("answer {label} ({} %), prepare {prepare_us} us, infer {infer_us} us", d.percent);
            }
            None => say!("answer none, prepare {prepare_us} us, infer {infer_us} us"),
        }
    }
}

/// The digit of a frame, as the network's picture if that is one of 28 x 28. With most of what it calls in SRAM: core 1 and the weights
/// share the flash's cache.
#[inline(never)]
#[unsafe(link_section = ".data.fast")]
fn find(frame: &Grey<'_>, scratch: &mut Scratch, picture: &mut [u8]) -> Option<Bounds> {
    let picture = picture.first_chunk_mut::<784>()?;
    digits_vision::find_digit(frame, scratch, picture)
}

/// An answer as a debugger, or a test on the simulated chip, reads it.
#[repr(C)]
struct Told {
    percent: u32,
    prepare_us: u32,
    infer_us: u32,
}

/// Where a debugger, or a test on the simulated chip, sees each answer: the frame, what the network was given of it (null if
/// nothing), the class (-1 for none), and the rest.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn answered(frame: *const u8, picture: *const u8, class: i32, told: &Told) {
    core::hint::black_box((frame, picture, class, told));
}
