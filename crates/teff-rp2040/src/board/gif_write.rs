//! Writing GIF files (CompuServe, Graphics Interchange Format version 89a): a film of a display.

use super::picture::RgbImage;
use std::collections::BTreeMap;

/// A GIF that grows by a frame at a time and repeats for ever.
pub struct GifWriter {
    bytes: Vec<u8>,
}

impl GifWriter {
    /// An empty film of `width` by `height` pixels.
    #[must_use]
    pub fn new(width: u16, height: u16) -> GifWriter {
        let mut bytes = b"GIF89a".to_vec();
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes.extend([0x70, 0, 0]); // no global colour table
        // The extension that browsers take to repeat the film for ever.
        bytes.extend(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0");
        GifWriter { bytes }
    }

    /// Adds a picture of the film's size, shown for `centiseconds`. Up to 256 colours are kept exactly; of more,
    /// each is rounded to one of 252 (6 reds, 7 greens, 6 blues).
    pub fn frame(&mut self, image: &RgbImage, centiseconds: u16) {
        let (table, indices) = index_colors(image);
        let size = (usize::BITS - (table.len() - 1).leading_zeros()).clamp(1, 8) as u8;
        self.bytes.extend([0x21, 0xf9, 4, 4]);
        self.bytes.extend(centiseconds.to_le_bytes());
        self.bytes.extend([0, 0, 0x2c, 0, 0, 0, 0]);
        self.bytes.extend((image.width as u16).to_le_bytes());
        self.bytes.extend((image.height as u16).to_le_bytes());
        self.bytes.push(0x80 | (size - 1));
        for i in 0..1 << size {
            self.bytes.extend(table.get(i).copied().unwrap_or([0; 3]));
        }
        let code_size = size.max(2);
        self.bytes.push(code_size);
        for block in pack(&indices, code_size).chunks(255) {
            self.bytes.push(block.len() as u8);
            self.bytes.extend(block);
        }
        self.bytes.push(0);
    }

    /// The complete file.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0x3b);
        self.bytes
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

/// Variable-length-code LZW (appendix F).
fn pack(indices: &[u8], code_size: u8) -> Vec<u8> {
    let clear = 1u32 << code_size;
    let (mut out, mut bits, mut held) = (Vec::new(), 0u32, 0u32);
    let mut put = |code: u32, width: u32| {
        bits |= code << held;
        held += width;
        while held >= 8 {
            out.push(bits as u8);
            (bits, held) = (bits >> 8, held - 8);
        }
        held > 0
    };
    let first_width = u32::from(code_size) + 1;
    let (mut codes, mut width): (BTreeMap<(u32, u8), u32>, u32) = (BTreeMap::new(), first_width);
    put(clear, width);
    let mut prefix: Option<u32> = None;
    for &index in indices {
        let Some(before) = prefix else {
            prefix = Some(u32::from(index));
            continue;
        };
        if let Some(&code) = codes.get(&(before, index)) {
            prefix = Some(code);
            continue;
        }
        put(before, width);
        let next = clear + 2 + codes.len() as u32;
        if next < 4096 {
            codes.insert((before, index), next);
            // The reader knows a code one later than it is made here.
            if next == 1 << width && width < 12 {
                width += 1;
            }
        } else {
            put(clear, width);
            codes.clear();
            width = first_width;
        }
        prefix = Some(u32::from(index));
    }
    if let Some(code) = prefix {
        put(code, width);
        // The reader makes an entry for that last code too.
        if clear + 2 + codes.len() as u32 == 1 << width && width < 12 {
            width += 1;
        }
    }
    put(clear + 1, width);
    if put(0, 0) {
        put(0, 7); // fills the last byte
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::gif_read::read_gif;
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
            gif.push(2);
            let data = pack(indices, 2);
            gif.push(data.len() as u8);
            gif.extend(data);
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
