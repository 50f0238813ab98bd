//! An interpolator: two accumulators with shift, mask, sign extension and add (datasheet 2.3.1.6).

/// Fields of CTRL_LANEx (2.3.1.7).
#[derive(Clone, Copy)]
struct Lane(u32);

const SIGNED: u32 = 15;
const CROSS_INPUT: u32 = 16;
const CROSS_RESULT: u32 = 17;
const ADD_RAW: u32 = 18;
/// BLEND in interpolator 0, CLAMP in interpolator 1: both in lane 0.
const BLEND: u32 = 21;
const CLAMP: u32 = 22;

impl Lane {
    fn shift(self) -> u32 {
        self.0 & 31
    }
    /// Bits MASK_LSB to MASK_MSB.
    fn mask(self) -> u32 {
        let (lsb, msb) = (self.0 >> 5 & 31, self.0 >> 10 & 31);
        (u32::MAX >> (31 - msb)) & u32::MAX << lsb
    }
    fn msb(self) -> u32 {
        self.0 >> 10 & 31
    }
    fn has(self, bit: u32) -> bool {
        self.0 >> bit & 1 != 0
    }
    /// Bits ORed into 29:28 of what the processor reads.
    fn force_msb(self) -> u32 {
        (self.0 >> 19 & 3) << 28
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Interp {
    /// True for interpolator 1, which clamps where interpolator 0 blends.
    second: bool,
    accum: [u32; 2],
    base: [u32; 3],
    ctrl: [u32; 2],
}

/// What the data path gives at one moment.
struct Results {
    lanes: [u32; 2],
    full: u32,
    overflow: [bool; 2],
}

impl Interp {
    pub(crate) fn new(second: bool) -> Interp {
        Interp { second, ..Interp::default() }
    }

    fn compute(&self) -> Results {
        let lanes = [Lane(self.ctrl[0]), Lane(self.ctrl[1])];
        let mut masked = [0; 2];
        let mut raw = [0; 2];
        let mut overflow = [false; 2];
        for i in 0..2 {
            let input = self.accum[if lanes[i].has(CROSS_INPUT) { 1 - i } else { i }];
            let shifted = input >> lanes[i].shift();
            overflow[i] = shifted & !(u32::MAX >> (31 - lanes[i].msb())) != 0;
            let value = shifted & lanes[i].mask();
            let unused = 31 - lanes[i].msb();
            masked[i] =
                if lanes[i].has(SIGNED) { ((value << unused) as i32 >> unused) as u32 } else { value };
            raw[i] = if lanes[i].has(ADD_RAW) { input } else { masked[i] };
        }
        let mut results = [raw[0].wrapping_add(self.base[0]), raw[1].wrapping_add(self.base[1])];
        let mut full = masked[0].wrapping_add(masked[1]).wrapping_add(self.base[2]);
        if !self.second && lanes[0].has(BLEND) {
            let alpha = i64::from(masked[1] & 0xff);
            let (low, high) = if lanes[1].has(SIGNED) {
                (i64::from(self.base[0] as i32), i64::from(self.base[1] as i32))
            } else {
                (i64::from(self.base[0]), i64::from(self.base[1]))
            };
            results = [alpha as u32, (low + (((high - low) * alpha) >> 8)) as u32];
            full = masked[0].wrapping_add(self.base[2]);
        }
        if self.second && lanes[0].has(CLAMP) {
            let (value, low, high) = (masked[0], self.base[0], self.base[1]);
            results[0] = if lanes[0].has(SIGNED) {
                (value as i32).max(low as i32).min(high as i32) as u32
            } else {
                value.max(low).min(high)
            };
        }
        Results { lanes: results, full, overflow }
    }

    pub(crate) fn read(&mut self, reg: u32) -> u32 {
        let results = self.compute();
        let value = match reg {
            0x00 | 0x04 => self.accum[(reg / 4) as usize],
            0x08..=0x10 => self.base[(reg / 4 - 2) as usize],
            0x14 | 0x20 => results.lanes[0] | Lane(self.ctrl[0]).force_msb(),
            0x18 | 0x24 => results.lanes[1] | Lane(self.ctrl[1]).force_msb(),
            0x1c | 0x28 => results.full,
            0x2c => {
                let [o0, o1] = results.overflow.map(u32::from);
                self.ctrl[0] & 0x007f_ffff | o0 << 23 | o1 << 24 | (o0 | o1) << 25
            }
            0x30 => self.ctrl[1] & 0x001f_ffff,
            // ACCUMx_ADD reads the raw shift and mask value (2.3.1.7).
            0x34 => results.lanes[0].wrapping_sub(self.base[0]),
            0x38 => results.lanes[1].wrapping_sub(self.base[1]),
            _ => 0,
        };
        if (0x14..=0x1c).contains(&reg) {
            for i in 0..2 {
                let from = if Lane(self.ctrl[i]).has(CROSS_RESULT) { 1 - i } else { i };
                self.accum[i] = results.lanes[from];
            }
        }
        value
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32) {
        match reg {
            0x00 | 0x04 => self.accum[(reg / 4) as usize] = value,
            0x08..=0x10 => self.base[(reg / 4 - 2) as usize] = value,
            0x2c | 0x30 => self.ctrl[(reg / 4 - 11) as usize] = value & 0x007f_ffff,
            0x34 | 0x38 => {
                let lane = (reg / 4 - 13) as usize;
                self.accum[lane] = self.accum[lane].wrapping_add(value & 0x00ff_ffff);
            }
            0x3c => self.write_bases(value),
            _ => {} // results are read-only
        }
    }

    /// BASE_1AND0: both half-words, sign-extended where the lane is signed (lane 1 decides for both in blend mode).
    fn write_bases(&mut self, value: u32) {
        let lanes = [Lane(self.ctrl[0]), Lane(self.ctrl[1])];
        let blending = !self.second && lanes[0].has(BLEND);
        for i in 0..2 {
            let half = value >> (16 * i) & 0xffff;
            let signed = lanes[if blending { 1 } else { i }].has(SIGNED);
            self.base[i] = if signed { half as i16 as u32 } else { half };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: u32 = 31 << 10;

    #[test]
    fn popping_advances_both_accumulators() {
        let mut i = Interp::new(false);
        i.write(0x2c, WHOLE);
        i.write(0x30, WHOLE);
        i.write(0x00, 10);
        i.write(0x08, 3);
        assert_eq!((i.read(0x14), i.read(0x14), i.read(0x20)), (13, 16, 19));
    }

    #[test]
    fn a_lane_shifts_masks_and_extends_its_sign() {
        let mut i = Interp::new(false);
        i.write(0x2c, 4 | 7 << 10 | 1 << 15);
        i.write(0x00, 0xff0);
        assert_eq!(i.read(0x20), u32::MAX);
        assert_eq!(i.read(0x2c) >> 23 & 7, 0, "no bit beyond the mask");
        i.write(0x00, 0x1000);
        assert_eq!(i.read(0x2c) >> 23 & 7, 5);
    }

    #[test]
    fn blending_and_clamping() {
        let mut blend = Interp::new(false);
        blend.write(0x2c, 1 << 21 | WHOLE);
        blend.write(0x30, 1 << 15 | WHOLE);
        blend.write(0x3c, 0x0100_ff00); // from -256 to 256
        for (alpha, expected) in [(0, -256), (128, 0), (255, 254)] {
            blend.write(0x04, alpha);
            assert_eq!(blend.read(0x24) as i32, expected);
        }
        let mut clamp = Interp::new(true);
        clamp.write(0x2c, 1 << 22 | 1 << 15 | WHOLE);
        clamp.write(0x08, -5i32 as u32);
        clamp.write(0x0c, 5);
        for (value, expected) in [(-9, -5), (3, 3), (9, 5)] {
            clamp.write(0x00, value as u32);
            assert_eq!(clamp.read(0x20) as i32, expected);
        }
    }
}
