//! The part of the demo on the board: firmware with the network, run in the simulator with real test digits on paper before its camera.

use crate::commands::firmware::{Built, Request, build};
use crate::failure::{Failure, Result};
use crate::files::{read, write};
use crate::stop::Stop;
use crate::ui::Ui;
use std::path::{Path, PathBuf};
use teff::data::scene::{FRAME, Scene};
use teff::data::{Dataset, Split};
use teff_rp2040::board::{Board, Description, GifWriter, GreyImage, RgbImage};
use teff_rp2040::{Image, Options, Profile, Simulator, Stop as Halt};

/// How long each digit lies before the camera: the exposure follows within five frames of 33 ms, then the answer stands.
const SHOWN_MS: u64 = 240;
/// How much larger the pictures are than the display.
const SCALE: usize = 3;
/// What the firmware calls where it hands over an answer.
const ANSWERED: &str = "answered";

/// What the board did.
pub(super) struct Shown {
    pub(super) built: Built,
    pub(super) digits: Vec<Digit>,
    /// Frames a second on the display, over all digits.
    pub(super) feed: f64,
    /// Cycles of a core, for each frame, that receiving it took.
    pub(super) capture_cycles: f64,
    /// The display once for each digit, and a film of it.
    pub(super) picture: PathBuf,
    pub(super) film: PathBuf,
}

/// One digit before the camera.
pub(super) struct Digit {
    pub(super) is: u16,
    /// What the display says; none for "no digit".
    pub(super) said: Option<usize>,
    pub(super) prepare_us: u32,
    pub(super) infer_us: u32,
}

impl Digit {
    pub(super) fn right(&self) -> bool {
        self.said == Some(usize::from(self.is))
    }
}

impl Shown {
    pub(super) fn right(&self) -> usize {
        self.digits.iter().filter(|d| d.right()).count()
    }

    /// Mean microseconds of one of the steps.
    pub(super) fn mean(&self, of: impl Fn(&Digit) -> u32) -> f64 {
        self.digits.iter().map(|d| f64::from(of(d))).sum::<f64>() / self.digits.len() as f64
    }
}

/// Builds the firmware of a model.
pub(super) fn firmware(model: &Path, data: &Split, out: &Path, stop: &Stop, ui: &Ui) -> Result<Built> {
    let uf2 = out.join("firmware.uf2");
    let request = Request {
        labels: Some(data.train.classes().to_vec()),
        samples: Some(&data.train),
        ..Request::new(model, &uf2)
    };
    build(&request, stop, ui)
}

/// Runs the firmware with one digit after another before the camera: the first of each class among the test samples.
pub(super) fn run(built: Built, data: &Dataset, out: &Path, stop: &Stop, ui: &Ui) -> Result<Shown> {
    let mut chip = Chip::new(&built.elf)?;
    let classes = data.classes().len();
    let chosen = (0..classes).filter_map(|c| data.labels().iter().position(|l| usize::from(*l) == c));
    let mut bar = ui.bar("digits before the simulated camera", classes as u64);
    let (mut digits, mut screens) = (Vec::new(), Vec::new());
    let mut fed = (0, 0);
    for sample in chosen {
        chip.show(Scene::paper(data.sample(sample)))?;
        if digits.is_empty() {
            // Until display and camera run.
            chip.answer(stop)?;
            fed = chip.fed();
        }
        chip.pass(SHOWN_MS, stop)?;
        let (said, prepare_us, infer_us) = chip.answer(stop)?;
        digits.push(Digit { is: data.labels()[sample], said, prepare_us, infer_us });
        // The answer is drawn with the next frame.
        chip.pass(50, stop)?;
        screens.push(chip.sim.board().screen()?);
        bar.at(digits.len() as u64, String::new);
    }
    bar.finish();
    let (frames, nanoseconds) = chip.fed();
    let feed = (frames - fed.0) as f64 * 1e9 / (nanoseconds - fed.1) as f64;
    let (picture, film) = (out.join("board.png"), out.join("board.gif"));
    write(&picture, &strip(&screens)?)?;
    write(&film, &animation(&screens))?;
    Ok(Shown { built, digits, feed, capture_cycles: chip.capture_cycles(), picture, film })
}

