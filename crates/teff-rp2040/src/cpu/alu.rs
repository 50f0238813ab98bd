//! Arithmetic that sets flags (DDI 0419 A2.2.1: AddWithCarry and the shifts).

use super::Core;

impl Core {
    #[inline(always)]
    pub(crate) fn set_nz(&mut self, result: u32) {
        self.n = result;
        self.z = result;
    }

    #[inline(always)]
    pub(crate) fn add_flags(&mut self, a: u32, b: u32) -> u32 {
        let (r, carry) = a.overflowing_add(b);
        self.set_nz(r);
        self.c = u32::from(carry);
        self.v = ((a ^ r) & (b ^ r)) >> 31;
        r
    }

    #[inline(always)]
    pub(crate) fn sub_flags(&mut self, a: u32, b: u32) -> u32 {
        let r = a.wrapping_sub(b);
        self.set_nz(r);
        self.c = u32::from(a >= b);
        self.v = ((a ^ b) & (a ^ r)) >> 31;
        r
    }

    /// `a + b + carry`; subtraction with carry passes the complement of `b`.
    #[inline(always)]
    pub(crate) fn adc_flags(&mut self, a: u32, b: u32) -> u32 {
        let wide = u64::from(a) + u64::from(b) + u64::from(self.c);
        let r = wide as u32;
        self.set_nz(r);
        self.c = (wide >> 32) as u32;
        self.v = ((a ^ r) & (b ^ r)) >> 31;
        r
    }

    /// Shift left by the low byte of `by`; the carry keeps its value when that is zero.
    #[inline(always)]
    pub(crate) fn lsl_flags(&mut self, a: u32, by: u32) -> u32 {
        let r = match by & 0xff {
            0 => a,
            n @ 1..=31 => {
                self.c = a >> (32 - n) & 1;
                a << n
            }
            32 => {
                self.c = a & 1;
                0
            }
            _ => {
                self.c = 0;
                0
            }
        };
        self.set_nz(r);
        r
    }

    #[inline(always)]
    pub(crate) fn lsr_flags(&mut self, a: u32, by: u32) -> u32 {
        let r = match by & 0xff {
            0 => a,
            n @ 1..=31 => {
                self.c = a >> (n - 1) & 1;
                a >> n
            }
            32 => {
                self.c = a >> 31;
                0
            }
            _ => {
                self.c = 0;
                0
            }
        };
        self.set_nz(r);
        r
    }

    #[inline(always)]
    pub(crate) fn asr_flags(&mut self, a: u32, by: u32) -> u32 {
        let r = match by & 0xff {
            0 => a,
            n @ 1..=31 => {
                self.c = a >> (n - 1) & 1;
                (a as i32 >> n) as u32
            }
            _ => {
                self.c = a >> 31;
                (a as i32 >> 31) as u32
            }
        };
        self.set_nz(r);
        r
    }

    #[inline(always)]
    pub(crate) fn ror_flags(&mut self, a: u32, by: u32) -> u32 {
        let r = a.rotate_right(by & 31);
        if by & 0xff != 0 {
            self.c = r >> 31;
        }
        self.set_nz(r);
        r
    }
}
