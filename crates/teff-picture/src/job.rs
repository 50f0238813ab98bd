//! What a decoder is given: a file, memory, and where the pixels go.

/// The channels of a pixel, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colours {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// One: `(19595 R + 38470 G + 7471 B + 32768) / 65536`, which is ITU-R BT.601's luma.
    Grey,
}

impl Colours {
    /// All of them.
    pub const ALL: [Colours; 3] = [Colours::Rgb, Colours::Bgr, Colours::Grey];

    /// Channels of a pixel.
    pub const fn channels(self) -> usize {
        match self {
            Colours::Rgb | Colours::Bgr => 3,
            Colours::Grey => 1,
        }
    }
}

/// A picture to be decoded.
pub(super) struct Job<'a> {
    pub(super) file: &'a [u8],
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) colours: Colours,
    /// `[height, width, channels]`.
    pub(super) pixels: &'a mut [u8],
    /// Scratch memory, as much as the format's `words` says.
    pub(super) words: &'a mut [i32],
    /// Scratch memory, as much as the format's `bytes` says.
    pub(super) bytes: &'a mut [u8],
}

impl Job<'_> {
    /// The byte of the file at `at`; 0 behind its end.
    pub(super) fn byte(&self, at: usize) -> u32 {
        match self.file.get(at) {
            Some(byte) => *byte as u32,
            None => 0,
        }
    }

    /// 16 bits, the higher byte first.
    pub(super) fn big16(&self, at: usize) -> u32 {
        self.byte(at) << 8 | self.byte(at.saturating_add(1))
    }

    /// 32 bits, the highest byte first.
    pub(super) fn big32(&self, at: usize) -> u32 {
        self.big16(at) << 16 | self.big16(at.saturating_add(2))
    }

    /// 16 bits, the lower byte first.
    pub(super) fn little16(&self, at: usize) -> u32 {
        self.byte(at) | self.byte(at.saturating_add(1)) << 8
    }

    /// 32 bits, the lowest byte first.
    pub(super) fn little32(&self, at: usize) -> u32 {
        self.little16(at) | self.little16(at.saturating_add(2)) << 16
    }

    /// True when the bytes at `at` are `expected`.
    pub(super) fn begins(&self, at: usize, expected: &[u8]) -> bool {
        expected.iter().enumerate().all(|(i, byte)| self.byte(at.saturating_add(i)) == *byte as u32)
    }

    /// Sets a pixel; `y` is below the height and `x` below the width.
    pub(super) fn set(&mut self, y: usize, x: usize, red: u32, green: u32, blue: u32) {
        let at = y * self.width + x;
        if self.colours == Colours::Grey {
            self.pixels[at] = ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16) as u8;
            return;
        }
        let to = &mut self.pixels[3 * at..3 * at + 3];
        let turned = self.colours == Colours::Bgr;
        to[0] = if turned { blue } else { red } as u8;
        to[1] = green as u8;
        to[2] = if turned { red } else { blue } as u8;
    }
}
