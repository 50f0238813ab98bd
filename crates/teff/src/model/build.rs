//! From a description to layers. Shapes are those the formulas give: each layer is applied to a placeholder as it is made.

use super::{LayerSpec, Model, ModelSpec, Outputs};
use crate::error::{Error, Result};
use crate::nn::{
    AvgPool, BatchNorm, Conv1d, Conv2d, ConvTranspose2d, Dropout, Flatten, GlobalAvgPool, GroupNorm, Gru,
    LastStep, Layer, LayerNorm, Linear, Lstm, MaxPool, Pass, Reshape,
};
use teff_data::Rng;
use teff_graph::{ConvGeometry, DType, Tensor};

/// A model with more numbers than this is refused, and a layer that gives more: 1 GB of f32.
const MOST: usize = 1 << 28;

impl ModelSpec {
    /// Builds the network for samples of shape `input` and this many classes. Initial weights follow from `seed`.
    ///
    /// # Errors
    /// The first layer whose settings do not fit what reaches it.
    pub fn build(&self, input: &[usize], classes: usize, seed: u64) -> Result<Model> {
        let mut rng = Rng::new(seed);
        let mut layers: Vec<Box<dyn Layer>> = Vec::new();
        let mut x = Tensor::input("input", DType::F32, &[&[1], input].concat());
        let mut counts = std::collections::HashMap::new();
        let mut size = 0usize;
        for (i, spec) in self.layers.iter().enumerate() {
            let fail = |reason: String| Error::Model {
                model: self.name.clone(),
                layer: format!("layer {} ({})", i + 1, spec.kind()),
                reason,
            };
            let stem = spec.stem();
            let number: &mut usize = counts.entry(stem).or_insert(0);
            *number += 1;
            size = size.saturating_add(spec.size(&x, classes));
            if size > MOST {
                return Err(fail(format!("the model would hold {size} numbers; at most {MOST} are allowed")));
            }
            let layer = spec.layer(&format!("{stem}{number}"), &x, classes, &mut rng).map_err(fail)?;
            x = layer.forward(&x, &Pass::evaluation());
            x.check().map_err(|e| {
                let shape = e.operands().first().map(|t| t.shape.clone()).unwrap_or_default();
                fail(format!("does not fit its input of shape {shape:?}: {}", e.reason()))
            })?;
            if x.len() > MOST {
                let reason = format!(
                    "gives {} numbers for a sample, of shape {:?}; at most {MOST} are allowed",
                    x.len(),
                    &x.shape()[1..]
                );
                return Err(fail(reason));
            }
            layers.push(layer);
        }
        Ok(Model { name: self.name.clone(), input: input.to_vec(), output: x.shape()[1..].to_vec(), layers })
    }
}

impl Outputs {
    fn count(self, classes: usize) -> usize {
        match self {
            Outputs::Count(n) => n,
            Outputs::Classes => classes,
        }
    }
}

