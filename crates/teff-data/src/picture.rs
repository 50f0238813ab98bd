//! Decoding one picture file into bytes: PNG, JPEG, and the Netpbm formats PGM and PPM.

use std::io::{Cursor, Read};
use std::path::Path;

use jpeg_decoder::PixelFormat;
use png::{Decoder, DecodingError, Transformations};

use crate::error::{Error, Result};
use crate::pnm;
use crate::stream::{MAX_EXPANSION, open_file};

/// Pixels of a picture at most; its file may be small and say anything, and no network here takes as many.
const PIXELS: usize = 1 << 26;
/// No JPEG has more bytes of pixels for one of its file: the smallest code of a block is one bit, and with chroma that is a fourth of the
/// luma either way, 18 blocks are 1024 pixels of three bytes.
const JPEG_EXPANSION: usize = 2048;

/// Bytes of a picture's pixels, an error when they are more than are read, or than a file of `len` bytes can hold that has at most
/// `expansion` bytes for one of its own.
pub(crate) fn size(
    name: &str,
    [width, height, channels]: [usize; 3],
    len: usize,
    expansion: usize,
) -> Result<usize> {
    let Some(pixels) = width.checked_mul(height).filter(|&n| n <= PIXELS) else {
        let what = format!("a picture of {width}x{height} pixels, more than {PIXELS},");
        return Err(Error::unsupported(name, what, "scale it to the size that the network is to see"));
    };
    let size = pixels * channels;
    if size > len.saturating_mul(expansion) {
        let what = format!("{width}x{height} pixels do not fit into {len} bytes");
        return Err(Error::damaged(name, what));
    }
    Ok(size)
}

/// How names of pictures end; one of a format that is not read is an error, and not passed over.
const ENDINGS: [&str; 17] = [
    "bmp", "gif", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm", "tga",
    "tif", "tiff", "webp",
];

/// A picture of bytes, 0 black and 255 full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Rows, from the top.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// `height * width * channels` bytes: row by row, the channels of a pixel side by side.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// Whether the name at `path` ends as that of a picture, of a format that is read or another, and is not hidden.
    pub fn is_named(path: &Path) -> bool {
        let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        let is_hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        !is_hidden && ending.is_some_and(|e| ENDINGS.contains(&&*e))
    }

    /// Reads the file at `path`, whose format its first bytes tell: PNG, JPEG, PGM or PPM. Of 16 bits the upper 8 are kept.
    ///
    /// # Errors
    /// When it cannot be read, is of another format, is cut short or damaged, has more than 2^26 pixels, or one that is transparent.
    pub fn open(path: &Path) -> Result<Picture> {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        open_file(path).and_then(|mut f| f.read_to_end(&mut bytes)).map_err(|e| Error::io(path, e))?;
        Picture::decode(&name, &bytes)
    }

    /// The picture in the bytes of a file, as [`Picture::open`] has it; `name` is for errors.
    ///
    /// # Errors
    /// As of [`Picture::open`].
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Picture> {
        match bytes {
            [0x89, b'P', ..] => decode_png(name, bytes),
            [0xff, 0xd8, ..] => decode_jpeg(name, bytes),
            [b'P', kind @ (b'2' | b'3' | b'5' | b'6'), rest @ ..] => pnm::decode(name, *kind, rest),
            _ => Err(Error::unsupported(name, "a picture that is neither PNG nor JPEG, PGM or PPM", REMEDY)),
        }
    }

    /// All of the first channel, then the next: `[channels, height, width]`.
    pub fn planes(&self) -> Vec<u8> {
        let plane = |channel| self.pixels.iter().skip(channel).step_by(self.channels);
        (0..self.channels).flat_map(plane).copied().collect()
    }
}

const REMEDY: &str = "convert it to .png or .jpg";

