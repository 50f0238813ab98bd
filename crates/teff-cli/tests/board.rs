//! The firmware that `teff firmware` builds, on the simulated board: it answers as the host does, in C and in Rust, and with a model
//! from elsewhere.

mod common;
use common::Folder;
use common::board::{Bench, Firmware, firmware};
use digits_scenes::Scene;
use digits_vision::{Grey, SURE_PERCENT, Scratch, decide, find_digit};
use teff::graph::evaluate;
use teff::{Graph, Value};

/// The model of 784-400-10 with 8-bit ends.
const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/digits.onnx");
const MNIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/mnist");
const SIDE: usize = 162;
/// Bytes of `CORE1_STACK` in `firmware/app`.
const CORE1_STACK: u32 = 6144;

/// What the host says of a frame.
#[derive(PartialEq, Debug)]
struct Said {
    /// The network's picture.
    picture: Vec<u8>,
    class: Option<usize>,
    percent: u32,
}

/// The way of the firmware, on the host: preparation, reference evaluator, decision.
fn host(graph: &Graph, built: &Firmware, frame: &[u8]) -> Option<Said> {
    let mut picture = [0; 784];
    find_digit(&Grey::new(frame, SIDE, SIDE), &mut Scratch::new(), &mut picture)?;
    let input: Vec<i8> = picture.iter().map(|p| (i32::from(*p) - 128) as i8).collect();
    let shape = graph[graph.inputs()[0]].ty.shape.clone();
    let outputs = evaluate(graph, &[Value::new(shape, input)]).unwrap();
    let scale = (f64::from(built.constant::<f32>("OUTPUT_SCALE")) * 16_777_216.0) as i64;
    let zero = built.constant::<i64>("OUTPUT_ZERO");
    let logits = outputs[0].as_slice::<i8>().unwrap();
    let fixed: Vec<i32> = logits.iter().map(|q| (((i64::from(*q) - zero) * scale) >> 16) as i32).collect();
    let decision = Some(decide(&fixed)).filter(|d| d.percent >= SURE_PERCENT);
    let percent = decision.as_ref().map_or(0, |d| d.percent.into());
    Some(Said { picture: picture.to_vec(), class: decision.map(|d| d.class), percent })
}

/// The firmware's report says what the linker says, and the image is small enough.
fn sizes(built: &Firmware) {
    let number = |key: &str| built.report[key].as_u64().unwrap();
    assert!(number("flash") <= 420_000, "{} bytes of flash", number("flash"));
    let parts = ["application", "network_code", "weights"].map(number);
    assert_eq!(parts.iter().sum::<u64>(), number("flash"));
    let Ok(out) = std::process::Command::new("arm-none-eabi-size").arg("-A").arg(&built.elf).output() else {
        eprintln!("skipped: arm-none-eabi-size is not here");
        return;
    };
    let text = String::from_utf8(out.stdout).unwrap();
    let section = |name: &str| {
        let line = text.lines().find(|l| l.split_whitespace().next() == Some(name));
        line.map_or(0, |l| l.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap())
    };
    assert_eq!(number("ram"), section(".data") + section(".bss") + section(".uninit"));
    let flash = [".boot2", ".vector_table", ".text", ".rodata", ".data"].map(section);
    assert!(flash.iter().sum::<u64>().abs_diff(number("flash")) < 64, "{flash:?} and {}", number("flash"));
}

/// Neither core has used more than half of its stack: core 0 what variables leave, core 1 its array (`CORE1_STACK` of `firmware/app`).
fn stacks(bench: &Bench, built: &Firmware) {
    let used = [0, 1].map(|core| bench.sim.stack(core).bytes());
    let left = bench.sim.stack(0).top - built.address("__ebss");
    eprintln!("stack of core 0 {} of {left} bytes, of core 1 {} of {CORE1_STACK}", used[0], used[1]);
    assert!(used.iter().all(|&bytes| bytes > 500), "{used:?}");
    assert!(used[0] <= left / 2 && used[1] <= CORE1_STACK / 2, "{used:?} of {left} and {CORE1_STACK}");
}

