//! Contact sheets: many small images in one picture, each with a caption and a frame that tells right from wrong.

use crate::dataset::Sample;
use crate::error::{Error, Result, dimensions};
use crate::font;

/// What the frame around an image says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing: a grey frame.
    None,
    /// Green.
    Right,
    /// Red, and the caption too.
    Wrong,
}

/// One image of a sheet.
#[derive(Clone, Debug)]
pub struct Tile<'a> {
    /// The image: bytes, or floats of 0 (black) to 1 (white).
    pub sample: Sample<'a>,
    /// What stands below it, in ASCII; `\n` begins a new line.
    pub caption: String,
    /// Its frame.
    pub mark: Mark,
}

/// Red, green, blue.
type Colour = [u8; 3];

const BACKGROUND: Colour = [0xfa, 0xfa, 0xf8];
const INK: Colour = [0x26, 0x28, 0x2b];
const GREY: Colour = [0xc4, 0xc6, 0xc8];
const GREEN: Colour = [0x22, 0x9a, 0x54];
const RED: Colour = [0xd2, 0x36, 0x36];

/// All in pixels of the picture.
const MARGIN: usize = 28;
const FRAME: usize = 4;
const GAP: usize = 18;
const CAPTION_GAP: usize = 8;
const TITLE_GAP: usize = 22;
/// Whole numbers by which the font is enlarged.
const CAPTION_SCALE: usize = 2;
const TITLE_SCALE: usize = 3;
const CAPTION_LINE: usize = (font::ROWS + 1) * CAPTION_SCALE;
/// The side that small images are enlarged to, by a whole number.
const IMAGE_SIDE: usize = 112;
/// No picture gets wider or higher than this.
const MOST: usize = 16_384;

