//! Real numbers without rounding.

use std::cmp::Ordering;

/// Numbers that the oracle computes with.
pub trait Number: Copy + PartialOrd {
    fn of(x: f64) -> Self;
    fn add(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;

    fn sub(self, other: Self) -> Self {
        self.add(other.mul(Self::of(-1.0)))
    }
}

/// Where roundings do not matter, or what a function that is no quotient gives.
impl Number for f64 {
    fn of(x: f64) -> f64 {
        x
    }
    fn add(self, other: f64) -> f64 {
        self + other
    }
    fn mul(self, other: f64) -> f64 {
        self * other
    }
    fn div(self, other: f64) -> f64 {
        self / other
    }
}

/// `m * 2^e / d` with an odd positive d. Numbers that need more than 127 bits end the test: choose others.
#[derive(Clone, Copy, Debug)]
pub struct Real {
    m: i128,
    e: i32,
    d: i128,
}

const WIDE: &str = "a number of more than 127 bits";

impl Real {
    fn new(m: i128, e: i32, d: i128) -> Real {
        if m == 0 {
            return Real { m, e: 0, d: 1 };
        }
        let (up, down) = (m.trailing_zeros() as i32, d.trailing_zeros() as i32);
        let (m, d) = (m >> up, d >> down);
        let (m, d) = if d < 0 { (-m, -d) } else { (m, d) };
        // Only sums of quotients need it, and it is slow.
        let common = if d == 1 { 1 } else { divisor(m.abs(), d) };
        Real { m: m / common, e: e + up - down, d: d / common }
    }

    pub fn to_f64(self) -> f64 {
        self.m as f64 * 2f64.powi(self.e) / self.d as f64
    }

    /// The integer nearest to it, of two the even one, and how far it is from the border to the next: 0 is halfway.
    pub fn rounded(self) -> (i128, f64) {
        if self.e >= 0 && self.d == 1 {
            return (shifted(self.m, self.e), 0.5);
        }
        // m / q with a whole q, doubled, so that half of it is whole too.
        let (m, q) = match self.e {
            e if e >= 0 => (shifted(self.m, e), self.d),
            // What small numbers are rounded to is 0.
            e if -e > 120 - bits(self.d) => return (0, 0.5 - self.to_f64().abs()),
            e => (self.m, shifted(self.d, -e)),
        };
        let (down, rest) = (m.div_euclid(q), m.rem_euclid(q));
        let half = rest.cmp(&(q - rest));
        let up = half == Ordering::Greater || half == Ordering::Equal && down % 2 != 0;
        (down + i128::from(up), (rest as f64 / q as f64 - 0.5).abs() * f64::from(half != Ordering::Equal))
    }
}

impl Number for Real {
    fn of(x: f64) -> Real {
        assert!(x.is_finite(), "{x} is no real number");
        let bits = x.to_bits();
        let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, (bits & ((1 << 52) - 1)) as i128);
        let (m, e) = if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
        Real::new(if x < 0.0 { -m } else { m }, e, 1)
    }

    fn add(self, other: Real) -> Real {
        if self.m == 0 || other.m == 0 {
            return if self.m == 0 { other } else { self };
        }
        let e = self.e.min(other.e);
        let (a, b) = (shifted(self.m, self.e - e), shifted(other.m, other.e - e));
        if self.d == other.d {
            return Real::new(a.checked_add(b).expect(WIDE), e, self.d);
        }
        let (a, b) = (times(a, other.d), times(b, self.d));
        Real::new(a.checked_add(b).expect(WIDE), e, times(self.d, other.d))
    }

    fn mul(self, other: Real) -> Real {
        Real::new(times(self.m, other.m), self.e + other.e, times(self.d, other.d))
    }

    fn div(self, other: Real) -> Real {
        assert!(other.m != 0, "a division by zero");
        Real::new(times(self.m, other.d), self.e - other.e, times(self.d, other.m))
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Real) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Real) -> Option<Ordering> {
        Some(self.sub(*other).m.cmp(&0))
    }
}

fn times(a: i128, b: i128) -> i128 {
    a.checked_mul(b).expect(WIDE)
}

fn bits(x: i128) -> i32 {
    128 - x.unsigned_abs().leading_zeros() as i32
}

fn shifted(x: i128, by: i32) -> i128 {
    assert!(bits(x) + by < 127, "{WIDE}");
    x << by
}

fn divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[test]
fn real_numbers_are_not_rounded() {
    let third = Real::of(1.0).div(Real::of(3.0));
    assert_eq!(third.add(third).add(third), Real::of(1.0));
    assert_eq!(third.mul(Real::of(-1.5)).rounded(), (0, 0.0));
    assert_eq!(Real::of(-1.5).rounded(), (-2, 0.0));
    assert_eq!(Real::of(2.5).rounded(), (2, 0.0));
    assert_eq!(Real::of(3.5).rounded(), (4, 0.0));
    assert_eq!(Real::of(2.75).rounded(), (3, 0.25));
    assert_eq!(Real::of(-2.25).rounded(), (-2, 0.25));
    assert_eq!(
        Real::of(0.1f32.into()).add(Real::of(2f64.powi(-60))).sub(Real::of(0.1f32.into())).to_f64(),
        2f64.powi(-60)
    );
    assert!(Real::of(0.1) > Real::of(f64::from_bits(0.1f64.to_bits() - 1)));
}
