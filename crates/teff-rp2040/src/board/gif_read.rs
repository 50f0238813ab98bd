//! Reading GIF files (CompuServe, Graphics Interchange Format version 89a): every frame as a grey picture.
//!
//! Frames are drawn over each other as their disposal method says, on a black ground; what they leave
//! transparent shows what was there.

use super::picture::{GreyImage, luma};
use crate::error::Error;

/// Pixels of all frames together that are kept; more would be a damaged or hostile file.
const PIXELS: usize = 1 << 28;
/// Largest side of a picture.
const SIDE: usize = 8192;
/// What a frame without a delay, or with one that viewers take as a mistake, is shown for, in hundredths of a second.
const USUAL_DELAY: u16 = 10;

/// A picture and how long it is shown, in nanoseconds.
pub type Timed = (GreyImage, u64);

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

fn failed(what: impl Into<String>) -> Error {
    Error::Picture { what: format!("GIF: {}", what.into()) }
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let piece = self.bytes.get(self.at..self.at + len);
        self.at += len;
        piece.ok_or_else(|| failed(format!("the file is cut short at byte {}", self.bytes.len())))
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?[0])
    }

    fn half(&mut self) -> Result<usize, Error> {
        let b = self.take(2)?;
        Ok(usize::from(u16::from_le_bytes([b[0], b[1]])))
    }

    /// A colour table of 2^(`flags` & 7 + 1) entries, as grey levels.
    fn table(&mut self, flags: u8) -> Result<Vec<u8>, Error> {
        let entries = 2usize << (flags & 7);
        Ok(self.take(3 * entries)?.chunks_exact(3).map(luma).collect())
    }

    /// The data of all sub-blocks up to the terminator.
    fn blocks(&mut self) -> Result<Vec<u8>, Error> {
        let mut data = Vec::new();
        loop {
            match self.byte()? {
                0 => return Ok(data),
                len => data.extend(self.take(usize::from(len))?),
            }
        }
    }
}

/// What a graphic control extension says about the next frame.
#[derive(Clone, Copy, Default)]
struct Control {
    disposal: u8,
    delay: u16,
    transparent: Option<u8>,
}

/// Reads all frames of a GIF file.
///
/// # Errors
/// When it is no GIF, or cut short, or damaged.
pub fn read_gif(bytes: &[u8]) -> Result<Vec<Timed>, Error> {
    let mut r = Reader { bytes, at: 0 };
    if !matches!(r.take(6)?, b"GIF87a" | b"GIF89a") {
        return Err(failed("the file does not begin with GIF87a or GIF89a"));
    }
    let (width, height) = (r.half()?, r.half()?);
    if width == 0 || height == 0 || width > SIDE || height > SIDE {
        return Err(failed(format!("a size of {width}x{height}")));
    }
    let flags = r.take(3)?[0];
    let global = if flags & 0x80 != 0 { r.table(flags)? } else { Vec::new() };
    let mut canvas = vec![0u8; width * height];
    let (mut frames, mut control) = (Vec::new(), Control::default());
    loop {
        match r.byte()? {
            0x21 => match (r.byte()?, r.blocks()?) {
                (0xf9, data) if data.len() >= 4 => {
                    let transparent = (data[0] & 1 != 0).then_some(data[3]);
                    let delay = u16::from_le_bytes([data[1], data[2]]);
                    control = Control { disposal: data[0] >> 2 & 7, delay, transparent };
                }
                _ => {} // comments, text, and what programs add
            },
            0x2c => {
                let before = canvas.clone();
                let area = draw(&mut r, &mut canvas, width, &global, control)?;
                let delay = if control.delay < 2 { USUAL_DELAY } else { control.delay };
                let pixels = canvas.clone();
                frames.push((GreyImage { width, height, pixels }, u64::from(delay) * 10_000_000));
                match control.disposal {
                    2 => area.rows(width).for_each(|row| canvas[row].fill(0)),
                    3 => canvas = before,
                    _ => {} // stays
                }
                control = Control::default();
            }
            0x3b => break,
            other => return Err(failed(format!("an unknown block {other:#04x} at byte {}", r.at - 1))),
        }
        if frames.len() * width * height > PIXELS {
            return Err(failed("more pictures than can be held"));
        }
    }
    if frames.is_empty() { Err(failed("no picture in it")) } else { Ok(frames) }
}

