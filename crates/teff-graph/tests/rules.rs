//! Operands that an operation does not take: each condition of its shape rule, and what is still allowed beside it.

use std::sync::Arc;
use teff_graph::facts::work;
use teff_graph::{
    Binary, ConvGeometry, DType, Graph, Op, PadAxis, PoolKind, ReduceKind, Scan, ScatterKind, SliceAxis,
    Tensor, Type, Unary, Window,
};

/// Operands of these types.
fn of(types: &[(DType, &[usize])]) -> Vec<Tensor> {
    types.iter().map(|(dtype, shape)| Tensor::input("x", *dtype, shape)).collect()
}

fn refused(op: Op, types: &[(DType, &[usize])], reason: &str) {
    let given = Tensor::apply(op.clone(), &of(types));
    let e = given.check().expect_err(&format!("{op} takes {types:?}"));
    assert!(e.reason().contains(reason), "{op} of {types:?}: {:?}, not {reason:?}", e.reason());
}

fn taken(op: Op, types: &[(DType, &[usize])], gives: (DType, &[usize])) {
    let given = Tensor::apply(op.clone(), &of(types)).ok().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(given.ty(), Type::new(gives.0, gives.1), "{op} of {types:?}");
}

const F: DType = DType::F32;
const I: DType = DType::I32;
const B: DType = DType::Bool;

#[test]
fn element_by_element() {
    let dtypes = [F, I, B];
    let unary: [(Unary, [bool; 3]); 6] = [
        (Unary::StopGradient, [true, true, true]),
        (Unary::Neg, [true, true, false]),
        (Unary::Not, [false, true, true]),
        (Unary::Exp, [true, false, false]),
        (Unary::Acosh, [true, false, false]),
        (Unary::IsNan, [true, false, false]),
    ];
    for (u, takes) in unary {
        for (dtype, takes) in dtypes.into_iter().zip(takes) {
            let result = if u == Unary::IsNan { B } else { dtype };
            match takes {
                true => taken(Op::Unary(u), &[(dtype, &[2])], (result, &[2])),
                false => refused(Op::Unary(u), &[(dtype, &[2])], "takes "),
            }
        }
    }
    for u in [Unary::Abs, Unary::Sign] {
        refused(Op::Unary(u), &[(B, &[2])], "takes numbers, not bool");
    }
    for u in [
        Unary::Sqrt,
        Unary::Sin,
        Unary::Atan,
        Unary::Sinh,
        Unary::Atanh,
        Unary::Sigmoid,
        Unary::IsInf,
        Unary::Erf,
        Unary::Erfc,
        Unary::Expm1,
    ] {
        refused(Op::Unary(u), &[(I, &[2])], "takes floats, not i32");
    }
    let binary: [(Binary, [bool; 3]); 8] = [
        (Binary::Add, [true, true, false]),
        (Binary::Pow, [true, true, false]),
        (Binary::Max, [true, true, true]),
        (Binary::Lt, [true, true, true]),
        (Binary::Xor, [false, true, true]),
        (Binary::Shl, [false, true, false]),
        (Binary::Shr, [false, true, false]),
        (Binary::MulHigh, [false, true, false]),
    ];
    for (b, takes) in binary {
        for (dtype, takes) in dtypes.into_iter().zip(takes) {
            let result = if b == Binary::Lt { B } else { dtype };
            match takes {
                true => taken(Op::Binary(b), &[(dtype, &[2]), (dtype, &[2])], (result, &[2])),
                false => refused(Op::Binary(b), &[(dtype, &[2]), (dtype, &[2])], "takes "),
            }
        }
    }
    refused(Op::Binary(Binary::Add), &[(F, &[2]), (F, &[1])], "one dtype and shape");
    refused(Op::Binary(Binary::Add), &[(F, &[2]), (I, &[2])], "one dtype and shape");
    refused(Op::Binary(Binary::Add), &[(F, &[2])], "takes 2 operands, not 1");
    taken(Op::Select, &[(B, &[2]), (F, &[2]), (F, &[2])], (F, &[2]));
    refused(Op::Select, &[(I, &[2]), (F, &[2]), (F, &[2])], "the condition must be boolean");
    refused(Op::Select, &[(B, &[3]), (F, &[2]), (F, &[2])], "one shape");
    refused(Op::Select, &[(B, &[2]), (F, &[2]), (I, &[2])], "one dtype");
}

