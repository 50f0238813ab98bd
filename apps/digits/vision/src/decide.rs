//! From a network's outputs to an answer.

/// Below this percentage a digit is not named: the picture is answered with "no digit".
pub const SURE_PERCENT: u8 = 40;

/// The most likely class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Its number, from 0.
    pub class: usize,
    /// Its probability, 0 to 100, rounded.
    pub percent: u8,
}

/// `exp(-i)` in 1/65536.
const WHOLES: [u32; 12] = [65536, 24109, 8869, 3263, 1200, 442, 162, 60, 22, 8, 3, 1];
/// `exp(-i / 16)` in 1/65536.
const SIXTEENTHS: [u32; 16] = [
    65536, 61565, 57835, 54331, 51039, 47947, 45042, 42313, 39750, 37341, 35079, 32954, 30957, 29081, 27319,
    25664,
];

/// `exp(-x / 256)` in 1/65536, to within 1 % and 1/32768.
fn exponential(x: u32) -> u32 {
    let Some(whole) = WHOLES.get((x >> 8) as usize) else { return 0 };
    let coarse = (whole * (SIXTEENTHS[(x >> 4 & 15) as usize] >> 4)) >> 12;
    // What is left is below 1/16, where 1 - x is close enough.
    (coarse * (256 - (x & 15))) >> 8
}

/// The class of the largest logit (the first of equals), and its probability by softmax, computed in integers: the same on
/// every machine. `logits` are in 1/256. Without logits the answer is class 0 with 0 %.
pub fn decide(logits: &[i32]) -> Decision {
    let mut class = 0;
    for (i, &logit) in logits.iter().enumerate() {
        if logit > logits[class] {
            class = i;
        }
    }
    let Some(&top) = logits.get(class) else { return Decision { class: 0, percent: 0 } };
    let sum: u64 = logits.iter().map(|&l| u64::from(exponential(top.abs_diff(l)))).sum();
    let percent = (100 * 65536 + sum / 2) / sum;
    Decision { class, percent: percent as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn percentages_are_those_of_softmax() {
        let mut state = 1u32;
        for _ in 0..2000 {
            let logits: Vec<i32> = (0..10)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 20) as i32 - 2048
                })
                .collect();
            let said = decide(&logits);
            let top = *logits.iter().max().unwrap();
            assert_eq!(logits[said.class], top);
            let sum: f64 = logits.iter().map(|&l| (f64::from(l - top) / 256.0).exp()).sum();
            assert!((f64::from(said.percent) - 100.0 / sum).abs() < 1.0, "{} {}", said.percent, 100.0 / sum);
        }
    }

    #[test]
    fn edges() {
        assert_eq!(decide(&[]), Decision { class: 0, percent: 0 });
        assert_eq!(decide(&[-5]), Decision { class: 0, percent: 100 });
        assert_eq!(decide(&[3, 7, 7]).class, 1);
        assert_eq!(decide(&[0; 10]).percent, 10);
        assert_eq!(decide(&[i32::MIN, i32::MAX]), Decision { class: 1, percent: 100 });
        assert_eq!(decide(&[0, 256]).percent, 73);
    }

    #[test]
    fn the_tables_are_exponentials() {
        for (i, &e) in WHOLES.iter().enumerate() {
            assert_eq!(e, (65536.0 * (-(i as f64)).exp()).round() as u32);
        }
        for (i, &e) in SIXTEENTHS.iter().enumerate() {
            assert_eq!(e, (65536.0 * (-(i as f64) / 16.0).exp()).round() as u32);
        }
    }
}
