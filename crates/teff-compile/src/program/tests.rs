//! The normal form of indices, and what validator and evaluator catch.

use super::*;
use teff_graph::Value;

fn index_var(n: i64) -> VarInfo {
    VarInfo { name: "i".into(), kind: VarKind::Index { low: 0, high: n - 1 } }
}

fn var(i: u32) -> Index {
    Var(i).into()
}

#[test]
fn what_is_taken_apart_comes_together_again() {
    let vars = [index_var(60)];
    let parts = unravel(&var(0), &[3, 4, 5], &vars);
    assert_eq!(divisions(&[Stmt::LetIndex(Var(0), parts[1].clone())]), 1);
    assert_eq!(ravel(&parts, &[3, 4, 5]), var(0));
    // A reshape to other axes divides; one to fewer does not.
    let back = unravel(&ravel(&parts, &[3, 4, 5]), &[12, 5], &vars);
    assert_eq!(ravel(&back, &[12, 5]), var(0));
}

#[test]
fn division_by_a_stride_cancels_it() {
    let vars = [index_var(7), index_var(4)];
    let flat = var(0).times(4).plus(&var(1));
    assert_eq!(flat.divided(4, &vars), var(0));
    assert_eq!(flat.remainder(4, &vars), var(1));
    assert_eq!(
        flat.offset(9).divided(4, &vars),
        Index::atom(Atom::Div(Box::new(var(1).offset(1)), 4)).plus(&var(0).offset(2))
    );
}

/// x: two floats of input, copied to the output by way of the arena.
fn copy(arena: usize, count: usize) -> Program {
    let buffer = |name: &str, n: usize, place| Buffer {
        name: name.into(),
        ty: Type::new(DType::F32, [n]),
        align: 4,
        place,
        in_sram: false,
    };
    let port = |buffer| Port {
        name: "x".into(),
        ty: Type::new(DType::F32, [2]),
        buffer: BufferId(buffer),
        quantization: None,
    };
    let body = |to: u32, from: u32| {
        let value = Expr::Load(BufferId(from), DType::F32, var(0));
        vec![Stmt::For {
            var: Var(0),
            count,
            rolled: false,
            body: vec![Stmt::Store(BufferId(to), var(0), value)],
        }]
    };
    let kernel = |name: &str, body| Kernel {
        name: name.into(),
        label: None,
        words: vec![],
        ops: vec![],
        result: Type::new(DType::F32, [2]),
        macs: 0,
        products: Products::AsWritten,
        vars: vec![index_var(count as i64)],
        arrays: vec![],
        body,
    };
    Program {
        name: "copy".into(),
        buffers: vec![
            buffer("input", 2, Place::Input(0)),
            buffer("a", 2, Place::Arena(0)),
            buffer("b", 2, Place::Arena(arena)),
            buffer("output", 2, Place::Output(0)),
        ],
        kernels: vec![kernel("first", body(1, 0)), kernel("second", body(2, 0)), kernel("third", body(3, 1))],
        inputs: vec![port(0)],
        outputs: vec![port(3)],
        arena: Arena { bytes: 16, align: 4, lower_bound: 16 },
        off: None,
        labels: Vec::new(),
    }
}

fn run(program: &Program) -> Result<Vec<Value>, Fault> {
    evaluate(program, &[Value::new([2], vec![3.0f32, 4.0])])
}

#[test]
fn a_plan_that_overlaps_is_caught_where_it_is_read() {
    assert_eq!(validate(&copy(8, 2)), Ok(()));
    assert_eq!(run(&copy(8, 2)).unwrap(), [Value::new([2], vec![3.0f32, 4.0])]);
    let fault = run(&copy(4, 2)).unwrap_err();
    assert_eq!(fault.to_string(), "third: a[1] is read after b was written over it");
}

#[test]
fn reading_before_writing_is_caught() {
    let mut p = copy(8, 2);
    p.kernels.swap(0, 2);
    assert_eq!(run(&p).unwrap_err().to_string(), "third: a[0] is read before it is written");
    assert_eq!(run(&copy(8, 1)).unwrap_err().to_string(), "copy: output[1] is read before it is written");
}

#[test]
fn the_validator_says_what_is_wrong() {
    let reason = |change: &dyn Fn(&mut Program)| {
        let mut p = copy(8, 2);
        change(&mut p);
        validate(&p).expect_err("not valid").to_string()
    };
    let overrun = validate(&copy(8, 3)).unwrap_err().to_string();
    assert_eq!(overrun, "kernel first: an index of input runs from 0 to 2, outside its 2 elements");
    let body = |p: &mut Program, stmt: Stmt| p.kernels[0].body = vec![stmt];
    let one = || Expr::int(DType::F32, 1);
    assert!(
        reason(&|p| body(p, Stmt::Store(BufferId(0), Index::zero(), one()))).contains("input is read only")
    );
    assert!(
        reason(&|p| body(p, Stmt::Store(BufferId(1), var(0), one()))).contains("index i is not in scope")
    );
    assert!(reason(&|p| body(p, Stmt::Set(Var(0), one()))).contains("set but may not change"));
    let int = || Expr::int(DType::I32, 1);
    assert!(
        reason(&|p| body(p, Stmt::Store(BufferId(1), Index::zero(), int()))).contains("a holds f32, not i32")
    );
    let mixed = Expr::binary(Binary::Add, one(), int());
    assert!(
        reason(&|p| body(p, Stmt::Store(BufferId(1), Index::zero(), mixed.clone()))).contains("one dtype")
    );
    assert!(reason(&|p| p.buffers[2].place = Place::Arena(12)).contains("does not fit into the arena at 12"));
}

#[test]
fn conditions_prove_what_intervals_cannot() {
    // Element i - 1 of two, where i runs over four and the condition holds.
    let mut p = copy(8, 2);
    let at = var(0).offset(-1);
    let inside = Expr::InRange { index: at.clone(), low: 0, high: 2 };
    let load = Expr::Load(BufferId(0), DType::F32, at);
    let zero = Expr::int(DType::F32, 0);
    p.kernels[0].vars = vec![index_var(4)];
    let guarded = |value: Expr| {
        vec![Stmt::For {
            var: Var(0),
            count: 4,
            rolled: false,
            body: vec![Stmt::Store(BufferId(1), Index::zero(), value)],
        }]
    };
    p.kernels[0].body = guarded(Expr::select(inside.clone(), load.clone(), zero.clone()));
    assert_eq!(validate(&p), Ok(()));
    p.kernels[0].body = guarded(Expr::select(inside, zero, load));
    assert!(validate(&p).is_err());
}

#[test]
fn a_sum_with_a_quotient_bounds_its_dividend() {
    // 3 j + i / 3 is (9 j + i) / 3, and below 4 when 9 j + i is below 12.
    let vars = [index_var(9), index_var(3)];
    let quotient = Index::atom(Atom::Div(Box::new(var(0)), 3));
    let within = |index: Index| Facts::default().under(&Expr::InRange { index, low: 0, high: 4 });
    let facts = within(var(1).times(3).plus(&quotient));
    assert_eq!(facts.bounds(&var(1).times(9).plus(&var(0)), &vars), Some((0, 11)));
    // Of 3 j - i / 3 in that range: j is 0 with i below 3, or 1 with any i.
    let facts = within(var(1).times(3).minus(&quotient));
    let (low, high) = facts.bounds(&var(1).times(9).plus(&var(0)), &vars).unwrap();
    assert!(low <= 0 && high >= 17);
}
