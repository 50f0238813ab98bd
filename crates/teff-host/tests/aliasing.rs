//! What keeps values that share memory apart. Each test fails when the condition it is about is taken out of `lower/`,
//! `pointwise/` or `scan.rs`; what is right is what the reference evaluator says of the parameters before the run.

use teff_graph::{DType, Graph, Num, Param, SliceAxis, Tensor, Type, Value, evaluate};
use teff_host::{Options, Plan};

/// Small integers, so that sums are exact in any order.
fn value(seed: i64, dtype: DType, shape: &[usize]) -> Value {
    let number = |i: usize| Num::Int(teff_graph::random_bits(seed, i as u64) as i128 % 5 - 1);
    Value::from_fn(&Type::new(dtype, shape), number)
}

fn param(seed: i64, shape: &[usize]) -> Param {
    Param::new(&format!("p{seed}"), value(seed, DType::F32, shape))
}

/// An input that `run` fills.
fn input(shape: &[usize]) -> Tensor {
    Tensor::input("x", DType::F32, shape)
}

/// Runs a plan three times and compares every output and every updated parameter with what the evaluator gives for the values
/// from before the run; returns the plan's text.
fn run(inputs: &[&Tensor], outputs: &[&Tensor], updates: &[(&Param, Tensor)]) -> String {
    let inputs: Vec<Tensor> = inputs.iter().map(|&t| t.clone()).collect();
    let mut named: Vec<(&str, Tensor)> = outputs.iter().map(|&t| ("", t.clone())).collect();
    named.extend(updates.iter().map(|(_, t)| ("", t.clone())));
    let graph = Graph::from_tensors("g", &inputs, &named).unwrap();
    let pairs: Vec<(usize, Param)> =
        updates.iter().enumerate().map(|(i, (p, _))| (outputs.len() + i, (*p).clone())).collect();
    let mut plan = Plan::with_updates(&graph, &pairs, &Options { threads: 1 }).unwrap();
    for round in 0..3 {
        let values: Vec<Value> = inputs
            .iter()
            .enumerate()
            .map(|(i, t)| value(100 + 10 * round + i as i64, t.dtype(), t.shape()))
            .collect();
        values.iter().enumerate().for_each(|(i, v)| plan.set_input(i, v).unwrap());
        let expected = evaluate(&graph, &values).unwrap();
        plan.run().unwrap();
        for (i, e) in expected.iter().enumerate() {
            assert_eq!(plan.output_value(i), *e, "round {round}, output {i}\n{}", plan.describe());
        }
        // Back to small numbers: what is updated again and again must stay exact.
        for (k, (p, _)) in updates.iter().enumerate() {
            *p.value_mut() = value(round * 7 + k as i64, DType::F32, p.ty().shape.as_slice());
        }
    }
    plan.describe()
}

/// A value in the arena: a matrix product is a step of its own and its result is overwritten by nothing but what may.
fn computed(x: &Tensor, seed: i64) -> Tensor {
    let n = *x.shape().last().unwrap();
    x.matmul(&Tensor::constant(value(seed, DType::F32, &[n, n])))
}

// Updates.

#[test]
fn parameters_can_be_exchanged() {
    let (p, q, r) = (param(1, &[4, 4]), param(2, &[4, 4]), param(3, &[4, 4]));
    let [a, b, c] = [&p, &q, &r].map(Tensor::param);
    run(&[], &[], &[(&p, b.clone()), (&q, a.clone())]);
    run(&[], &[], &[(&p, b.transpose()), (&q, c), (&r, a.flip(0))]);
    // An exchange beside an update in place.
    let x = input(&[4, 4]);
    run(&[&x], &[], &[(&p, b.clone()), (&q, &b + &x)]);
}

#[test]
fn outputs_show_the_values_from_before_an_update() {
    let (p, x) = (param(1, &[4, 4]), input(&[4, 4]));
    let old = Tensor::param(&p);
    let moved = old.slice(0, 1, 3, 1);
    run(&[&x], &[&old, &old.transpose(), &moved], &[(&p, &old + &x)]);
}

#[test]
fn one_result_updates_several_parameters_and_is_an_output() {
    let (p, q, x) = (param(1, &[4, 4]), param(2, &[4, 4]), input(&[4, 4]));
    let new = Tensor::param(&p) + Tensor::param(&q) * &x;
    run(&[&x], &[&new, &new.transpose()], &[(&p, new.clone()), (&q, new.clone())]);
}

