//! Every kind of layer that a description may name: which settings it has, and the layer they make of what reaches it.

use super::settings::{LayerSettings, Read};
use crate::nn::{
    Activation, AvgPool, BatchNorm, Conv, ConvTranspose2d, Dropout, Flatten, GlobalAvgPool, GroupNorm, Gru,
    LastStep, Layer, LayerNorm, Linear, Lstm, MaxPool, Reshape, Window,
};
use teff_data::Rng;
use teff_graph::{ConvGeometry, Tensor};

/// A model with more numbers than this is refused, and a layer that gives more: 1 GB of f32.
pub(super) const MOST: usize = 1 << 28;

/// What a layer is made for.
pub(super) struct LayerContext<'a> {
    /// What the layer is called.
    pub(super) name: &'a str,
    /// What reaches it, for one sample.
    pub(super) x: &'a Tensor,
    /// Numbers that the layers before it hold, and with it those of the layer.
    pub(super) held: &'a mut usize,
    pub(super) rng: &'a mut Rng,
}

/// Makes a layer; says what does not fit.
pub(super) type Make = Box<dyn Fn(&mut LayerContext, usize) -> Read<Box<dyn Layer>>>;

/// How many neurons or channels a layer gives: this many, or one for each class of the data set.
#[derive(Clone, Copy)]
pub(super) enum Outputs {
    Count(usize),
    Classes,
}

impl Outputs {
    fn count(self, classes: usize) -> usize {
        match self {
            Outputs::Count(n) => n,
            Outputs::Classes => classes,
        }
    }
}

impl LayerContext<'_> {
    fn features(&self) -> usize {
        self.x.shape().last().copied().unwrap_or(1)
    }

    fn channels(&self) -> usize {
        self.x.shape().get(1).copied().unwrap_or(1)
    }

    /// Counts the numbers of a layer, as a product, before any memory is taken.
    fn holds(&mut self, sizes: &[usize]) -> Read<()> {
        let more = sizes.iter().fold(1usize, |n, &m| n.saturating_mul(m));
        *self.held = self.held.saturating_add(more);
        match *self.held {
            ..=MOST => Ok(()),
            size => Err(format!("the model would hold {size} numbers; at most {MOST} are allowed")),
        }
    }

    /// An error unless what reaches the layer is of one of these ranks, its batch included.
    fn needs(&self, ranks: &[usize], what: &str) -> Read<()> {
        match ranks.contains(&self.x.rank()) {
            true => Ok(()),
            false => Err(self.unfit(what)),
        }
    }

    /// What is said of a layer that takes something else than what reaches it.
    fn unfit(&self, what: &str) -> String {
        format!("takes {what}, but what reaches it has shape {:?} for each sample", &self.x.shape()[1..])
    }

    /// A convolution that slides alike along all spatial axes.
    fn conv(&mut self, out: usize, groups: usize, slides: Slides, bias: bool) -> Read<Box<dyn Layer>> {
        let (channels, axes) = (self.channels(), self.x.rank().saturating_sub(2));
        if !channels.is_multiple_of(groups) || !out.is_multiple_of(groups) {
            return Err(format!("channels in and out must divide into {groups} groups"));
        }
        self.holds(&[channels / groups, out, slides.kernel.saturating_pow(axes as u32)])?;
        self.needs(&[3, 4], "images [channels, height, width] or signals [channels, length]")?;
        let (before, behind) = match slides.causal {
            true => ((slides.kernel - 1).saturating_mul(slides.dilation), 0),
            false => (slides.padding, slides.padding),
        };
        let geometry = ConvGeometry {
            stride: vec![slides.stride; axes],
            dilation: vec![slides.dilation; axes],
            pad_low: vec![before; axes],
            pad_high: vec![behind; axes],
            groups,
        };
        let layer = Conv::with(self.name, channels, out, &vec![slides.kernel; axes], geometry, self.rng);
        Ok(Box::new(if bias { layer } else { layer.without_bias() }))
    }
}

/// How a convolution slides along each spatial axis.
#[derive(Clone, Copy)]
struct Slides {
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    /// Over what is before and at its place alone: as many zeros before the first as it reaches back, in place of padding.
    causal: bool,
}

