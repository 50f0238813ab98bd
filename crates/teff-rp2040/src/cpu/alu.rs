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

    /// Shift left by the low byte of `by`; the carry, the bit shifted out last, keeps its value when that is zero. From 33 on all is
    /// shifted out.
    #[inline(always)]
    pub(crate) fn lsl_flags(&mut self, a: u32, by: u32) -> u32 {
        let wide = u64::from(a) << (by & 0xff).min(33);
        self.shifted(wide as u32, (wide >> 32) as u32, by)
    }

    #[inline(always)]
    pub(crate) fn lsr_flags(&mut self, a: u32, by: u32) -> u32 {
        // With a bit to the right of the word, for the carry.
        let wide = (u64::from(a) << 1) >> (by & 0xff).min(33);
        self.shifted((wide >> 1) as u32, wide as u32, by)
    }

    #[inline(always)]
    pub(crate) fn asr_flags(&mut self, a: u32, by: u32) -> u32 {
        let wide = (i64::from(a as i32) << 1) >> (by & 0xff).min(32);
        self.shifted((wide >> 1) as u32, wide as u32, by)
    }

    #[inline(always)]
    fn shifted(&mut self, result: u32, carry: u32, by: u32) -> u32 {
        if by & 0xff != 0 {
            self.c = carry & 1;
        }
        self.set_nz(result);
        result
    }

    #[inline(always)]
    pub(crate) fn ror_flags(&mut self, a: u32, by: u32) -> u32 {
        let r = a.rotate_right(by & 31);
        self.shifted(r, r >> 31, by)
    }
}
