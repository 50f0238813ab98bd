//! Decoding one picture file into 8-bit planes: PNG, and the Netpbm formats PGM and PPM.

use std::io::{Cursor, Read};
use std::path::Path;

use png::{ColorType, Decoder, DecodingError, Transformations};

use crate::error::{Error, Result};
use crate::pnm;
use crate::stream::{MAX_EXPANSION, open_file};

/// Pixels of a picture at most; its file may be small and say anything, and no network here takes as many.
pub(crate) const PIXELS: usize = 1 << 26;

/// An error when a picture has more pixels than are read.
pub(crate) fn check_size(name: &str, width: usize, height: usize) -> Result<()> {
    if width.checked_mul(height).is_some_and(|n| n <= PIXELS) {
        return Ok(());
    }
    let what = format!("a picture of {width}x{height} pixels, more than {PIXELS},");
    Err(Error::unsupported(name, what, "scale it to the size that the network is to see"))
}

/// Pixels by plane: all of the first channel, then the next.
#[derive(Debug)]
pub(crate) struct Image {
    /// 1 (grey) or 3 (red, green, blue).
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) planes: Vec<u8>,
}

impl Image {
    /// From pixels whose channels lie side by side.
    pub(crate) fn from_interleaved(pixels: &[u8], channels: usize, height: usize, width: usize) -> Self {
        let mut planes = Vec::with_capacity(pixels.len());
        for channel in 0..channels {
            planes.extend(pixels.iter().skip(channel).step_by(channels));
        }
        Self { channels, height, width, planes }
    }
}

/// What the name of a file says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Png,
    Netpbm,
    /// A picture in a format that is not read.
    OtherImage,
    /// No picture; to be passed over.
    Other,
}

impl Kind {
    pub(crate) fn of(path: &Path) -> Self {
        let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
        match extension.as_str() {
            _ if hidden => Self::Other,
            "png" => Self::Png,
            "pgm" | "ppm" => Self::Netpbm,
            "jpg" | "jpeg" | "bmp" | "gif" | "webp" | "tif" | "tiff" | "pbm" | "pnm" => Self::OtherImage,
            _ => Self::Other,
        }
    }
}

/// Decodes a file of kind `Png` or `Netpbm`; `None` for what is no picture.
pub(crate) fn read(path: &Path) -> Result<Option<Image>> {
    match Kind::of(path) {
        kind @ (Kind::Png | Kind::Netpbm) => {
            let mut bytes = Vec::new();
            open_file(path).and_then(|mut f| f.read_to_end(&mut bytes)).map_err(|e| Error::io(path, e))?;
            let decode = if kind == Kind::Png { decode_png } else { pnm::decode };
            decode(&path.display().to_string(), &bytes).map(Some)
        }
        Kind::OtherImage => {
            let extension = path.extension().unwrap_or_default().to_string_lossy();
            let what = format!("the picture format .{extension}");
            Err(Error::unsupported(&path.display().to_string(), what, "convert it to .png, .pgm or .ppm"))
        }
        Kind::Other => Ok(None),
    }
}

fn decode_png(name: &str, bytes: &[u8]) -> Result<Image> {
    let broken = |e: DecodingError| Error::damaged(name, format!("not a whole PNG ({e})"));
    let mut decoder = Decoder::new(Cursor::new(bytes));
    // Palettes become colours, 1 to 4 bits become 8, and 16 bits lose their lower half.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(broken)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_size(name, width, height)?;
    // A one-bit palette entry becomes three bytes.
    let bound = (bytes.len() as u64).saturating_mul(MAX_EXPANSION * 24);
    let size = reader.output_buffer_size().filter(|&n| n as u64 <= bound).ok_or_else(|| {
        Error::damaged(
            name,
            format!("a PNG of {width}x{height} pixels does not fit into {} bytes", bytes.len()),
        )
    })?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(broken)?;
    reader.finish().map_err(broken)?;
    pixels.truncate(frame.buffer_size());
    let (colours, alpha) = match frame.color_type {
        ColorType::Grayscale => (1, false),
        ColorType::GrayscaleAlpha => (1, true),
        ColorType::Rgb => (3, false),
        ColorType::Rgba => (3, true),
        ColorType::Indexed => unreachable!("EXPAND turns palettes into RGB"),
    };
    let mut image = Image::from_interleaved(&pixels, colours + usize::from(alpha), height, width);
    if alpha {
        let opacity = image.planes.split_off(colours * height * width);
        if opacity.iter().any(|&a| a != 255) {
            let remedy = "flatten the picture onto a background of your choice";
            return Err(Error::unsupported(name, "a transparent pixel", remedy));
        }
        image.channels = colours;
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use png::{BitDepth, Encoder};

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
    fn every_colour_type_becomes_grey_or_rgb_planes() {
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
            assert_eq!(image.planes, planes, "{colour:?} {depth:?}");
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