/// Where on the canvas a frame lies.
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Area {
    /// The index ranges of its rows on a canvas `across` wide.
    fn rows(&self, across: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let (left, width) = (self.left, self.width);
        (self.top..self.top + self.height).map(move |y| y * across + left..y * across + left + width)
    }
}

/// Draws the frame whose descriptor follows.
fn draw(
    r: &mut Reader,
    canvas: &mut [u8],
    across: usize,
    global: &[u8],
    control: Control,
) -> Result<Area, Error> {
    let area = Area { left: r.half()?, top: r.half()?, width: r.half()?, height: r.half()? };
    if area.left + area.width > across || area.top + area.height > canvas.len() / across {
        return Err(failed("a frame reaches beyond the picture"));
    }
    let flags = r.byte()?;
    let local = if flags & 0x80 != 0 { Some(r.table(flags)?) } else { None };
    let table = local.as_deref().unwrap_or(global);
    let code_size = r.byte()?;
    let indices = unpack(&r.blocks()?, code_size, area.width * area.height)?;
    let rows: Vec<_> = area.rows(across).collect();
    let order: Vec<usize> = if flags & 0x40 != 0 {
        // Interlaced: every eighth row, those between, those between, the odd ones (appendix E).
        [(0, 8), (4, 8), (2, 4), (1, 2)]
            .iter()
            .flat_map(|&(from, by)| (from..area.height).step_by(by))
            .collect()
    } else {
        (0..area.height).collect()
    };
    for (line, &y) in indices.chunks(area.width.max(1)).zip(&order) {
        for (pixel, &index) in canvas[rows[y].clone()].iter_mut().zip(line) {
            if control.transparent != Some(index) {
                *pixel = table.get(usize::from(index)).copied().unwrap_or(0);
            }
        }
    }
    Ok(area)
}

/// Variable-length-code LZW (appendix F) to at most `len` indices; what is missing is index 0.
fn unpack(data: &[u8], code_size: u8, len: usize) -> Result<Vec<u8>, Error> {
    if !(1..=11).contains(&code_size) {
        return Err(failed(format!("a code size of {code_size}")));
    }
    let clear = 1usize << code_size;
    // Each code beyond the clear and end codes: the code before its last byte, that byte, and its length.
    let mut entries: Vec<(u16, u8, u16)> = Vec::new();
    let (mut bits, mut held, mut width) = (0u32, 0u32, u32::from(code_size) + 1);
    let mut last: Option<usize> = None;
    let mut out = Vec::with_capacity(len);
    for &byte in data {
        if out.len() >= len {
            break;
        }
        bits |= u32::from(byte) << held;
        held += 8;
        while held >= width && out.len() < len {
            let code = (bits & ((1 << width) - 1)) as usize;
            (bits, held) = (bits >> width, held - width);
            if code == clear {
                entries.clear();
                (width, last) = (u32::from(code_size) + 1, None);
                continue;
            }
            if code == clear + 1 {
                out.resize(len, 0);
                return Ok(out);
            }
            let next = clear + 2 + entries.len();
            let known = code < clear || code < next;
            let source = if known { Some(code) } else { last.filter(|_| code == next) };
            let Some(source) = source else { return Err(failed("a damaged picture")) };
            let start = out.len();
            append(&mut out, &entries, source, clear);
            let first = out[start];
            if !known {
                out.push(first);
            }
            if let Some(last) = last
                && next < 4096
            {
                let length = if last < clear { 2 } else { entries[last - clear - 2].2 + 1 };
                entries.push((last as u16, first, length));
                if next + 1 == 1 << width && width < 12 {
                    width += 1;
                }
            }
            last = Some(code);
        }
    }
    out.resize(len, 0);
    Ok(out)
}

/// Appends the indices that `code` stands for.
fn append(out: &mut Vec<u8>, entries: &[(u16, u8, u16)], code: usize, clear: usize) {
    let length = if code < clear { 1 } else { usize::from(entries[code - clear - 2].2) };
    let start = out.len();
    out.resize(start + length, 0);
    let mut code = code;
    for slot in out[start..].iter_mut().rev() {
        if code < clear {
            *slot = code as u8;
        } else {
            let (before, byte, _) = entries[code - clear - 2];
            *slot = byte;
            code = usize::from(before);
        }
    }
}
