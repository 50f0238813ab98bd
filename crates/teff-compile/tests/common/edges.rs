//! Every function of one or two elements and every cast, at the edges of every element type.

use super::c::Case;
use teff_compile::{Options, compile, program};
use teff_graph::{Binary, DType, Graph, Num, Op, Tensor, Type, Unary, Value, evaluate, infer};

/// Numbers at which functions and conversions of `dtype` turn.
fn edges(dtype: DType) -> Vec<Num> {
    match dtype.int_range() {
        Some((low, high)) => {
            let near = [low, low + 1, -7, -2, -1, 0, 1, 2, 3, 5, 31, high / 2, high - 1, high];
            let mut all: Vec<i128> = near.into_iter().filter(|i| (low..=high).contains(i)).collect();
            all.sort_unstable();
            all.dedup();
            all.into_iter().map(Num::Int).collect()
        }
        None => {
            let near = [
                0.0,
                0.25,
                0.5,
                1.0,
                1.5,
                2.5,
                3.5,
                126.6,
                127.5,
                128.6,
                254.9,
                255.5,
                32767.5,
                65535.9,
                1e-40,
                2147483520.0,
            ];
            let far = [
                2147483648.0,
                4294967040.0,
                4294967296.0,
                9.2e18,
                9223372036854775808.0,
                1.9e19,
                1e30,
                f64::INFINITY,
            ];
            let all = near.into_iter().chain(far).flat_map(|x| [x, -x]).chain([f64::NAN]);
            all.map(Num::Float).collect()
        }
    }
}

fn is_exact(u: Unary) -> bool {
    match u {
        Unary::Neg | Unary::Abs | Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round | Unary::Sqrt => {
            true
        }
        Unary::Not | Unary::IsNan | Unary::IsInf | Unary::StopGradient => true,
        Unary::Exp
        | Unary::Log
        | Unary::Sin
        | Unary::Cos
        | Unary::Tan
        | Unary::Asin
        | Unary::Acos
        | Unary::Atan => false,
        Unary::Sinh | Unary::Cosh | Unary::Tanh | Unary::Asinh | Unary::Acosh | Unary::Atanh => false,
        Unary::Erf | Unary::Erfc | Unary::Expm1 | Unary::Sigmoid => false,
    }
}

fn case(name: &str, inputs: &[(Tensor, Value)], outputs: &[Tensor], tolerance: f64) -> Case {
    let tensors: Vec<Tensor> = inputs.iter().map(|(t, _)| t.clone()).collect();
    let named: Vec<(&str, Tensor)> = outputs.iter().map(|t| ("", t.clone())).collect();
    let graph = Graph::from_tensors(name, &tensors, &named).unwrap();
    let values: Vec<Value> = inputs.iter().map(|(_, v)| v.clone()).collect();
    let compiled = compile(&graph, &Options { name: name.into(), ..Options::default() }).unwrap();
    let expected = evaluate(&graph, &values).unwrap();
    let found = program::evaluate(&compiled, &values).unwrap();
    for (i, (e, f)) in expected.iter().zip(&found).enumerate() {
        let same =
            |k: usize| e.get(k) == f.get(k) || e.get(k).as_f64().is_nan() && f.get(k).as_f64().is_nan();
        assert!((0..e.len()).all(same), "{name}: output {i}: {f:?} instead of {e:?}");
    }
    Case { program: compiled, inputs: values, expected, tolerance, about: teff_graph::print_brief(&graph) }
}

/// All exact functions of one and two numbers, and all casts, of one dtype.
fn exact(dtype: DType) -> Case {
    let numbers = edges(dtype);
    let n = numbers.len();
    let ty = Type::new(dtype, [n * n]);
    let (a, b) = (Tensor::input("a", dtype, &[n * n]), Tensor::input("b", dtype, &[n * n]));
    let takes = |op: &Op, operands: usize| infer(op, &vec![ty.clone(); operands]).is_ok();
    let mut outputs = Vec::new();
    for &u in Unary::ALL.iter().filter(|u| is_exact(**u)) {
        if takes(&Op::Unary(u), 1) {
            outputs.push(Tensor::apply(Op::Unary(u), std::slice::from_ref(&a)));
        }
    }
    for &op in Binary::ALL.iter().filter(|op| **op != Binary::Pow || !dtype.is_float()) {
        if takes(&Op::Binary(op), 2) {
            outputs.push(Tensor::apply(Op::Binary(op), &[a.clone(), b.clone()]));
        }
    }
    outputs.extend(DType::ALL.iter().map(|&to| a.cast(to)));
    outputs.push(a.less(&b).select(&a, &b));
    let values = [Value::from_fn(&ty, |i| numbers[i / n]), Value::from_fn(&ty, |i| numbers[i % n])];
    let [va, vb] = values;
    case(&format!("exact_{dtype}"), &[(a, va), (b, vb)], &outputs, 0.0)
}