impl Slides {
    fn read(settings: &mut LayerSettings) -> Read<Slides> {
        Ok(Slides {
            kernel: settings.count("kernel", None)?,
            stride: settings.count("stride", Some(1))?,
            padding: settings.whole("padding", Some(0))?,
            dilation: 1,
            causal: false,
        })
    }
}

/// Reads the settings of a layer of this kind: what its name begins with, and how it is made for so many classes.
pub(super) fn of_kind(kind: &str, settings: &mut LayerSettings) -> Read<(&'static str, Make)> {
    use Activation as A;
    Ok(match kind {
        "linear" => {
            let (out, bias) = (settings.outputs()?, settings.flag("bias", true)?);
            ("fc", Box::new(move |at, classes| linear(at, out.count(classes), bias)))
        }
        "conv" => {
            let (out, slides) = (settings.outputs()?, Slides::read(settings)?);
            let (dilation, causal) = (settings.count("dilation", Some(1))?, settings.flag("causal", false)?);
            if causal && slides.padding > 0 {
                return Err("is causal, and has its zeros before the first step; leave padding out".into());
            }
            let slides = Slides { dilation, causal, ..slides };
            let (groups, bias) = (settings.count("groups", Some(1))?, settings.flag("bias", true)?);
            ("conv", Box::new(move |at, classes| at.conv(out.count(classes), groups, slides, bias)))
        }
        "depthwise" => {
            let (slides, bias) = (Slides::read(settings)?, settings.flag("bias", true)?);
            ("conv", Box::new(move |at, _| at.conv(at.channels(), at.channels(), slides, bias)))
        }
        "conv_transpose" => {
            let (out, slides) = (settings.outputs()?, Slides::read(settings)?);
            let output_padding = settings.whole("output_padding", Some(0))?;
            let make = move |at: &mut LayerContext, classes| {
                let (channels, out, kernel) = (at.channels(), out.count(classes), slides.kernel);
                at.holds(&[channels, out, kernel, kernel])?;
                at.needs(&[4], "images [channels, height, width]")?;
                let mut layer = ConvTranspose2d::new(at.name, channels, out, kernel, slides.stride, at.rng);
                (layer.padding, layer.output_padding) = (slides.padding, output_padding);
                layered(layer)
            };
            ("conv", Box::new(make))
        }
        "max_pool" | "avg_pool" => {
            let size = settings.count("size", None)?;
            let stride = settings.count("stride", Some(size))?;
            let is_max = kind == "max_pool";
            let make = move |_: &mut LayerContext, _| match is_max {
                true => layered(MaxPool { size, stride }),
                false => layered(AvgPool { size, stride }),
            };
            ("pool", Box::new(make))
        }
        "global_avg_pool" => ("pool", Box::new(|_, _| layered(GlobalAvgPool))),
        "batch_norm" => ("norm", Box::new(|at, _| norm(at, |at| BatchNorm::new(at.name, at.channels())))),
        "layer_norm" => {
            let make = |at: &mut LayerContext, _| {
                at.holds(&[2, at.x.len()])?;
                layered(LayerNorm::new(at.name, &at.x.shape()[1..]))
            };
            ("norm", Box::new(make))
        }
        "group_norm" => {
            let groups = settings.count("groups", None)?;
            let make = move |at: &mut LayerContext| GroupNorm::new(at.name, at.channels(), groups);
            ("norm", Box::new(move |at, _| norm(at, make)))
        }
        "dropout" => match settings.number("rate", Some(0.5))? {
            rate if (0.0..1.0).contains(&rate) => ("layer", Box::new(move |_, _| layered(Dropout { rate }))),
            rate => return Err(format!("rate is {rate}, and must be from 0 to below 1")),
        },
        "flatten" => ("layer", Box::new(|_, _| layered(Flatten))),
        "reshape" => {
            let shape = settings.sizes("shape")?;
            ("layer", Box::new(move |_, _| layered(Reshape { shape: shape.clone() })))
        }
        "lstm" => {
            let hidden = settings.count("hidden", None)?;
            let make = move |at: &mut LayerContext| Lstm::new(at.name, at.features(), hidden, at.rng);
            ("lstm", Box::new(move |at, _| recurrent(at, hidden, make)))
        }
        "gru" => {
            let hidden = settings.count("hidden", None)?;
            let make = move |at: &mut LayerContext| Gru::new(at.name, at.features(), hidden, at.rng);
            ("gru", Box::new(move |at, _| recurrent(at, hidden, make)))
        }
        "channels_first" => ("layer", Box::new(|at, _| window(at, true))),
        "steps_first" => ("layer", Box::new(|at, _| window(at, false))),
        "last_step" => {
            let make = |at: &mut LayerContext, _| {
                at.needs(&[3], SEQUENCES)?;
                layered(LastStep)
            };
            ("layer", Box::new(make))
        }
        "relu" => activation(A::Relu),
        "relu6" => activation(A::Relu6),
        "leaky_relu" => activation(A::LeakyRelu(settings.number("slope", Some(0.01))?)),
        "elu" => activation(A::Elu),
        "selu" => activation(A::Selu),
        "gelu" => activation(A::Gelu),
        "silu" => activation(A::Silu),
        "mish" => activation(A::Mish),
        "softplus" => activation(A::Softplus),
        "sigmoid" => activation(A::Sigmoid),
        "hard_sigmoid" => activation(A::HardSigmoid),
        "hard_swish" => activation(A::HardSwish),
        "tanh" => activation(A::Tanh),
        "softmax" => activation(A::Softmax),
        "log_softmax" => activation(A::LogSoftmax),
        _ => return Err(format!("unknown kind; known are {KINDS}")),
    })
}

