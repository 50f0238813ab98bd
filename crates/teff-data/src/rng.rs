//! The one source of chance in this crate: SplitMix64, seeded, the same numbers on every machine.
//!
//! SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014) adds an odd
//! constant to a 64-bit state and mixes the sum. It has no state to warm up, so a fresh generator for each
//! (seed, epoch, sample) costs three mixes, which is what makes augmentation independent of threads and order.

/// The golden ratio times 2^64, made odd: the increment of SplitMix64.
const INCREMENT: u64 = 0x9E37_79B9_7F4A_7C15;

/// A seeded generator; not for cryptography.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The generator of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// An independent generator for each value of `path`, for instance `&[epoch, sample]`, under one seed.
    pub fn stream(seed: u64, path: &[u64]) -> Self {
        let mut state = mix(seed.wrapping_add(INCREMENT));
        for &step in path {
            state = mix(state ^ mix(step.wrapping_add(INCREMENT))).wrapping_add(INCREMENT);
        }
        Self { state }
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(INCREMENT);
        mix(self.state)
    }

    /// A whole number of `0..bound`, every one equally likely (Lemire's multiply and reject).
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "Rng::below needs a bound of at least 1");
        // The first `2^64 mod bound` low products are the surplus that would make some results likelier.
        let surplus = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= surplus {
                return (product >> 64) as u64;
            }
        }
    }

    /// A multiple of 2^-24 in `[0, 1)`.
    #[inline]
    pub fn unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / 16_777_216.0)
    }

    /// Evenly distributed in `[-reach, reach)`.
    #[inline]
    pub fn within(&mut self, reach: f32) -> f32 {
        (self.unit() * 2.0 - 1.0) * reach
    }

    /// Puts `items` in a random order (Fisher and Yates), each order equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// The finaliser of SplitMix64 (Stafford's variant 13).
#[inline]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The order in which an epoch visits the samples, shuffled in place and without allocation.
///
/// The order depends on the number of samples, the seed and the epoch only, so training can resume in the middle.
#[derive(Clone, Debug)]
pub struct Order {
    indices: Vec<usize>,
}

impl Order {
    /// The identity order of `len` samples.
    pub fn new(len: usize) -> Self {
        Self { indices: (0..len).collect() }
    }

    /// The order of `epoch`: take batches from it with `chunks`.
    pub fn shuffle(&mut self, seed: u64, epoch: u64) -> &[usize] {
        self.indices.iter_mut().enumerate().for_each(|(i, index)| *index = i);
        Rng::stream(seed, &[epoch]).shuffle(&mut self.indices);
        &self.indices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_numbers_are_those_of_the_reference_implementation() {
        // Vigna's splitmix64.c with the seed 1234567.
        let mut rng = Rng::new(1_234_567);
        let numbers: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn below_reaches_every_value_about_equally() {
        let mut rng = Rng::new(1);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1;
        }
        assert!(counts.iter().all(|&n| (9_600..10_400).contains(&n)), "{counts:?}");
    }

    #[test]
    fn within_fills_its_range_and_centres_on_zero() {
        let mut rng = Rng::new(2);
        let values: Vec<f32> = (0..100_000).map(|_| rng.within(3.0)).collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 0.03, "{mean}");
        assert!(values.iter().all(|v| (-3.0..3.0).contains(v)));
        assert!(values.iter().any(|&v| v < -2.99) && values.iter().any(|&v| v > 2.99));
    }

    #[test]
    fn neighbouring_streams_share_nothing() {
        let mut first: Vec<u64> = Vec::new();
        for epoch in 0..10 {
            for sample in 0..100 {
                first.push(Rng::stream(7, &[epoch, sample]).next_u64());
            }
        }
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 1000);
    }

    #[test]
    fn an_order_is_a_permutation_that_depends_on_seed_and_epoch() {
        let mut order = Order::new(1000);
        let one = order.shuffle(5, 1).to_vec();
        let two = order.shuffle(5, 2).to_vec();
        let again = order.shuffle(5, 1).to_vec();
        let other_seed = order.shuffle(6, 1).to_vec();
        assert_eq!(one, again);
        assert_ne!(one, two);
        assert_ne!(one, other_seed);
        let mut sorted = two;
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(i, &index)| i == index));
    }
}