#[test]
fn who_reads_the_old_value_comes_before_its_update() {
    let (p, x) = (param(1, &[4, 4]), input(&[4, 4]));
    let old = Tensor::param(&p);
    let new = &old + &x;
    // Made after the update, so that only the order asked for puts them before it.
    let readers = [x.matmul(&old), old.transpose().sum(&[0]), Tensor::concat(&[old.clone(), x.clone()], 0)];
    run(&[&x], &readers.each_ref(), &[(&p, new)]);
}

#[test]
fn who_reads_the_old_value_may_need_the_new_one() {
    let (p, x) = (param(1, &[4, 4]), input(&[4, 4]));
    let old = Tensor::param(&p);
    let new = &old + &x;
    run(&[&x], &[&new.matmul(&old)], &[(&p, new.clone())]);
    // Through the update of another.
    let q = param(2, &[4, 4]);
    let other = new.matmul(&Tensor::param(&q));
    run(&[&x], &[], &[(&p, new), (&q, other.matmul(&old))]);
}

#[test]
fn what_is_not_computed_by_elements_does_not_overwrite_its_operand() {
    let p = param(1, &[5, 5]);
    let old = Tensor::param(&p);
    let whole = |new: Tensor| run(&[], &[], &[(&p, new)]);
    whole(old.matmul(&old));
    whole(old.matmul(&old.transpose()));
    whole(Tensor::concat(&[old.narrow(0, 3, 2), old.narrow(0, 0, 3)], 0));
    whole(old.narrow(0, 0, 4).pad(&[(1, 0), (0, 0)], 7.0));
    whole(old.gather(&Tensor::from_slice(&[4i64, 0, 1, 2, 3]), 0));
    let (rows, sum) = (param(2, &[1, 6]), input(&[3, 6]));
    let spread = Tensor::param(&rows).broadcast_to(&[3, 6]);
    run(&[&sum], &[], &[(&rows, (&spread * &sum).sum_keep(&[0]))]);
    let images = param(3, &[8, 2, 4, 4]);
    let w = Tensor::constant(value(4, DType::F32, &[2, 2, 3, 3]));
    run(&[], &[], &[(&images, Tensor::param(&images).conv2d(&w, 1, 1, 1, 1))]);
    let (last, _) = Tensor::scan(&[old.pick(0, 0)], std::slice::from_ref(&old), false, |s, x| {
        (vec![&s[0] + &x[0]], vec![])
    });
    whole(last[0].unsqueeze(0).broadcast_to(&[5, 5]));
}

#[test]
fn elements_elsewhere_are_read_before_they_are_overwritten() {
    // More than one block of the inner loops, in rows that are no whole number of blocks.
    let (p, x) = (param(1, &[41, 41]), input(&[41, 41]));
    let old = Tensor::param(&p);
    let others: [fn(&Tensor) -> Tensor; 6] = [
        |t| t.transpose(),
        |t| t.flip(0),
        |t| t.flip(1),
        |t| t.narrow(0, 0, 1).broadcast_to(&[41, 41]),
        |t| t.pick(0, 0).pick(0, 0).broadcast_to(&[41, 41]),
        |t| t.sum_keep(&[1]).broadcast_to(&[41, 41]),
    ];
    for other in others {
        run(&[], &[], &[(&p, &old - other(&old))]);
        run(&[], &[], &[(&p, other(&old) - &old * 3.0)]);
        let t = computed(&x, 1);
        run(&[&x], &[&computed(&(&t - other(&t)), 2)], &[]);
    }
}

#[test]
fn a_unit_reads_a_parameter_after_it_computed_its_update() {
    let (p, q, x) = (param(1, &[300]), param(2, &[300]), input(&[300]));
    let (a, b) = (Tensor::param(&p), Tensor::param(&q));
    let new = &a + &x;
    let later = &new * &a - &b;
    run(&[&x], &[&later], &[(&p, new.clone())]);
    run(&[&x], &[], &[(&p, new.clone()), (&q, later.clone())]);
    run(&[&x], &[], &[(&q, later), (&p, new.clone())]);
    run(&[&x], &[&((&new * &a).sum_keep(&[0]))], &[(&p, new)]);
}

