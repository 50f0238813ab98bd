//! What the display shows. On top the camera's picture with the box of what was found; below what the network was given, what it
//! says, how sure it is, and how long it took. Where something is amiss, the line at the bottom says so.

use crate::answer::{Answer, PREVIEW};
use board::display::{Canvas, WIDTH, grey};
use board::frames::{BYTES, SIDE};
use core::convert::Infallible;
use core::fmt::Write;
use digits_vision::Bounds;
use embedded_graphics::mono_font::ascii::{FONT_6X10, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Alignment, Baseline, Text};

/// The feed: 80 x 80 pixels, each the mean of two by two of the frame, whose outermost row and column are left out.
const FEED: usize = 80;
const FOUND: Rgb565 = Rgb565::CSS_LIME;
const FAINT: Rgb565 = Rgb565::CSS_GRAY;

/// A line of text that fits the display.
#[derive(Default)]
pub struct Line {
    text: [u8; 24],
    len: usize,
}

impl Line {
    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.text[..self.len]).unwrap_or("")
    }
}

impl Write for Line {
    /// Cuts what is too long; other than ASCII becomes a question mark.
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        for c in s.chars() {
            if let Some(place) = self.text.get_mut(self.len) {
                *place = if c.is_ascii_graphic() || c == ' ' { c as u8 } else { b'?' };
                self.len += 1;
            }
        }
        Ok(())
    }
}

/// Draws a frame of the camera and the box.
#[unsafe(link_section = ".data.fast")]
pub fn feed(canvas: &mut Canvas, pixels: &[u8; BYTES]) {
    let rows = pixels.chunks_exact(SIDE).skip(1);
    let pairs = rows.clone().step_by(2).zip(rows.skip(1).step_by(2));
    for (y, (upper, lower)) in pairs.take(FEED).enumerate() {
        let upper = upper[1..=2 * FEED].chunks_exact(2);
        let lower = lower[1..=2 * FEED].chunks_exact(2);
        for ((out, a), b) in canvas.row_mut(y).iter_mut().zip(upper).zip(lower) {
            let sum = u32::from(a[0]) + u32::from(a[1]) + u32::from(b[0]) + u32::from(b[1]);
            *out = grey((sum >> 2) as u8);
        }
    }
}

/// Draws the box of what was found over the feed.
pub fn outline(canvas: &mut Canvas, bounds: Bounds) {
    let half = |x: u16| (i32::from(x) - 1).max(0) / 2;
    let corner = Point::new(half(bounds.left), half(bounds.top));
    let end = Point::new(half(bounds.left + bounds.width), half(bounds.top + bounds.height));
    let end = end.component_min(Point::new(FEED as i32 - 1, FEED as i32 - 1));
    let shape = Rectangle::with_corners(corner, end).into_styled(PrimitiveStyle::with_stroke(FOUND, 1));
    let Ok(()) = shape.draw(canvas);
}

/// Draws a message in the place of the feed.
pub fn message(canvas: &mut Canvas, text: &str) {
    fill(canvas, 0, 0, WIDTH, FEED, Rgb565::BLACK);
    let style = MonoTextStyle::new(&FONT_6X10, Rgb565::CSS_ORANGE);
    let middle = Point::new(WIDTH as i32 / 2, FEED as i32 / 2);
    let Ok(_) = Text::with_text_style(text, middle, style, centred()).draw(canvas);
}

/// Draws the answer into the lower half; `seen` says whether there was a frame at all.
pub fn answer(canvas: &mut Canvas, answer: &Answer, labels: &[&str], seen: bool) {
    fill(canvas, 0, FEED, WIDTH, 68, Rgb565::BLACK);
    for (y, row) in answer.preview.chunks_exact(PREVIEW).enumerate() {
        for (out, level) in canvas.row_mut(FEED + 6 + y)[6..].iter_mut().zip(row) {
            *out = grey(*level);
        }
    }
    let label = answer.decision.as_ref().and_then(|d| labels.get(d.class).copied());
    match label {
        Some(label) if label.len() == 1 => big(canvas, label, Point::new(46, FEED as i32 + 2)),
        Some(label) if label.len() <= 4 => text(canvas, label, &FONT_10X20, 57, FEED as i32 + 20),
        Some(label) => text(canvas, label, &FONT_6X10, 40, FEED as i32 + 42),
        None if seen => text(canvas, "no digit", &FONT_6X10, 40, FEED as i32 + 42),
        None => return,
    }
    if let Some(decision) = &answer.decision {
        let percent = usize::from(decision.percent);
        fill(canvas, 4, FEED + 50, 72, 6, Rgb565::CSS_DARK_SLATE_GRAY);
        fill(canvas, 4, FEED + 50, percent * 72 / 100, 6, FOUND);
    }
    let mut line = Line::default();
    let tenths = (answer.prepare_us + answer.infer_us) / 100;
    let _ = write!(line, "{}.{} ms", tenths / 10, tenths % 10);
    if let Some(decision) = &answer.decision {
        let _ = write!(line, " {}%", decision.percent);
    }
    let style = MonoTextStyle::new(&FONT_6X10, Rgb565::WHITE);
    let at = Point::new(2, FEED as i32 + 58);
    let Ok(_) = Text::with_baseline(line.as_str(), at, style, Baseline::Top).draw(canvas);
}

/// Draws the line at the bottom.
pub fn status(canvas: &mut Canvas, line: &str) {
    fill(canvas, 0, FEED + 68, WIDTH, 12, Rgb565::BLACK);
    let style = MonoTextStyle::new(&FONT_6X10, FAINT);
    let at = Point::new(2, FEED as i32 + 68);
    let Ok(_) = Text::with_baseline(line, at, style, Baseline::Top).draw(canvas);
}

fn centred() -> embedded_graphics::text::TextStyle {
    embedded_graphics::text::TextStyleBuilder::new()
        .alignment(Alignment::Center)
        .baseline(Baseline::Middle)
        .build()
}

fn text(canvas: &mut Canvas, text: &str, font: &MonoFont<'_>, x: i32, y: i32) {
    let style = MonoTextStyle::new(font, Rgb565::WHITE);
    let Ok(_) = Text::with_text_style(text, Point::new(x, y), style, centred()).draw(canvas);
}

fn fill(canvas: &mut Canvas, x: usize, y: usize, width: usize, height: usize, color: Rgb565) {
    let at = Point::new(x as i32, y as i32);
    let area = Rectangle::new(at, Size::new(width as u32, height as u32));
    let Ok(()) = canvas.fill_solid(&area, color);
}

/// Draws text with each pixel of the largest font doubled.
fn big(canvas: &mut Canvas, text: &str, at: Point) {
    let style = MonoTextStyle::new(&FONT_10X20, Rgb565::WHITE);
    let Ok(_) =
        Text::with_baseline(text, Point::zero(), style, Baseline::Top).draw(&mut Doubled { canvas, at });
}

struct Doubled<'a> {
    canvas: &'a mut Canvas,
    at: Point,
}

impl OriginDimensions for Doubled<'_> {
    fn size(&self) -> Size {
        self.canvas.size() / 2
    }
}

impl DrawTarget for Doubled<'_> {
    type Color = Rgb565;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb565>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        pixels.into_iter().try_for_each(|Pixel(p, color)| {
            self.canvas.fill_solid(&Rectangle::new(self.at + p * 2, Size::new(2, 2)), color)
        })
    }
}