/// Lays out `tiles` in rows of `columns`, under `title` where it is not empty, and returns the picture as PNG.
///
/// `shape` is that of every sample: `[1, height, width]` (grey) or `[3, height, width]` (colour).
///
/// # Errors
/// When the shape is not that of an image, `columns` is 0, there are no tiles, a sample does not have the shape, or the
/// picture would be larger than 16384 pixels either way.
pub fn contact_sheet(title: &str, tiles: &[Tile<'_>], shape: &[usize], columns: usize) -> Result<Vec<u8>> {
    let &[channels @ (1 | 3), height @ 1..=MOST, width @ 1..=MOST] = shape else {
        let what = format!("{} is not 1 or 3 channels x height x width, and must be", dimensions(shape));
        return Err(Error::Parameter { name: "shape", what });
    };
    if columns == 0 || tiles.is_empty() {
        let what = format!("{} by {columns} columns is no sheet; both must be at least 1", tiles.len());
        return Err(Error::Parameter { name: "tiles", what });
    }
    let sample_len = height.saturating_mul(width).saturating_mul(channels);
    if let Some(odd) = tiles.iter().position(|tile| tile.sample.len() != sample_len) {
        let what = format!("number {odd} does not have the shape {}, and must", dimensions(shape));
        return Err(Error::Parameter { name: "tiles", what });
    }
    Ok(draw(title, tiles, [channels, height, width], columns.min(tiles.len()))?.to_png())
}

/// Lays out and draws what was found to be sound.
fn draw(title: &str, tiles: &[Tile<'_>], shape: [usize; 3], columns: usize) -> Result<Canvas> {
    let [_, height, width] = shape;
    let scale = (IMAGE_SIDE / height.max(width)).max(1);
    let (frame_width, frame_height) = (width * scale + 2 * FRAME, height * scale + 2 * FRAME);
    let lines = tiles.iter().map(|t| t.caption.lines().count()).max().unwrap_or(0);
    let captions = tiles.iter().flat_map(|t| t.caption.lines());
    let caption_width = captions.map(|line| text_width(line, CAPTION_SCALE)).max().unwrap_or(0);
    let cell_width = caption_width.max(frame_width);
    let cell_height = frame_height + if lines == 0 { 0 } else { CAPTION_GAP + lines * CAPTION_LINE };
    let title_height = if title.is_empty() { 0 } else { font::ROWS * TITLE_SCALE + TITLE_GAP - FRAME };
    let top = MARGIN + title_height;
    let grid_width = columns * (cell_width + GAP) - GAP;
    let picture_width = 2 * MARGIN + grid_width.max(text_width(title, TITLE_SCALE));
    let picture_height = top + tiles.len().div_ceil(columns) * (cell_height + GAP) - GAP + MARGIN;
    if picture_width > MOST || picture_height > MOST {
        let what = format!(
            "make a picture of {picture_width}x{picture_height} pixels, and the sides must be within {MOST}"
        );
        return Err(Error::Parameter { name: "tiles", what });
    }
    let mut canvas = Canvas::new(picture_width, picture_height, BACKGROUND);
    canvas.text(MARGIN, MARGIN, TITLE_SCALE, INK, title);
    for (i, tile) in tiles.iter().enumerate() {
        let cell_x = MARGIN + i % columns * (cell_width + GAP);
        let y = top + i / columns * (cell_height + GAP);
        let x = cell_x + (cell_width - frame_width) / 2;
        let (frame, ink) = match tile.mark {
            Mark::None => (GREY, INK),
            Mark::Right => (GREEN, INK),
            Mark::Wrong => (RED, RED),
        };
        canvas.rectangle(x, y, frame_width, frame_height, frame);
        canvas.image(x + FRAME, y + FRAME, scale, tile.sample, shape);
        for (line, text) in tile.caption.lines().enumerate() {
            let indent = (cell_width - text_width(text, CAPTION_SCALE)) / 2;
            let line_y = y + frame_height + CAPTION_GAP + line * CAPTION_LINE;
            canvas.text(cell_x + indent, line_y, CAPTION_SCALE, ink, text);
        }
    }
    Ok(canvas)
}

/// A picture of `width x height` RGB pixels. What is drawn outside it is cut off.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize, background: Colour) -> Self {
        Self { width, height, pixels: background.repeat(width * height) }
    }

    fn rectangle(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Colour) {
        for row in y.min(self.height)..(y + height).min(self.height) {
            for column in x.min(self.width)..(x + width).min(self.width) {
                let at = (row * self.width + column) * 3;
                self.pixels[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    /// Draws a line of text with its upper left corner at (`x`, `y`), each pixel of the font `scale` pixels wide.
    fn text(&mut self, x: usize, y: usize, scale: usize, colour: Colour, text: &str) {
        for (i, character) in text.chars().enumerate() {
            for row in 0..font::ROWS {
                for column in 0..font::COLUMNS {
                    if font::is_set(character, column, row) {
                        let left = x + (i * font::ADVANCE + column) * scale;
                        // One pixel wider than high: strokes of the bare font look thin.
                        self.rectangle(left, y + row * scale, scale + 1, scale, colour);
                    }
                }
            }
        }
    }

    /// Draws an image of 1 or 3 channels, each of its pixels `scale` pixels wide; floats of 0 to 1 are black to white.
    fn image(&mut self, x: usize, y: usize, scale: usize, sample: Sample<'_>, shape: [usize; 3]) {
        let [channels, height, width] = shape;
        let value = |channel: usize, pixel: usize| {
            let at = channel.min(channels - 1) * height * width + pixel;
            // Casting to u8 keeps within its range.
            (sample.value(at) * 255.0).round() as u8
        };
        for row in 0..height {
            for column in 0..width {
                let pixel = row * width + column;
                let colour = [value(0, pixel), value(1, pixel), value(2, pixel)];
                self.rectangle(x + column * scale, y + row * scale, scale, scale, colour);
            }
        }
    }

    /// The picture as a PNG file.
    fn to_png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&self.pixels))
            .expect("writing a picture of at least one pixel to memory cannot fail");
        bytes
    }
}

/// The size of a line of text, without the space after its last character.
fn text_width(text: &str, scale: usize) -> usize {
    (text.chars().count() * font::ADVANCE).saturating_sub(font::ADVANCE - font::COLUMNS) * scale
}
