//! Writing: a graph becomes a model.

mod emit;
mod legalise;
mod patterns;
mod plan;
mod primitive;
mod view;

use crate::Result;
use crate::proto::Encoder;
use emit::Emitter;
use teff_graph::{Graph, passes};

/// How to write a model.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// (key, value) pairs that are stored with the model, such as class names or accuracy. They have no part in what it computes.
    pub metadata: Vec<(String, String)>,
    /// Leaves the leading size of all inputs, and of what is computed from them, open under the name `N`. The graph must be built for one
    /// sample; it is refused when a sample depends on another, or on how many there are.
    pub open_batch: bool,
    /// Stores constants of 8-bit integers that are only dequantised in ONNX's types of 4 bits (operator set 21) or 2 bits (operator set 25)
    /// where all their elements fit. They read back as the same 8-bit integers.
    pub narrow: bool,
}

/// The oldest operator set written, and the file format version that goes with it; a graph that needs more gets more.
const OPSET: i64 = 18;

/// `graph` as the bytes of an ONNX model, the same bytes for the same graph.
///
/// Parameters and constants become initialisers under their names or labels. Labels become the names of nodes.
///
/// # Errors
/// [`crate::Error::Inexpressible`] for a node that ONNX has no operators for.
pub fn write(graph: &Graph, options: &WriteOptions) -> Result<Vec<u8>> {
    if options.open_batch {
        // Before simplifying, which drops a reduction over a batch of one.
        view::batched(graph)?;
    }
    // Weights that are stored as integers stay so.
    let graph = passes::simplify_stored(graph);
    let graph = passes::simplify_stored(&legalise::legalise(&graph)?);
    let mut emitter = Emitter::new(&graph, OPSET);
    if options.narrow {
        emitter.view.narrow = view::narrow(&graph);
    }
    if options.open_batch {
        emitter.view.open = view::batched(&graph)?;
    }
    let body = emitter.body()?;
    let opset = emitter.opset;
    let mut model = Encoder::default();
    model.int(1, ir_version(opset));
    model.text(2, "teff");
    model.text(3, env!("CARGO_PKG_VERSION"));
    model.bytes(7, &body);
    model.message(8, |e| {
        e.text(1, "");
        e.int(2, opset);
    });
    for (key, value) in &options.metadata {
        model.message(14, |e| {
            e.text(1, key);
            e.text(2, value);
        });
    }
    Ok(model.0)
}

/// The IR version released with an operator set (onnx/docs/Versioning.md).
fn ir_version(opset: i64) -> i64 {
    match opset {
        ..=18 => 8,
        19..=20 => 9,
        21..=22 => 10,
        23 => 11,
        24 => 12,
        _ => 13,
    }
}
