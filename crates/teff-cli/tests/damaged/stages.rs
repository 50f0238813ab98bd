//! What commands do with a file, one after the other, as far as it gets.

use crate::seeds::Kind;
use std::collections::BTreeMap;
use std::sync::Mutex;
use teff::compile::{
    Board, Budget, Floats, Options, Sample, Target, c, compile, integer, left_in_floats, plan, rust,
};
use teff::data::{Dataset, Picture, Samples};
use teff::graph::{DType, Graph, Num, Type, Value, evaluate, passes, print_brief, random_bits};
use teff::host::Plan;
use teff_rp2040::board::{Board as Wired, Description, GreyImage, Motion, RgbImage, Sound, read_gif};
use teff_rp2040::{Image, Profile, Simulator};

/// Networks whose values take more bytes, or that multiply more often, are not run: that is no hang, but it takes long.
const BYTES: usize = 32 << 20;
const PRODUCTS: u64 = 20_000_000;

/// How often each stage was reached and passed.
static REACHED: Mutex<BTreeMap<&str, (u32, u32)>> = Mutex::new(BTreeMap::new());

pub(crate) fn reached() -> String {
    let all = REACHED.lock().unwrap_or_else(|e| e.into_inner());
    let one = |(name, (tried, passed)): (&&str, &(u32, u32))| format!("{name} {passed} of {tried}");
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Counts a stage; what it gave.
fn stage<T, E: std::fmt::Display>(name: &'static str, result: Result<T, E>) -> Option<T> {
    let mut all = REACHED.lock().unwrap_or_else(|e| e.into_inner());
    let (tried, passed) = all.entry(name).or_default();
    *tried += 1;
    *passed += u32::from(result.is_ok());
    // The message is made, too.
    result.map_err(|e| assert!(!e.to_string().is_empty(), "an error without a word")).ok()
}

pub(crate) fn all(kind: Kind, bytes: &[u8]) {
    match kind {
        Kind::Onnx | Kind::OnnxStructure => {
            let _ = stage("list operators", teff::onnx::unsupported(bytes));
            let read = teff::onnx::read(bytes, &teff::onnx::ReadOptions::default());
            stage("read ONNX", read).iter().for_each(|model| network(&model.graph));
        }
        Kind::Tflite | Kind::TfliteStructure => {
            let _ = stage("list operators", teff::tflite::unsupported(bytes));
            let read = teff::tflite::read(bytes, &teff::tflite::ReadOptions::default());
            stage("read TFLite", read).iter().for_each(|model| network(&model.graph));
        }
        Kind::Npy | Kind::Npz | Kind::Idx => data_set(kind, bytes),
        Kind::Picture => pictures(bytes),
        Kind::Toml => description(bytes),
        Kind::Checkpoint => {
            stage("checkpoint", teff::checkpoint::Checkpoint::from_bytes(bytes)).map(|c| c.to_bytes());
        }
        Kind::Program => {
            stage("program", Image::parse(bytes)).iter().for_each(program);
        }
        Kind::Board => {
            let text = String::from_utf8_lossy(bytes);
            if let Some(description) = stage("board", Description::parse(&text)) {
                let board = Wired::new(description);
                let _ = (board.screen(), Simulator::with_board(teff_rp2040::Options::default(), board));
            }
        }
        Kind::Recording => {
            let _ = stage("motion", Motion::parse(&String::from_utf8_lossy(bytes)));
            let _ = stage("sound", Sound::read_wav(bytes));
        }
    }
}

/// Everything a network goes through.
fn network(graph: &Graph) {
    graph.verify().expect("what is read passes the verifier");
    let _ = (
        print_brief(graph),
        stage("write ONNX", teff::onnx::write(graph, &teff::onnx::WriteOptions::default())),
    );
    if bytes_of(graph) > BYTES {
        return;
    }
    let simple = passes::simplify(&passes::freeze(graph));
    simple.verify().expect("what is simplified passes the verifier");
    let _ = stage("integers", integer(graph));
    let _ = stage("left in floats", left_in_floats(graph));
    let inputs: Vec<Value> =
        graph.inputs().iter().enumerate().map(|(i, id)| invented(&graph[*id].ty, i)).collect();
    let mut macs = 0;
    let mut outputs = None;
    for (target, floats) in [
        (Target::GENERIC, Floats::Exact),
        (Target::CORTEX_M0PLUS, Floats::default()),
        (Board::PICO4ML.target, Floats::Exact),
    ] {
        let options = Options { target, floats, ..Options::default() };
        let Some(mut program) = stage("compile", compile(graph, &options)) else { continue };
        let budget = Budget::new(&program, &target);
        let _ = budget.notes();
        macs = budget.macs.max(budget.cycles as u64 / 10);
        if macs > PRODUCTS {
            return;
        }
        let _ = stage("place", teff::compile::place(&mut program, 1000, &[]));
        let expected = outputs.get_or_insert_with(|| stage("evaluate", evaluate(graph, &inputs)));
        let samples: Vec<Sample> =
            expected.iter().map(|y| Sample { inputs: inputs.clone(), outputs: y.clone() }).collect();
        let _ = (
            c::print(&program, &c::Options::default()),
            c::selftest(&program, &c::Options::default(), &samples, 1e-4),
        );
        let typed = plan::by_type(&program);
        let _ = (
            rust::print(&typed, &rust::Options::default()),
            rust::selftest(&typed, &rust::Options::default(), &samples, 1e-4),
        );
        if target == Target::GENERIC {
            let _ = stage("run the program", teff::compile::program::evaluate(&program, &inputs));
        }
    }
    if macs > PRODUCTS {
        return;
    }
    if let Some(mut plan) = stage("plan", Plan::new(graph, &teff::host::Options { threads: 1 })) {
        inputs.iter().enumerate().for_each(|(i, x)| plan.set_input(i, x).expect("an input of the graph"));
        let _ = stage("run", plan.run());
    }
    quantised(graph, macs);
}

/// Quantises it, when it takes one sample of floats.
fn quantised(graph: &Graph, macs: u64) {
    let &[input] = graph.inputs() else { return };
    let ty = &graph[input].ty;
    if ty.dtype != DType::F32 || ty.is_empty() || ty.len() > 5000 || macs > PRODUCTS / 100 {
        return;
    }
    let shape = if ty.rank() > 1 && ty.shape[0] == 1 { ty.shape[1..].to_vec() } else { ty.shape.to_vec() };
    let classes = graph.outputs().first().map_or(1, |o| graph[o.node].ty.len()).clamp(1, 1000);
    let count = 4;
    let samples = Samples::F32((0..count).flat_map(|i| floats(&invented(ty, i))).collect());
    let names = (0..classes).map(|c| c.to_string()).collect();
    let Ok(data) = Dataset::new(samples, shape, vec![0; count], names) else { return };
    let settings = teff::quantize::Settings { samples: count, ..Default::default() };
    let quiet = &mut |_: &str, _, _| std::ops::ControlFlow::Continue(());
    let done = stage("quantise", teff::quantize::quantize(graph, &data, &settings, quiet));
    if let Some(done) = done {
        let _ = stage("compile integers", compile(&done.graph, &Options::default()));
    }
    let _ = stage("predict", teff::predict(graph, &data, 1));
    let _ = stage("rounding", teff::quantize::rounding(graph, &[vec![invented(ty, 0)]]));
    let _ = stage("fold", teff::folded::Folded::new(graph));
}

fn floats(value: &Value) -> Vec<f32> {
    value.to_f64().into_iter().map(|x| x as f32).collect()
}

/// Bytes of all values of a graph.
fn bytes_of(graph: &Graph) -> usize {
    graph.nodes().iter().map(|n| n.ty.len().saturating_mul(n.ty.dtype.size())).fold(0, usize::saturating_add)
}

fn invented(ty: &Type, key: usize) -> Value {
    Value::from_fn(ty, |k| {
        let bits = random_bits(key as i64, k as u64);
        if ty.dtype.is_float() {
            Num::Float((bits >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
        } else {
            Num::Int((bits % 2) as i128)
        }
    })
}

/// A place for files of one kind, which each case writes anew.
fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("teff-damaged-{}/{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn data_set(kind: Kind, bytes: &[u8]) {
    let folder = folder(&format!("{kind:?}"));
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    match kind {
        Kind::Npy => {
            stage("NPY", teff::data::Array::open(write("x.npy", bytes))).map(|array| array.to_npy());
        }
        Kind::Npz => {
            let path = write("xy.npz", bytes);
            let _ = stage("NPZ", teff::data::Array::open_all(&path));
            stage("data set", teff::data::open(&path)).iter().for_each(train);
        }
        _ => {
            let labels = [&[0, 0, 8, 1, 0, 0, 0, 6][..], &[0, 1, 0, 1, 1, 0]].concat();
            write("train-images-idx3-ubyte", bytes);
            write("train-labels-idx1-ubyte", &labels);
            write("t10k-images-idx3-ubyte", bytes);
            write("t10k-labels-idx1-ubyte", &labels);
            stage("data set", teff::data::open(&folder)).iter().for_each(train);
        }
    }
}

/// A network that fits the data, if it is small.
fn train(data: &teff::data::Split) {
    let spec = teff::model::ModelSpec::preset("mlp").unwrap();
    if data.train.sample_len() < 1000 && data.train.classes().len() < 100 {
        let built = spec.build(data.train.shape(), data.train.classes().len(), 1);
        stage("build", built).map(|model| model.graph(1).map(|g| teff::predict(&g, &data.test, 1)));
    }
}

fn pictures(bytes: &[u8]) {
    let folder = folder("pictures/a");
    std::fs::write(folder.join("x.png"), bytes).unwrap();
    let _ = stage("pictures", teff::data::open(folder.parent().unwrap()));
    let film = stage("film", read_gif(bytes)).unwrap_or_default();
    let picture = stage("picture", Picture::decode("x", bytes)).map(|p| {
        let (width, height, pixels) = (p.width, p.height, p.pixels);
        let grey = match p.channels {
            1 => GreyImage { width, height, pixels },
            _ => RgbImage { width, height, pixels }.to_grey(),
        };
        (grey, 1)
    });
    let film: Vec<_> = film.into_iter().chain(picture).collect();
    if !film.is_empty() {
        Wired::new(Description::pico4ml()).play(film).unwrap();
    }
}

fn description(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some(spec) = stage("description", teff::model::ModelSpec::parse("case", &text)) else { return };
    for shape in [&[1, 8, 8][..], &[3, 16, 16]] {
        let Some(model) = stage("build", spec.build(shape, 10, 1)) else { continue };
        if let Some(graph) = stage("graph", model.graph(2))
            && model.size() < 1 << 20
        {
            network(&graph);
        }
    }
}

fn program(image: &Image) {
    let mut profile = Profile::new(image);
    let _ = image.function_at(u32::MAX);
    let board = Wired::new(Description { flash_bytes: 65_536, ..Description::default() });
    let mut sim = Simulator::with_board(Default::default(), board);
    if stage("load", sim.load(image)).is_some() {
        sim.run_profiled(sim.cycles() + 3000, &mut profile);
        let _ = (sim.backtrace(0, image), profile.flame_graph());
    }
}