#[test]
fn movement() {
    refused(Op::Reshape(vec![5]), &[(F, &[2, 3])], "6 elements do not fill the shape [5]");
    refused(Op::Reshape(vec![usize::MAX, 2]), &[(F, &[2, 3])], "do not fill");
    for perm in [vec![0], vec![0, 0], vec![0, 2], vec![0, 1, 2]] {
        refused(Op::Permute(perm), &[(F, &[2, 3])], "is not an order of 2 axes");
    }
    refused(Op::Broadcast(vec![3, 3]), &[(F, &[2, 3])], "does not broadcast to [3, 3]");
    refused(Op::Broadcast(vec![1]), &[(F, &[2])], "does not broadcast");
    taken(Op::Broadcast(vec![4, 2, 3]), &[(F, &[2, 1])], (F, &[4, 2, 3]));
    let slice = |start, step, len| Op::Slice(vec![SliceAxis { start, step, len }]);
    for (op, len) in [
        (slice(0, 1, 4), 4),
        (slice(3, -1, 4), 4),
        (slice(1, 2, 2), 2),
        (slice(9, 1, 0), 0),
        (slice(3, -3, 2), 2),
    ] {
        taken(op, &[(F, &[4])], (F, &[len]));
    }
    for op in
        [slice(0, 1, 5), slice(4, 1, 1), slice(3, -1, 5), slice(1, 3, 2), slice(0, 0, 1), slice(2, -3, 2)]
    {
        refused(op, &[(F, &[4])], "leaves axis 0, which has 4 elements");
    }
    refused(slice(0, 1, 1), &[(F, &[4, 4])], "1 slices for 2 axes");
    let pad = |low, high, interior| Op::Pad(vec![PadAxis { low, high, interior }]);
    taken(pad(1, 2, 3), &[(F, &[4]), (F, &[])], (F, &[1 + 4 + 3 * 3 + 2]));
    taken(pad(1, 2, 3), &[(F, &[0]), (F, &[])], (F, &[3]));
    refused(pad(0, 0, 0), &[(F, &[4, 4]), (F, &[])], "1 paddings for 2 axes");
    refused(pad(0, 0, 0), &[(F, &[4]), (I, &[])], "the fill must be a scalar of f32");
    refused(pad(0, 0, 0), &[(F, &[4]), (F, &[1])], "the fill must be a scalar");
    for op in [pad(usize::MAX, 0, 0), pad(0, usize::MAX, 0), pad(0, 0, usize::MAX)] {
        refused(op, &[(F, &[4]), (F, &[])], "the padding is too large");
    }
    let concat = |axis| Op::Concat { axis };
    taken(concat(1), &[(F, &[2, 3]), (F, &[2, 0]), (F, &[2, 4])], (F, &[2, 7]));
    refused(concat(0), &[], "needs at least one operand");
    refused(concat(2), &[(F, &[2, 3])], "axis 2 of operands with 2 axes");
    for second in [(I, &[2, 3][..]), (F, &[2]), (F, &[3, 3])] {
        refused(concat(1), &[(F, &[2, 3]), second], "one dtype and agree on all axes but 1");
    }
    refused(concat(0), &[(F, &[1 << 59][..]); 33], "the result is too large");
}

