//! From a model's file to C or Rust in a folder: what `compile`, `firmware` and `demo` share, and samples as `report` runs them.

mod fit;
pub(crate) mod size;

use crate::failure::{Failure, Result};
use crate::files::{make_folder, write_together};
use crate::model::{Reading, Words, host_outputs, read_worded};
use crate::ui::Ui;
use serde_json::json;
use std::path::{Path, PathBuf};
use teff::Feed;
use teff::compile::program::{self, Products};
use teff::compile::{Budget, Extent, Floats, Options, Program, Sample, Target, c, plan, rust};
use teff::data::Dataset;
use teff::graph::{Graph, Num, Value, evaluate, random_bits};

pub(crate) use fit::Limits;
use size::Size;

/// How to compile.
pub(crate) struct Request<'a> {
    pub(crate) name: String,
    /// What the model leaves open.
    pub(crate) reading: Reading,
    pub(crate) output: Output,
    /// The machine that loops are laid out for.
    pub(crate) target: Target,
    /// What becomes of floats where the machine has no unit for them.
    pub(crate) floats: Floats,
    /// Bytes of SRAM for tables.
    pub(crate) sram_tables: usize,
    /// What there is of flash and RAM.
    pub(crate) limits: Limits,
    /// Whether the target's own compiler is to say what the C takes.
    pub(crate) size: bool,
    /// Where the inputs of the self-test come from, and those that show which tables are needed most; invented ones otherwise.
    pub(crate) samples: Option<&'a Dataset>,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Request {
            name: "net".into(),
            reading: Reading::default(),
            output: Output::default(),
            target: Target::GENERIC,
            floats: Floats::default(),
            sram_tables: 0,
            limits: Limits::default(),
            size: false,
            samples: None,
        }
    }
}

/// What a network is compiled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C,
    Rust,
}

impl Language {
    /// Its name on the command line, which is the firmware's feature too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Language::C => "c",
            Language::Rust => "rust",
        }
    }

    /// Its name for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Language::C => "C",
            Language::Rust => "Rust",
        }
    }
}

/// What is printed, and how.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    C(c::Options),
    Rust(rust::Options),
}

impl Default for Output {
    fn default() -> Output {
        Output::C(c::Options::default())
    }
}

/// What was generated.
pub(crate) struct Generated {
    pub(crate) program: Program,
    pub(crate) budget: Budget,
    pub(crate) files: Vec<PathBuf>,
    /// What the target's compiler makes of it, when that was asked for.
    pub(crate) size: Option<Size>,
    /// What the user should know of the graph.
    pub(crate) notes: Vec<String>,
}

/// How many inputs the self-test has, and the multiply-accumulates that the plain evaluator may spend on their outputs before there are
/// fewer: it takes about 40 ns for each.
const SAMPLES: usize = 3;
const PATIENCE: u64 = 6_000_000;
/// Those that it is not asked for.
const NO_PATIENCE: u64 = 500_000_000;
/// Inputs that show which tables are needed most.
const SHOWN: usize = 64;

/// Differences between generated code and the reference that the self-test lets pass, relative to 1 or to the expected value.
const TOLERANCE: f64 = 1e-4;
/// The same of floats computed as integers: so many times their bound, relative to the largest value expected. The bound is a share of
/// what outputs could be, which is several times what they are.
const BOUNDS: f64 = 4.0;

/// Which layers of a quantised network stay in floats, and why, a line each.
pub(crate) fn left_in_floats(graph: &Graph) -> Result<Vec<String>> {
    let left = teff::compile::left_in_floats(graph)?;
    Ok(left.iter().map(|(layer, reason)| format!("{} stays in floats: {reason}", short(layer))).collect())
}

/// The name of a layer for a table: converters that fuse layers join all their names with semicolons, of which the first says enough.
pub(crate) fn short(label: &str) -> &str {
    label.split(';').next().unwrap_or(label)
}

/// How the products of a layer are computed.
pub(crate) fn products(products: &Products) -> serde_json::Value {
    match products {
        Products::AsWritten => json!("as written"),
        Products::Mantissas { weight_bits, input_bits, error } => {
            json!({ "weight_bits": weight_bits, "input_bits": input_bits, "error": error })
        }
        Products::Software { reason } => json!({ "software_because": reason }),
    }
}

/// Reads the model, compiles it and writes the files into `folder`.
pub(crate) fn generate(model: &Path, request: &Request, folder: &Path, ui: &Ui) -> Result<Generated> {
    let (graph, aside) = read_worded(model, &request.reading, ui)?;
    let shown = request.samples.map(|data| calibration(&graph, data)).transpose()?.unwrap_or_default();
    let options = Options {
        name: request.name.clone(),
        target: request.target,
        floats: request.floats,
        inputs: shown.clone(),
        labels: labels(&graph, &aside.words, request.samples),
    };
    let mut program = teff::compile::compile(&graph, &options)?;
    let (samples, unused) = samples(&graph, &program, request.samples)?;
    teff::compile::place(&mut program, request.sram_tables, &shown)?;
    let (program, texts) = printed(program, request.output, &samples);
    let budget = Budget::new(&program, &options.target);
    // Nothing is written that is refused.
    request.limits.check(&program, &budget, 0, false)?;
    let size = match request.output {
        Output::C(_) if request.size => Some(size::size(&texts, &request.name, &request.target)?),
        Output::Rust(_) if request.size => {
            return Err(Failure::new("--size is for C; of Rust, the linker's map says it"));
        }
        Output::C(_) | Output::Rust(_) => None,
    };
    let copied = match request.output {
        Output::C(options) => options.sram_code,
        Output::Rust(options) => options.sram_code,
    };
    if let Some(size) = size {
        request.limits.check(&program, &budget, size.code, copied)?;
    }
    let mut notes = left_in_floats(&graph)?;
    notes.extend(unused);
    make_folder(folder)?;
    let files: Vec<PathBuf> =
        texts.iter().map(|(ending, _)| folder.join(format!("{}{ending}", request.name))).collect();
    let together: Vec<_> = files.iter().zip(texts.iter().map(|(_, text)| text)).collect();
    write_together(&together)?;
    Ok(Generated { budget, program, files, size, notes })
}

