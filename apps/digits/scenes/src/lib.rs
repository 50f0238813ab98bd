//! Pictures as the camera of a microcontroller would take them: a digit on paper or on a screen, or anything but a digit.
//!
//! A [`Scene`] is a set of numbers, drawn from a seed within the ranges that its fields state; [`Scene::render`] makes the
//! picture of them: what stands in the scene is drawn (`shapes`, `clutter`), then lit and taken (`camera`).
//!
//! ```
//! use digits_scenes::{FRAME, Scene};
//!
//! let digits = teff_data::open("../../../data/mnist")?.test;
//! let scene = Scene::digit(digits.sample(0), 42);
//! assert_eq!(scene.render().len(), FRAME * FRAME);
//! assert_eq!(scene.render(), Scene::digit(digits.sample(0), 42).render());
//! # Ok::<(), teff_data::Error>(())
//! ```

mod camera;
mod clutter;
mod seen;
mod shapes;

pub use clutter::Clutter;
pub use seen::with_seen;

use shapes::{Canvas, Shape, Turned};
use teff_data::{Rng, Sample};

/// Pixels along a side of a rendered frame: the HM01B0's full field.
pub const FRAME: usize = 324;
/// The same when the sensor averages 2x2 pixels.
pub const BINNED: usize = FRAME / 2;
/// Pixels along a side of a digit.
const DIGIT: usize = 28;

/// What a scene shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Dark strokes on paper; sometimes an edge of the paper is in view and the table beyond.
    Paper(Digit),
    /// A light digit on a dark screen, within bright lines of which one at least is in view.
    Screen(Digit),
    /// No digit.
    Clutter(Clutter),
}

/// A digit and where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Digit {
    /// 28x28, 0 to 1, the strokes 1.
    pixels: Vec<f32>,
    /// Width of the digit's whole picture (28x28; the strokes take 20 of it) in percent of the frame's: 30 to 90.
    pub size_percent: f32,
    /// Where the picture's middle is, in pixels of the frame: wherever the picture, before it is turned, is fully in view.
    pub centre: (f32, f32),
    /// Degrees that it is turned by, clockwise: -12 to 12.
    pub rotation: f32,
    /// How steep the edges of strokes are: the slope of ink over the digit's values, 1.5 to 4 on paper; on a screen 1, or 0
    /// for pixels shown as squares.
    pub edge: f32,
    /// What is around the picture, as distances of four lines from its sides, left, right, top, bottom, in pixels of the frame:
    /// the edges of the paper (7 to 100), or lines on the screen (0 to 25 % of the picture, one of them in view).
    pub around: [f32; 4],
    /// Whether the paper's edges are drawn (one paper scene of three).
    pub edges: bool,
    /// Width of the lines on the screen in pixels: 2 to 10.
    pub line: f32,
    /// Tones of the lines on a screen (0.8 to 1.2 times the digit's) and of what is beyond (anything between the screen's
    /// ground and the digit's tone), or of the table (0.15 to 0.9 of the paper's).
    pub tones: (f32, f32),
}

/// A scene, and how it is lit and taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// What it shows.
    pub subject: Subject,
    /// Grey level of paper in full light, 110 to 240, or of a dark screen, 8 to 60.
    pub ground: f32,
    /// What strokes differ by: on paper the share of light that ink takes, 0.3 to 0.95; on a screen the grey levels that it
    /// adds, 50 to 190.
    pub contrast: f32,
    /// Share of the light that is missing at the darker side of the frame: 0 to 0.5.
    pub gradient: f32,
    /// Where the light comes from, in degrees: any.
    pub direction: f32,
    /// Share of the light that is missing in the corners: 0 to 0.4.
    pub vignette: f32,
    /// Standard deviation of the blur in pixels: 0.4 to 2.5.
    pub blur: f32,
    /// Standard deviation of the sensor's noise in grey levels, before it bins: 1 to 8.
    pub noise: f32,
    /// Determines the noise and the strokes of clutter.
    pub seed: u64,
}

