//! Operations without data: counting and random numbers.

use super::Rule;
use crate::dtype::{DType, Type, strides};
use crate::value::{Num, Value};

pub(super) fn iota_rule(ty: &Type, axis: usize) -> Rule {
    if axis >= ty.rank() {
        return Err(format!("axis {axis} of a result with {} axes", ty.rank()));
    }
    if ty.dtype == DType::Bool {
        return Err("cannot count in booleans".into());
    }
    Ok(ty.clone())
}

pub(super) fn iota(ty: &Type, axis: usize) -> Value {
    let (stride, size) = (strides(&ty.shape)[axis], ty.shape[axis]);
    Value::from_fn(ty, |i| Num::Int((i / stride % size) as i128))
}

pub(super) fn random_rule(shape: &[usize], key: &Type) -> Rule {
    if *key != Type::new(DType::I64, []) {
        return Err("the key is an i64 scalar".into());
    }
    Ok(Type::new(DType::F32, shape))
}

/// 64 random bits for element `index` under `key`.
///
/// The output function of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014) on a
/// counter, applied twice so that neighbouring keys give unrelated streams. Any element can be computed by itself, so results
/// do not depend on order or threads.
pub fn random_bits(key: i64, index: u64) -> u64 {
    fn mix(mut z: u64) -> u64 {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let stream = mix((key as u64).wrapping_add(GOLDEN));
    mix(stream.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN)))
}

pub(super) fn random(ty: &Type, key: &Value) -> Value {
    let key = key.to_i64()[0];
    // The upper 24 bits: every f32 multiple of 2^-24 in [0, 1).
    Value::from_fn(ty, |i| Num::Float((random_bits(key, i as u64) >> 40) as f64 / (1u64 << 24) as f64))
}
