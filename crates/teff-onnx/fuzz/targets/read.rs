//! Any bytes are read as a model or refused with an error; what was read is a valid graph and can be written or is refused.

#![no_main]

mod mutate;

use libfuzzer_sys::fuzz_target;
use teff_onnx::{ReadOptions, WriteOptions, operators, read, read_tensor, unsupported, write};

fuzz_target!(|bytes: &[u8]| {
    let _ = read_tensor(bytes);
    let _ = operators(bytes);
    let _ = unsupported(bytes);
    if let Ok(model) = read(bytes, &ReadOptions::default()) {
        model.graph.verify().expect("what is read passes the verifier");
        let _ = write(&model.graph, &WriteOptions::default());
    }
});