/// The simulated board with a look at its firmware.
struct Chip {
    sim: Simulator,
    profile: Profile,
    answered: u32,
}

impl Chip {
    fn new(elf: &Path) -> Result<Chip> {
        let image = Image::parse(&read(elf)?)?;
        let mut sim = Simulator::with_board(Options::default(), Board::new(Description::pico4ml()));
        sim.load(&image)?;
        let answered = image.address_of(ANSWERED);
        let answered =
            answered.ok_or_else(|| Failure::new(format!("{} has no function {ANSWERED}", elf.display())))?;
        Ok(Chip { sim, profile: Profile::new(&image), answered })
    }

    fn show(&mut self, scene: Scene) -> Result<()> {
        Ok(self.sim.board().show(GreyImage { width: FRAME, height: FRAME, pixels: scene.render() })?)
    }

    /// Lets time pass.
    fn pass(&mut self, ms: u64, stop: &Stop) -> Result<()> {
        let end = self.sim.nanoseconds() + ms * 1_000_000;
        while self.sim.nanoseconds() < end {
            self.step(stop)?;
        }
        Ok(())
    }

    /// Runs until the next answer: the class, and the microseconds of preparation and network as the firmware measures them.
    fn answer(&mut self, stop: &Stop) -> Result<(Option<usize>, u32, u32)> {
        self.sim.set_breakpoint(self.answered);
        while !matches!(self.step(stop)?, Halt::Breakpoint { .. }) {}
        self.sim.clear_breakpoint(self.answered);
        let [class, told] = [2, 3].map(|k| self.sim.register(0, k));
        // After the percentage.
        let word =
            |at: u32| self.sim.read_word(told + at).ok_or_else(|| Failure::new("the answer is nowhere"));
        Ok((usize::try_from(class as i32).ok(), word(4)?, word(8)?))
    }

    /// A hundredth of a second at most.
    fn step(&mut self, stop: &Stop) -> Result<Halt> {
        if stop.is_asked() {
            return Err(Failure::stopped("stopped"));
        }
        let halt = self.sim.run_profiled(self.sim.cycles() + self.sim.clock_hz() / 100, &mut self.profile);
        match halt {
            Halt::Deadline | Halt::Breakpoint { .. } => Ok(halt),
            halt => Err(Failure::new(format!("the firmware stopped: {halt:?}; this is a defect of teff"))),
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

/// All screens beside each other, as a PNG.
fn strip(screens: &[RgbImage]) -> Result<Vec<u8>> {
    const GAP: usize = 4;
    let large: Vec<RgbImage> = screens.iter().map(enlarged).collect();
    let height = large.iter().map(|s| s.height).max().unwrap_or(0);
    let width = large.iter().map(|s| s.width + GAP).sum::<usize>().saturating_sub(GAP);
    let mut pixels = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for (k, screen) in large.iter().enumerate() {
            if k > 0 {
                pixels.extend([0xff; 3 * GAP]);
            }
            pixels.extend(&screen.pixels[3 * y * screen.width..3 * (y + 1) * screen.width]);
        }
    }
    let mut bytes = Vec::new();
    RgbImage { width, height, pixels }.write_png(&mut bytes)?;
    Ok(bytes)
}

/// One screen a second, as a GIF.
fn animation(screens: &[RgbImage]) -> Vec<u8> {
    let large: Vec<RgbImage> = screens.iter().map(enlarged).collect();
    let size = large.first().map_or((1, 1), |s| (s.width as u16, s.height as u16));
    let mut film = GifWriter::new(size.0, size.1);
    large.iter().for_each(|screen| film.frame(screen, 100));
    film.finish()
}

/// Each pixel as a square.
fn enlarged(image: &RgbImage) -> RgbImage {
    let (width, height) = (image.width * SCALE, image.height * SCALE);
    let pixels =
        (0..width * height).flat_map(|i| image.pixel(i % width / SCALE, i / width / SCALE)).collect();
    RgbImage { width, height, pixels }
}
