//! Scenes that hold no digit.

use crate::shapes::{Canvas, Shape, Turned};
use crate::{FRAME, Scene, between};
use teff_data::Rng;

/// What is in a scene without a digit. Tones lie anywhere between ground and stroke of a scene with one, unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clutter {
    /// Nothing.
    Blank,
    /// A grain of 3 to 24 pixels that changes the tone by up to 4 to 25 %, stretched up to eightfold as in wood.
    Texture,
    /// One to twelve straight lines, 2 to 14 pixels wide, from anywhere to anywhere, also beyond the frame.
    Lines,
    /// One to eight rectangles, full or as outlines, 15 to 200 pixels a side.
    Rectangles,
    /// One to eight ellipses, 10 to 140 pixels long, sharp or soft.
    Blobs,
    /// One to three soft shadows, 60 to 300 pixels long, that take 20 to 60 % of the light.
    Shadows,
    /// Lines of writing, 14 to 45 pixels high, in letters of no script.
    Writing,
    /// One to three bent cables, 5 to 18 pixels wide, from edge to edge of the frame.
    Cables,
    /// Two of these.
    Mixed,
}

impl Clutter {
    /// All kinds; each is as likely as the others.
    pub const ALL: [Clutter; 9] = [
        Clutter::Blank,
        Clutter::Texture,
        Clutter::Lines,
        Clutter::Rectangles,
        Clutter::Blobs,
        Clutter::Shadows,
        Clutter::Writing,
        Clutter::Cables,
        Clutter::Mixed,
    ];

    /// Draws it with numbers from `rng`.
    pub(crate) fn draw(self, scene: &Scene, canvas: &mut Canvas, rng: &mut Rng) {
        match self {
            Clutter::Blank => (),
            Clutter::Texture => texture(canvas, rng),
            Clutter::Lines => {
                for _ in 0..1 + rng.below(12) {
                    let width = between(rng, 2.0, 14.0);
                    let line = Shape::Line { from: anywhere(rng), to: anywhere(rng), width };
                    canvas.paint(&line, 1.0, tone(scene, rng));
                }
            }
            Clutter::Rectangles => {
                for _ in 0..1 + rng.below(8) {
                    let outline = if rng.below(2) == 0 { between(rng, 2.0, 12.0) } else { 0.0 };
                    let at = Turned::new(anywhere(rng), rng.within(90.0));
                    let half = (between(rng, 7.5, 100.0), between(rng, 7.5, 100.0));
                    canvas.paint(&Shape::Box { at, half, outline }, 1.0, tone(scene, rng));
                }
            }
            Clutter::Blobs => {
                for _ in 0..1 + rng.below(8) {
                    let soft = between(rng, 1.0, 20.0);
                    canvas.paint(&ellipse(rng, 5.0, 70.0), soft, tone(scene, rng));
                }
            }
            Clutter::Shadows => {
                for _ in 0..1 + rng.below(3) {
                    let soft = between(rng, 15.0, 60.0);
                    let dark = between(rng, 0.4, 0.8) * scene.ground;
                    canvas.paint(&ellipse(rng, 30.0, 150.0), soft, dark);
                }
            }
            Clutter::Writing => writing(scene, canvas, rng),
            Clutter::Cables => {
                for _ in 0..1 + rng.below(3) {
                    cable(scene, canvas, rng);
                }
            }
            Clutter::Mixed => {
                for _ in 0..2 {
                    // Neither nothing nor another mixture.
                    let kind = Clutter::ALL[1 + rng.below(Clutter::ALL.len() as u64 - 2) as usize];
                    kind.draw(scene, canvas, rng);
                }
            }
        }
    }
}

/// A place within the frame or a fifth of it beyond.
fn anywhere(rng: &mut Rng) -> (f32, f32) {
    let reach = FRAME as f32 * 1.2;
    (between(rng, FRAME as f32 - reach, reach), between(rng, FRAME as f32 - reach, reach))
}

/// A tone between the ground and a stroke, no closer to the ground than a third of the way.
fn tone(scene: &Scene, rng: &mut Rng) -> f32 {
    scene.ground + (scene.ink() - scene.ground) * between(rng, 0.33, 1.0)
}