/// The program with the memory plan of the language, and the files, by what follows the network's name in theirs.
fn printed(program: Program, output: Output, samples: &[Sample]) -> (Program, Vec<(&'static str, String)>) {
    let expected = samples.iter().flat_map(|s| &s.outputs).filter(|v| v.dtype().is_float());
    let largest =
        expected.flat_map(|v| v.to_f64()).map(f64::abs).filter(|x| x.is_finite()).fold(1.0, f64::max);
    let tolerance = TOLERANCE.max(BOUNDS * program.mantissa_error() * largest);
    match output {
        Output::C(options) => {
            let files = c::print(&program, &options);
            let selftest = c::selftest(&program, &options, samples, tolerance);
            (program, vec![(".h", files.header), (".c", files.source), ("_selftest.c", selftest)])
        }
        Output::Rust(options) => {
            let program = plan::by_type(&program);
            let selftest = rust::selftest(&program, &options, samples, tolerance);
            let source = rust::print(&program, &options);
            (program, vec![(".rs", source), ("_selftest.rs", selftest)])
        }
    }
}

/// Inputs for the self-test with the outputs that the reference evaluator gives, or the host executor where that would take minutes: of a
/// quantised network, for its integer form. Where that rounds floats to integers inside, a last bit of those can make a whole step; then
/// the program says which it is. And what of the data is too large for the self-test.
fn samples(
    graph: &Graph,
    program: &Program,
    data: Option<&Dataset>,
) -> Result<(Vec<Sample>, Option<String>)> {
    let integer = teff::compile::integer(graph)?;
    let steps = teff::compile::quantizes_floats(&integer);
    let macs: u64 = program.kernels.iter().map(|k| k.macs).fold(0, u64::saturating_add);
    let extent = Extent::new(program, SAMPLES.min((PATIENCE / macs.max(1)) as usize).max(1));
    let fits = data
        .filter(|_| extent.is_whole())
        .map(|data| Ok::<_, Failure>((fed(graph, data)?, data)))
        .transpose()?;
    let mut all = Vec::new();
    for n in 0..extent.samples {
        let inputs: Vec<Value> = match &fits {
            Some((feed, data)) => real(feed, data, n),
            None => (0..graph.inputs().len()).map(|i| invented(graph, i, n, &extent)).collect(),
        };
        let outputs = if macs > NO_PATIENCE {
            host_outputs(&integer, &inputs, teff::host::Options::default().threads)?
        } else if steps {
            program::evaluate(program, &inputs).map_err(|fault| Failure::new(fault.to_string()))?
        } else {
            evaluate(&integer, &inputs)?
        };
        all.push(Sample { inputs, outputs });
    }
    let unused = data.filter(|_| !extent.is_whole()).map(|_| {
        "the self-test takes invented inputs, since a sample of the data would make it larger than 256 kB"
            .to_string()
    });
    Ok((all, unused))
}

/// Inputs that show which tables are needed most: some of the data set, as far apart as they can be.
pub(crate) fn calibration(graph: &Graph, data: &Dataset) -> Result<Vec<Vec<Value>>> {
    let feed = fed(graph, data)?;
    let runs = (data.len() / feed.batch()).max(1);
    Ok((0..runs).step_by((runs / SHOWN).max(1)).take(SHOWN).map(|n| real(&feed, data, n)).collect())
}

/// How the network takes the samples.
pub(crate) fn fed(graph: &Graph, data: &Dataset) -> Result<Feed> {
    Feed::new(graph, data)
        .map_err(|e| Failure::new(format!("--data: {e}; leave --data out, and inputs are invented")))
}

/// The inputs of run `n` over the data, which begins again where the data end.
pub(crate) fn real(feed: &Feed, data: &Dataset, n: usize) -> Vec<Value> {
    let indices: Vec<usize> = (0..feed.batch()).map(|i| (n * feed.batch() + i) % data.len()).collect();
    feed.values(data, &indices)
}

/// What the classes are called: as the data say, or the model in place of its output.
fn labels(graph: &Graph, words: &Words, data: Option<&Dataset>) -> Vec<String> {
    let of_data = data.map_or(&[][..], |data| data.classes());
    let of_model = || graph.outputs().iter().find_map(|o| words.iter().find(|(name, _)| **name == *o.name));
    match of_data {
        [] => of_model().map_or(Vec::new(), |(_, list)| list.clone()),
        some => some.to_vec(),
    }
}

/// Input `i` of invented sample `n`: floats uniform in [0, 1), integers in 0 to 7; from some place on the same again where the self-test
/// has no room for all.
fn invented(graph: &Graph, i: usize, n: usize, extent: &Extent) -> Value {
    let ty = &graph[graph.inputs()[i]].ty;
    let period = extent.period(ty).max(1);
    Value::from_fn(ty, |k| {
        let bits = random_bits((n * 1000 + i) as i64, (k % period) as u64);
        if ty.dtype.is_float() {
            Num::Float((bits >> 40) as f64 / (1u64 << 24) as f64)
        } else {
            Num::Int((bits % 8) as i128)
        }
    })
}
