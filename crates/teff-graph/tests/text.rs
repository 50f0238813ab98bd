//! The text form.

use expect_test::expect;
use teff_graph::{ConvGeometry, DType, Graph, Param, PoolKind, Tensor, Value, Window, print_brief};

fn small_network() -> Graph {
    let x = Tensor::input("x", DType::F32, &[1, 1, 4, 4]);
    let w = Tensor::param(&Param::new("c1.weight", Value::new([1, 1, 2, 2], vec![1.0f32, -0.5, 0.25, 1e-9])));
    let y = x.conv_general(&w, ConvGeometry::new(2)).named("c1").relu();
    let y = y.pool(PoolKind::Max, Window::new([2, 2], [1, 1])).flatten(1);
    let table = Tensor::constant(Value::new([3, 4], (0..12).map(|i| i as f32).collect::<Vec<_>>()));
    let y = (y.matmul(&table.transpose()) / 3.0).softmax(-1);
    Graph::from_tensors("small \"net\"", &[x], &[("probabilities", y.clone()), ("class", y.argmax(-1))])
        .unwrap()
}

#[test]
fn prints_what_a_reader_needs() {
    expect![[r#"
        graph "small \"net\""
        %0 = input "x" : f32[1,1,4,4]
        %1 = param "c1.weight" : f32[1,1,2,2]
        %2 = conv(%0, %1) stride=[1,1] dilation=[1,1] low=[0,0] high=[0,0] groups=[1] : f32[1,1,3,3]  # "c1"
        %3 = constant : f32[] = [0.0]
        %4 = broadcast(%3) : f32[1,1,3,3]
        %5 = max(%2, %4) : f32[1,1,3,3]
        %6 = pool_max(%5) size=[2,2] stride=[1,1] dilation=[1,1] low=[0,0] high=[0,0] : f32[1,1,2,2]
        %7 = reshape(%6) : f32[1,4]
        %8 = constant : f32[3,4] = ...
        %9 = permute(%8) perm=[1,0] : f32[4,3]
        %10 = matmul(%7, %9) : f32[1,3]
        %11 = constant : f32[] = [3.0]
        %12 = broadcast(%11) : f32[1,3]
        %13 = div(%10, %12) : f32[1,3]
        %14 = reduce_max(%13) axes=[1] : f32[1,1]
        %15 = stop_gradient(%14) : f32[1,1]
        %16 = broadcast(%15) : f32[1,3]
        %17 = sub(%13, %16) : f32[1,3]
        %18 = exp(%17) : f32[1,3]
        %19 = reduce_sum(%18) axes=[1] : f32[1,1]
        %20 = broadcast(%19) : f32[1,3]
        %21 = div(%18, %20) : f32[1,3]
        %22 = arg_max(%21) axis=[1] last=[0] : i64[1,1]
        %23 = reshape(%22) : i64[1]
        return "probabilities" %21
        return "class" %23
    "#]]
    .assert_eq(&print_brief(&small_network()));
}
