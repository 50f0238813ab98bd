//! What networks cost, so that nothing takes more time or memory unseen: operations, bytes and kernels of each on each machine.
//!
//! A change that makes a row better, or trades one for another with a reason, writes the table anew: `UPDATE_EXPECT=1`.

mod common;

mod oracle;

use common::Rng;
use common::nets::{all, graph};
use expect_test::expect;
use oracle::nets::{Net, network};
use std::fmt::Write;
use teff_compile::program::Products;
use teff_compile::{Budget, Floats, Options, Target, compile, program};
use teff_graph::{ConvGeometry, DType, Graph, Tensor, Value};

/// Kernels, those of mantissas in narrow and in wide weights; what is read, written and computed; the arena and the constants.
fn row(table: &mut String, name: &str, graph: &Graph, target: Target, floats: Floats) {
    let program = compile(graph, &Options { target, floats, ..Options::default() }).unwrap();
    let cost = program::cost(&program, &target);
    let of_width = |bits: u32| {
        let is = |p: &Products| matches!(p, Products::Mantissas { weight_bits, .. } if *weight_bits == bits);
        program.kernels.iter().filter(|k| is(&k.products)).count()
    };
    let kernels = format!("{}/{}/{}", program.kernels.len(), of_width(16), of_width(22));
    let counts = [cost.loads, cost.stores, cost.float_ops, cost.int_ops, cost.cycles.round() as u64];
    let bytes = [program.arena.bytes, program.constant_bytes()];
    write!(table, "{name:<10} {:<13} {kernels:>6}", target.name).unwrap();
    counts.iter().for_each(|n| write!(table, " {n:>8}").unwrap());
    bytes.iter().for_each(|n| write!(table, " {n:>7}").unwrap());
    table.push('\n');
}

