//! The ST7735S display controller behind SPI (Sitronix ST7735S datasheet V1.1, chapter 10).
//!
//! Memory of 132 by 162 pixels, of which the panel shows a window. Modelled: the commands that draw and that
//! decide what is seen. Power, gamma and frame rate are accepted and ignored, and nothing has to be waited for.

use super::describe::LcdPins;
use super::picture::RgbImage;

const COLUMNS: usize = 132;
const ROWS: usize = 162;

/// MADCTL bits (10.1.29).
const MY: u8 = 0x80;
const MX: u8 = 0x40;
const MV: u8 = 0x20;
const BGR: u8 = 0x08;

#[derive(Default)]
pub(crate) struct Lcd {
    pub(super) pins: LcdPins,
    /// Red, green, blue of each pixel, 8 bits each.
    memory: Vec<[u8; 3]>,
    command: u8,
    /// Bytes of the command, or of the pixel that is being assembled.
    data: Vec<u8>,
    columns: (u16, u16),
    rows: (u16, u16),
    /// Where the next pixel goes, in the logical window.
    at: (u16, u16),
    madctl: u8,
    /// Bits of a pixel: 12, 16 or 18 (COLMOD 3, 5, 6).
    colmod: u8,
    inverted: bool,
    on: bool,
    asleep: bool,
    pub(super) written: u64,
}

impl Lcd {
    pub(crate) fn new(pins: LcdPins) -> Lcd {
        let memory = vec![[0; 3]; COLUMNS * ROWS];
        let (columns, rows) = ((0, 127), (0, 159));
        Lcd { pins, memory, columns, rows, colmod: 6, asleep: true, ..Lcd::default() }
    }

    /// The reset pin went low: everything but the memory goes back.
    pub(crate) fn reset_pin(&mut self, changed: u32, level: u32) {
        let bit = 1 << self.pins.reset;
        if changed & bit != 0 && level & bit == 0 {
            self.reset();
        }
    }

    fn reset(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        *self = Lcd { memory, written: self.written, ..Lcd::new(self.pins) };
    }

    /// A frame of the SPI bus, with the levels of all pins when it ended.
    pub(crate) fn frame(&mut self, word: u16, bits: u32, level: u32) {
        if level >> self.pins.cs & 1 != 0 {
            return;
        }
        let data = level >> self.pins.dc & 1 != 0;
        if bits > 8 {
            self.byte((word >> 8) as u8, data);
        }
        self.byte(word as u8, data);
    }

    fn byte(&mut self, byte: u8, data: bool) {
        if !data {
            self.command = byte;
            self.data.clear();
            self.begin();
            return;
        }
        self.data.push(byte);
        if self.command == 0x2c {
            self.pixel_bytes();
        } else {
            self.argument();
        }
    }

    /// Commands without arguments, and RAMWR.
    fn begin(&mut self) {
        match self.command {
            0x01 => self.reset(),
            0x10 => self.asleep = true,
            0x11 => self.asleep = false,
            0x20 => self.inverted = false,
            0x21 => self.inverted = true,
            0x28 => self.on = false,
            0x29 => self.on = true,
            0x2c => self.at = (self.columns.0, self.rows.0),
            _ => {} // takes arguments, or changes nothing that is seen
        }
    }

    /// CASET, RASET, MADCTL and COLMOD, once their arguments are complete.
    fn argument(&mut self) {
        let window = |d: &[u8]| (u16::from_be_bytes([d[0], d[1]]), u16::from_be_bytes([d[2], d[3]]));
        match (self.command, self.data.len()) {
            (0x2a, 4) => self.columns = window(&self.data),
            (0x2b, 4) => self.rows = window(&self.data),
            (0x36, 1) => self.madctl = self.data[0],
            (0x3a, 1) => self.colmod = self.data[0] & 7,
            _ => {} // incomplete, or of no effect
        }
    }

    /// Pixels of RAMWR: 2 bytes of 565, 3 bytes of 666, or 3 bytes for two of 444 (9.8.20).
    fn pixel_bytes(&mut self) {
        let wide = |v: u16, bits: u32| (u32::from(v) * 255 / ((1 << bits) - 1)) as u8;
        match (self.colmod, &self.data[..]) {
            (5, &[high, low]) => {
                let v = u16::from_be_bytes([high, low]);
                let color = [wide(v >> 11, 5), wide(v >> 5 & 63, 6), wide(v & 31, 5)];
                self.put(color);
            }
            (3, &[a, b, c]) => {
                let n = |v: u8| v * 17;
                self.put([n(a >> 4), n(a & 15), n(b >> 4)]);
                self.put([n(b & 15), n(c >> 4), n(c & 15)]);
            }
            (6, &[r, g, b]) => self.put([r, g, b].map(|v| wide(u16::from(v >> 2), 6))),
            (3 | 5 | 6, _) => return,
            _ => {} // a reserved mode draws nothing
        }
        self.data.clear();
    }

