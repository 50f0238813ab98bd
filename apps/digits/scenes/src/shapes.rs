//! Shapes by their distance functions, painted with soft edges.

use crate::FRAME;

/// A place, and directions turned about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turned {
    x: f32,
    y: f32,
    cos: f32,
    sin: f32,
}

impl Turned {
    /// About `(x, y)` by so many degrees, clockwise as seen.
    pub(crate) fn new((x, y): (f32, f32), degrees: f32) -> Turned {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Turned { x, y, cos, sin }
    }

    /// From the frame to coordinates about the place.
    pub(crate) fn into(self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = (x - self.x, y - self.y);
        (x * self.cos + y * self.sin, y * self.cos - x * self.sin)
    }

    /// The other way.
    pub(crate) fn out(self, u: f32, v: f32) -> (f32, f32) {
        (self.x + u * self.cos - v * self.sin, self.y + u * self.sin + v * self.cos)
    }
}

/// Something to paint.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// A line with round ends.
    Line { from: (f32, f32), to: (f32, f32), width: f32 },
    /// A rectangle: half its sides, and the width of its outline, 0 if it is full.
    Box { at: Turned, half: (f32, f32), outline: f32 },
    /// An ellipse by its half axes.
    Ellipse { at: Turned, half: (f32, f32) },
}

impl Shape {
    /// The same rectangle as a line of this width.
    pub(crate) fn outline(self, width: f32) -> Shape {
        match self {
            Shape::Box { at, half, .. } => Shape::Box { at, half, outline: width },
            Shape::Line { .. } | Shape::Ellipse { .. } => self,
        }
    }

    /// Distance from the edge, negative inside; for ellipses about.
    fn distance(&self, x: f32, y: f32) -> f32 {
        match *self {
            Shape::Line { from, to, width } => {
                let (dx, dy) = (to.0 - from.0, to.1 - from.1);
                let (px, py) = (x - from.0, y - from.1);
                let along = ((px * dx + py * dy) / (dx * dx + dy * dy).max(1e-6)).clamp(0.0, 1.0);
                let (ex, ey) = (px - along * dx, py - along * dy);
                (ex * ex + ey * ey).sqrt() - width / 2.0
            }
            Shape::Box { at, half, outline } => {
                let (u, v) = at.into(x, y);
                let (u, v) = (u.abs() - half.0, v.abs() - half.1);
                let outside = (u.max(0.0) * u.max(0.0) + v.max(0.0) * v.max(0.0)).sqrt();
                let distance = outside + u.max(v).min(0.0);
                if outline > 0.0 { distance.abs() - outline / 2.0 } else { distance }
            }
            Shape::Ellipse { at, half } => {
                let (u, v) = at.into(x, y);
                let radius = ((u / half.0) * (u / half.0) + (v / half.1) * (v / half.1)).sqrt();
                (radius - 1.0) * half.0.min(half.1)
            }
        }
    }

    /// A middle, and how far it reaches from there each way.
    fn reach(&self) -> ((f32, f32), (f32, f32)) {
        match *self {
            Shape::Line { from, to, width } => (
                ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0),
                ((from.0 - to.0).abs() / 2.0 + width, (from.1 - to.1).abs() / 2.0 + width),
            ),
            Shape::Box { at, half, outline } => {
                let reach = (half.0 * half.0 + half.1 * half.1).sqrt() + outline;
                ((at.x, at.y), (reach, reach))
            }
            Shape::Ellipse { at, half } => {
                let reach = half.0.max(half.1);
                ((at.x, at.y), (reach, reach))
            }
        }
    }
}

/// A frame being painted, in grey levels as they would be in full light.
pub(crate) struct Canvas {
    pub(crate) values: Vec<f32>,
}

impl Canvas {
    pub(crate) fn new(tone: f32) -> Canvas {
        Canvas { values: vec![tone; FRAME * FRAME] }
    }

    /// Blends towards `tone` by `share(x, y)`, asked for at the middles of pixels up to `reach` from `middle`.
    pub(crate) fn blend(
        &mut self,
        middle: (f32, f32),
        reach: (f32, f32),
        tone: f32,
        share: impl Fn(f32, f32) -> f32,
    ) {
        let span = |middle: f32, reach: f32| {
            let most = FRAME as f32;
            (middle - reach).floor().clamp(0.0, most) as usize
                ..(middle + reach).ceil().clamp(0.0, most) as usize
        };
        for y in span(middle.1, reach.1) {
            for x in span(middle.0, reach.0) {
                let value = &mut self.values[y * FRAME + x];
                *value += (tone - *value) * share(x as f32 + 0.5, y as f32 + 0.5);
            }
        }
    }

    /// Paints a shape whose edge is `soft` pixels wide.
    pub(crate) fn paint(&mut self, shape: &Shape, soft: f32, tone: f32) {
        let (middle, reach) = shape.reach();
        let reach = (reach.0 + soft, reach.1 + soft);
        self.blend(middle, reach, tone, |x, y| (0.5 - shape.distance(x, y) / soft).clamp(0.0, 1.0));
    }
}
