//! GIF files (CompuServe, Graphics Interchange Format version 89a): films for the camera, and of the display.

use super::picture::{GreyImage, RgbImage, luma};
use crate::error::Error;
use gif::{ColorOutput, DecodeOptions, DisposalMethod, Encoder, Frame, MemoryLimit, Repeat};
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::ops::Range;

/// Pixels of all frames together that are kept; more would be a damaged or hostile file.
const PIXELS: usize = 1 << 28;
/// Largest side of a picture.
const SIDE: usize = 8192;
/// Bytes of one frame as it is decoded: four a pixel.
const FRAME_BYTES: NonZeroU64 = NonZeroU64::new(4 * (SIDE * SIDE) as u64).expect("more than none");
/// What a frame without a delay, or with one that viewers take as a mistake, is shown for, in hundredths of a second.
const USUAL_DELAY: u16 = 10;

/// A picture and how long it is shown, in nanoseconds.
pub type Timed = (GreyImage, u64);

fn failed(what: impl std::fmt::Display) -> Error {
    Error::bad_input("picture", 0, format!("GIF: {what}"))
}

/// Reads all frames of a GIF file. They are drawn over each other as their disposal method says, on a black ground; what they leave
/// transparent shows what was there.
///
/// # Errors
/// When it is no GIF, or cut short, or damaged.
pub fn read_gif(bytes: &[u8]) -> Result<Vec<Timed>, Error> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    options.set_memory_limit(MemoryLimit::Bytes(FRAME_BYTES));
    // Rows of a frame that reaches beyond the picture would be none of the canvas.
    options.check_frame_consistency(true);
    let mut decoder = options.read_info(bytes).map_err(failed)?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    if width == 0 || height == 0 || width > SIDE || height > SIDE {
        return Err(failed(format!("a size of {width}x{height}")));
    }
    let mut canvas = vec![0u8; width * height];
    let mut film = Vec::new();
    while let Some(frame) = decoder.read_next_frame().map_err(failed)? {
        if (film.len() + 1) * width * height > PIXELS {
            return Err(failed("more pictures than can be held"));
        }
        let before = (frame.dispose == DisposalMethod::Previous).then(|| canvas.clone());
        draw(frame, &mut canvas, width);
        let delay = if frame.delay < 2 { USUAL_DELAY } else { frame.delay };
        let pixels = canvas.clone();
        film.push((GreyImage { width, height, pixels }, u64::from(delay) * 10_000_000));
        match frame.dispose {
            DisposalMethod::Any | DisposalMethod::Keep => {}
            DisposalMethod::Background => rows(frame, width).for_each(|row| canvas[row].fill(0)),
            DisposalMethod::Previous => canvas = before.expect("kept for this"),
        }
    }
    if film.is_empty() { Err(failed("no picture in it")) } else { Ok(film) }
}

/// Where the rows of a frame lie on a canvas `across` wide.
fn rows(frame: &Frame<'_>, across: usize) -> impl Iterator<Item = Range<usize>> {
    let [left, top, width, height] = [frame.left, frame.top, frame.width, frame.height].map(usize::from);
    (top..top + height).map(move |y| y * across + left..y * across + left + width)
}

/// Draws what of a frame is not transparent.
fn draw(frame: &Frame<'_>, canvas: &mut [u8], across: usize) {
    let line = 4 * usize::from(frame.width).max(1);
    for (row, line) in rows(frame, across).zip(frame.buffer.chunks_exact(line)) {
        for (pixel, colour) in canvas[row].iter_mut().zip(line.chunks_exact(4)) {
            if colour[3] != 0 {
                *pixel = luma(colour);
            }
        }
    }
}

/// A GIF that grows by a frame at a time and repeats for ever.
pub struct GifWriter {
    encoder: Encoder<Vec<u8>>,
}

/// Why nothing that is asked of the encoder fails.
const IN_MEMORY: &str = "memory takes all bytes, and a frame has the colours that it names";

impl GifWriter {
    /// An empty film of `width` by `height` pixels.
    pub fn new(width: u16, height: u16) -> GifWriter {
        let mut encoder = Encoder::new(Vec::new(), width, height, &[]).expect(IN_MEMORY);
        encoder.set_repeat(Repeat::Infinite).expect(IN_MEMORY);
        GifWriter { encoder }
    }

    /// Adds a picture of the film's size, shown for `centiseconds`. Up to 256 colours are kept exactly; of more,
    /// each is rounded to one of 252 (6 reds, 7 greens, 6 blues).
    pub fn frame(&mut self, image: &RgbImage, centiseconds: u16) {
        let (table, indices) = index_colors(image);
        let size = (image.width as u16, image.height as u16);
        let mut frame = Frame::from_palette_pixels(size.0, size.1, indices, table.concat(), None);
        frame.delay = centiseconds;
        self.encoder.write_frame(&frame).expect(IN_MEMORY);
    }

    /// The complete file.
    pub fn finish(self) -> Vec<u8> {
        self.encoder.into_inner().expect(IN_MEMORY)
    }
}