/// The axis of a window that counts channels (the axes of a sensor): the shorter one; the longer one counts steps of time. Of as many steps as
/// channels, steps come first. Nothing for what is no window.
pub(super) fn channel_axis(shape: &[usize]) -> Option<usize> {
    match *shape {
        [first, last] => Some(usize::from(first >= last)),
        _ => None,
    }
}

/// Windows `[steps, channels]` or `[channels, steps]` with channels or steps first; of a list of steps, one channel of them. Windows of bytes
/// are read as grey pictures, and have an axis of 1 before them.
fn window(at: &mut LayerContext, channels_first: bool) -> Read<Box<dyn Layer>> {
    let shape = match at.x.shape()[1..] {
        [steps] => {
            return layered(Reshape { shape: if channels_first { vec![1, steps] } else { vec![steps, 1] } });
        }
        [first, last] | [1, first, last] => [first, last],
        _ => return Err(at.unfit("windows of a signal [steps, channels] or [channels, steps]")),
    };
    let is_turned = (channel_axis(&shape) == Some(0)) != channels_first;
    layered(Window { shape, is_turned })
}

const SEQUENCES: &str = "sequences [steps, features]";

fn layered(layer: impl Layer + 'static) -> Read<Box<dyn Layer>> {
    Ok(Box::new(layer))
}

fn activation(kind: Activation) -> (&'static str, Make) {
    ("layer", Box::new(move |_, _| layered(kind)))
}

fn linear(at: &mut LayerContext, out: usize, bias: bool) -> Read<Box<dyn Layer>> {
    let features = at.features();
    at.holds(&[features + 1, out])?;
    at.needs(&[2, 3], "a list of features (put a flatten layer before it)")?;
    let layer = Linear::new(at.name, features, out, at.rng);
    layered(if bias { layer } else { layer.without_bias() })
}

/// A normalisation with numbers for each channel.
fn norm<L: Layer + 'static>(
    at: &mut LayerContext,
    make: impl Fn(&mut LayerContext) -> L,
) -> Read<Box<dyn Layer>> {
    if at.x.rank() < 2 {
        return Err("takes at least one axis".into());
    }
    at.holds(&[4, at.channels()])?;
    layered(make(at))
}

fn recurrent<L: Layer + 'static>(
    at: &mut LayerContext,
    hidden: usize,
    make: impl Fn(&mut LayerContext) -> L,
) -> Read<Box<dyn Layer>> {
    at.holds(&[4, hidden, hidden + at.features() + 2])?;
    at.needs(&[3], SEQUENCES)?;
    layered(make(at))
}

const KINDS: &str = "linear, conv, depthwise, conv_transpose, max_pool, avg_pool, global_avg_pool, batch_norm, layer_norm, \
    group_norm, dropout, flatten, reshape, channels_first, steps_first, lstm, gru, last_step, relu, relu6, leaky_relu, elu, selu, gelu, silu, mish, softplus, \
    sigmoid, hard_sigmoid, hard_swish, tanh, softmax, log_softmax";