    /// Draws the next pixel of the window.
    fn put(&mut self, color: [u8; 3]) {
        let (x, y) = self.at;
        if let Some(index) = self.index(x, y) {
            self.memory[index] = color;
        }
        self.written += 1;
        self.at = if x < self.columns.1 {
            (x + 1, y)
        } else if y < self.rows.1 {
            (self.columns.0, y + 1)
        } else {
            (self.columns.0, self.rows.0)
        };
    }

    /// The memory cell of logical column and row, after MADCTL's exchange and mirrors. The mirrors go about the
    /// middle of the panel, as its driver's glass mode has it.
    fn index(&self, x: u16, y: u16) -> Option<usize> {
        let (column, row) = if self.madctl & MV != 0 { (y, x) } else { (x, y) };
        let width = self.pins.size.0 + 2 * self.pins.offset.0;
        let height = self.pins.size.1 + 2 * self.pins.offset.1;
        let mirror = |on: bool, v: u16, size: u16| if on { (size - 1).checked_sub(v) } else { Some(v) };
        let column = usize::from(mirror(self.madctl & MX != 0, column, width)?);
        let row = usize::from(mirror(self.madctl & MY != 0, row, height)?);
        (column < COLUMNS && row < ROWS).then_some(row * COLUMNS + column)
    }

    /// What the panel shows, in the orientation that MADCTL draws in.
    pub(crate) fn screen(&self) -> RgbImage {
        let (w, h) = self.pins.size;
        let (left, top) = self.pins.offset;
        let turned = self.madctl & MV != 0;
        let (width, height) = if turned { (h, w) } else { (w, h) };
        let (dx, dy) = if turned { (top, left) } else { (left, top) };
        let mut pixels = Vec::with_capacity(3 * usize::from(width) * usize::from(height));
        for y in 0..height {
            for x in 0..width {
                let stored = self.index(x + dx, y + dy).map_or([0; 3], |i| self.memory[i]);
                pixels.extend(self.seen(stored));
            }
        }
        RgbImage { width: usize::from(width), height: usize::from(height), pixels }
    }

    /// The panel's colours lie blue first, so that MADCTL.BGR gives true ones.
    fn seen(&self, [r, g, b]: [u8; 3]) -> [u8; 3] {
        if !self.on || self.asleep {
            return [0; 3];
        }
        let color = if self.madctl & BGR != 0 { [r, g, b] } else { [b, g, r] };
        if self.inverted { color.map(|v| 255 - v) } else { color }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lcd(commands: &[(u8, &[u8])]) -> Lcd {
        let pins = LcdPins { spi: 1, dc: 1, cs: 2, reset: 3, size: (80, 160), offset: (24, 0) };
        let mut lcd = Lcd::new(pins);
        for (command, data) in
            [(0x11, &[][..]), (0x29, &[]), (0x36, &[BGR]), (0x3a, &[5])].iter().chain(commands)
        {
            lcd.frame(u16::from(*command), 8, 0);
            for byte in *data {
                lcd.frame(u16::from(*byte), 8, 2);
            }
        }
        lcd
    }

    #[test]
    fn pixels_fill_the_window_row_by_row() {
        let lcd =
            lcd(&[(0x2a, &[0, 24, 0, 25]), (0x2b, &[0, 0, 0, 159]), (0x2c, &[0xf8, 0, 0x07, 0xe0, 0, 0x1f])]);
        let screen = lcd.screen();
        assert_eq!((screen.width, screen.height), (80, 160));
        assert_eq!(screen.pixel(0, 0), [255, 0, 0]);
        assert_eq!(screen.pixel(1, 0), [0, 255, 0]);
        assert_eq!(screen.pixel(0, 1), [0, 0, 255]);
        assert_eq!(screen.pixel(2, 0), [0, 0, 0]);
    }

    #[test]
    fn orientation_inversion_and_sleep() {
        let draw: (u8, &[u8]) = (0x2c, &[0xf8, 0]);
        let turned = lcd(&[(0x36, &[BGR | MY | MV]), (0x2a, &[0, 0, 0, 9]), (0x2b, &[0, 24, 0, 99]), draw]);
        assert_eq!((turned.screen().width, turned.screen().pixel(0, 0)), (160, [255, 0, 0]));
        let swapped = lcd(&[(0x36, &[0]), (0x2a, &[0, 24, 0, 99]), draw, (0x21, &[])]);
        assert_eq!(swapped.screen().pixel(0, 0), [255, 255, 0]);
        let off = lcd(&[(0x2a, &[0, 24, 0, 99]), draw, (0x28, &[])]);
        assert_eq!(off.screen().pixel(0, 0), [0; 3]);
    }
}
