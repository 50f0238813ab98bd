//! Words that flash is waited for, and what is chosen for them: counted by hand over programs of a few statements.

use super::{place, rows};
use crate::program::{
    Arena, ArrayId, ArrayInfo, Buffer, BufferId, Expr, Index, Kernel, Micro, PairSums, Place, Port, Products,
    Program, RowSums, Stmt, Var, VarInfo, VarKind, WindowSums, evaluate,
};
use std::sync::Arc;
use teff_graph::{DType, Num, Type, Value};

/// A program with an input of `inputs` u8, an output of `outputs` i32, and tables of these many bytes: buffers 0, 1, and 2 on.
fn program(inputs: usize, outputs: usize, tables: &[usize], kernels: Vec<Vec<Stmt>>) -> Program {
    let buffer = |name: String, ty: Type, place| Buffer { name, align: 4, ty, place, in_sram: false };
    let (x, y) = (Type::new(DType::U8, [inputs]), Type::new(DType::I32, [outputs]));
    let mut buffers =
        vec![buffer("x".into(), x.clone(), Place::Input(0)), buffer("y".into(), y.clone(), Place::Output(0))];
    for (i, &bytes) in tables.iter().enumerate() {
        let ty = Type::new(DType::I8, [bytes]);
        let value = Value::from_fn(&ty, |k| Num::Int((k * k % 7) as i128 - 3));
        buffers.push(buffer(format!("t{i}"), ty, Place::Constant(Arc::new(value))));
    }
    let port = |name: &str, ty: Type, buffer| Port {
        name: name.into(),
        ty,
        buffer: BufferId(buffer),
        quantization: None,
    };
    let kernel = |(i, body)| Kernel {
        name: format!("k{i}"),
        label: None,
        words: vec![],
        ops: vec![],
        result: y.clone(),
        macs: 0,
        products: Products::AsWritten,
        vars: vec![VarInfo { name: "i".into(), kind: VarKind::Index { low: 0, high: i64::MAX / 4 } }],
        arrays: vec![ArrayInfo { name: "sums".into(), dtype: DType::I32, len: outputs }],
        body,
    };
    Program {
        name: "net".into(),
        buffers,
        kernels: kernels.into_iter().enumerate().map(kernel).collect(),
        inputs: vec![port("x", x, 0)],
        outputs: vec![port("y", y.clone(), 1)],
        arena: Arena { bytes: 0, align: 4, lower_bound: 0 },
        off: None,
        labels: Vec::new(),
    }
}

fn again(count: usize, body: Vec<Stmt>) -> Stmt {
    Stmt::For { var: Var(0), count, rolled: false, body }
}

/// Reads an element of table `i`.
fn load(i: u32) -> Expr {
    Expr::Load(BufferId(2 + i), DType::I8, Index::zero())
}

fn store(value: Expr) -> Stmt {
    Stmt::Store(BufferId(1), Index::zero(), value.cast(DType::I32))
}

fn dense(table: u32, len: usize, outputs: usize, bits: u8) -> RowSums {
    RowSums {
        inputs: BufferId(0),
        first: 0,
        len,
        runs: None,
        rows: len,
        adds: false,
        weights: BufferId(2 + table),
        bits,
        at: Index::zero(),
        pitch: outputs,
        outputs,
        sums: ArrayId(0),
    }
}

fn misses(tables: &[usize], kernels: Vec<Vec<Stmt>>) -> Vec<f64> {
    super::misses(&program(4, 4, tables, kernels))[2..].to_vec()
}

