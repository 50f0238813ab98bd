//! Small files that ask for much: reading each, and writing what was read, ends within 10 s and never holds 1 GB.

#![allow(unsafe_code, reason = "an allocator that counts")]

mod message;

use message::{
    Message, graph_attribute, int_attribute, ints, ints_attribute, model, node, text_attribute, value,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use teff_onnx::{Error, ReadOptions, WriteOptions, read, write};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST_HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST_HELD.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's block.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// More than any machine has, and less than would overflow a size.
const HUGE: i64 = 1 << 40;

/// The error that reading gives, when it does. One test at a time: memory is counted for all threads.
#[track_caller]
fn survives(what: &str, bytes: &[u8]) -> Option<Error> {
    assert!(bytes.len() < 1 << 20, "{what} is no small file");
    MOST_HELD.store(HELD.load(Ordering::Relaxed), Ordering::Relaxed);
    let start = Instant::now();
    let model = read(bytes, &ReadOptions::default());
    let _ = model.as_ref().map(|model| write(&model.graph, &WriteOptions::default()));
    let error = model.err();
    let (time, held) = (start.elapsed(), MOST_HELD.load(Ordering::Relaxed) >> 20);
    println!("{what}: {time:.1?}, {held} MB, {}", error.as_ref().map_or("read".into(), Error::to_string));
    assert!(time < Duration::from_secs(10), "{what} takes {time:?}");
    assert!(held < 1 << 10, "{what} takes {held} MB");
    error
}

fn constant(name: &str, list: &[i64]) -> (u64, Message) {
    (5, ints(name, &[list.len() as i64], list))
}

fn body(nodes: &[Message], inputs: &[&str], outputs: &[&str]) -> Message {
    let graph = nodes.iter().fold(Message::default(), |m, n| m.message(1, n.clone())).text(2, "body");
    let graph = inputs.iter().fold(graph, |m, i| m.message(11, Message::default().text(1, i)));
    outputs.iter().fold(graph, |m, o| m.message(12, Message::default().text(1, o)))
}

/// Sizes that a file of a few bytes declares or asks for.
fn large_shapes() -> Vec<(&'static str, Vec<u8>)> {
    let one = |op: &str, x: &[i64], attributes: Vec<Message>, rest: &[(&str, &[i64])]| {
        let inputs: Vec<&str> = std::iter::once("x").chain(rest.iter().map(|(n, _)| *n)).collect();
        let n = attributes.into_iter().fold(node(op, "", &inputs, &["y"]), |m, a| m.message(5, a));
        model(x, &[n], &rest.iter().map(|(n, l)| constant(n, l)).collect::<Vec<_>>())
    };
    let from = |op: &str, list: &[i64]| model(&[1], &[node(op, "", &["c"], &["y"])], &[constant("c", list)]);
    let scalars = |op: &str, list: &[i64]| {
        let names = ["a", "b", "c"];
        let given: Vec<(u64, Message)> =
            list.iter().zip(names).map(|(&v, n)| (5, ints(n, &[], &[v]))).collect();
        model(&[1], &[node(op, "", &names[..list.len()], &["y"])], &given)
    };
    let resize = |sizes: &[i64], attributes: Vec<Message>| {
        let n = node("Resize", "", &["x", "", "", "s"], &["y"]);
        model(&[HUGE], &[attributes.into_iter().fold(n, |m, a| m.message(5, a))], &[constant("s", sizes)])
    };
    vec![
        ("an input", one("Relu", &[HUGE, HUGE], vec![], &[])),
        ("ConstantOfShape", from("ConstantOfShape", &[HUGE])),
        ("Range", scalars("Range", &[0, HUGE, 1])),
        ("HannWindow", scalars("HannWindow", &[HUGE])),
        ("MelWeightMatrix", scalars("MelWeightMatrix", &[1 << 20, 1 << 20, 1])),
        ("Pad by index", one("Pad", &[HUGE], vec![text_attribute("mode", "edge")], &[("p", &[1, 1])])),
        ("Pad", one("Pad", &[1], vec![text_attribute("mode", "reflect")], &[("p", &[HUGE, HUGE])])),
        ("Resize", resize(&[HUGE], vec![])),
        (
            "Resize with antialias",
            resize(&[1], vec![text_attribute("mode", "linear"), int_attribute("antialias", 1)]),
        ),
        ("Resize to one", {
            let linear = vec![text_attribute("mode", "linear"), int_attribute("antialias", 1)];
            let n = node("Resize", "", &["x", "", "", "s"], &["y"]);
            let n = linear.into_iter().fold(n, |m, a| m.message(5, a));
            model(&[1_000_000], &[n], &[constant("s", &[1])])
        }),
        ("Split", one("Split", &[HUGE], vec![int_attribute("num_outputs", HUGE)], &[])),
        ("SplitToSequence", one("SplitToSequence", &[HUGE], vec![], &[])),
        ("SplitToSequence of many", one("SplitToSequence", &[50_000], vec![], &[])),
        ("Tile", one("Tile", &[4], vec![], &[("r", &[1 << 62])])),
        ("Expand", one("Expand", &[1], vec![], &[("s", &[1 << 31, 1 << 31])])),
        ("OneHot", one("OneHot", &[1], vec![], &[("d", &[1 << 31]), ("v", &[0, 1])])),
        ("TopK", one("TopK", &[HUGE], vec![], &[("k", &[HUGE])])),
        ("DFT", one("DFT", &[1, HUGE, 1], vec![], &[])),
        ("STFT", one("STFT", &[1, HUGE, 1], vec![], &[("step", &[1]), ("", &[]), ("length", &[16])])),
        ("LRN", one("LRN", &[1, 4, 4], vec![int_attribute("size", HUGE)], &[])),
        ("MaxPool", one("MaxPool", &[1, 1, HUGE], vec![ints_attribute("kernel_shape", &[HUGE])], &[])),
        ("LpPool", one("LpPool", &[1, 1, HUGE], vec![ints_attribute("kernel_shape", &[1 << 20])], &[])),
        ("EyeLike", one("EyeLike", &[1 << 20, 1 << 20], vec![], &[])),
        ("Trilu", one("Trilu", &[1 << 20, 1 << 20], vec![], &[])),
        ("CumSum", one("CumSum", &[HUGE], vec![], &[("axis", &[0])])),
        ("Det", one("Det", &[HUGE, 5, 5], vec![], &[])),
        ("Einsum", one("Einsum", &[HUGE, 3], vec![text_attribute("equation", "ij->ji")], &[])),
        (
            "Upsample",
            one("SpaceToDepth", &[1, 1, HUGE, HUGE], vec![int_attribute("blocksize", 1 << 15)], &[]),
        ),
        ("CenterCropPad", one("CenterCropPad", &[1], vec![], &[("s", &[HUGE])])),
        ("Compress", one("Compress", &[HUGE], vec![], &[("c", &[1, 0])])),
        ("GatherND", one("GatherND", &[HUGE, 2], vec![], &[("i", &[1])])),
    ]
}

#[test]
fn large_files_of_few_bytes() {
    for (what, bytes) in large_shapes() {
        survives(what, &bytes);
    }
    regions();
    quadratic_work();
    many_constants();
    repeated_bodies();
    long_grams();
    many_names();
    sparse_tensors();
    long_chains();
    empty_tensors();
    loops_of_nothing();
    copied_sequences();
    written_constants();
}

fn regions() {
    let more = [(11, value("r", &[HUGE, 4])), (11, value("b", &[HUGE]))];
    let n = node("RoiAlign", "", &["x", "r", "b"], &["y"]).message(5, int_attribute("sampling_ratio", 2));
    survives("RoiAlign", &model(&[1, 1, 4, 4], &[n], &more));
    let more = [(11, value("w", &[1, 1, 1, 1])), (11, value("o", &[1, 2, 1 << 20, 1 << 20]))];
    survives("DeformConv", &model(&[1, 1, 4, 4], &[node("DeformConv", "", &["x", "w", "o"], &["y"])], &more));
    let more = [(11, value("w", &[1, 1, 1 << 10, 1 << 10])), (11, value("o", &[1, 1 << 21, 1, 1]))];
    let n = node("DeformConv", "", &["x", "w", "o"], &["y"]);
    survives("DeformConv of many taps", &model(&[1, 1, 2000, 2000], &[n], &more));
    let grid = [constant("s", &[1, 1, 1 << 20, 1 << 20])];
    survives("AffineGrid", &model(&[1, 2, 3], &[node("AffineGrid", "", &["x", "s"], &["y"])], &grid));
    let more = [(11, value("s", &[1 << 30])), (11, value("z", &[1 << 30]))];
    let n = node("DequantizeLinear", "", &["x", "s", "z"], &["y"]).message(5, int_attribute("block_size", 3));
    survives("DequantizeLinear", &model(&[HUGE], &[n.message(5, int_attribute("axis", 0))], &more));
}

/// A filled tensor of `len` elements.
fn filled(name: &str, len: i64) -> [Message; 2] {
    let shape = ints("shape", &[1], &[len]);
    let attribute = Message::default().text(1, "value").message(5, shape).int(20, 4);
    let list = format!("{name}_shape");
    [
        node("Constant", "", &[], &[&list]).message(5, attribute),
        node("ConstantOfShape", "", &[&list], &[name]),
    ]
}

fn quadratic_work() {
    let [a, b] = filled("c", 1 << 22);
    let unique = node("Unique", "", &["c"], &["y"]);
    assert!(matches!(
        survives("Unique", &model(&[1], &[a.clone(), b.clone(), unique], &[])),
        Some(Error::TooLarge { .. })
    ));
    let shaped = |to: &str, shape: &str| node("Reshape", "", &["c", shape], &[to]);
    let nms = node("NonMaxSuppression", "", &["boxes", "scores", "most"], &["y"]);
    let more =
        [constant("bs", &[1, 1 << 20, 4]), constant("ss", &[1, 4, 1 << 20]), constant("most", &[1 << 20])];
    let nodes = [a, b, shaped("boxes", "bs"), shaped("scores", "ss"), nms];
    assert!(matches!(
        survives("NonMaxSuppression", &model(&[1], &nodes, &more)),
        Some(Error::TooLarge { .. })
    ));
}

/// Each small, together much.
fn many_constants() {
    let nodes: Vec<Message> = (0..1000)
        .flat_map(|i| {
            let name = format!("c{i}");
            let [a, b] = filled(&name, 1 << 22);
            let hits = node("NonZero", "", &[&name], &[&format!("h{i}")]);
            [a, b, hits]
        })
        .collect();
    survives("many constants", &model(&[1], &nodes, &[]));
    let transforms: Vec<Message> = (0..1000)
        .map(|i| node("DFT", "", &["x"], &[&format!("y{i}")]).message(5, int_attribute("axis", 1)))
        .collect();
    let error = survives("many transforms", &model(&[1, 2000, 1], &transforms, &[]));
    assert!(matches!(error, Some(Error::TooLarge { .. })));
    let ranges: Vec<Message> =
        (0..10_000).map(|i| node("Range", "", &["a", "b", "c"], &[&format!("r{i}")])).collect();
    let given = [(5, ints("a", &[], &[0])), (5, ints("b", &[], &[1 << 20])), (5, ints("c", &[], &[1]))];
    assert!(matches!(survives("many ranges", &model(&[1], &ranges, &given)), Some(Error::TooLarge { .. })));
}

fn repeated_bodies() {
    let trip = constant("trips", &[HUGE]);
    let looped =
        |inner: Message| node("Loop", "", &["trips", ""], &[]).message(5, graph_attribute("body", inner));
    let empty = body(&[node("Identity", "", &["c"], &["d"])], &["i", "c"], &["d"]);
    survives("a loop", &model(&[1], &[looped(empty.clone())], std::slice::from_ref(&trip)));
    let trips = constant("trips", &[4000]);
    let nested = body(&[looped(empty), node("Identity", "", &["c"], &["d"])], &["i", "c"], &["d"]);
    survives("a loop in a loop", &model(&[1], &[looped(nested)], &[trips]));
    let names: Vec<String> = (0..20_000).map(|_| "x".to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let wide =
        body(&[node("Sum", "", &names, &["s"]), node("Identity", "", &["c"], &["d"])], &["i", "c"], &["d"]);
    survives("a loop of long sums", &model(&[1], &[looped(wide)], &[constant("trips", &[4000])]));
    let scan = node("Scan", "", &["", "x"], &["y"]).message(5, int_attribute("num_scan_inputs", 1));
    let scan = scan.message(5, graph_attribute("body", body(&[], &["s"], &["s"])));
    let graph = Message::default().message(1, scan).text(2, "g");
    let graph = graph.message(11, value("x", &[HUGE, 1, 1])).message(12, Message::default().text(1, "y"));
    let old =
        Message::default().int(1, 3).message(7, graph).message(8, Message::default().text(1, "").int(2, 8));
    survives("Scan of version 8", &old.0);
    // A function with a long branch that no call takes.
    let long: Vec<Message> = (0..10_000).map(|_| node("Relu", "", &["a"], &["b"])).collect();
    let branch = |name: &str, nodes: &[Message]| graph_attribute(name, body(nodes, &[], &["b"]));
    let choice = node("If", "", &["a"], &["b"]).message(5, branch("then_branch", &long));
    let f = Message::default().text(1, "f").text(4, "a").text(5, "b").text(10, "d");
    let f = f.message(7, choice.message(5, branch("else_branch", &long[..1])));
    let calls: Vec<Message> = (0..5000).map(|_| node("f", "d", &["c"], &["y"])).collect();
    let mut bytes = model(&[1], &calls, &[(5, ints("c", &[], &[0]))]);
    bytes.extend(Message::default().message(25, f).0);
    survives("a function copied often", &bytes);
}

fn long_grams() {
    let pool: Vec<i64> = (0..20_000).collect();
    let n = node("TfIdfVectorizer", "", &["x"], &["y"]).message(5, ints_attribute("pool_int64s", &pool));
    let n = n.message(5, ints_attribute("ngram_counts", &vec![0; 20_000]));
    let n = n.message(5, ints_attribute("ngram_indexes", &[60_000]));
    let n = n
        .message(5, int_attribute("min_gram_length", 1))
        .message(5, int_attribute("max_gram_length", 1 << 40));
    let n = n.message(5, int_attribute("max_skip_count", 1000)).message(5, text_attribute("mode", "TF"));
    let list = node("Cast", "", &["f"], &["x"]).message(5, int_attribute("to", 7));
    survives("TfIdfVectorizer", &model(&[1], &[list, n], &[(11, value("f", &[HUGE]))]));
}

fn many_names() {
    let more: Vec<(u64, Message)> = (0..8_000)
        .flat_map(|i| [(11, value(&format!("input{i}"), &[-1])), (5, ints(&format!("w{i}"), &[1], &[1]))])
        .collect();
    survives("many inputs and initialisers", &model(&[1], &[node("Relu", "", &["x"], &["y"])], &more));
    let calls: Vec<Message> = (0..10_000).map(|i| node(&format!("op{i}"), "d", &["x"], &["y"])).collect();
    let mut bytes = model(&[1], &calls, &[]);
    for i in 0..10_000 {
        bytes.extend(
            Message::default().message(25, Message::default().text(1, &format!("f{i}")).text(10, "d")).0,
        );
    }
    let start = Instant::now();
    assert_eq!(teff_onnx::unsupported(&bytes).unwrap().len(), 10_000);
    assert!(start.elapsed() < Duration::from_secs(10), "unsupported() takes {:?}", start.elapsed());
}

/// Reading and writing take time in proportion to the nodes, whatever they are called.
fn long_chains() {
    let name = |i: usize| format!("t{i}");
    let step = |i: usize| match i {
        0 => node("Relu", "", &["x"], &["t0"]),
        i if i % 2 == 0 => node("Add", "", &[&name(i - 1), &name(i / 2)], &[&name(i)]),
        i => node("Sigmoid", "", &[&name(i - 1)], &[&name(i)]),
    };
    let count = 20_000;
    let nodes = (0..count).map(step).chain([node("Relu", "", &[&name(count - 1)], &["y"])]);
    let bytes = model(&[4], &nodes.collect::<Vec<_>>(), &[]);
    assert!(survives("a long chain", &bytes).is_none());
    let graph = read(&bytes, &ReadOptions::default()).unwrap().graph;
    let start = Instant::now();
    write(&graph, &WriteOptions::default()).unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "writing a long chain takes {:?}", start.elapsed());
}

fn sparse_tensors() {
    let one = |i: usize, len: i64| {
        let values = Message::default().int(1, 1).int(2, 1).text(8, &format!("s{i}")).bytes(9, &[0; 4]);
        let sparse = Message::default().message(1, values).message(2, ints("at", &[1], &[0])).int(3, len);
        (15, sparse)
    };
    let relu = [node("Relu", "", &["x"], &["y"])];
    let error = survives("a sparse tensor", &model(&[1], &relu, &[one(0, HUGE)])).unwrap();
    assert!(error.to_string().contains("save it as a dense tensor"), "{error}");
    let many: Vec<(u64, Message)> = (0..5000).map(|i| one(i, 1 << 20)).collect();
    survives("many sparse tensors", &model(&[1], &relu, &many));
}

/// Without elements, but with long axes to go along.
fn empty_tensors() {
    let unique = node("Unique", "", &["c"], &["y"]).message(5, int_attribute("axis", 0));
    survives("Unique of nothing", &model(&[1], &[unique], &[(5, ints("c", &[HUGE, 0], &[]))]));
    let nothing = |name: &str, dims: &[i64]| {
        let m = dims.iter().fold(Message::default(), |m, &d| m.int(1, d)).int(2, 1);
        (5, m.text(8, name).bytes(9, &[]))
    };
    let more = [nothing("b", &[1 << 20, 0, 4]), nothing("s", &[1 << 20, 1 << 30, 0])];
    survives(
        "NonMaxSuppression of nothing",
        &model(&[1], &[node("NonMaxSuppression", "", &["b", "s"], &["y"])], &more),
    );
    let blocks = node("DepthToSpace", "", &["x"], &["y"]).message(5, int_attribute("blocksize", 1 << 15));
    survives("DepthToSpace of nothing", &model(&[1, 0, 1 << 58, 1], &[blocks], &[]));
}

/// A loop in a loop that computes nothing at all.
fn loops_of_nothing() {
    let looped = |name: &str, inner: Message| {
        node("Loop", "", &["trips", ""], &[name]).message(5, graph_attribute("body", inner))
    };
    let empty = || body(&[], &["i", "c"], &["c"]);
    let inner: Vec<Message> = (0..1000).map(|_| looped("", empty())).collect();
    let n = looped("y", body(&inner, &["i", "c"], &["c"]));
    let error = survives("loops of nothing", &model(&[1], &[n], &[constant("trips", &[4000])]));
    assert!(matches!(error, Some(Error::TooLarge { .. })));
    // An initialiser of the body is read in every trip.
    let list: Vec<i64> = (0..100_000).collect();
    let heavy = body(&[], &["i", "c"], &["c", "w"]).message(5, ints("w", &[100_000], &list));
    survives("a loop with weights", &model(&[1], &[looped("y", heavy)], &[constant("trips", &[4000])]));
}

fn copied_sequences() {
    let list = |i: usize| format!("s{i}");
    let split = node("SplitToSequence", "", &["x"], &["s0"]);
    let inserts = (0..10_000).map(|i| node("SequenceInsert", "", &[&list(i), "x"], &[&list(i + 1)]));
    let nodes: Vec<Message> = std::iter::once(split).chain(inserts).collect();
    let error = survives("a long sequence copied often", &model(&[100_000], &nodes, &[]));
    assert!(matches!(error, Some(Error::TooLarge { .. })));
}

/// What the writer would compute or write at length.
fn written_constants() {
    let same = node("AveragePool", "", &["x"], &["y"]).message(5, text_attribute("auto_pad", "SAME_UPPER"));
    let kernel = ints_attribute("kernel_shape", &[2, HUGE]);
    survives("AveragePool", &model(&[1, 3, 32, 32], &[same.message(5, kernel)], &[]));
    let count = 3000;
    let eyes = (1..count).flat_map(|i| {
        let (shape, eye, sum) = (format!("s{i}"), format!("e{i}"), format!("sum{i}"));
        [
            node("Expand", "", &["z", &shape], &["wide"]),
            node("EyeLike", "", &["wide"], &[&eye]),
            node("ReduceMax", "", &[&eye], &[&sum]),
        ]
    });
    let sums: Vec<String> = (1..count).map(|i| format!("sum{i}")).collect();
    let sums: Vec<&str> = sums.iter().map(String::as_str).collect();
    let nodes: Vec<Message> = eyes.chain([node("Sum", "", &sums, &["y"])]).collect();
    let shapes = (1..count).map(|i| constant(&format!("s{i}"), &[1 << 20, i]));
    let more: Vec<(u64, Message)> = shapes.chain([(5, ints("z", &[1, 1], &[0]))]).collect();
    survives("long axes counted often", &model(&[1], &nodes, &more));
    let more = [(5, ints("c", &[60_000], &vec![1; 60_000]))];
    let name = |i: usize| format!("t{i}");
    let first = node("Neg", "", &["c"], &["t0"]);
    let chain = (1..10_000).map(|i| node("Neg", "", &[&name(i - 1)], &[&name(i)]));
    let last = node("Identity", "", &["t9999"], &["y"]);
    let nodes: Vec<Message> = std::iter::once(first).chain(chain).chain([last]).collect();
    survives("a chain on a large constant", &model(&[1], &nodes, &more));
}