#[test]
fn networks_of_floats() {
    let table = &mut String::new();
    for target in [Target::GENERIC, Target::CORTEX_M0PLUS, Target::CORTEX_M4] {
        for (name, (x, y)) in all(&mut Rng(5)) {
            row(table, name, &graph(&x, &y), target, Floats::default());
        }
    }
    expect![[r#"
        mlp        generic        2/0/0   338010      410   636010        0   572665    1600 1272040
        cnn        generic        3/0/0    60786     1762   344514        0   230299    7008   21032
        padded     generic        5/0/0   101160     1254   459094    23698   352858    4320   16268
        grouped    generic        4/0/0    43980     1494   149688     6390   135315    4800   31136
        sequence   generic        3/0/0      418      216      680        0     2691     288     112
        attention  generic       11/0/0     1808      696     5160        0     9773     864    1152
        norms      generic        9/0/0    10092     5014    10520        0    83735    3888     160
        mlp        cortex-m0plus  2/2/0   320788      410     1230  1286608  2115342    1600  638480
        cnn        cortex-m0plus  3/3/0   187616     1762     5286   820918  1799518    7008   10720
        padded     cortex-m0plus  5/2/0   255954     1254     5254  1203258  3214704    4320    8296
        grouped    cortex-m0plus  4/2/1    87780     1494    17388   329298  2496852    4800   17620
        sequence   cortex-m0plus  3/0/0      488      216      680        0   174032     288     112
        attention  cortex-m0plus 11/3/1     3480      696     2472    10104   492682     864     896
        norms      cortex-m0plus  9/0/0    10092     5014    10232        0  4246306    3888     160
        mlp        cortex-m4      2/0/0   397610      410   636010        0  2626416    1600 1272040
        cnn        cortex-m4      3/0/0   252770     1762   344514        0  1476816    7008   21032
        padded     cortex-m4      5/0/0   332360     1254   459094   238698  2477422    4320   16268
        grouped    cortex-m4      4/0/0   105720     1494   149688    69660   824154    4800   31136
        sequence   cortex-m4      3/0/0      488      216      680        0     8456     288     112
        attention  cortex-m4     11/0/0     2552      696     5160        0    32128     864    1152
        norms      cortex-m4      9/0/0    10092     5014    10232        0   203084    3888     160
    "#]]
    .assert_eq(table);
}

/// A layer of each kind, and what requantises it.
#[test]
fn quantised_layers() {
    let table = &mut String::new();
    for target in [Target::GENERIC, Target::CORTEX_M0PLUS] {
        for kind in 0..Net::KINDS {
            let (graph, _) = network(480 + kind as u64, 1);
            row(table, &format!("kind {kind}"), &graph, target, Floats::default());
        }
    }
    expect![[r#"
        kind 0     generic        2/0/0      880       54        0     3412     2618      40     792
        kind 1     generic        1/0/0      236       32        0     1800     1340       0      88
        kind 2     generic        1/0/0     3780      315        0    15120    14880       0     216
        kind 3     generic        2/0/0      357       42        0     1806     1286      35     529
        kind 4     generic        1/0/0       80       40        0      160      200       0     256
        kind 5     generic        1/0/0      150       75        0      300      375       0     512
        kind 6     generic        2/0/0      250       29        0     1024      939      24     160
        kind 7     generic        2/0/0      256       40        0     1046     1053      48      96
        kind 8     generic        1/0/0      240       60        0     1860     1785       0       0
        kind 9     generic        3/0/0      233       54        0     1227     1125     128     404
        kind 10    generic        1/0/0       60       30        0      390      345       0       0
        kind 11    generic        1/0/0      105       21        0      273      336       0       0
        kind 12    generic        2/0/0      862       71        0     3639     7515      60    1260
        kind 13    generic        1/0/0      144      144        0     1440     1395       0       0
        kind 14    generic        1/0/0       18       18        0      162      138       0       0
        kind 15    generic        2/0/0      574       49        0     2331     1713      35     546
        kind 16    generic        4/0/0      370      150        0      730     1877     280    1280
        kind 17    generic        1/0/0      600      150        0     1650     1743       0     104
        kind 18    generic        2/0/0      245       35        0      945      722      30     426
        kind 19    generic        1/0/0      210       70        0     1330      996       0     284
        kind 20    generic        3/0/0      360      168        0     1476     1395     120     512
        kind 21    generic        3/0/0      561       83        0     2504     2001      75     760
        kind 22    generic        1/0/0      240      120      960     1200     2704       0       8
        kind 23    generic        1/0/0     1200      120        0     9300     6348       0     155
        kind 0     cortex-m0plus  2/0/0     1004       54        0     4226     8750      40     704
        kind 1     cortex-m0plus  1/0/0      392       32        0     2184     4392       0      88
        kind 2     cortex-m0plus  1/0/0     3780      315        0    15120    44715       0     216
        kind 3     cortex-m0plus  2/0/0      392       42        0     1876     4998      35     529
        kind 4     cortex-m0plus  1/0/0       80       40        0      160      560       0     256
        kind 5     cortex-m0plus  1/0/0      150       75        0      300     1050       0     512
        kind 6     cortex-m0plus  2/0/0      272       29        0     1048     3145      24     160
        kind 7     cortex-m0plus  2/0/0      478       40        0     1104     3471      48      42
        kind 8     cortex-m0plus  1/0/0      240       60        0     1860     4680       0       0
        kind 9     cortex-m0plus  3/0/0      133       54        0     1281     2432     128     388
        kind 10    cortex-m0plus  1/0/0       60       30        0      390      930       0       0
        kind 11    cortex-m0plus  1/0/0      105       21        0      273     1029       0       0
        kind 12    cortex-m0plus  2/0/0      862       71        0     3729    18492      60    1260
        kind 13    cortex-m0plus  1/0/0      144      144        0     1440     3276       0       0
        kind 14    cortex-m0plus  1/0/0       18       18        0      162      354       0       0
        kind 15    cortex-m0plus  2/0/0      560       49        0     2384     4188      35     546
        kind 16    cortex-m0plus  4/0/0      370      150        0      730     5028     280    1280
        kind 17    cortex-m0plus  1/0/0      600      150        0     1800     4572       0      64
        kind 18    cortex-m0plus  2/0/0      274       35        0     1005     2590      30     426
        kind 19    cortex-m0plus  1/0/0      210       70        0     1330     3564       0     284
        kind 20    cortex-m0plus  3/0/0      480      168        0     1656     5412     120     512
        kind 21    cortex-m0plus  3/0/0      230       83        0     3021     5656      75     724
        kind 22    cortex-m0plus  1/0/0      240      120      360     5400    38776       0       8
        kind 23    cortex-m0plus  1/0/0     2148      120        0    12312    24552       0     180
    "#]]
    .assert_eq(table);
}

/// What a network's kernels compute, one a line.
fn words(x: &Tensor, y: &Tensor) -> String {
    let graph = Graph::from_tensors("words", std::slice::from_ref(x), &[("y", y.clone())]).unwrap();
    let program = compile(&graph, &Options::default()).unwrap();
    let kernels = Budget::new(&program, &Target::GENERIC).kernels;
    kernels.into_iter().map(|k| k.words).collect::<Vec<_>>().join("\n")
}

#[test]
fn layers_are_told_in_the_words_of_the_field() {
    let x = |shape: &[usize]| Tensor::input("x", DType::F32, shape);
    let w = |shape: &[usize]| {
        let n = shape.iter().product::<usize>();
        Tensor::constant(Value::new(shape, (0..n).map(|i| (i % 7) as f32 - 2.5).collect::<Vec<_>>()))
    };
    let (flat, picture, signal) = (x(&[1, 784]), x(&[1, 8, 12, 12]), x(&[1, 4, 16]));
    let is = |x: &Tensor, y: Tensor, wanted: &str| assert_eq!(words(x, &y), wanted);
    is(&flat, (flat.matmul(&w(&[784, 10])) + w(&[10])).relu(), "dense 784 -> 10, relu");
    is(&flat, w(&[6, 784]).matmul(&flat.transpose()), "dense 784 -> 6");
    let conv = picture.conv2d(&w(&[16, 8, 3, 3]), 1, 1, 1, 1) + w(&[16, 1, 1]);
    is(&picture, conv.relu().max_pool2d(2, 2), "conv 3x3, 8 -> 16, relu, max pool 2");
    is(&picture, conv.relu6(), "conv 3x3, 8 -> 16, relu6");
    is(&picture, conv.relu().max_pool2d(3, 2), "conv 3x3, 8 -> 16, relu\nmax pool 3, stride 2");
    is(&picture, picture.conv2d(&w(&[8, 1, 3, 3]), 2, 1, 1, 8), "depthwise conv 3x3, 8, stride 2");
    is(&picture, picture.conv2d(&w(&[4, 4, 1, 1]), 1, 0, 1, 2), "conv 1x1, 8 -> 4 in 2 groups");
    is(&signal, signal.conv1d(&w(&[6, 4, 5]), 1, 4, 2, 1), "conv 5, 4 -> 6, dilation 2");
    let twice = ConvGeometry::alike(2, 2, 0, 1, 1);
    let up = picture.conv_transpose(&w(&[8, 5, 2, 2]), twice, &[0, 0]);
    is(&picture, up, "transposed conv 2x2, 8 -> 5, stride 2");
    let same = picture.conv2d(&w(&[8, 8, 1, 1]), 1, 0, 1, 1);
    is(&picture, (same + &picture).relu(), "conv 1x1, 8 -> 8, add, relu");
    is(&picture, picture.avg_pool2d(2, 2), "average pool 2");
    is(&picture, picture.global_avg_pool(), "mean over 144");
    is(&flat, flat.softmax(-1), "softmax");
    is(&flat, flat.matmul(&w(&[784, 3])).gelu(), "dense 784 -> 3, gelu");
    let rows = x(&[1, 5, 8]);
    is(&rows, rows.matmul(&rows.transpose()), "transpose, product 5x8 by 8x5");
    // Zero points, requantising and clamps of integers are not functions of the network; a relu is where the least step is 0.
    let one = |v: f32| Tensor::constant(Value::new([1, 1], vec![v]));
    let at = |zero: i8| Tensor::constant(Value::new([1, 1], vec![zero]));
    let steps = Tensor::input("x", DType::I8, &[1, 16]);
    let weights =
        Tensor::constant(Value::new([16, 4], (0..64).map(|i| (i % 11) as i8 - 5).collect::<Vec<_>>()));
    let product = steps.dequantize(&one(0.1), &at(3)).matmul(&weights.dequantize(&one(0.02), &at(0)));
    let stored = |x: &Tensor, zero: i8| x.quantize(&one(0.05), &at(zero));
    is(&steps, stored(&product, 5), "dense 16 -> 4");
    is(&steps, stored(&product.relu(), -128), "dense 16 -> 4, relu");
    is(
        &steps,
        stored(&(product.relu() + steps.dequantize(&one(0.1), &at(3)).narrow(1, 0, 4)), 1),
        "dense 16 -> 4, relu, slice, add",
    );
}