#[test]
fn a_word_has_four_bytes_and_loops_read_again() {
    // Tables that together are more than the cache: each word is waited for each time.
    let big = 20_000;
    assert_eq!(misses(&[big], vec![vec![store(load(0))]]), [0.25]);
    assert_eq!(misses(&[big], vec![vec![again(3, vec![again(8, vec![store(load(0))])])]]), [6.0]);
    let sum = Expr::binary(teff_graph::Binary::Add, load(0), load(1));
    assert_eq!(
        misses(&[big, big], vec![vec![again(8, vec![store(sum)]), Stmt::Let(Var(0), load(1))]]),
        [2.0, 2.25]
    );
    // Both sides of a condition count, and so does the condition.
    let either = Stmt::If { condition: load(0), then: vec![store(load(1))], otherwise: vec![store(load(2))] };
    assert_eq!(misses(&[big, big, big], vec![vec![again(4, vec![either])]]), [1.0, 1.0, 1.0]);
    // Inputs are no tables.
    assert_eq!(misses(&[big], vec![vec![store(Expr::Load(BufferId(0), DType::U8, Index::zero()))]]), [0.0]);
}

#[test]
fn inner_loops_read_their_weights_once() {
    let big = 20_000;
    let pairs = |outputs, taps, bits| {
        let (inputs, sums) = (ArrayId(0), ArrayId(0));
        Micro::Pairs(PairSums {
            inputs,
            taps,
            weights: BufferId(2),
            bits,
            at: Index::zero(),
            outputs,
            sums,
            to: 0,
        })
    };
    let window = Micro::Window(WindowSums {
        words: ArrayId(0),
        pitch: 8,
        window: [3, 5],
        weights: BufferId(2),
        at: Index::zero(),
        rows: 2,
        row_step: 1,
        columns: 2,
        column_step: 1,
        sums: ArrayId(0),
    });
    for (micro, words) in [
        (Micro::Rows(dense(0, 10, 6, 8)), 10.0 * 6.0 / 4.0),
        (Micro::Rows(dense(0, 10, 6, 4)), 10.0 * 6.0 / 2.0 / 4.0),
        (pairs(4, 6, 8), 4.0 * 6.0 / 4.0),
        (pairs(3, 6, 8), (2.0 * 6.0 + 8.0) / 4.0),
        (pairs(4, 8, 2), 4.0 * 8.0 / 4.0 / 4.0),
        (window, 3.0 * 5.0 / 4.0),
    ] {
        assert_eq!(
            misses(&[big], vec![vec![again(7, vec![Stmt::Micro(micro.clone())])]]),
            [7.0 * words],
            "{micro:?}"
        );
    }
}

#[test]
fn what_the_cache_holds_is_waited_for_once_a_kernel() {
    let often = |table| vec![again(1_000_000, vec![store(load(table))])];
    assert_eq!(misses(&[16 << 10], vec![often(0)]), [4096.0]);
    assert_eq!(misses(&[(16 << 10) + 4], vec![often(0)]), [250_000.0]);
    // Two kernels: each begins with what the other left.
    assert_eq!(misses(&[400, 800], vec![often(0), often(0), often(1)]), [200.0, 200.0]);
    // All tables of a kernel share the cache; an output beside them takes none of it.
    let both = vec![again(1_000_000, vec![store(load(0)), store(load(1))])];
    assert_eq!(misses(&[12_000, 4_000], vec![both.clone()]), [3000.0, 1000.0]);
    assert_eq!(misses(&[12_000, 4_400], vec![both]), [250_000.0; 2]);
    // Fewer reads than the table has words.
    assert_eq!(misses(&[400], vec![vec![again(8, vec![store(load(0))])]]), [2.0]);
}

/// Names of the tables in SRAM.
fn placed(program: &Program) -> Vec<&str> {
    program.buffers.iter().filter(|b| b.in_sram).map(|b| b.name.as_str()).collect()
}

