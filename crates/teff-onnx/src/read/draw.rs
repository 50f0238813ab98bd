//! Random numbers while reading: those of numpy's `RandomState`, which ONNX's reference evaluator draws from, so that a model with
//! a seed gives the reference's numbers.
//!
//! The generator is MT19937: M. Matsumoto and T. Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform
//! pseudorandom number generator", ACM TOMACS 8(1), 1998, with the initialisation of 2002.

const N: usize = 624;
const M: usize = 397;

/// A stream of random numbers.
pub(crate) struct Mt19937 {
    state: [u32; N],
    next: usize,
    /// The second of a pair of normal numbers.
    kept: Option<f64>,
}

impl Mt19937 {
    pub(crate) fn new(seed: u32) -> Mt19937 {
        let mut state = [seed; N];
        for i in 1..N {
            let before = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(before ^ before >> 30).wrapping_add(i as u32);
        }
        Mt19937 { state, next: N, kept: None }
    }

    fn twist(&mut self) {
        for i in 0..N {
            let joined = self.state[i] & 0x8000_0000 | self.state[(i + 1) % N] & 0x7fff_ffff;
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ joined >> 1 ^ odd;
        }
        self.next = 0;
    }

    fn word(&mut self) -> u32 {
        if self.next == N {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c_5680;
        y ^= y << 15 & 0xefc6_0000;
        y ^ y >> 18
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53.
    pub(crate) fn uniform(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// Normal with mean 0 and deviation 1: two at a time by the polar method (Marsaglia and Bray, SIAM Review 6(3), 1964).
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        loop {
            let (a, b) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = a * a + b * b;
            if square > 0.0 && square < 1.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.kept = Some(factor * a);
                return factor * b;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mt19937;

    /// `numpy.random.RandomState(5489).randint(0, 2**32, 10000, dtype=numpy.uint32)` ends so, as the standard of C++ says of
    /// `mt19937`.
    #[test]
    fn the_ten_thousandth_word_is_that_of_the_standard() {
        let mut draw = Mt19937::new(5489);
        assert_eq!((0..10_000).map(|_| draw.word()).last(), Some(4_123_659_995));
    }
}
