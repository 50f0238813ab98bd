//! What values tensors take.

use super::network::Network;
use super::probe::{Probe, Samples};
use super::scheme::Scheme;
use crate::error::{Error, Result};
use teff_graph::NodeId;

/// Bars of a histogram.
pub(super) const BARS: usize = 2048;

/// What was seen of a tensor.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Smallest value.
    pub low: f32,
    /// Largest value.
    pub high: f32,
    /// How many values were exactly 0, which every grid holds.
    pub zeros: u64,
    /// How many others lay in each of 2048 equal parts of the range.
    pub counts: Vec<u64>,
    /// Largest magnitude of each channel, which is axis 1.
    pub peaks: Vec<f32>,
}

impl Observation {
    /// The middle of bar `i`.
    pub(super) fn middle(&self, i: usize) -> f64 {
        f64::from(self.low) + (i as f64 + 0.5) * self.width()
    }

    /// Whether it has a range: nothing infinite was seen, as of what a mask takes out of a softmax.
    pub fn is_bounded(&self) -> bool {
        self.low.is_finite() && self.high.is_finite()
    }

    pub(super) fn width(&self) -> f64 {
        (f64::from(self.high) - f64::from(self.low)) / BARS as f64
    }
}

/// What each site of the float network takes, from two runs over the samples: for its range, then for the histogram within that.
///
/// # Errors
/// A value that is no number, with its site; what the executor could not do.
pub fn observe(network: &Network, samples: &Samples, threads: usize) -> Result<Vec<Observation>> {
    let taps: Vec<NodeId> = network.sites.iter().map(|s| s.node).collect();
    let mut seen: Vec<Observation> = taps
        .iter()
        .map(|t| {
            let channels = network.graph[*t].ty.shape.get(1).copied().unwrap_or(1);
            Observation {
                low: f32::INFINITY,
                high: f32::NEG_INFINITY,
                zeros: 0,
                counts: vec![0; BARS],
                peaks: vec![0.0; channels],
            }
        })
        .collect();
    let mut probe = Probe::new(network, &Scheme::float(network), &taps, threads)?;
    let mut bad = None;
    probe.run(samples, |t, values| {
        let o = &mut seen[t];
        let inner: usize = network.graph[taps[t]].ty.shape.iter().skip(2).product();
        for (i, &x) in values.iter().enumerate() {
            if x.is_nan() && bad.is_none() {
                bad = Some((t, x));
            }
            (o.low, o.high) = (o.low.min(x), o.high.max(x));
            if x == 0.0 {
                o.zeros += 1;
            }
            let c = i / inner.max(1) % o.peaks.len().max(1);
            o.peaks[c] = o.peaks[c].max(x.abs());
        }
    })?;
    if let Some((t, x)) = bad {
        let reason = format!("becomes {x} for a sample of the data; check the weights and the data");
        return Err(Error::Quantize { at: network.sites[t].name.clone(), reason });
    }
    probe.run(samples, |t, values| {
        let o = &mut seen[t];
        if !o.is_bounded() {
            return;
        }
        let bars = BARS as f32 / (o.high - o.low).max(f32::MIN_POSITIVE);
        for &x in values.iter().filter(|x| **x != 0.0) {
            o.counts[(((x - o.low) * bars) as usize).min(BARS - 1)] += 1;
        }
    })?;
    Ok(seen)
}