#[test]
fn reductions_and_indices() {
    let reduce = |kind, axes: &[usize]| Op::Reduce { kind, axes: axes.to_vec() };
    taken(reduce(ReduceKind::Max, &[0, 2]), &[(B, &[2, 3, 4])], (B, &[1, 3, 1]));
    for axes in [&[1, 0][..], &[1, 1], &[3], &[0, 3]] {
        refused(reduce(ReduceKind::Sum, axes), &[(F, &[2, 3, 4])], "must ascend and be below 3");
    }
    for kind in [ReduceKind::Sum, ReduceKind::Prod] {
        refused(reduce(kind, &[0]), &[(B, &[2])], "booleans have no sum or product");
    }
    let arg = |axis| Op::ArgReduce { min: false, axis, last: false };
    taken(arg(1), &[(F, &[2, 3])], (DType::I64, &[2, 1]));
    refused(arg(2), &[(F, &[2, 3])], "axis 2 of an operand with 2 axes");
    refused(arg(1), &[(F, &[2, 0])], "axis 1 is empty");
    refused(Op::ArgSort { axis: 1, descending: false }, &[(F, &[2])], "axis 1 of an operand with 1 axes");
    let gather = Op::Gather { axis: 1 };
    taken(gather.clone(), &[(F, &[2, 3]), (I, &[5])], (F, &[2, 5]));
    taken(gather.clone(), &[(F, &[2, 0]), (I, &[0])], (F, &[2, 0]));
    refused(gather.clone(), &[(F, &[2, 0]), (I, &[1])], "nothing to pick: axis 1 is empty");
    refused(gather.clone(), &[(F, &[2, 3]), (F, &[5])], "integers with one axis");
    refused(gather.clone(), &[(F, &[2, 3]), (I, &[5, 1])], "integers with one axis");
    refused(gather, &[(F, &[2]), (I, &[5])], "axis 1 of an operand with 1 axes");
    let scatter = Op::Scatter { axis: 1, kind: ScatterKind::Add };
    taken(scatter.clone(), &[(F, &[2, 3]), (I, &[5]), (F, &[2, 5])], (F, &[2, 3]));
    for updates in [(F, &[2, 3][..]), (I, &[2, 5])] {
        refused(scatter.clone(), &[(F, &[2, 3]), (I, &[5]), updates], "the updates must be f32[2,5]");
    }
    refused(scatter, &[(F, &[2, 3]), (F, &[5]), (F, &[2, 5])], "integers with one axis");
    refused(Op::Iota { ty: Type::new(F, [2]), axis: 1 }, &[], "axis 1 of a result with 1 axes");
    refused(Op::Iota { ty: Type::new(B, [2]), axis: 0 }, &[], "cannot count in booleans");
    for key in [(I, &[][..]), (DType::I64, &[1])] {
        refused(Op::Random { shape: vec![2] }, &[key], "the key is an i64 scalar");
    }
}

#[test]
fn products() {
    let matmul = |a, b, reason| refused(Op::MatMul, &[a, b], reason);
    taken(Op::MatMul, &[(I, &[7, 2, 3]), (I, &[7, 3, 4])], (I, &[7, 2, 4]));
    matmul((F, &[2, 3]), (I, &[3, 4]), "numbers of one dtype");
    matmul((B, &[2, 3]), (B, &[3, 4]), "numbers of one dtype");
    matmul((F, &[3]), (F, &[3]), "at least 2");
    matmul((F, &[1, 2, 3]), (F, &[3, 4]), "the same number of axes");
    matmul((F, &[1, 2, 3]), (F, &[2, 3, 4]), "the batch axes differ");
    matmul((F, &[2, 3]), (F, &[4, 3]), "3 columns on the left, 4 rows on the right");
    let g = |groups| ConvGeometry { groups, ..ConvGeometry::new(1) };
    taken(Op::Conv(g(2)), &[(F, &[1, 4, 8]), (F, &[6, 2, 3])], (F, &[1, 6, 6]));
    let conv = |groups, x, w, reason| refused(Op::Conv(g(groups)), &[x, w], reason);
    conv(1, (F, &[1, 4, 8]), (I, &[6, 4, 3]), "numbers of one dtype");
    conv(1, (B, &[1, 4, 8]), (B, &[6, 4, 3]), "numbers of one dtype");
    conv(1, (F, &[8]), (F, &[3]), "at least 2");
    conv(1, (F, &[1, 4, 8]), (F, &[6, 4, 3, 3]), "the same number of axes");
    conv(0, (F, &[1, 4, 8]), (F, &[6, 4, 3]), "at least one group");
    conv(4, (F, &[1, 4, 8]), (F, &[6, 1, 3]), "6 output channels do not divide into 4 groups");
    conv(2, (F, &[1, 4, 8]), (F, &[6, 4, 3]), "the input has 4 channels, the weights expect 4 in 2 groups");
    let adjoint = |groups| Op::ConvTranspose { geometry: g(groups), spatial: vec![8] };
    taken(adjoint(2), &[(F, &[1, 6, 6]), (F, &[6, 2, 3])], (F, &[1, 4, 8]));
    refused(adjoint(1), &[(F, &[1, 5, 6]), (F, &[6, 2, 3])], "must be [N, 6] followed by [6] to give [8]");
    refused(adjoint(1), &[(F, &[1, 6, 5]), (F, &[6, 2, 3])], "must be [N, 6] followed by [6] to give [8]");
    refused(adjoint(4), &[(F, &[1, 6, 6]), (F, &[6, 2, 3])], "6 output channels do not divide");
    let weights = |groups| Op::ConvWeightGrad { geometry: g(groups), kernel: vec![3] };
    taken(weights(2), &[(F, &[1, 4, 8]), (F, &[1, 6, 6])], (F, &[6, 2, 3]));
    refused(weights(3), &[(F, &[1, 4, 8]), (F, &[1, 6, 6])], "4 input channels do not divide into 3 groups");
    refused(weights(4), &[(F, &[1, 4, 8]), (F, &[1, 6, 6])], "6 output channels do not divide into 4 groups");
    refused(weights(2), &[(F, &[1, 4, 8]), (F, &[2, 6, 6])], "must be [1, O] followed by [6]");
    refused(weights(2), &[(F, &[1, 4, 8]), (F, &[1, 6, 7])], "must be [1, O] followed by [6]");
}