#[test]
fn results_in_another_order_of_axes_are_moved_to_their_place() {
    // Convolutions of eight pictures or more store the batch innermost; what follows them element by element as well.
    let x = input(&[8, 2, 5, 5]);
    let p = param(1, &[8, 3, 5, 5]);
    let w = Tensor::constant(value(2, DType::F32, &[3, 2, 3, 3]));
    let y = x.conv2d(&w, 1, 1, 1, 1);
    let twice = (&y * 2.0).abs();
    let text = run(&[&x], &[&y, &twice], &[]);
    assert!(text.contains("conv"), "{text}");
    run(&[&x], &[&y], &[(&p, Tensor::param(&p) + twice.clone())]);
    run(&[&x], &[], &[(&p, twice)]);
}

// Values inside the arena.

#[test]
fn what_is_needed_later_is_not_overwritten() {
    let x = input(&[8, 8]);
    let t = computed(&x, 1);
    let u = &t + 1.0;
    run(&[&x], &[&computed(&u, 2).matmul(&t)], &[]);
}

#[test]
fn who_lies_in_anothers_place_keeps_it() {
    let x = input(&[8, 8]);
    let t = computed(&x, 1);
    let u = &t + 1.0;
    let others = (2..6).fold(x.clone(), |y, seed| computed(&y, seed).clip(-9.0, 9.0));
    run(&[&x], &[&(computed(&u, 7) + others.matmul(&u))], &[]);
    // Two results of one unit that could both have the place of its operand.
    let v = &u * 2.0;
    run(&[&x], &[&computed(&u, 2), &computed(&v, 3), &u.matmul(&v)], &[]);
}

#[test]
fn a_place_is_handed_on_from_result_to_result() {
    let x = input(&[8, 8]);
    let (beside, mut t) = (computed(&x, 1), computed(&x, 2));
    // Each subtraction needs the whole of what it overwrites first, so that these are units one after the other.
    for _ in 0..3 {
        t = &t - t.max_keep(&[1]).broadcast_to(&[8, 8]);
    }
    let text = run(&[&x], &[&beside.matmul(&t)], &[]);
    assert!(text.starts_with("arena of 640 bytes\n"), "two values of 8 by 8 and two of 8 by 1\n{text}");
}

#[test]
fn places_are_taken_no_longer_than_needed() {
    let x = input(&[8, 8]);
    let two = "arena of 512 bytes\n";
    // A sum takes the place of one operand, the product that of the other.
    let sum = computed(&x, 1) + computed(&x, 2);
    let text = run(&[&x], &[&computed(&sum, 3).matmul(&sum)], &[]);
    assert!(text.starts_with(two), "{text}");
    // One that lies outside takes none: its operand's is free again while it is still read.
    let outside = computed(&x, 1) + 1.0;
    let text = run(&[&x], &[&outside, &computed(&computed(&outside, 2), 3).matmul(&outside)], &[]);
    assert!(text.starts_with(two), "{text}");
}

#[test]
fn results_do_not_lie_in_memory_from_outside() {
    // Nothing is in the place of an input, a parameter or a constant that may be overwritten.
    let (p, x) = (param(1, &[8, 8]), input(&[8, 8]));
    let constant = Tensor::constant(value(2, DType::F32, &[8, 8]));
    for given in [x.clone(), Tensor::param(&p), constant] {
        let t = computed(&x, 3);
        let u = &given + 1.0;
        let v = computed(&u, 4);
        run(&[&x], &[&u.matmul(&v).matmul(&t), &given], &[]);
    }
}

#[test]
fn results_of_another_size_do_not_lie_in_an_operands_place() {
    let x = input(&[20, 20]);
    let t = computed(&x, 1);
    let beside = computed(&x, 2);
    let wide = t.cast(DType::F64) * Tensor::full(Type::new(DType::F64, []), 3.0);
    run(&[&x], &[&wide.matmul(&wide).clip(-9.0, 9.0).cast(DType::F32).matmul(&beside)], &[]);
    // As many bytes, of fewer and larger elements that are read from the middle of the operand.
    let n = Tensor::input("n", DType::I32, &[40, 30]);
    let m = n.matmul(&Tensor::constant(value(3, DType::I32, &[30, 30])));
    let half = m.reshape(&[1200]).narrow(0, 300, 600).cast(DType::F64);
    let half = half.abs().sqrt().floor().reshape(&[20, 30]);
    run(&[&n], &[&half.matmul(&half.transpose())], &[]);
}

