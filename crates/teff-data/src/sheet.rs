//! Contact sheets: many small images in one picture, each with a caption and a frame that tells right from wrong.

use crate::canvas::{Canvas, Colour, text_width};
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
    let layout = Layout::new(title, tiles, (height, width), columns);
    if layout.width > MOST || layout.height > MOST {
        let what = format!(
            "make a picture of {}x{} pixels, and the sides must be within {MOST}",
            layout.width, layout.height
        );
        return Err(Error::Parameter { name: "tiles", what });
    }
    Ok(layout.draw(title, tiles, [channels, height, width]).to_png())
}

/// Where things are.
struct Layout {
    width: usize,
    height: usize,
    columns: usize,
    /// By how much images are enlarged.
    scale: usize,
    /// The first row of tiles.
    top: usize,
    cell_width: usize,
    cell_height: usize,
    image_width: usize,
    image_height: usize,
}

impl Layout {
    fn new(title: &str, tiles: &[Tile<'_>], (height, width): (usize, usize), columns: usize) -> Self {
        let columns = columns.min(tiles.len());
        let scale = (IMAGE_SIDE / height.max(width)).max(1);
        let (image_width, image_height) = (width * scale, height * scale);
        let lines = tiles.iter().map(|t| t.caption.lines().count()).max().unwrap_or(0);
        let captions = tiles.iter().flat_map(|t| t.caption.lines());
        let caption_width = captions.map(|line| text_width(line, CAPTION_SCALE)).max().unwrap_or(0);
        let cell_width = caption_width.max(image_width + 2 * FRAME);
        let caption_height = if lines == 0 { 0 } else { CAPTION_GAP + lines * CAPTION_LINE };
        let cell_height = image_height + 2 * FRAME + caption_height;
        let top =
            if title.is_empty() { MARGIN } else { MARGIN + font::ROWS * TITLE_SCALE + TITLE_GAP - FRAME };
        let rows = tiles.len().div_ceil(columns);
        let grid_width = columns * (cell_width + GAP) - GAP;
        Self {
            width: 2 * MARGIN + grid_width.max(text_width(title, TITLE_SCALE)),
            height: top + rows * (cell_height + GAP) - GAP + MARGIN,
            columns,
            scale,
            top,
            cell_width,
            cell_height,
            image_width,
            image_height,
        }
    }

    fn draw(&self, title: &str, tiles: &[Tile<'_>], shape: [usize; 3]) -> Canvas {
        let mut canvas = Canvas::new(self.width, self.height, BACKGROUND);
        canvas.text(MARGIN, MARGIN, TITLE_SCALE, INK, title);
        for (i, tile) in tiles.iter().enumerate() {
            let cell_x = MARGIN + i % self.columns * (self.cell_width + GAP);
            let y = self.top + i / self.columns * (self.cell_height + GAP);
            let (frame_width, frame_height) = (self.image_width + 2 * FRAME, self.image_height + 2 * FRAME);
            let x = cell_x + (self.cell_width - frame_width) / 2;
            let (frame, ink) = match tile.mark {
                Mark::None => (GREY, INK),
                Mark::Right => (GREEN, INK),
                Mark::Wrong => (RED, RED),
            };
            canvas.rectangle(x, y, frame_width, frame_height, frame);
            canvas.image(x + FRAME, y + FRAME, self.scale, tile.sample, shape);
            for (line, text) in tile.caption.lines().enumerate() {
                let indent = (self.cell_width - text_width(text, CAPTION_SCALE)) / 2;
                let line_y = y + frame_height + CAPTION_GAP + line * CAPTION_LINE;
                canvas.text(cell_x + indent, line_y, CAPTION_SCALE, ink, text);
            }
        }
        canvas
    }
}