#[test]
fn windows() {
    let pool = |kind, window: &Window| Op::Pool { kind, window: window.clone() };
    let two = Window::new([2], [1]);
    taken(pool(PoolKind::ArgMax, &two), &[(F, &[1, 3, 8])], (DType::I64, &[1, 3, 7]));
    taken(pool(PoolKind::Max, &two), &[(I, &[1, 3, 8])], (I, &[1, 3, 7]));
    refused(pool(PoolKind::Max, &two), &[(B, &[1, 3, 8])], "takes numbers of shape [N, C, D..]");
    refused(pool(PoolKind::Sum, &Window::new([], [])), &[(F, &[8])], "takes numbers of shape [N, C, D..]");
    refused(pool(PoolKind::Max, &Window::new([9], [1])), &[(F, &[1, 3, 8])], "does not fit");
    for (low, high) in [(2, 0), (0, 2)] {
        let wide = Window { pad_low: vec![low], pad_high: vec![high], ..two.clone() };
        refused(pool(PoolKind::Max, &wide), &[(F, &[1, 3, 8])], "leaves windows that see nothing");
        taken(pool(PoolKind::Sum, &wide), &[(F, &[1, 3, 8])], (F, &[1, 3, 9]));
    }
    let edge = Window { pad_low: vec![1], pad_high: vec![1], ..two.clone() };
    taken(pool(PoolKind::Max, &edge), &[(F, &[1, 3, 8])], (F, &[1, 3, 9]));
    // Taps further apart than there are elements: the middle window sees nothing.
    let apart = |low| Window { dilation: vec![3], pad_low: vec![low], pad_high: vec![2], ..two.clone() };
    refused(pool(PoolKind::Max, &apart(2)), &[(F, &[1, 1, 1])], "leaves windows that see nothing");
    taken(pool(PoolKind::Max, &apart(3)), &[(F, &[1, 1, 3])], (F, &[1, 1, 5]));
    let spread = |spatial: usize| Op::SumPoolGrad { window: two.clone(), spatial: vec![spatial] };
    taken(spread(8), &[(I, &[1, 3, 7])], (I, &[1, 3, 8]));
    refused(spread(9), &[(I, &[1, 3, 7])], "must be [N, C] followed by [8]");
    refused(spread(8), &[(B, &[1, 3, 7])], "must be [N, C] followed by [7]");
    let given = Op::MaxPoolGrad { window: two };
    taken(given.clone(), &[(F, &[1, 3, 7]), (F, &[1, 3, 8])], (F, &[1, 3, 8]));
    refused(
        given.clone(),
        &[(F, &[1, 3, 6]), (F, &[1, 3, 8])],
        "must be f32[1,3,7], as the pool of the input is",
    );
    refused(given, &[(I, &[1, 3, 7]), (F, &[1, 3, 8])], "must be f32[1,3,7]");
}

