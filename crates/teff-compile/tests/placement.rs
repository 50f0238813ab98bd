//! Tables in SRAM: the same bits, at most as many bytes as are given, in the sections that are promised; and those that are needed most.

mod common;

use common::c::{Case, STRICT, Scratch, check, has, run, text};
use common::rust;
use expect_test::expect;
use std::process::Command;
use teff_compile::program::{Micro, Place, RowSums, Stmt, validate};
use teff_compile::{Budget, Options, Program, Target, c, compile, integer, place};
use teff_graph::{DType, Graph, Num, Tensor, Type, Value, evaluate};

fn scalar<T: teff_graph::Element>(x: T) -> Tensor {
    Tensor::constant(Value::new([1, 1], vec![x]))
}

/// Two dense layers with weights of so many bits, the first of a picture of 8 by 8: `sums` of 20 bits are divided down to 8 behind each.
fn dense(bits: u32) -> Graph {
    let half = 1i128 << (bits - 1);
    let weights = |shape: [usize; 2]| {
        let least = if bits == 8 { 1 - half } else { -half };
        let element = |i: usize| Num::Int((i * i * 7 + i * 5) as i128 % (half - least) + least);
        let q = Tensor::constant(Value::from_fn(&Type::new(DType::I8, shape), element));
        q.dequantize(&scalar(1.0 / half as f32), &scalar(0i8))
    };
    let x = Tensor::input("x", DType::I8, &[1, 64]);
    let pixels = x.dequantize(&scalar(1.0f32 / 255.0), &scalar(-128i8));
    let hidden = pixels.matmul(&weights([64, 24])).relu();
    let q = |y: &Tensor| y.quantize(&scalar(0.05f32), &scalar(-128i8));
    let hidden = q(&hidden).dequantize(&scalar(0.05f32), &scalar(-128i8));
    let y = q(&hidden.matmul(&weights([24, 16])));
    Graph::from_tensors("dense", &[x], &[("y", y)]).unwrap()
}

/// A picture of which so many elements, from `first` on, are not black.
fn picture(first: usize, len: usize) -> Value {
    let bright =
        |i: usize| if (first..first + len).contains(&i) { (i * 37 % 200) as i8 as i128 } else { -128 };
    Value::from_fn(&Type::new(DType::I8, [1, 64]), |i| Num::Int(bright(i).clamp(-128, 127)))
}

fn compiled(graph: &Graph, name: &str) -> Program {
    compile(graph, &Options { name: name.into(), target: Target::CORTEX_M0PLUS, ..Options::default() })
        .unwrap()
}