impl LayerSpec {
    /// What it is called in a description.
    pub fn kind(&self) -> &'static str {
        match self {
            LayerSpec::Linear { .. } => "linear",
            LayerSpec::Conv { .. } => "conv",
            LayerSpec::Depthwise { .. } => "depthwise",
            LayerSpec::ConvTranspose { .. } => "conv_transpose",
            LayerSpec::MaxPool { .. } => "max_pool",
            LayerSpec::AvgPool { .. } => "avg_pool",
            LayerSpec::GlobalAvgPool => "global_avg_pool",
            LayerSpec::BatchNorm => "batch_norm",
            LayerSpec::LayerNorm => "layer_norm",
            LayerSpec::GroupNorm { .. } => "group_norm",
            LayerSpec::Dropout { .. } => "dropout",
            LayerSpec::Flatten => "flatten",
            LayerSpec::Reshape { .. } => "reshape",
            LayerSpec::Lstm { .. } => "lstm",
            LayerSpec::Gru { .. } => "gru",
            LayerSpec::LastStep => "last_step",
            LayerSpec::Activation { .. } => "activation",
        }
    }

    /// What its name begins with; a number follows.
    fn stem(&self) -> &'static str {
        match self {
            LayerSpec::Linear { .. } => "fc",
            LayerSpec::Conv { .. } | LayerSpec::Depthwise { .. } | LayerSpec::ConvTranspose { .. } => "conv",
            LayerSpec::BatchNorm | LayerSpec::LayerNorm | LayerSpec::GroupNorm { .. } => "norm",
            LayerSpec::Lstm { .. } => "lstm",
            LayerSpec::Gru { .. } => "gru",
            LayerSpec::MaxPool { .. } | LayerSpec::AvgPool { .. } | LayerSpec::GlobalAvgPool => "pool",
            LayerSpec::Dropout { .. } | LayerSpec::Flatten | LayerSpec::Reshape { .. } => "layer",
            LayerSpec::LastStep | LayerSpec::Activation { .. } => "layer",
        }
    }

    /// How many numbers it will hold, counted before any memory is taken.
    fn size(&self, x: &Tensor, classes: usize) -> usize {
        let features = x.shape().last().copied().unwrap_or(1);
        let channels = x.shape().get(1).copied().unwrap_or(1);
        let axes = x.rank().saturating_sub(2) as u32;
        let product = |list: &[usize]| list.iter().fold(1usize, |n, &m| n.saturating_mul(m));
        match self {
            LayerSpec::Linear { out, .. } => product(&[features + 1, out.count(classes)]),
            LayerSpec::Conv { out, kernel, groups, .. } => {
                product(&[channels / groups, out.count(classes), kernel.saturating_pow(axes)])
            }
            LayerSpec::Depthwise { kernel, .. } => product(&[channels, kernel.saturating_pow(axes)]),
            LayerSpec::ConvTranspose { out, kernel, .. } => {
                product(&[channels, out.count(classes), *kernel, *kernel])
            }
            LayerSpec::BatchNorm | LayerSpec::GroupNorm { .. } => 4 * channels,
            LayerSpec::LayerNorm => 2 * x.len(),
            LayerSpec::Lstm { hidden } | LayerSpec::Gru { hidden } => {
                product(&[4, *hidden, hidden + features + 2])
            }
            LayerSpec::MaxPool { .. } | LayerSpec::AvgPool { .. } | LayerSpec::GlobalAvgPool => 0,
            LayerSpec::Dropout { .. } | LayerSpec::Flatten | LayerSpec::Reshape { .. } => 0,
            LayerSpec::LastStep | LayerSpec::Activation { .. } => 0,
        }
    }

    fn layer(
        &self,
        name: &str,
        x: &Tensor,
        classes: usize,
        rng: &mut Rng,
    ) -> std::result::Result<Box<dyn Layer>, String> {
        let shape = x.shape();
        let needs = |rank: usize, what: &str| match x.rank() {
            r if r == rank => Ok(()),
            _ => {
                Err(format!("takes {what}, but what reaches it has shape {:?} for each sample", &shape[1..]))
            }
        };
        Ok(match self {
            LayerSpec::Linear { out, bias } => {
                let features = *shape.last().filter(|_| x.rank() >= 2).ok_or("takes at least one axis")?;
                if x.rank() > 3 {
                    needs(2, "a list of features (put a flatten layer before it)")?;
                }
                let layer = Linear::new(name, features, out.count(classes), rng);
                Box::new(if *bias { layer } else { layer.without_bias() })
            }
            LayerSpec::Conv { out, kernel, stride, padding, dilation, groups, bias } => {
                let out = out.count(classes);
                let axes = shape.len().saturating_sub(2);
                if !shape.get(1).is_some_and(|c| c.is_multiple_of(*groups)) || !out.is_multiple_of(*groups) {
                    return Err(format!("channels in and out must divide into {groups} groups"));
                }
                conv(
                    name,
                    x,
                    out,
                    *kernel,
                    geometry(axes, *stride, *padding, *dilation, *groups),
                    *bias,
                    rng,
                )?
            }
            LayerSpec::Depthwise { kernel, stride, padding, bias } => {
                let channels = shape.get(1).copied().unwrap_or(1);
                let axes = shape.len().saturating_sub(2);
                conv(name, x, channels, *kernel, geometry(axes, *stride, *padding, 1, channels), *bias, rng)?
            }
            LayerSpec::ConvTranspose { out, kernel, stride, padding, output_padding } => {
                needs(4, "images [channels, height, width]")?;
                let mut layer =
                    ConvTranspose2d::new(name, shape[1], out.count(classes), *kernel, *stride, rng);
                (layer.padding, layer.output_padding) = (*padding, *output_padding);
                Box::new(layer)
            }
            LayerSpec::MaxPool { size, stride } => Box::new(MaxPool { size: *size, stride: *stride }),
            LayerSpec::AvgPool { size, stride } => Box::new(AvgPool { size: *size, stride: *stride }),
            LayerSpec::GlobalAvgPool => Box::new(GlobalAvgPool),
            LayerSpec::BatchNorm if x.rank() >= 2 => Box::new(BatchNorm::new(name, shape[1])),
            LayerSpec::BatchNorm => return Err("takes at least one axis".into()),
            LayerSpec::LayerNorm => Box::new(LayerNorm::new(name, &shape[1..])),
            LayerSpec::GroupNorm { groups } => {
                let channels = shape.get(1).copied().unwrap_or(0);
                Box::new(GroupNorm::new(name, channels, *groups))
            }
            LayerSpec::Dropout { rate } => Box::new(Dropout { rate: *rate }),
            LayerSpec::Flatten => Box::new(Flatten),
            LayerSpec::Reshape { shape } => Box::new(Reshape { shape: shape.clone() }),
            LayerSpec::Lstm { hidden } => {
                needs(3, "sequences [steps, features]")?;
                Box::new(Lstm::new(name, shape[2], *hidden, rng))
            }
            LayerSpec::Gru { hidden } => {
                needs(3, "sequences [steps, features]")?;
                Box::new(Gru::new(name, shape[2], *hidden, rng))
            }
            LayerSpec::LastStep => {
                needs(3, "sequences [steps, features]")?;
                Box::new(LastStep)
            }
            LayerSpec::Activation { kind } => Box::new(*kind),
        })
    }
}

fn geometry(axes: usize, stride: usize, padding: usize, dilation: usize, groups: usize) -> ConvGeometry {
    ConvGeometry {
        stride: vec![stride; axes],
        dilation: vec![dilation; axes],
        pad_low: vec![padding; axes],
        pad_high: vec![padding; axes],
        groups,
    }
}

fn conv(
    name: &str,
    x: &Tensor,
    out: usize,
    kernel: usize,
    geometry: ConvGeometry,
    bias: bool,
    rng: &mut Rng,
) -> std::result::Result<Box<dyn Layer>, String> {
    match *x.shape() {
        [_, c, _] => {
            let layer = Conv1d::with(name, c, out, kernel, geometry, rng);
            Ok(Box::new(if bias { layer } else { layer.without_bias() }))
        }
        [_, c, _, _] => {
            let layer = Conv2d::with(name, c, out, kernel, geometry, rng);
            Ok(Box::new(if bias { layer } else { layer.without_bias() }))
        }
        _ => Err(format!(
            "takes images [channels, height, width] or signals [channels, length], but what reaches it has shape {:?} for each sample",
            &x.shape()[1..]
        )),
    }
}