/// A function that C libraries compute to within a rounding or two.
fn close(dtype: DType) -> Case {
    let n = 33;
    let ty = Type::new(dtype, [n]);
    let a = Tensor::input("a", dtype, &[n]);
    let functions = Unary::ALL.iter().filter(|u| !is_exact(**u));
    let mut outputs: Vec<Tensor> =
        functions.map(|&u| Tensor::apply(Op::Unary(u), std::slice::from_ref(&a))).collect();
    outputs.push(a.abs().pow(&(&a + 0.5)));
    let value = Value::from_fn(&ty, |i| Num::Float((i as f64 - 16.0) / 8.0));
    case(&format!("close_{dtype}"), &[(a, value)], &outputs, if dtype == DType::F32 { 1e-6 } else { 1e-14 })
}

/// Exponentials over the whole range, each times what makes 1 of it, and where they end.
fn exponentials() -> Case {
    let n = 700;
    let x = |i: usize| -86.5 + i as f64 * 0.25;
    let a = Tensor::input("a", DType::F32, &[n]);
    let back = Tensor::from_slice(&(0..n).map(|i| (-x(i)).exp() as f32).collect::<Vec<_>>());
    let ends = [104.0, 88.73, 88.72, 0.0, -0.0, 1e-9, -1e-40, -87.4, -95.0, -103.9, -104.0, -1e30, 1e30];
    let all = ends.into_iter().chain([f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
    let e = Tensor::input("e", DType::F32, &[16]);
    let outputs = [
        a.exp() * back,
        (&a * 0.1).tanh(),
        (&a * 0.2).sigmoid(),
        (&a * 0.001).tanh() * 10.0,
        e.tanh(),
        e.sigmoid(),
    ];
    let ends: Vec<Num> = all.map(Num::Float).collect();
    let inputs = [
        (a, Value::from_fn(&Type::new(DType::F32, [n]), |i| Num::Float(x(i)))),
        (e.clone(), Value::from_fn(&Type::new(DType::F32, [16]), |i| ends[i])),
    ];
    // What is neither nothing nor infinite is made 1 in two steps, neither of which is: subnormal numbers count to the last bit.
    let half = |x: f64| if (-104.0..88.73).contains(&x) { (-x / 2.0).exp() as f32 } else { 1.0 };
    let half = Tensor::from_slice(&ends.iter().map(|x| half(x.as_f64())).collect::<Vec<_>>());
    let last = e.exp() * &half * half;
    case("exponentials", &inputs, &[&outputs[..], &[last]].concat(), 3e-7)
}

/// `n` elements in order along either axis, upwards and downwards: many are equal, some no numbers.
fn sorted(dtype: DType, n: usize) -> Case {
    let x = Tensor::input("x", dtype, &[n, 2]);
    let along = |axis: isize| [x.argsort(axis, false), x.argsort(axis, true)];
    let lines = x.transpose().reshape(&[2, n]);
    let outputs = [along(0), along(1), [lines.argsort(1, false), lines.argsort(1, true)]].concat();
    let few =
        [Num::Float(f64::NAN), Num::Float(-0.0), Num::Float(f64::INFINITY), Num::Float(f64::NEG_INFINITY)];
    let number = |i: usize| match (i * i * 31 + i * 7) % (n + 5) {
        at if dtype.is_float() && at < few.len() => few[at],
        at => Num::Int((at as i128 - 3) % 50),
    };
    case(
        &format!("sorted_{dtype}_{n}"),
        &[(x.clone(), Value::from_fn(&Type::new(dtype, [n, 2]), number))],
        &outputs,
        0.0,
    )
}

/// One case for each element type, one for the functions of each float, and sorts of few and of many.
pub fn cases() -> Vec<Case> {
    let exact = DType::ALL.into_iter().map(exact);
    let sorts = [15, 16, 17, 64, 100].map(|n| sorted(DType::F32, n));
    exact
        .chain([close(DType::F32), close(DType::F64), sorted(DType::I8, 40)])
        .chain(sorts)
        .chain([exponentials()])
        .collect()
}
