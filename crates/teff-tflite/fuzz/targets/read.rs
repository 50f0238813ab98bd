//! Any bytes are read as a model or refused with an error; what was read is a valid graph, whatever becomes of its states.

#![no_main]

use libfuzzer_sys::fuzz_target;
use teff_tflite::{ReadOptions, States, operators, read, unsupported};

fuzz_target!(|bytes: &[u8]| {
    let _ = operators(bytes);
    let _ = unsupported(bytes);
    for states in [States::Exposed, States::Reset] {
        if let Ok(model) = read(bytes, &ReadOptions { states, ..ReadOptions::default() }) {
            model.graph.verify().expect("what is read passes the verifier");
        }
    }
});
