//! How an input is changed: as bytes, by libFuzzer, or as a model, by the generator that the tests use.

#[path = "../../tests/structure/mod.rs"]
mod structure;

use libfuzzer_sys::{fuzz_mutator, fuzzer_mutate};
use teff_graph::random_bits;
use teff_onnx::supported_operators;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed % 2 == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut next = 0;
    let mut pick = |n: usize| {
        next += 1;
        (random_bits(seed.into(), next) >> 16) as usize % n
    };
    match structure::damaged(&data[..size], &supported_operators(), &mut pick) {
        Some(bytes) if bytes.len() <= max_size => {
            data[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});
