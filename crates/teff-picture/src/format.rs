//! Which formats there are, and what each takes.

use super::decode::kind;
use super::job::Colours;
use super::{jpeg, jpeg2000_tile, png, webp};

/// A format of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Format {
    Bmp,
    Jpeg,
    Jpeg2000,
    Png,
    Pnm,
    Tiff,
    Webp,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 7] =
        [Format::Bmp, Format::Jpeg, Format::Jpeg2000, Format::Png, Format::Pnm, Format::Tiff, Format::Webp];

    /// Its name, which is that of its module too.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Bmp => "bmp",
            Format::Jpeg => "jpeg",
            Format::Jpeg2000 => "jpeg2000",
            Format::Png => "png",
            Format::Pnm => "pnm",
            Format::Tiff => "tiff",
            Format::Webp => "webp",
        }
    }

    /// Numbers of 32 bits and bytes of scratch memory that a picture of this size may take.
    const fn memory(self, height: usize, width: usize) -> (usize, usize) {
        match self {
            Format::Bmp | Format::Pnm | Format::Tiff => (0, 0),
            Format::Jpeg => (0, jpeg::bytes(height, width)),
            Format::Jpeg2000 => (jpeg2000_tile::words(height, width), jpeg2000_tile::bytes(height, width)),
            Format::Png => (0, png::bytes(height, width)),
            Format::Webp => (webp::words(height, width), webp::bytes(height, width)),
        }
    }
}

/// A set of formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Formats(u8);

impl Formats {
    /// All of them.
    pub const ALL: Formats = Formats((1 << Format::ALL.len()) - 1);

    /// Those in `list`.
    pub fn of(list: &[Format]) -> Formats {
        Formats(list.iter().fold(0, |set, f| set | 1 << *f as u8))
    }

    /// True when `format` is one of them.
    pub const fn has(self, format: Format) -> bool {
        self.0 >> format as u8 & 1 == 1
    }
}

impl Default for Formats {
    fn default() -> Formats {
        Formats::ALL
    }
}

/// What is known of pictures before there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels of a pixel.
    pub colours: Colours,
    /// Formats that are decoded; others are refused.
    pub formats: Formats,
}

impl Picture {
    /// A picture of any format.
    pub const fn new(height: usize, width: usize, colours: Colours) -> Picture {
        Picture { height, width, colours, formats: Formats::ALL }
    }

    /// Bytes of all pixels.
    pub const fn len(&self) -> usize {
        self.height * self.width * self.colours.channels()
    }

    /// True when it has no pixels.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The scratch memory that a picture may take: numbers of 32 bits, and bytes; at least one of each, so that there is an array.
pub fn memory(picture: &Picture) -> (usize, usize) {
    let wanted = Format::ALL.iter().filter(|f| picture.formats.has(**f));
    wanted.map(|f| f.memory(picture.height, picture.width)).fold((1, 1), |a, b| (a.0.max(b.0), a.1.max(b.1)))
}

/// Decodes the picture in `file` into `pixels`, `[height, width, channels]` row by row. `words` and `bytes` are scratch memory, at
/// least what [`memory`] says.
///
/// False when it is damaged, of another size, of another format, or of a kind that is not decoded; the pixels are then 0.
pub fn decode(
    file: &[u8],
    picture: &Picture,
    pixels: &mut [u8],
    words: &mut [i32],
    bytes: &mut [u8],
) -> bool {
    let known = Format::ALL.into_iter().find(|f| f.name() == kind(file));
    if known.is_none_or(|f| !picture.formats.has(f)) {
        pixels.fill(0);
        return false;
    }
    super::decode::decode(file, picture.height, picture.width, picture.colours, pixels, words, bytes)
}