fn decode_png(name: &str, bytes: &[u8]) -> Result<Picture> {
    let broken = |e: DecodingError| Error::damaged(name, format!("not a whole PNG ({e})"));
    let mut decoder = Decoder::new(Cursor::new(bytes));
    // Palettes become colours, 1 to 4 bits become 8, and 16 bits lose their lower half.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(broken)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let channels = reader.output_color_type().0.samples();
    // A one-bit palette entry becomes three bytes.
    let size = size(name, [width, height, channels], bytes.len(), MAX_EXPANSION as usize * 24)?;
    let mut pixels = vec![0; size];
    reader.next_frame(&mut pixels).map_err(broken)?;
    reader.finish().map_err(broken)?;
    if channels % 2 == 0 {
        if pixels.iter().skip(channels - 1).step_by(channels).any(|&opacity| opacity != 255) {
            let remedy = "flatten the picture onto a background of your choice";
            return Err(Error::unsupported(name, "a transparent pixel", remedy));
        }
        pixels = pixels.chunks_exact(channels).flat_map(|pixel| &pixel[..channels - 1]).copied().collect();
    }
    // Without what says how opaque it is.
    let channels = if channels < 3 { 1 } else { 3 };
    Ok(Picture { channels, height, width, pixels })
}

fn decode_jpeg(name: &str, bytes: &[u8]) -> Result<Picture> {
    let broken = |e: jpeg_decoder::Error| Error::damaged(name, format!("not a whole JPEG ({e})"));
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.read_info().map_err(broken)?;
    let info = decoder.info().expect("just read");
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    let channels = match info.pixel_format {
        PixelFormat::L8 => 1,
        PixelFormat::RGB24 => 3,
        PixelFormat::L16 => return Err(Error::unsupported(name, "a JPEG of 16 bits", REMEDY)),
        PixelFormat::CMYK32 => {
            return Err(Error::unsupported(name, "a JPEG for print (CMYK)", "convert it to RGB"));
        }
    };
    size(name, [width, height, channels], bytes.len(), JPEG_EXPANSION)?;
    let pixels = decoder.decode().map_err(broken)?;
    Ok(Picture { channels, height, width, pixels })
}

#[cfg(test)]
mod tests {
    use super::*;
    use png::{BitDepth, ColorType, Encoder};

    fn encode(width: u32, height: u32, colour: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, width, height);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == ColorType::Indexed {
            encoder.set_palette(vec![1, 2, 3, 250, 251, 252]);
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        bytes
    }

    #[test]
    fn every_colour_type_becomes_grey_or_rgb() {
        type Case = (ColorType, BitDepth, &'static [u8], usize, &'static [u8]);
        let cases: [Case; 7] = [
            (ColorType::Grayscale, BitDepth::Eight, &[7, 9], 1, &[7, 9]),
            (ColorType::Grayscale, BitDepth::One, &[0b0100_0000], 1, &[0, 255]),
            (ColorType::Grayscale, BitDepth::Sixteen, &[7, 99, 9, 99], 1, &[7, 9]),
            (ColorType::GrayscaleAlpha, BitDepth::Eight, &[7, 255, 9, 255], 1, &[7, 9]),
            (ColorType::Rgb, BitDepth::Eight, &[1, 2, 3, 4, 5, 6], 3, &[1, 4, 2, 5, 3, 6]),
            (ColorType::Rgba, BitDepth::Eight, &[1, 2, 3, 255, 4, 5, 6, 255], 3, &[1, 4, 2, 5, 3, 6]),
            (ColorType::Indexed, BitDepth::Eight, &[0, 1], 3, &[1, 250, 2, 251, 3, 252]),
        ];
        for (colour, depth, data, channels, planes) in cases {
            let image = decode_png("a.png", &encode(2, 1, colour, depth, data)).unwrap();
            assert_eq!((image.channels, image.height, image.width), (channels, 1, 2), "{colour:?} {depth:?}");
            assert_eq!(image.planes(), planes, "{colour:?} {depth:?}");
        }
    }

    #[test]
    fn transparency_is_refused() {
        let bytes = encode(1, 1, ColorType::GrayscaleAlpha, BitDepth::Eight, &[7, 254]);
        let message = decode_png("a.png", &bytes).unwrap_err().to_string();
        assert_eq!(
            message,
            "a.png: a transparent pixel is not read; flatten the picture onto a background of your choice."
        );
    }

    #[test]
    fn a_png_cut_anywhere_is_an_error() {
        let bytes = encode(9, 7, ColorType::Grayscale, BitDepth::Eight, &[3; 63]);
        for len in 0..bytes.len() - 4 {
            assert!(decode_png("a.png", &bytes[..len]).is_err(), "{len} of {}", bytes.len());
        }
    }
}