/// Thirty scenes before the camera: the chip sees what the camera sent, makes the same picture of it as the host, bit for bit, and
/// gives the same answer; in time, and every frame is on the display meanwhile. What the firmware takes is what the linker says.
fn answers_as_the_host(language: &str) {
    let folder = Folder::new(&format!("board-{language}"));
    let Some(built) = firmware(&folder.path(""), "digits", DIGITS, &["--language", language]) else { return };
    let graph = teff::onnx::read(&std::fs::read(DIGITS).unwrap(), &Default::default()).unwrap().graph;
    let answered = built.address("answered");
    let digits = teff::data::open(std::path::Path::new(MNIST)).unwrap().test;
    let mut bench = Bench::new(&built.elf);
    let mut right = 0;
    let (mut prepare, mut infer) = (Vec::new(), Vec::new());
    bench.answer(answered, 1000);
    let (first, drawn) = bench.sim.board().traffic();
    for k in 0..30 {
        bench.show(Scene::digit(digits.sample(k), k as u64).render());
        // Frames under way show the scene before; exposure follows the new one.
        for _ in 0..3 {
            bench.answer(answered, 1000);
        }
        let answer = bench.answer(answered, 200);
        prepare.push(answer.prepare_us);
        if answer.picture != 0 {
            infer.push(answer.infer_us);
        }
        let frame = bench.memory(answer.frame, SIDE * SIDE);
        assert!(bench.was_sent(&frame), "scene {k}: the frame is torn");
        let said = host(&graph, &built, &frame);
        match &said {
            Some(said) => assert_eq!(bench.memory(answer.picture, 784), said.picture, "scene {k}"),
            None => assert_eq!(answer.picture, 0, "scene {k}: something was found"),
        }
        let expected = said.map_or((None, 0), |said| (said.class, said.percent));
        assert_eq!((answer.class, answer.percent), expected, "scene {k}");
        right += usize::from(answer.class == Some(usize::from(digits.labels()[k])));
    }
    assert!(right >= 27, "{right} of 30 right");
    let mean = |times: &[u32]| times.iter().sum::<u32>() as usize / times.len();
    let most = |times: &[u32]| times.iter().copied().max().unwrap_or(0);
    eprintln!(
        "{language}: {right} of 30 right; preparation {} us, at most {}; network {} us, at most {}",
        mean(&prepare),
        most(&prepare),
        mean(&infer),
        most(&infer)
    );
    assert!(mean(&infer) <= 8000, "network: {infer:?} us");
    assert!(most(&prepare) <= 15_000, "preparation: {prepare:?} us");
    let (frames, pixels) = bench.sim.board().traffic();
    let shown = (pixels - drawn) / (80 * 160);
    assert!(
        frames - first > 90 && (frames - first).abs_diff(shown) <= 1,
        "{} frames, {shown} shown",
        frames - first
    );
    sizes(&built);
    stacks(&bench, &built);
}

#[test]
fn c_answers_as_the_host() {
    answers_as_the_host("c");
}

#[test]
fn rust_answers_as_the_host() {
    answers_as_the_host("rust");
}

/// TensorFlow Lite Micro's person detection, 96 x 96 pixels of grey, from its TFLite file.
#[test]
fn a_model_from_elsewhere_knows_a_person() {
    let folder = Folder::new("board-person");
    let model =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../teff-tflite/tests/data/models/person_detect_int8.tflite");
    let Some(built) = firmware(&folder.path(""), "person", model, &["--labels", "no person,person"]) else {
        return;
    };
    for (picture, answer) in [("person.png", "answer person"), ("coffee.png", "answer no person")] {
        let mut bench = Bench::new(&built.elf);
        bench.show_file(picture);
        let line = bench.hear("answer", 2000);
        assert!(line.starts_with(answer), "{picture}: {line}");
        // On the display the label and the bar are drawn with the next frame.
        bench.pass(100);
        let screen = bench.screen();
        let white = |p: &[u8]| p[0] > 0xf0 && p[1] > 0xf0 && p[2] > 0xf0;
        let label = &screen.pixels[116 * 80 * 3..128 * 80 * 3];
        assert!(
            label.chunks_exact(3).filter(|p| white(p)).count() > 40,
            "{picture}: no label on the display"
        );
        stacks(&bench, &built);
    }
}