fn ellipse(rng: &mut Rng, least: f32, most: f32) -> Shape {
    let at = Turned::new(anywhere(rng), rng.within(90.0));
    Shape::Ellipse { at, half: (between(rng, least, most), between(rng, least, most)) }
}

/// Smooth noise: random numbers on a lattice, interpolated.
fn texture(canvas: &mut Canvas, rng: &mut Rng) {
    let (grain, depth) = (between(rng, 3.0, 24.0), between(rng, 0.04, 0.25));
    let stretch = if rng.below(2) == 0 { 1.0 } else { between(rng, 2.0, 8.0) };
    let at = Turned::new((0.0, 0.0), rng.within(180.0));
    let seed = rng.next_u64();
    let lattice = |i: i32, j: i32| Rng::stream(seed, &[i as u32 as u64, j as u32 as u64]).within(1.0);
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    for (i, value) in canvas.values.iter_mut().enumerate() {
        let (u, v) = at.into((i % FRAME) as f32, (i / FRAME) as f32);
        let (u, v) = (u / grain / stretch, v / grain);
        let (a, b) = (u.floor(), v.floor());
        let (right, lower) = (smooth(u - a), smooth(v - b));
        let (a, b) = (a as i32, b as i32);
        let above = lattice(a, b) * (1.0 - right) + lattice(a + 1, b) * right;
        let below = lattice(a, b + 1) * (1.0 - right) + lattice(a + 1, b + 1) * right;
        *value *= 1.0 + depth * (above * (1.0 - lower) + below * lower);
    }
}

/// Rows of letters, each of two to four strokes between the nine points of a grid.
fn writing(scene: &Scene, canvas: &mut Canvas, rng: &mut Rng) {
    let height = between(rng, 14.0, 45.0);
    let width = height * between(rng, 0.08, 0.16);
    let at = Turned::new((between(rng, -60.0, 80.0), between(rng, 10.0, 120.0)), rng.within(12.0));
    let (ink, rows) = (tone(scene, rng), 1 + rng.below(7));
    for row in 0..rows {
        let mut x = between(rng, 0.0, height);
        while x < FRAME as f32 * 1.2 {
            let point = |rng: &mut Rng| {
                let (u, v) = (rng.below(3) as f32 / 2.0 * 0.6, rng.below(3) as f32 / 2.0);
                at.out(x + u * height, (row as f32 * 1.8 + v) * height)
            };
            let mut from = point(rng);
            for _ in 0..2 + rng.below(3) {
                let to = point(rng);
                canvas.paint(&Shape::Line { from, to, width }, 1.0, ink);
                from = to;
            }
            // A gap between letters, a wide one between words.
            x += height * if rng.below(5) == 0 { 1.5 } else { 0.85 };
        }
    }
}

/// A curve (a cubic Bezier) with both ends beyond the frame.
fn cable(scene: &Scene, canvas: &mut Canvas, rng: &mut Rng) {
    let (width, ink) = (between(rng, 5.0, 18.0), tone(scene, rng));
    let end = |rng: &mut Rng, side: u64| {
        let (along, off) = (between(rng, 0.0, FRAME as f32), FRAME as f32 + width);
        [(along, -width), (along, off), (-width, along), (off, along)][side as usize]
    };
    let first = rng.below(4);
    let last = (first + 1 + rng.below(3)) % 4;
    let points = [end(rng, first), anywhere(rng), anywhere(rng), end(rng, last)];
    let on_curve = |t: f32| {
        let s = 1.0 - t;
        let weights = [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t];
        let sum =
            |axis: fn(&(f32, f32)) -> f32| weights.iter().zip(&points).map(|(w, p)| w * axis(p)).sum::<f32>();
        (sum(|p| p.0), sum(|p| p.1))
    };
    const PARTS: usize = 40;
    for i in 0..PARTS {
        let (from, to) = (on_curve(i as f32 / PARTS as f32), on_curve((i + 1) as f32 / PARTS as f32));
        canvas.paint(&Shape::Line { from, to, width }, 1.0, ink);
    }
}