#[test]
fn what_costs_most_for_its_size_comes_first() {
    // Read 40, 40, 80, 20 and 0 times, of 400, 200, 400, 100 and 100 bytes: the third and the fourth save as much as the second.
    let body = |times: [usize; 4]| {
        let loops = times.iter().enumerate().map(|(i, &n)| again(n, vec![store(load(i as u32))]));
        vec![loops.collect::<Vec<_>>()]
    };
    let of = |bytes: usize| {
        let mut program = program(4, 4, &[400, 200, 400, 100, 100], body([40, 40, 80, 20]));
        place(&mut program, bytes, &[]).unwrap();
        placed(&program).join(" ")
    };
    assert_eq!(of(0), "");
    assert_eq!(of(99), "");
    assert_eq!(of(100), "t3", "of equal ones the smallest");
    assert_eq!(of(299), "t3");
    assert_eq!(of(300), "t1 t3");
    assert_eq!(of(699), "t1 t3");
    assert_eq!(of(700), "t1 t2 t3");
    assert_eq!(of(1099), "t1 t2 t3");
    assert_eq!(of(100_000), "t0 t1 t2 t3", "what nothing reads stays in flash");
    // What does not fit is passed over for what does.
    let mut passed = program(
        4,
        4,
        &[400, 100],
        body([80, 10, 0, 0])[0][..2].to_vec().into_iter().map(|s| vec![s]).collect(),
    );
    place(&mut passed, 150, &[]).unwrap();
    assert_eq!(placed(&passed), ["t1"]);
}

/// A dense layer of `len` inputs and four outputs.
fn layer(table: u32, len: usize) -> Vec<Stmt> {
    let sum = |i: i64| Expr::LoadLocal(ArrayId(0), DType::I32, Index::zero().offset(i));
    let stores = (0..4).map(|i| Stmt::Store(BufferId(1), Index::zero().offset(i), sum(i)));
    let sums = [Stmt::Array(ArrayId(0)), Stmt::Micro(Micro::Rows(dense(table, len, 4, 8)))];
    sums.into_iter().chain(stores).collect()
}

fn inputs(len: usize, set: &[usize]) -> Vec<Value> {
    vec![Value::from_fn(&Type::new(DType::U8, [len]), |i| Num::Int(set.contains(&i) as i128 * 9))]
}

/// Rows in SRAM, by the bytes of the table there.
fn rows_in_sram(program: &Program) -> usize {
    program.buffers[2].in_sram as usize * program.buffers[2].len() / 4
}

#[test]
fn samples_say_how_often_a_row_is_needed() {
    let often = |program: &Program, samples: &[Vec<Value>]| {
        rows::splits(program, samples).unwrap().iter().map(|s| s.often.clone()).collect::<Vec<_>>()
    };
    let one = program(6, 4, &[24], vec![layer(0, 6)]);
    let samples = [inputs(6, &[0, 1]), inputs(6, &[1]), inputs(6, &[1, 5]), inputs(6, &[])];
    assert_eq!(often(&one, &samples), [vec![0.25, 0.75, 0.0, 0.0, 0.0, 0.25]]);
    assert_eq!(often(&one, &[]), [vec![0.5; 6]], "as behind a rectifier");
    // A statement that runs several times is looked at each time.
    let [array, rest] = [layer(0, 6)[..1].to_vec(), layer(0, 6)[1..].to_vec()];
    let looped = program(6, 4, &[24], vec![[array, vec![again(3, rest)]].concat()]);
    assert_eq!(often(&looped, &samples), [vec![0.25, 0.75, 0.0, 0.0, 0.0, 0.25]]);
    // A square picture: its corners are the likeliest to be dark. Side 8, distances 7/8 and 1/8 from the middle.
    let picture = often(&program(64, 4, &[256], vec![layer(0, 64)]), &[]).remove(0);
    assert_eq!([0, 7, 56, 63].map(|k| picture[k]), [0.125; 4]);
    assert_eq!([27, 28, 35, 36].map(|k| picture[k]), [0.875; 4]);
    let beside = 1.0 - ((0.875f64.powi(2) + 0.125f64.powi(2)) / 2.0).sqrt();
    assert_eq!([3, 24, 60, 39].map(|k| picture[k]), [beside; 4]);
    // No picture: too small, not square, or not what the caller gives.
    assert_eq!(often(&program(49, 4, &[196], vec![layer(0, 49)]), &[]), [vec![0.5; 49]]);
    assert_eq!(often(&program(72, 4, &[288], vec![layer(0, 72)]), &[]), [vec![0.5; 72]]);
    assert_eq!(often(&program(65, 4, &[256], vec![layer(0, 64)]), &[]), [vec![0.5; 64]]);
}

