//! Models of any format that is read, as graphs; and what the host makes of them.

use crate::failure::{During, Failure, Result};
use crate::files::read;
use crate::memory;
use crate::ui::{Ui, grouped};
use clap::ArgMatches;
use std::path::Path;
use teff::graph::{Graph, Node, Value};
use teff::host::Plan;

/// Whether the file is TFLite, which it says behind its first offset; nothing in ONNX does. What is damaged goes by its name.
pub(crate) fn is_tflite(path: &Path, bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"TFL3") || path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tflite"))
}

/// Reads the ONNX or TFLite file at `path`, with what `--input-shape` gives; what the reader assumed is noted.
pub(crate) fn read_model(path: &Path, args: &ArgMatches, ui: &Ui) -> Result<Graph> {
    read_model_with(path, &Reading::of(args), ui)
}

/// What a model leaves open and the user decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// Shapes of inputs, by name.
    input_shapes: Vec<(String, Vec<usize>)>,
}

impl Reading {
    /// What `--input-shape` gives.
    pub(crate) fn of(args: &ArgMatches) -> Reading {
        let shapes = args.get_many::<(String, Vec<usize>)>("input-shape");
        Reading { input_shapes: shapes.into_iter().flatten().cloned().collect() }
    }
}

/// As [`read_model`], by what was decided.
pub(crate) fn read_model_with(path: &Path, reading: &Reading, ui: &Ui) -> Result<Graph> {
    Ok(read_worded(path, reading, ui)?.0)
}

/// Outputs that are strings in the model's file, by name, and what each position means that the graph gives instead.
pub(crate) type Words = Vec<(String, Vec<String>)>;

/// What a model's file says beside its graph.
#[derive(Default)]
pub(crate) struct Aside {
    pub(crate) words: Words,
    /// Whether it has floats of 16 bits, which the graph has in 32.
    pub(crate) is_half: bool,
}

/// As [`read_model_with`], with what the file says beside.
pub(crate) fn read_worded(path: &Path, reading: &Reading, ui: &Ui) -> Result<(Graph, Aside)> {
    let read = read_whatever(path, reading, ui)?;
    check_memory(&read.0, "give smaller sizes with --input-shape, or a smaller network")
        .during(path.display())?;
    Ok(read)
}

/// Bytes of the largest value of a network that is run, and of all together.
const LARGEST: usize = 1 << 30;
const TOGETHER: usize = 4 << 30;

/// An error when a network takes more memory than networks for small machines do, or than there is.
pub(crate) fn check_memory(graph: &Graph, remedy: &str) -> Result<()> {
    let bytes = |n: &Node| n.ty.bytes();
    let nodes = graph.nodes();
    let Some(largest) = nodes.iter().max_by_key(|n| bytes(n)) else { return Ok(()) };
    let all = nodes.iter().map(bytes).fold(0, usize::saturating_add);
    let left = memory::left();
    if bytes(largest) <= LARGEST.min(left) && all <= TOGETHER {
        return Ok(());
    }
    let name = largest.label.as_deref().map(|l| format!(" of {l}")).unwrap_or_default();
    Err(Failure::new(format!(
        "its values take {} bytes, of which the largest, {}{name}, {} (at most {} are taken, and {} for one; this machine has {} left): {remedy}",
        grouped(all),
        largest.ty,
        grouped(bytes(largest)),
        grouped(TOGETHER),
        grouped(LARGEST),
        grouped(left)
    )))
}

/// As [`read_worded`], for who only looks at it: it may be too large to be run.
pub(crate) fn read_whatever(path: &Path, reading: &Reading, ui: &Ui) -> Result<(Graph, Aside)> {
    let bytes = read(path)?;
    let input_shapes = reading.input_shapes.clone();
    let (graph, aside, notes) = if is_tflite(path, &bytes) {
        let options = teff::tflite::ReadOptions { input_shapes, ..Default::default() };
        let model = teff::tflite::read(&bytes, &options).during(path.display())?;
        (model.graph, Aside::default(), model.notes)
    } else {
        let folder = path.parent().unwrap_or(Path::new(""));
        let external = |data: &teff::onnx::ExternalData| external_data(folder, data);
        let options =
            teff::onnx::ReadOptions { input_shapes, external: Some(&external), ..Default::default() };
        let model = teff::onnx::read(&bytes, &options).during(path.display())?;
        (model.graph, Aside { words: model.words, is_half: model.is_half }, model.notes)
    };
    notes.iter().for_each(|note| ui.note(format!("{}: {note}", path.display())));
    Ok((graph, aside))
}

/// The bytes of a tensor that lies in a file beside the model.
fn external_data(folder: &Path, data: &teff::onnx::ExternalData) -> std::result::Result<Vec<u8>, String> {
    use std::io::{Read, Seek, SeekFrom};
    let path = folder.join(&data.location);
    let fail = |e: std::io::Error| format!("cannot read {}: {e}", path.display());
    let about = std::fs::metadata(&path).map_err(fail)?;
    if !about.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let mut file = std::fs::File::open(&path).map_err(fail)?;
    let len = about.len();
    let wanted = data.length.unwrap_or(len.saturating_sub(data.offset));
    if data.offset.checked_add(wanted).is_none_or(|end| end > len) {
        return Err(format!(
            "{} has {len} bytes, the model wants {wanted} from byte {} on",
            path.display(),
            data.offset
        ));
    }
    let mut bytes = vec![0; wanted as usize];
    file.seek(SeekFrom::Start(data.offset)).and_then(|_| file.read_exact(&mut bytes)).map_err(fail)?;
    Ok(bytes)
}

/// What the host executor gives.
pub(crate) fn host_outputs(graph: &Graph, inputs: &[Value], threads: usize) -> Result<Vec<Value>> {
    let mut plan = Plan::new(graph, &teff::host::Options { threads })?;
    for (i, value) in inputs.iter().enumerate() {
        plan.set_input(i, value)?;
    }
    plan.run()?;
    Ok((0..graph.outputs().len()).map(|i| plan.output_value(i)).collect())
}