/// A colour table and each pixel's place in it.
fn index_colors(image: &RgbImage) -> (Vec<[u8; 3]>, Vec<u8>) {
    let pixels = || image.pixels.chunks_exact(3).map(|p| [p[0], p[1], p[2]]);
    let mut places = BTreeMap::new();
    for color in pixels() {
        places.insert(color, 0);
        if places.len() > 256 {
            let level = |v: u8, steps: u32| (u32::from(v) * (steps - 1) + 127) / 255;
            let place = |[r, g, b]: [u8; 3]| (level(r, 6) * 42 + level(g, 7) * 6 + level(b, 6)) as u8;
            let color = |i: u32| [i / 42 * 51, i / 6 % 7 * 255 / 6, i % 6 * 51].map(|v| v as u8);
            return ((0..252).map(color).collect(), pixels().map(place).collect());
        }
    }
    places.values_mut().enumerate().for_each(|(i, place)| *place = i as u8);
    (places.keys().copied().collect(), pixels().map(|color| places[&color]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(width: usize, height: usize, color: impl Fn(usize, usize) -> [u8; 3]) -> Vec<u8> {
        let mut writer = GifWriter::new(width as u16, height as u16);
        for frame in 0..2 {
            let pixels = (0..width * height).flat_map(|i| color(frame, i)).collect();
            writer.frame(&RgbImage { width, height, pixels }, 7);
        }
        writer.finish()
    }

    #[test]
    fn what_is_written_is_read_back() {
        // Sizes and patterns that pass every code width, fill the code table, and end at its edges.
        for (width, height) in [(1, 1), (2, 1), (5, 3), (80, 160), (320, 240)] {
            for (colors, factor) in [(1, 1), (2, 7), (4, 13), (256, 40_503)] {
                let value = |frame: usize, i: usize| ((i * i / 3 + i * factor + frame) % colors) as u8;
                let frames = read_gif(&film(width, height, |f, i| [value(f, i); 3])).unwrap();
                assert_eq!(frames.len(), 2);
                for (f, (image, nanoseconds)) in frames.iter().enumerate() {
                    assert_eq!((image.width, image.height, *nanoseconds), (width, height, 70_000_000));
                    let wanted: Vec<u8> = (0..width * height).map(|i| value(f, i)).collect();
                    assert!(image.pixels == wanted, "{width}x{height}, {colors} colours");
                }
            }
        }
    }

    #[test]
    fn more_than_256_colours_are_rounded() {
        let color = |_, i: usize| [(i % 256) as u8, (i / 256 * 16) as u8, 128];
        let frames = read_gif(&film(256, 16, color)).unwrap();
        let wanted = |i: usize| {
            let [r, g, b] = color(0, i).map(f64::from);
            0.299 * r + 0.587 * g + 0.114 * b
        };
        let worst =
            (0..4096).map(|i| (f64::from(frames[0].0.pixels[i]) - wanted(i)).abs()).fold(0.0, f64::max);
        assert!(worst < 26.0, "{worst}");
    }

    #[test]
    fn interlace_transparency_and_disposal() {
        // 2x4, colours 0 black, 1 white, 2 and 3 grey; frame 1 interlaced rows 0, 2, 1, 3, then one pixel over it.
        let mut gif = b"GIF89a\x02\0\x04\0\x81\0\0\0\0\0\xff\xff\xff\x80\x80\x80\x40\x40\x40".to_vec();
        let frame = |gif: &mut Vec<u8>, control: &[u8], place: &[u8], indices: &[u8]| {
            gif.extend(b"\x21\xf9\x04");
            gif.extend(control);
            gif.push(0);
            gif.push(0x2c);
            gif.extend(place);
            // Each index behind a clear code of its own, so that all codes have 3 bits (appendix F).
            let codes = indices.iter().flat_map(|&index| [4, u64::from(index)]).chain([5]);
            let (mut bits, mut len) = (0u64, 0);
            codes.for_each(|code| (bits, len) = (bits | code << len, len + 3));
            gif.extend([2, 8]);
            gif.extend(bits.to_le_bytes());
            gif.push(0);
        };
        frame(&mut gif, &[0, 0, 0, 0], &[0, 0, 0, 0, 2, 0, 4, 0, 0x40], &[0, 0, 2, 2, 1, 1, 3, 3]);
        frame(&mut gif, &[3 << 2 | 1, 5, 0, 1], &[0, 0, 0, 0, 2, 0, 1, 0, 0], &[1, 2]);
        frame(&mut gif, &[2 << 2, 5, 0, 0], &[1, 0, 1, 0, 1, 0, 1, 0, 0], &[3]);
        frame(&mut gif, &[0, 5, 0, 0], &[0, 0, 3, 0, 1, 0, 1, 0, 0], &[1]);
        gif.push(0x3b);
        let frames = read_gif(&gif).unwrap();
        let pixels: Vec<&[u8]> = frames.iter().map(|(image, _)| &image.pixels[..]).collect();
        assert_eq!(pixels[0], [0, 0, 255, 255, 128, 128, 64, 64]);
        assert_eq!(pixels[1][..2], [0, 128], "the first pixel is transparent");
        assert_eq!(pixels[2], [0, 0, 255, 64, 128, 128, 64, 64], "the frame before is undone");
        assert_eq!(pixels[3], [0, 0, 255, 0, 128, 128, 255, 64], "the frame before is black now");
        assert_eq!(frames.iter().map(|f| f.1 / 10_000_000).collect::<Vec<_>>(), [10, 5, 5, 5]);
        for cut in 0..gif.len() {
            assert!(read_gif(&gif[..cut]).is_err(), "cut at {cut}");
        }
    }
}