#[test]
fn quantisation() {
    let (i8, scale) = (DType::I8, (F, &[1, 1][..]));
    let quantize = |dtype, low, high| Op::Quantize { dtype, low, high };
    let x = (F, &[2, 6][..]);
    taken(quantize(i8, -128, 127), &[x, scale, (i8, &[1, 1])], (i8, &[2, 6]));
    taken(quantize(i8, 3, 3), &[x, (F, &[2, 3]), (i8, &[2, 3])], (i8, &[2, 6]));
    for dtype in [F, B] {
        refused(quantize(dtype, 0, 1), &[x, scale, (dtype, &[1, 1])], "the result must be an integer type");
    }
    for (low, high) in [(-129, 0), (0, 128), (1, 0)] {
        refused(quantize(i8, low, high), &[x, scale, (i8, &[1, 1])], "do not fit into i8");
    }
    for types in [
        [(I, &[2, 6][..]), scale, (i8, &[1, 1][..])],
        [x, (DType::F64, &[1, 1]), (i8, &[1, 1])],
        [x, scale, (DType::U8, &[1, 1])],
    ] {
        refused(quantize(i8, 0, 1), &types, "takes x and scale of one float type");
    }
    for (scale, zero) in [(&[1, 1][..], &[1, 2][..]), (&[1], &[1]), (&[1, 4], &[1, 4]), (&[0, 1], &[0, 1])] {
        refused(quantize(i8, 0, 1), &[x, (F, scale), (i8, zero)], "scale and zero point must have one shape");
    }
    taken(Op::Dequantize, &[(i8, &[0, 6]), (F, &[0, 3]), (i8, &[0, 3])], (F, &[0, 6]));
    for types in [
        [(F, &[2, 6][..]), scale, (F, &[1, 1][..])],
        [(i8, &[2, 6]), (I, &[1, 1]), (i8, &[1, 1])],
        [(i8, &[2, 6]), scale, (I, &[1, 1])],
    ] {
        refused(Op::Dequantize, &types, "takes q and zero point of one integer type and a float scale");
    }
}

/// A body that adds a scanned row to its state and gives the sum and a doubled row.
fn body() -> Arc<Graph> {
    let inputs = of(&[(F, &[2]), (F, &[2])]);
    let sum = &inputs[0] + &inputs[1];
    Arc::new(Graph::from_tensors("b", &inputs, &[("", sum), ("", &inputs[1] * 2.0)]).unwrap())
}

#[test]
fn loops() {
    let scan =
        |states, scanned, length| Op::Scan(Scan { body: body(), states, scanned, length, reverse: false });
    let rows = [(F, &[2][..]), (F, &[5, 2][..])];
    taken(scan(1, 1, 5), &rows, (F, &[2]));
    refused(scan(1, 1, 4), &rows, "operand 1 is f32[5,2], the body expects f32[4,2]");
    refused(scan(1, 0, 5), &rows, "operand 1 is f32[5,2], the body expects f32[2]");
    refused(scan(0, 1, 5), &rows, "operand 0 is f32[2], the body expects f32[5,2]");
    refused(scan(1, 2, 5), &rows, "2 operands for a body of 2 inputs and 2 outputs, 1 of them states");
    refused(scan(3, 0, 5), &rows, "3 of them states");
    refused(scan(1, 1, 5), &rows[..1], "1 operands for a body of 2 inputs");
    // A state that changes its type on the way.
    let inputs = of(&[(F, &[2])]);
    let body = Graph::from_tensors("b", &inputs, &[("", inputs[0].sum(&[0]))]).unwrap();
    let changing = Scan { body: Arc::new(body), states: 1, scanned: 0, length: 3, reverse: false };
    refused(Op::Scan(changing), &[(F, &[2])], "state 0 enters the body as f32[2] and leaves it as f32[]");
    // Nothing comes out.
    let body = Graph::from_tensors("b", &of(&[(F, &[2])]), &[]).unwrap();
    let silent = Scan { body: Arc::new(body), states: 0, scanned: 0, length: 3, reverse: false };
    refused(Op::Scan(silent), &[(F, &[2])], "gives nothing");
    // An output stacked so often that it does not fit.
    refused(scan(1, 1, 1 << 60), &[(F, &[2]), (F, &[1 << 60, 2])], "does not fit into memory");
}