impl Scene {
    /// A digit (28x28, white on black) in a scene drawn from `seed`: paper in two of three, else a screen.
    ///
    /// # Panics
    /// When the sample has not 784 values.
    pub fn digit(sample: Sample<'_>, seed: u64) -> Scene {
        let mut rng = Rng::stream(seed, &[0]);
        let paper = rng.below(3) < 2;
        let mut scene = Scene::lit(paper, &mut rng, seed);
        let side = between(&mut rng, 0.3, 0.9) * FRAME as f32;
        let mut digit = Digit::new(sample, side / FRAME as f32 * 100.0);
        let place = |rng: &mut Rng| between(rng, side / 2.0, FRAME as f32 - side / 2.0);
        digit.centre = (place(&mut rng), place(&mut rng));
        digit.rotation = rng.within(12.0);
        if paper {
            digit.edge = between(&mut rng, 1.5, 4.0);
            digit.edges = rng.below(3) == 0;
            digit.around = std::array::from_fn(|_| between(&mut rng, 7.0, 100.0));
            digit.tones.1 = scene.ground * between(&mut rng, 0.15, 0.9);
            scene.subject = Subject::Paper(digit);
        } else {
            digit.edge = rng.below(2) as f32;
            digit.around = std::array::from_fn(|_| between(&mut rng, 0.0, 0.25 * side));
            digit.line = between(&mut rng, 2.0, 10.0);
            // One line is in view for certain: no further from the picture than the frame's edge.
            let (x, y) = digit.centre;
            let room = [x, FRAME as f32 - x, y, FRAME as f32 - y].map(|r| r - side / 2.0);
            let seen = rng.below(4) as usize;
            digit.around[seen] = digit.around[seen].min(rng.unit() * room[seen]);
            let white = scene.ground + scene.contrast;
            let line = scene.ground + scene.contrast * between(&mut rng, 0.8, 1.2);
            digit.tones = (line, between(&mut rng, scene.ground, white));
            scene.subject = Subject::Screen(digit);
        }
        scene
    }

    /// A scene without a digit, drawn from `seed`.
    pub fn clutter(seed: u64) -> Scene {
        let mut rng = Rng::stream(seed, &[1]);
        let paper = rng.below(3) < 2;
        let mut scene = Scene::lit(paper, &mut rng, seed);
        scene.subject = Subject::Clutter(Clutter::ALL[rng.below(Clutter::ALL.len() as u64) as usize]);
        scene
    }

    /// A plain one for demonstrations: the digit in the middle of white paper, 60 % of the frame wide, in mild light.
    ///
    /// # Panics
    /// When the sample has not 784 values.
    pub fn paper(sample: Sample<'_>) -> Scene {
        Scene {
            subject: Subject::Paper(Digit::new(sample, 60.0)),
            ground: 215.0,
            contrast: 0.8,
            gradient: 0.15,
            direction: 30.0,
            vignette: 0.1,
            blur: 0.8,
            noise: 2.0,
            seed: 0,
        }
    }

    /// Light and camera drawn at random; the subject is yet to come.
    fn lit(paper: bool, rng: &mut Rng, seed: u64) -> Scene {
        let (ground, contrast) =
            if paper { ((110.0, 240.0), (0.3, 0.95)) } else { ((8.0, 60.0), (50.0, 190.0)) };
        Scene {
            subject: Subject::Clutter(Clutter::Blank),
            ground: between(rng, ground.0, ground.1),
            contrast: between(rng, contrast.0, contrast.1),
            gradient: between(rng, 0.0, 0.5),
            direction: between(rng, 0.0, 360.0),
            vignette: between(rng, 0.0, 0.4),
            blur: between(rng, 0.4, 2.5),
            noise: between(rng, 1.0, 8.0),
            seed,
        }
    }

    /// The tone of a stroke.
    fn ink(&self) -> f32 {
        // Paper is never as dark as a screen.
        if self.ground > 100.0 { self.ground * (1.0 - self.contrast) } else { self.ground + self.contrast }
    }

