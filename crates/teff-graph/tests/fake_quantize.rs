//! Quantisation in training: the value of quantising and dequantising, and the gradient that is defined for it.

use teff_graph::{DType, Graph, Tensor, Value, evaluate, gradients};

fn run(inputs: &[(Tensor, Value)], outputs: &[Tensor]) -> Vec<Value> {
    let (tensors, values): (Vec<Tensor>, Vec<Value>) = inputs.iter().cloned().unzip();
    let named: Vec<(&str, Tensor)> = outputs.iter().map(|t| ("", t.clone())).collect();
    let graph = Graph::from_tensors("g", &tensors, &named).unwrap();
    evaluate(&graph, &values).unwrap()
}

#[test]
fn the_value_is_that_of_quantising_and_dequantising() {
    let x = Tensor::input("x", DType::F32, &[4, 64]);
    let numbers: Vec<f32> = (0..256).map(|i| ((i * 37 % 251) as f32 - 120.0) * 0.173).collect();
    let scale = Tensor::constant(Value::new([4, 1], vec![0.1f32, 0.037, 1.5, 0.3]));
    for (zero, low, high) in [(0, -8, 7), (-128, -128, 127), (13, -128, 127), (0, -1, 1)] {
        let zeros = Tensor::constant(Value::new([4, 1], vec![zero as i8; 4]));
        let op = teff_graph::Op::Quantize { dtype: DType::I8, low, high };
        let expected =
            Tensor::apply(op, &[x.clone(), scale.clone(), zeros.clone()]).dequantize(&scale, &zeros);
        let fake = x.fake_quantize(&scale, zero, low, high);
        let out = run(&[(x.clone(), Value::new([4, 64], numbers.clone()))], &[expected, fake]);
        assert_eq!(out[0].to_f64(), out[1].to_f64(), "zero {zero}, {low} to {high}");
    }
}

#[test]
fn the_gradient_passes_straight_through_where_x_is_in_range() {
    let x = Tensor::input("x", DType::F32, &[5]);
    let scale = Tensor::input("scale", DType::F32, &[]);
    let y = x.fake_quantize(&scale, 0, -2, 1);
    let weights = Tensor::from_slice(&[1.0f32, 10.0, 100.0, 1000.0, 10_000.0]);
    let loss = (y * &weights).sum(&[]);
    let grads = gradients(&[(loss.clone(), loss.full_like(1.0))], &[x.clone(), scale.clone()]).unwrap();
    let grads: Vec<Tensor> = grads.into_iter().map(Option::unwrap).collect();
    // In steps of 0.5: below the range, -0.6, 0.2, 0.8, above it.
    let values = Value::new([5], vec![-1.5f32, -0.3, 0.1, 0.4, 0.9]);
    let out = run(&[(x, values), (scale, Value::scalar(0.5f32))], &grads);
    assert_eq!(out[0].to_f64(), [0.0, 10.0, 100.0, 1000.0, 0.0]);
    // Esser et al. 2020, equation 3: round(x / s) - x / s inside, the bound outside.
    let expected = -2.0 + 10.0 * (-1.0 + 0.6) + 100.0 * (0.0 - 0.2) + 1000.0 * (1.0 - 0.8) + 10_000.0;
    assert!((out[1].to_f64()[0] - expected).abs() < 0.02, "{out:?} {expected}");
}

#[test]
fn rounding_straight_through_is_exact() {
    let x = Tensor::input("x", DType::F32, &[4]);
    let y = x.round_straight_through();
    let g = gradients(&[(y.clone(), y.full_like(3.0))], std::slice::from_ref(&x)).unwrap().remove(0).unwrap();
    let out = run(&[(x, Value::new([4], vec![0.5f32, 1.5, -2.4, 8_388_609.0]))], &[y, g]);
    assert_eq!(out[0].to_f64(), [0.0, 2.0, -2.0, 8_388_609.0]);
    assert_eq!(out[1].to_f64(), [3.0; 4]);
}