#[test]
fn what_memory_holds() {
    let wide = vec![1; 64];
    taken(Op::Reshape(wide.clone()), &[(F, &[1])], (F, &wide));
    refused(Op::Reshape(vec![1; 65]), &[(F, &[1])], "a result of 65 axes; 64 are the most");
    // Eight bytes an element, whatever the type; an empty axis counts as one.
    let most = 1usize << 59;
    taken(Op::Broadcast(vec![most]), &[(DType::U8, &[1])], (DType::U8, &[most]));
    refused(Op::Broadcast(vec![most * 2]), &[(DType::U8, &[1])], "does not fit into memory");
    refused(Op::Broadcast(vec![0, most * 2]), &[(DType::U8, &[0, 1])], "does not fit into memory");
}

#[test]
fn work_is_counted_in_elements() {
    // Operands and result, and a product for each: by hand.
    let count = |op: Op, types: &[(DType, &[usize])]| {
        let result = Tensor::apply(op.clone(), &of(types)).ok().unwrap_or_else(|e| panic!("{e}")).ty();
        let operands: Vec<Type> = types.iter().map(|(dtype, shape)| Type::new(*dtype, *shape)).collect();
        work(&op, &operands, &result)
    };
    let g = ConvGeometry { groups: 2, ..ConvGeometry::new(1) };
    let window = Window { pad_low: vec![1], ..Window::new([3], [1]) };
    assert_eq!(count(Op::Unary(Unary::Neg), &[(F, &[5])]), 1 + 5 + 5);
    assert_eq!(count(Op::MatMul, &[(F, &[2, 3]), (F, &[3, 4])]), 1 + 8 + 6 + 12 + 8 * 3);
    assert_eq!(count(Op::Conv(g.clone()), &[(F, &[1, 4, 8]), (F, &[6, 2, 3])]), 1 + 36 + 32 + 36 + 36 * 6);
    let adjoint = Op::ConvTranspose { geometry: g.clone(), spatial: vec![8] };
    assert_eq!(count(adjoint, &[(F, &[1, 6, 6]), (F, &[6, 2, 3])]), 1 + 32 + 36 + 36 + 36 * 6);
    let weights = Op::ConvWeightGrad { geometry: g, kernel: vec![3] };
    assert_eq!(count(weights, &[(F, &[1, 4, 8]), (F, &[1, 6, 6])]), 1 + 36 + 32 + 36 + 36 * 6);
    let pool = Op::Pool { kind: PoolKind::Max, window: window.clone() };
    assert_eq!(count(pool.clone(), &[(F, &[1, 2, 8])]), 1 + 14 + 16 + 14 * 3);
    assert_eq!(count(pool, &[(F, &[1, 2, 2])]), 1 + 2 + 4 + 2 * 2, "a window sees no more than there is");
    let spread = Op::SumPoolGrad { window: window.clone(), spatial: vec![8] };
    assert_eq!(count(spread, &[(F, &[1, 2, 7])]), 1 + 16 + 14 + 14 * 3);
    assert_eq!(
        count(Op::MaxPoolGrad { window }, &[(F, &[1, 2, 7]), (F, &[1, 2, 8])]),
        1 + 16 + 14 + 16 + 14 * 3
    );
    assert_eq!(count(Op::ArgSort { axis: 0, descending: false }, &[(F, &[16])]), 1 + 16 + 16 + 16 * 4);
    // Five rounds of an input each, an addition, a constant, its broadcast and a product, and one besides.
    let scan = Scan { body: body(), states: 1, scanned: 1, length: 5, reverse: false };
    let round = 1 + 2 * (1 + 2) + (1 + 2 + 2 + 2) + (1 + 1) + (1 + 2 + 1) + (1 + 2 + 2 + 2);
    assert_eq!(count(Op::Scan(scan), &[(F, &[2]), (F, &[5, 2])]), 1 + 2 + 2 + 10 + 5 * round);
}
