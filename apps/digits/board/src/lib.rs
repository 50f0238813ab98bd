//! Digits on paper before the camera of a simulated Pico4ML, and what its firmware answers.
//!
//! [`run`] takes the ELF file of a firmware that tells its answers by calling `answered`, as `firmware/app` does, and shows it one digit of
//! each class: [`Shown`] has what the display said, what it took, and the display itself as pictures.
//!
//! ```no_run
//! let digits = teff_data::open("data/mnist")?.test;
//! let shown = digits_board::run(&std::fs::read("fw.elf")?, &digits, 10, &mut |_| true)?;
//! println!("{} of {} are read right", shown.right(), shown.digits.len());
//! std::fs::write("board.png", shown.strip()?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod pictures;

use digits_scenes::{FRAME, Scene};
use std::fmt;
use teff_data::Dataset;
use teff_rp2040::board::{Board, Description, GreyImage, RgbImage};
use teff_rp2040::{Image, Options, Profile, Simulator, Stop};

/// How long each digit lies before the camera: the exposure follows within five frames of 33 ms, then the answer stands.
const SHOWN_MS: u64 = 240;
/// What the firmware calls where it hands over an answer.
const ANSWERED: &str = "answered";

/// Why there are no answers.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Whoever watches did not want to go on.
    Stopped,
    /// The firmware has no function that tells its answers, or the answer is nowhere in memory.
    NoAnswers,
    /// The firmware stopped.
    Halted(Stop),
    /// The simulator takes no such file, or gives no picture.
    Simulator(teff_rp2040::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Stopped => write!(f, "stopped"),
            Error::NoAnswers => write!(
                f,
                "the firmware has no function {ANSWERED} that is told its answers: build it with teff firmware"
            ),
            Error::Halted(stop) => write!(f, "the firmware stopped: {stop:?}; this is a defect of teff"),
            Error::Simulator(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<teff_rp2040::Error> for Error {
    fn from(e: teff_rp2040::Error) -> Error {
        Error::Simulator(e)
    }
}

/// What the board did.
pub struct Shown {
    /// The digits in the order in which they were shown.
    pub digits: Vec<Digit>,
    /// Frames a second on the display, over all digits.
    pub feed: f64,
    /// Cycles of a core, for each frame, that receiving it took.
    pub capture_cycles: f64,
    /// The display with each digit.
    screens: Vec<RgbImage>,
}

/// One digit before the camera.
pub struct Digit {
    /// Its class.
    pub is: u16,
    /// The class that the display says; none for "no digit".
    pub said: Option<usize>,
    /// Microseconds that finding it took, as the firmware measures them.
    pub prepare_us: u32,
    /// The same of the network.
    pub infer_us: u32,
}

impl Shown {
    /// How many digits the display was right about.
    pub fn right(&self) -> usize {
        self.digits.iter().filter(|d| d.said == Some(usize::from(d.is))).count()
    }

    /// Mean microseconds of one of the steps.
    pub fn mean(&self, of: impl Fn(&Digit) -> u32) -> f64 {
        self.digits.iter().map(|d| f64::from(of(d))).sum::<f64>() / self.digits.len() as f64
    }
}

/// Runs a firmware with one digit after another before the camera: the first of each of the first `count` classes among `data`'s samples. `watch` is told some
/// hundred times a second of the board's how many digits are done, and says whether to go on.
///
/// # Errors
/// See [`Error`].
///
/// # Panics
/// When the samples have not 784 values.
pub fn run(
    elf: &[u8],
    data: &Dataset,
    count: usize,
    watch: &mut dyn FnMut(usize) -> bool,
) -> Result<Shown, Error> {
    let mut chip = Chip::new(elf, watch)?;
    let classes = 0..data.classes().len().min(count);
    let chosen = classes.filter_map(|c| data.labels().iter().position(|l| usize::from(*l) == c));
    let (mut digits, mut screens) = (Vec::new(), Vec::new());
    let mut fed = (0, 0);
    for sample in chosen {
        let pixels = Scene::paper(data.sample(sample)).render();
        chip.sim.board().show(GreyImage { width: FRAME, height: FRAME, pixels })?;
        if digits.is_empty() {
            // Until display and camera run.
            chip.answer()?;
            fed = chip.fed();
        }
        chip.pass(SHOWN_MS)?;
        let (said, prepare_us, infer_us) = chip.answer()?;
        digits.push(Digit { is: data.labels()[sample], said, prepare_us, infer_us });
        chip.done = digits.len();
        // The answer is drawn with the next frame.
        chip.pass(50)?;
        screens.push(chip.sim.board().screen()?);
    }
    let (frames, nanoseconds) = chip.fed();
    let feed = (frames - fed.0) as f64 * 1e9 / (nanoseconds - fed.1) as f64;
    Ok(Shown { digits, feed, capture_cycles: chip.capture_cycles(), screens })
}

/// The simulated board with a look at its firmware.
struct Chip<'a> {
    sim: Simulator,
    profile: Profile,
    /// Address of the function.
    answered: u32,
    watch: &'a mut dyn FnMut(usize) -> bool,
    /// Digits that are done.
    done: usize,
}

impl<'a> Chip<'a> {
    fn new(elf: &[u8], watch: &'a mut dyn FnMut(usize) -> bool) -> Result<Chip<'a>, Error> {
        let image = Image::parse(elf)?;
        let mut sim = Simulator::with_board(Options::default(), Board::new(Description::pico4ml()));
        sim.load(&image)?;
        let answered = image.address_of(ANSWERED).ok_or(Error::NoAnswers)?;
        Ok(Chip { sim, profile: Profile::new(&image), answered, watch, done: 0 })
    }

    /// Lets time pass.
    fn pass(&mut self, ms: u64) -> Result<(), Error> {
        let end = self.sim.nanoseconds() + ms * 1_000_000;
        while self.sim.nanoseconds() < end {
            self.step()?;
        }
        Ok(())
    }

    /// Runs until the next answer: the class, and the microseconds of preparation and network as the firmware measures them.
    fn answer(&mut self) -> Result<(Option<usize>, u32, u32), Error> {
        self.sim.set_breakpoint(self.answered);
        while !matches!(self.step()?, Stop::Breakpoint { .. }) {}
        self.sim.clear_breakpoint(self.answered);
        let [class, told] = [2, 3].map(|k| self.sim.register(0, k));
        // After the percentage.
        let word = |at: u32| self.sim.read_word(told + at).ok_or(Error::NoAnswers);
        Ok((usize::try_from(class as i32).ok(), word(4)?, word(8)?))
    }

    /// A hundredth of a second at most.
    fn step(&mut self) -> Result<Stop, Error> {
        if !(self.watch)(self.done) {
            return Err(Error::Stopped);
        }
        match self.sim.run_profiled(self.sim.cycles() + self.sim.clock_hz() / 100, &mut self.profile) {
            stop @ (Stop::Deadline | Stop::Breakpoint { .. }) => Ok(stop),
            stop => Err(Error::Halted(stop)),
        }
    }

    /// Frames that the display was given whole, and nanoseconds since start.
    fn fed(&mut self) -> (u64, u64) {
        let (width, height) = (80, 160);
        (self.sim.board().traffic().1 / (width * height), self.sim.nanoseconds())
    }

    /// Cycles of core 1 in the interrupts of camera and DMA, for each frame that the camera sent.
    fn capture_cycles(&mut self) -> f64 {
        let frames = self.sim.board().traffic().0.max(1);
        let handlers = ["IO_IRQ_BANK0", "DMA_IRQ_0"];
        let costs = self.profile.by_function(1);
        let cycles: u64 =
            costs.iter().filter(|(n, _)| handlers.contains(&n.as_str())).map(|(_, c)| c.cycles).sum();
        cycles as f64 / frames as f64
    }
}
