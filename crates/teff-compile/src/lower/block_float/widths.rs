//! How wide the mantissas of each layer are, and which layers do better in floats.

use super::Layer;
use super::choose::Candidate;
use super::format::Format;
use super::probe::Probes;
use crate::lower::Lowering;
use teff_graph::Value;

/// Of the error given, the share that outputs may be off by on the inputs tried: others may do worse. Of features far from zero much
/// worse, for how far can be told from the weights but roughly.
const SHARE: f64 = 0.7;
const SHARE_OF_FAR: f64 = 0.2;

/// Why layers stay in floats.
const TOO_FAR: &str = "integers took the outputs too far off on the inputs tried";
const UNSEEN: &str = "its inputs are far from zero, and the outputs were the same for all inputs tried";

impl Lowering<'_> {
    /// Makes layers narrow where `error` has room, and leaves to floats what takes the outputs too far off even if wide. How far outputs
    /// are off on the inputs tried, as a share of their range; `None` when the network is too large to be tried, or that shows nothing.
    pub(super) fn choose_widths(
        &mut self,
        candidates: &mut Vec<Candidate>,
        error: f64,
        inputs: &[Vec<Value>],
    ) -> Option<f64> {
        if candidates.is_empty() {
            return None;
        }
        let probes = self.probes(inputs, candidates)?;
        if probes.silent && !probes.far.is_empty() {
            let far: Vec<_> = candidates.extract_if(.., |c| probes.far.contains(&c.node)).collect();
            far.iter().for_each(|c| self.set_layer(c.node, Layer::Software(UNSEEN)));
            return None;
        }
        let most = error * if probes.far.is_empty() { SHARE } else { SHARE_OF_FAR };
        // All that the bounds allow; mostly that will do.
        let mut narrow = vec![false; candidates.len()];
        for i in largest_first(candidates) {
            narrow[i] = true;
            narrow[i] = bound(candidates, &narrow) <= error;
        }
        let mut off = self.off_with(&probes, candidates, &narrow);
        if off.is_none_or(|off| off > most) {
            off = self.keep_within(&probes, candidates, most);
            narrow = vec![false; candidates.len()];
            for i in largest_first(candidates) {
                narrow[i] = candidates[i].narrow.is_some();
                let more = (narrow[i] && bound(candidates, &narrow) <= error)
                    .then(|| self.off_with(&probes, candidates, &narrow))
                    .flatten();
                match more {
                    Some(more) if more <= most => off = Some(more),
                    _ => narrow[i] = false,
                }
            }
        }
        for (c, narrow) in candidates.iter_mut().zip(narrow) {
            if let Some(format) = c.narrow.take().filter(|_| narrow) {
                c.layer.format = format;
            }
        }
        off
    }

    /// Leaves layers to floats until wide ones take the outputs no further off than they may be; how far that is.
    fn keep_within(&mut self, probes: &Probes, candidates: &mut Vec<Candidate>, most: f64) -> Option<f64> {
        let mut off = self.off_with(probes, candidates, &[]);
        let mut at = 0;
        while off.is_some_and(|off| off > most) && at < candidates.len() {
            // Each alone: mostly it is the first layer, or one.
            let Some(alone) = self.off(probes, &[(&candidates[at], &candidates[at].layer.format)]) else {
                break;
            };
            if alone <= most / candidates.len() as f64 {
                at += 1;
                continue;
            }
            let dropped = candidates.remove(at);
            self.set_layer(dropped.node, Layer::Software(TOO_FAR));
            // Without patience to see what that did, it is what it was at most.
            off = self.off_with(probes, candidates, &[]).or(off);
        }
        off
    }

    fn off_with(&self, probes: &Probes, candidates: &[Candidate], narrow: &[bool]) -> Option<f64> {
        let layers: Vec<_> = candidates.iter().enumerate().map(|(i, c)| (c, chosen(c, narrow, i))).collect();
        self.off(probes, &layers)
    }
}

/// The order in which layers become narrow.
fn largest_first(candidates: &[Candidate]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(candidates[i].layer.format.weights.len()));
    order
}

/// The format of candidate `i`.
fn chosen<'c>(candidate: &'c Candidate, narrow: &[bool], i: usize) -> &'c Format {
    let narrow = candidate.narrow.as_ref().filter(|_| narrow.get(i).copied().unwrap_or(false));
    narrow.unwrap_or(&candidate.layer.format)
}

/// What the bounds sum up to.
fn bound(candidates: &[Candidate], narrow: &[bool]) -> f64 {
    candidates.iter().enumerate().map(|(i, c)| chosen(c, narrow, i).error).sum()
}