#[test]
fn steps_keep_their_operands_and_their_own_memory() {
    // For each kind of step operands of different sizes, computed one after the other: whichever the plan forgets is overwritten
    // by the next. All results are alive at the end.
    let x = input(&[8, 2, 6, 6]);
    let small = input(&[4, 4]);
    let w = computed(&small, 1).reshape(&[2, 2, 2, 2]);
    let bias = computed(&small, 2).sum(&[0]).narrow(0, 0, 2);
    let picture = computed(&x, 3);
    let conv = (picture.conv2d(&w, 1, 0, 1, 1) + bias.per_channel(4)).relu();
    let pooled = computed(&x, 4).max_pool2d(2, 2);
    let up = computed(&x, 5).conv_adjoint(&w, teff_graph::ConvGeometry::new(2), &[7, 7]);
    let window = teff_graph::Window::new([2, 2], [2, 2]);
    let before = computed(&x, 7);
    let back = computed(&before.max_pool2d(2, 2), 6).max_pool_grad(&before, window.clone());
    let spread = computed(&pooled, 8).sum_pool_grad(window, &[6, 6]);
    let grad = computed(&x, 9).conv_weight_grad(
        &computed(&conv, 10).clip(-3.0, 3.0),
        teff_graph::ConvGeometry::new(2),
        &[2, 2],
    );
    let rows = computed(&small, 11);
    let (last, all) =
        Tensor::scan(&[computed(&small, 12).pick(0, 0)], std::slice::from_ref(&rows), false, |s, x| {
            (vec![&x[0] - &s[0]], vec![&s[0] * &x[0]])
        });
    let picked = computed(&small, 13).gather(&computed(&small, 15).sum(&[0]).cast(DType::I64), 0);
    let joined =
        Tensor::concat(&[computed(&small, 14), last[0].unsqueeze(0), rows], 0).pad(&[(1, 1), (0, 2)], 5.0);
    let outputs = [conv, pooled, up, back, spread, grad, all[0].clone(), picked, joined];
    let text = run(&[&x, &small], &outputs.iter().collect::<Vec<_>>(), &[]);
    for kind in ["conv ", "weight_grad", "pool ", "matmul", "scan", "reference", "copy", "pointwise"] {
        assert!(text.contains(&format!("= {kind}")), "no {kind}\n{text}");
    }
}

// Units.

#[test]
fn what_a_unit_still_needs_keeps_its_register() {
    let x = input(&[20, 20]);
    // All terms are there before the first difference; bytes, four and eight bytes.
    let terms: Vec<Tensor> = (1..7).map(|i| (&x + f64::from(i)).abs()).collect();
    let nested = terms.iter().cloned().reduce(|sum, t| t - sum).unwrap();
    let wide =
        terms.iter().map(|t| t.cast(DType::F64) * t.cast(DType::F64)).reduce(|sum, t| t - sum).unwrap();
    let masks: Vec<Tensor> = terms.iter().map(|t| t.less(&nested)).collect();
    let chosen = masks.iter().zip(&terms).fold(nested.clone(), |y, (m, t)| m.select(t, &(&y * 2.0)));
    run(&[&x], &[&nested, &wide, &chosen, &(&nested * &chosen).sum(&[0])], &[]);
}

#[test]
fn what_needs_a_whole_value_is_no_part_of_the_unit_that_computes_it() {
    let x = input(&[6, 6]);
    let t = &x * 2.0;
    let outputs = [
        &t + t.transpose(),
        &t - t.max_keep(&[1]).broadcast_to(&[6, 6]),
        // Through other units: a product, and a sum of a difference.
        &t + computed(&t, 1),
        (&t - t.sum_keep(&[0]).broadcast_to(&[6, 6])).square().sum(&[1]),
    ];
    run(&[&x], &outputs.iter().collect::<Vec<_>>(), &[]);
    outputs.iter().for_each(|y| {
        run(&[&x], &[y], &[]);
    });
}

