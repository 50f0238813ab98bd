//! A model that is read compiles to a program that the validator accepts, and to C, or is refused with an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use teff_compile::{Error, Options, c, compile};
use teff_tflite::{ReadOptions, read};

/// Larger networks take the fuzzer's time and show nothing new.
const MOST_ELEMENTS: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = read(bytes, &ReadOptions::default()) else { return };
    let elements = model.graph.nodes().iter().map(|n| n.ty.len()).fold(0, usize::saturating_add);
    if elements > MOST_ELEMENTS {
        return;
    }
    match compile(&model.graph, &Options::default()) {
        Ok(program) => drop(c::print(&program, &c::Options::default())),
        Err(Error::Invalid(e)) => panic!("a wrong program: {e}"),
        Err(_) => {}
    }
});