/// The statements for dense layers, with the constants that say which inputs they mean.
fn statements(program: &Program) -> Vec<(RowSums, Option<Vec<usize>>)> {
    fn walk(program: &Program, body: &[Stmt], found: &mut Vec<(RowSums, Option<Vec<usize>>)>) {
        for stmt in body {
            match stmt {
                Stmt::For { body, .. } => walk(program, body, found),
                Stmt::Micro(Micro::Rows(r)) => {
                    let lengths = r.runs.map(|runs| match &program.buffer(runs).place {
                        Place::Constant(v) => {
                            RowSums::positions((0..v.len()).map(|i| v.get(i).as_int() as usize))
                        }
                        _ => panic!("runs are constants"),
                    });
                    found.push((r.clone(), lengths));
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    program.kernels.iter().for_each(|k| walk(program, &k.body, &mut found));
    found
}

/// Networks with tables in so many bytes of SRAM, and what they must give.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (i, bits) in [8, 4, 2].into_iter().enumerate() {
        let graph = dense(bits);
        let reference = integer(&graph).unwrap();
        for (j, bytes) in [0, 60, 300, 700, 1000, 100_000].into_iter().enumerate() {
            for (k, given) in [picture(0, 64), picture(20, 30), picture(0, 0)].into_iter().enumerate() {
                let mut program = compiled(&graph, &format!("placed{i}{j}{k}"));
                let before = program.constant_bytes();
                place(&mut program, bytes, &[]).unwrap();
                assert!(program.sram_bytes() <= bytes, "{} of {bytes}", program.sram_bytes());
                let more = program.constant_bytes() - before;
                assert!(more < 120, "tables of runs take {more} bytes");
                let expected = evaluate(&reference, std::slice::from_ref(&given)).unwrap();
                let got = teff_compile::program::evaluate(&program, std::slice::from_ref(&given)).unwrap();
                assert_eq!(got, expected, "{bits} bits, {bytes} bytes\n{program}");
                let about = format!("{bits} bits, {bytes} bytes");
                // Compilers take their time.
                if k != 1 || ![300, 700, 100_000].contains(&bytes) {
                    continue;
                }
                cases.push(Case { program, inputs: vec![given], expected, tolerance: 0.0, about });
            }
        }
    }
    cases
}

#[test]
fn the_bits_stay_whatever_lies_in_sram() {
    let cases = cases();
    assert!(cases.iter().any(|case| statements(&case.program).iter().any(|(r, _)| r.adds)), "none is split");
    rust::check(&cases, rust::CHECKED);
    rust::lint(&cases.iter().map(|case| &case.program).collect::<Vec<_>>());
    if has("gcc") {
        check(&cases, "gcc", &["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    }
}

#[test]
fn rows_that_samples_need_come_first() {
    let graph = dense(8);
    let mut program = compiled(&graph, "net");
    let [before, _] = &statements(&program)[..] else { panic!("two layers") };
    // Room for the small tables, the second layer, and some ten rows of 24 bytes.
    let small: usize =
        program.buffers.iter().filter(|b| b.ty.dtype == DType::I32).map(|b| b.ty.bytes()).sum();
    let samples = [vec![picture(40, 10)], vec![picture(42, 8)]];
    place(&mut program, small + 24 * 16 + 300, &samples).unwrap();
    let found = statements(&program);
    let (near, rows) = &found[0];
    let rows = rows.as_ref().expect("the first layer is split");
    assert!(program.buffer(near.weights).in_sram && near.weights == before.0.weights && !near.adds);
    assert!((42..50).all(|row| rows.contains(&row)), "{rows:?}");
    let (far, others) = &found[1];
    assert!(!program.buffer(far.weights).in_sram && far.adds);
    let mut all = [rows.clone(), others.clone().unwrap()].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..64), "every input has its weights once");
}

#[test]
fn a_sample_of_another_shape_is_refused() {
    let mut program = compiled(&dense(8), "net");
    let wrong = Value::new([1, 3], vec![1i8, 2, 3]);
    let said = place(&mut program, 1000, &[vec![wrong]]).unwrap_err().to_string();
    assert!(said.contains("a sample does not fit"), "{said}");
}

#[test]
fn runs_that_mean_other_rows_are_invalid() {
    let mut program = compiled(&dense(8), "net");
    place(&mut program, 700, &[]).unwrap();
    let runs = statements(&program).into_iter().find_map(|(r, _)| r.runs).expect("a layer is split");
    let buffer = &mut program.buffers[runs.index()];
    let Place::Constant(value) = &buffer.place else { panic!("runs are constants") };
    let mut lengths: Vec<u16> = (0..value.len()).map(|i| value.get(i).as_int() as u16).collect();
    lengths[1] += 1;
    buffer.place = Place::Constant(std::sync::Arc::new(Value::new([lengths.len()], lengths)));
    let said = validate(&program).unwrap_err().to_string();
    assert!(said.contains("does not mean"), "{said}");
}

/// Lines of a file that mention SRAM or a section, tables cut off where they begin.
fn marked(source: &str) -> String {
    let marks =
        |line: &&str| line.contains("SRAM") || line.contains("_section") || line.contains("_of_runs(");
    source.lines().filter(marks).map(|line| line.trim().to_string() + "\n").collect()
}

#[test]
fn what_lies_in_sram_is_marked() {
    let mut program = compiled(&dense(8), "net");
    place(&mut program, 700, &[]).unwrap();
    let files = c::print(&program, &c::Options { sram_code: true, ..Default::default() });
    expect![[r##"
        #ifndef NET_SRAM_CODE
        #define NET_SRAM_CODE __attribute__((section(".data.net_code")))
        #define NET_SRAM_CODE
        #ifndef NET_SRAM_TABLE
        #define NET_SRAM_TABLE __attribute__((section(".data.net_tables")))
        #define NET_SRAM_TABLE
        NET_SRAM_CODE NAKED void row_sums_columns(const uint32_t *list, const int8_t *w, int32_t *sums, int tiles)
        NET_SRAM_CODE static inline void row_sums_of_list(const uint32_t *list, const int8_t *w, int outputs, int32_t *sums)
        NET_SRAM_CODE static void row_sums(const uint8_t *x, unsigned flip, int len, const int8_t *w, int pitch, int outputs, int32_t *sums)
        NET_SRAM_CODE static void row_sums_of_runs(const uint8_t *x, unsigned flip, const uint16_t *runs, int count, const int8_t *w, int pitch, int outputs,
        NET_SRAM_CODE static inline int32_t bits_i32(float x)
        NET_SRAM_CODE static inline float bits_f32(int32_t x)
        NET_SRAM_CODE static inline int32_t quantize_8(float x, uint32_t scale, uint32_t reciprocal, int32_t zero, int32_t low, int32_t high)
        NET_SRAM_CODE static inline float dequantize_8(int32_t d, float scale)
        NET_SRAM_CODE static inline int32_t wrap_add_i32(int32_t a, int32_t b)
        NET_SRAM_CODE static inline int64_t wrap_add_i64(int64_t a, int64_t b)
        NET_SRAM_CODE static inline int32_t max_i32(int32_t a, int32_t b)
        NET_SRAM_CODE static inline int32_t min_i32(int32_t a, int32_t b)
        NET_SRAM_CODE static inline int32_t shr_i32(int32_t a, int32_t b)
        NET_SRAM_CODE static inline int64_t shr_i64(int64_t a, int64_t b)
        NET_SRAM_CODE static inline int32_t mul_high_i32(int32_t a, int32_t b)
        NET_SRAM_TABLE static const int8_t constant[576] WORD_ALIGNED = {
        NET_SRAM_TABLE static const uint16_t constant_runs[12] = {
        NET_SRAM_TABLE static const uint16_t constant_rest_runs[14] = {
        NET_SRAM_CODE static void matmul(const int8_t *restrict in, int8_t *restrict out)
        row_sums_of_runs((const uint8_t *)in, 128u, constant_runs, 12, constant, 24, 24, false, sum);
        row_sums_of_runs((const uint8_t *)in, 128u, constant_rest_runs, 14, constant_rest, 24, 24, true, sum);
        NET_SRAM_CODE static void matmul_2(const int8_t *restrict in, int8_t *restrict out)
        NET_SRAM_CODE void net(const int8_t *input0, int8_t *output0)
    "##]].assert_eq(&marked(&files.source));
    expect![[r#"
        #define NET_SRAM_TABLE_BYTES 628
    "#]]
    .assert_eq(&marked(&files.header));
    let options = teff_compile::rust::Options { sram_code: true, ..Default::default() };
    expect![[r#"
        pub const SRAM_TABLE_BYTES: usize = 628;
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        math::row_sums_of_runs(&input[..], |x| i32::from(x) + 128, &CONSTANT_RUNS[..], &CONSTANT[0..], 24, false, &mut sum);
        math::row_sums_of_runs(&input[..], |x| i32::from(x) + 128, &CONSTANT_REST_RUNS[..], &CONSTANT_REST[0..], 24, true, &mut sum);
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_code"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_tables"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_tables"))]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".data.net_tables"))]
    "#]].assert_eq(&marked(&teff_compile::rust::print(&program, &options)));
    // Nothing is marked where nothing was asked for.
    let plain = compiled(&dense(8), "net");
    assert_eq!(marked(&c::print(&plain, &c::Options::default()).source), "");
    assert_eq!(marked(&teff_compile::rust::print(&plain, &Default::default())), "");
}

#[test]
fn sections_and_sizes_are_those_of_the_object_file() {
    if !has("arm-none-eabi-gcc") || !has("arm-none-eabi-size") {
        return;
    }
    let mut program = compiled(&dense(8), "net");
    place(&mut program, 700, &[]).unwrap();
    let budget = Budget::new(&program, &Target::CORTEX_M0PLUS);
    assert!(budget.ram_tables > 500);
    let files = c::print(&program, &c::Options { sram_code: true, ..Default::default() });
    let scratch = Scratch::new();
    scratch.write("net.c", &files.source);
    scratch.write("net.h", &files.header);
    let mut gcc = Command::new("arm-none-eabi-gcc");
    gcc.args(STRICT).args(["-mcpu=cortex-m0plus", "-mthumb", "-O2", "-ffreestanding", "-c", "net.c"]);
    gcc.arg("-ffunction-sections");
    let built = run(&scratch.0, &mut gcc);
    assert!(built.status.success(), "{}", text(&built));
    // Names and sizes of sections, whose padding is at most what aligns words.
    let listed = text(&run(&scratch.0, Command::new("arm-none-eabi-size").args(["-A", "net.o"])));
    let of = |wanted: &str| -> usize {
        let sizes = listed.lines().filter_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [section, bytes, ..] if section.starts_with(wanted) => bytes.parse::<usize>().ok(),
            _ => None,
        });
        sizes.sum()
    };
    assert!((budget.ram_tables..budget.ram_tables + 8).contains(&of(".data.net_tables")), "{listed}");
    let flash = budget.flash_weights - budget.ram_tables;
    assert!((flash..flash + 8).contains(&of(".rodata")), "{listed}");
    // What only callers call may wait for flash.
    let rest = of(".text") - of(".text.net_quantize") - of(".text.net_dequantize") - of(".text.net_argmax");
    assert_eq!(rest, 0, "all functions of the network lie in RAM: {listed}");
    assert!(of(".data.net_code") > 500, "{listed}");
}