#[test]
fn parts_of_a_convolution_that_others_read_are_stored() {
    let x = input(&[8, 2, 5, 5]);
    let w = Tensor::constant(value(2, DType::F32, &[3, 2, 3, 3]));
    let bias = Tensor::constant(value(3, DType::F32, &[3]));
    let y = x.conv2d(&w, 1, 1, 1, 1);
    let z = &y + bias.per_channel(4);
    let text = run(&[&x], &[&z.relu()], &[]);
    assert!(!text.contains("pointwise"), "{text}");
    run(&[&x], &[&y, &z.relu()], &[]);
    run(&[&x], &[&z, &z.relu()], &[]);
    run(&[&x], &[&(z.relu() - &y)], &[]);
    run(&[&x], &[&(z.relu() + z.transpose().sum_keep(&[0, 1]).broadcast_to(z.shape()))], &[]);
    run(&[&x], &[&((&y + &y).relu())], &[]);
    // The adjoint of a pool, with and without others that read it before the mask.
    let window = teff_graph::Window::new([2, 2], [2, 2]);
    let (p, zero) = (x.slice(2, 0, 4, 1).slice(3, 0, 4, 1), 0.0);
    let grad = p.pool(teff_graph::PoolKind::Max, window.clone()).max_pool_grad(&p, window);
    let masked = p.full_like(zero).less(&p).select(&grad, p.full_like(zero));
    run(&[&x], &[&masked], &[]);
    run(&[&x], &[&masked, &grad], &[]);
}

#[test]
fn joined_operations_do_not_read_what_was_overwritten_meanwhile() {
    // `scaled` would be joined with the sum, and so read its operand there: after `new` took the place of that.
    let x = input(&[12, 12]);
    let p = param(1, &[12, 12]);
    for scale in [|t: &Tensor| t * 2.0, |t: &Tensor| t.square() * 3.0] {
        let old = Tensor::param(&p);
        let (scaled, new) = (scale(&old), &old + &x);
        run(&[&x], &[&(scaled - &new)], &[(&p, new)]);
        let old = computed(&x, 1);
        let (scaled, new) = (scale(&old), &old + &x);
        run(&[&x], &[&computed(&(scaled - &new), 2), &computed(&new, 3)], &[]);
    }
}

#[test]
fn joined_operations_compute_what_each_would() {
    // More than one block of the loops, and a part of one.
    let (x, y) = (input(&[7, 11]), Tensor::input("y", DType::F32, &[7, 11]));
    let befores: [fn(&Tensor) -> Tensor; 5] =
        [Tensor::clone, |t| t * 3.0, |t| t.square() * 5.0, |t| t.abs().sqrt() + 2.0, |t| t + 4.0];
    let joins: [fn(&Tensor, &Tensor) -> Tensor; 4] =
        [|a, b| a + b, |a, b| a - b, |a, b| a * b, |a, b| a / &(b + 20.0)];
    for first in befores {
        for second in befores {
            // Each by itself: what several need is not joined.
            for join in joins {
                run(&[&x, &y], &[&join(&first(&x), &second(&y))], &[]);
            }
        }
    }
}

#[test]
fn a_copy_serves_only_who_wants_its_order() {
    let x = input(&[8, 3, 5, 5]);
    let w = Tensor::constant(value(2, DType::F32, &[4, 3, 3, 3]));
    let y = x.conv2d(&w, 1, 1, 1, 1);
    let turned = x.permute(&[1, 0, 2, 3]);
    let sorted = turned.argsort(3, false).cast(DType::F32);
    let backwards = x.slice_axes(
        [(7, -1, 8), (0, 1, 3), (0, 1, 5), (0, 1, 5)]
            .map(|(start, step, len)| SliceAxis { start, step, len })
            .to_vec(),
    );
    let again = backwards.conv2d(&w, 1, 1, 1, 1);
    run(&[&x], &[&y, &sorted, &again, &backwards.argsort(1, false)], &[]);
}

// Scans.

#[test]
fn a_step_of_a_scan_reads_the_states_of_the_step_before() {
    let x = input(&[5, 4]);
    let states = [x.pick(0, 1), x.pick(0, 2), x.pick(0, 3)];
    for steps in [0, 1, 2, 5] {
        let rows = x.narrow(0, 0, steps);
        let (last, all) = Tensor::scan(&states, &[rows], steps == 2, |s, x| {
            // States that only change places, and one that needs the old value of another.
            (vec![s[1].clone(), s[0].clone(), &s[2] - &s[0] + &x[0]], vec![&s[1] - &s[2]])
        });
        let outputs = [last.clone(), all].concat();
        run(&[&x], &outputs.iter().collect::<Vec<_>>(), &[]);
        // The states it began with are read afterwards too.
        let p = param(1, &[5, 4]);
        let old = Tensor::param(&p);
        let (last, _) = Tensor::scan(&[old.pick(0, 0)], std::slice::from_ref(&old), false, |s, x| {
            (vec![&x[0] - &s[0]], vec![])
        });
        let new = &old + last[0].unsqueeze(0).broadcast_to(&[5, 4]);
        run(&[], &[&old.sum(&[0])], &[(&p, new)]);
    }
}