    /// The frame before the sensor bins: 324x324, row by row.
    pub fn render(&self) -> Vec<u8> {
        let mut canvas = Canvas::new(self.ground);
        match &self.subject {
            Subject::Paper(digit) => {
                if digit.edges {
                    canvas.values.fill(digit.tones.1);
                    canvas.paint(&digit.surround(), 1.0, self.ground);
                }
                digit.draw(&mut canvas, self.ink());
            }
            Subject::Screen(digit) => {
                canvas.values.fill(digit.tones.1);
                canvas.paint(&digit.surround(), 1.0, self.ground);
                canvas.paint(&digit.surround().outline(digit.line), 1.0, digit.tones.0);
                digit.draw(&mut canvas, self.ink());
            }
            Subject::Clutter(clutter) => clutter.draw(self, &mut canvas, &mut Rng::stream(self.seed, &[3])),
        }
        camera::take(self, canvas)
    }

    /// What the sensor gives when it bins: 162x162 means of 2x2 pixels.
    pub fn binned(&self) -> Vec<u8> {
        camera::bin(&self.render())
    }
}

impl Digit {
    /// In the middle of the frame, upright, on plain ground.
    fn new(sample: Sample<'_>, size_percent: f32) -> Digit {
        let mut pixels = vec![0.0; DIGIT * DIGIT];
        sample.write_to(&mut pixels);
        Digit {
            pixels,
            size_percent,
            centre: (FRAME as f32 / 2.0, FRAME as f32 / 2.0),
            rotation: 0.0,
            edge: 2.5,
            around: [0.0; 4],
            edges: false,
            line: 0.0,
            tones: (0.0, 0.0),
        }
    }

    /// Pixels of the frame that the picture is wide.
    fn side(&self) -> f32 {
        self.size_percent / 100.0 * FRAME as f32
    }

    /// What ends at the lines around the picture.
    fn surround(&self) -> Shape {
        let [left, right, top, bottom] = self.around;
        let half = ((self.side() + left + right) / 2.0, (self.side() + top + bottom) / 2.0);
        let turned = Turned::new(self.centre, self.rotation);
        // The middle of the surround, turned with the picture.
        let middle = turned.out((right - left) / 2.0, (bottom - top) / 2.0);
        Shape::Box { at: Turned::new(middle, self.rotation), half, outline: 0.0 }
    }

    /// Draws the strokes.
    fn draw(&self, canvas: &mut Canvas, ink: f32) {
        let turned = Turned::new(self.centre, self.rotation);
        let scale = DIGIT as f32 / self.side();
        // Half the diagonal of the picture's inner 20x20 and what its mass lies off the middle, or half its side turned by 12 degrees.
        let reach = self.side() * 0.6;
        canvas.blend(self.centre, (reach, reach), ink, |x, y| {
            let (u, v) = turned.into(x, y);
            self.value(u * scale + DIGIT as f32 / 2.0, v * scale + DIGIT as f32 / 2.0)
        });
    }

    /// How much ink there is at a place of the picture, whose pixel (0, 0) has its middle at (0.5, 0.5).
    fn value(&self, x: f32, y: f32) -> f32 {
        if x < 0.0 || y < 0.0 {
            return 0.0;
        }
        // From here on all is above 0, where a cast is the floor, and no call.
        if self.edge == 0.0 {
            return self.pixel(x as i32, y as i32);
        }
        let (x, y) = (x + 0.5, y + 0.5);
        let (left, top) = (x as i32, y as i32);
        let (i, j, right, lower) = (left - 1, top - 1, x - left as f32, y - top as f32);
        let above = self.pixel(i, j) * (1.0 - right) + self.pixel(i + 1, j) * right;
        let below = self.pixel(i, j + 1) * (1.0 - right) + self.pixel(i + 1, j + 1) * right;
        let value = above * (1.0 - lower) + below * lower;
        ((value - 0.5) * self.edge + 0.5).clamp(0.0, 1.0)
    }

    fn pixel(&self, x: i32, y: i32) -> f32 {
        let inside = (0..DIGIT as i32).contains(&x) && (0..DIGIT as i32).contains(&y);
        if inside { self.pixels[y as usize * DIGIT + x as usize] } else { 0.0 }
    }
}

/// Evenly distributed in `[least, most)`.
fn between(rng: &mut Rng, least: f32, most: f32) -> f32 {
    least + rng.unit() * (most - least)
}
