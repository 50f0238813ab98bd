//! How much each channel matters.

use crate::error::Result;
use crate::folded::Folded;
use crate::nn::Pass;
use crate::step::Step;
use crate::train::{Goal, Loss, Trainable};
use std::fmt;
use teff_data::Dataset;
use teff_graph::{DType, Op, Param, Tensor, gradients, parameter_leaves};

/// By what channels are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// What this loss would change by if the channel were gone, to first order: the square of the sum of gradient times weight over its
    /// weights and bias, averaged over batches (Molchanov et al., "Importance estimation for neural network pruning", CVPR 2019,
    /// equation 8).
    Taylor(Loss),
    /// The sum of the squares of its weights (Li et al., "Pruning filters for efficient ConvNets", ICLR 2017, with squares in place of
    /// absolute values).
    Magnitude,
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Criterion::Taylor(_) => "taylor",
            Criterion::Magnitude => "magnitude",
        })
    }
}

/// Samples whose gradients are looked at.
const SAMPLES: usize = 2048;

/// For each layer, a number for each output channel: the larger, the more it matters.
pub(super) fn importance(
    folded: &Folded,
    criterion: Criterion,
    data: &Dataset,
    threads: usize,
) -> Result<Vec<Vec<f64>>> {
    match criterion {
        Criterion::Taylor(loss) => taylor(folded, &Goal::new(data, loss, 0.0)?, data, threads),
        Criterion::Magnitude => {
            let network = folded.network();
            let square = |w: &Vec<f32>| w.iter().map(|x| f64::from(*x).powi(2)).sum();
            Ok((0..network.layers.len()).map(|i| network.weights(i).iter().map(square).collect()).collect())
        }
    }
}

fn taylor(folded: &Folded, goal: &Goal, data: &Dataset, threads: usize) -> Result<Vec<Vec<f64>>> {
    let batch = SAMPLES.min(64).min(data.len());
    let x = Tensor::input("x", DType::F32, &[&[batch], data.shape()].concat());
    let y = Tensor::input("y", DType::F32, &[batch, goal.target_len()]);
    let loss = goal.loss(&folded.forward(&x, &Pass::evaluation()), &y);
    let leaves = parameter_leaves(std::slice::from_ref(&loss))?;
    let grads = gradients(&[(loss.clone(), loss.full_like(1.0))], &leaves)?;
    // Gradient times value, summed over all axes but that of the channels.
    let products = |param: &Param, axis: usize, channels: usize| -> Option<Tensor> {
        let of = |(leaf, grad): (&Tensor, &Option<Tensor>)| {
            let is_own = matches!(leaf.op(), Op::Param(p) if p == param);
            grad.as_ref().filter(|_| is_own).map(|g| leaf * g)
        };
        let all = leaves.iter().zip(&grads).filter_map(of).reduce(|a, b| a + b)?;
        let others: Vec<isize> = (0..all.rank() as isize).filter(|a| *a != axis as isize).collect();
        let sums = if others.is_empty() { all } else { all.sum(&others) };
        Some(sums.reshape(&[channels]))
    };
    let scores: Vec<Tensor> = folded
        .layers()
        .iter()
        .enumerate()
        .map(|(i, layer)| {
            let zeros = Tensor::zeros(&[layer.channels]);
            let weights = products(folded.weight(i), layer.axis, layer.channels).unwrap_or(zeros);
            let bias = folded.bias(i).filter(|b| b.ty().len() == layer.channels).and_then(|b| {
                let axis = b.ty().shape.iter().position(|n| *n == layer.channels)?;
                products(b, axis, layer.channels)
            });
            bias.map_or(weights.clone(), |b| weights + b).square()
        })
        .collect();
    let mut step = Step::new(&[&x, &y], &scores.iter().collect::<Vec<_>>(), &Vec::new(), threads)?;
    let mut sums: Vec<Vec<f64>> = folded.layers().iter().map(|l| vec![0.0; l.channels]).collect();
    let all: Vec<usize> = (0..SAMPLES.min(data.len())).collect();
    for part in all.chunks_exact(batch) {
        data.gather(part, step.input_mut::<f32>(0));
        goal.gather(part, step.input_mut(1));
        step.run()?;
        for (i, sums) in sums.iter_mut().enumerate() {
            sums.iter_mut().zip(step.output::<f32>(i)).for_each(|(s, x)| *s += f64::from(*x));
        }
    }
    Ok(sums)
}