#[test]
fn only_whole_tables_of_one_reader_are_split() {
    let count = |p: &Program| rows::splits(p, &[]).unwrap().len();
    assert_eq!(count(&program(6, 4, &[24], vec![layer(0, 6)])), 1);
    assert_eq!(count(&program(6, 4, &[28], vec![layer(0, 6)])), 0, "more than its rows");
    assert_eq!(count(&program(6, 4, &[24], vec![layer(0, 6), layer(0, 6)])), 0, "two kernels");
    let twice = [layer(0, 6), layer(0, 6)[1..].to_vec()].concat();
    assert_eq!(count(&program(6, 4, &[24], vec![twice])), 0, "two statements");
    assert_eq!(
        count(&program(6, 4, &[24], vec![[layer(0, 6), vec![store(load(0))]].concat()])),
        0,
        "a load beside it"
    );
    assert_eq!(count(&program(6, 4, &[24, 24], vec![layer(0, 6), layer(1, 6)])), 2);
}

#[test]
fn rows_that_save_more_than_a_second_statement_costs() {
    // Rows of one word. Each is needed in every run, so k rows save k words; a statement of its own takes 16 and a row.
    let samples = [inputs(60, &(0..30).collect::<Vec<_>>())];
    let placed = |bytes: usize| {
        let mut p = program(60, 4, &[240], vec![layer(0, 60)]);
        place(&mut p, bytes, &samples).unwrap();
        assert!(p.sram_bytes() <= bytes, "{} of {bytes}", p.sram_bytes());
        (rows_in_sram(&p), p.buffers.len())
    };
    // Tables of runs of two numbers for the rows, and of two for the others.
    assert_eq!(placed(17 * 4 + 8), (0, 3), "17 rows save no more than they cost");
    assert_eq!(placed(18 * 4 + 7), (0, 3), "no room for the runs of 18");
    assert_eq!(placed(18 * 4 + 8), (18, 6));
    assert_eq!(placed(25 * 4 + 8), (25, 6));
    assert_eq!(placed(1000), (30, 6), "rows that are never needed stay");
    // All rows are needed: the table as it is.
    let mut whole = program(60, 4, &[240], vec![layer(0, 60)]);
    place(&mut whole, 240, &[inputs(60, &(0..60).collect::<Vec<_>>())]).unwrap();
    assert_eq!((rows_in_sram(&whole), whole.buffers.len()), (60, 3));
}

#[test]
fn rows_lie_apart_and_sums_stay() {
    // Rows 3, 4 and from 20 to 39: what is passed over and what is meant, by turns. A table has the name already.
    let wanted: Vec<usize> = [3, 4].into_iter().chain(20..40).collect();
    let mut p = program(60, 4, &[240, 8], vec![layer(0, 60)]);
    p.buffers[3].name = "t0_rest".into();
    let before = p.clone();
    place(&mut p, 22 * 4 + 2 * (4 + 6), &[inputs(60, &wanted)]).unwrap();
    let numbers = |name: &str| {
        let buffer = p.buffers.iter().find(|b| b.name == name).unwrap_or_else(|| panic!("no {name}"));
        let Place::Constant(value) = &buffer.place else { panic!("{name} is a constant") };
        value.to_i64()
    };
    assert_eq!(numbers("t0_runs"), [3, 2, 15, 20]);
    assert_eq!(numbers("t0_rest_runs"), [0, 3, 2, 15, 20, 20]);
    assert_eq!((numbers("t0").len(), numbers("t0_rest_2").len()), (22 * 4, 38 * 4));
    for set in [(0..60).collect::<Vec<_>>(), vec![3, 19, 20, 39, 40], vec![]] {
        assert_eq!(evaluate(&p, &inputs(60, &set)).unwrap(), evaluate(&before, &inputs(60, &set)).unwrap());
    }
}
