//! Quantising a network from beginning to end.

use super::budget;
use super::calibrate::{Calibration, grids};
use super::correct::correct_biases;
use super::diagnose;
use super::equalise::{equalised, factors, pairs, spread_of};
use super::learn::learned;
use super::measure;
use super::observe::{Observation, observe};
use super::probe::{Quality, Reference, Samples};
use super::rewrite::Interface;
use super::rewrite::rewrite;
use super::settings::{Correction, Equalised, Progress, Quantised, Report, Rounding, Settings, Widened};
use super::units;
use super::weights::{compensated, nearest};
use super::{Network, Scheme, Weights};
use crate::error::{Error, Result};
use std::ops::ControlFlow;
use teff_compile::left_in_floats;
use teff_data::Dataset;
use teff_graph::{DType, Graph};

/// Samples that trials are made with.
const TRIAL: usize = 128;
/// Equalisation is tried where one channel reaches so much farther than the middle one.
const UNEQUAL: f64 = 2.0;
/// Rounding to 8 bits is learned where it costs more, in dB.
const COSTLY: f64 = 1.0;
/// Tensors get 16 bits where more is lost than this share of samples or, where classes are not known, signal to noise is below this, in dB.
const LOST: f64 = 0.005;
const NOISY: f64 = 20.0;
/// Groups of tensors that get 16 bits at most.
const MOST_WIDE: usize = 8;
/// What a step must bring, in dB.
const WORTHWHILE: f64 = 0.2;

/// Quantises `graph`, calibrated with samples of `data`, as `settings` say.
///
/// # Errors
/// A graph that cannot be quantised, data that do not fit it, a name that no layer has, a budget that cannot be met; [`Error::Stopped`]
/// when `progress` breaks.
pub fn quantize(
    graph: &Graph,
    data: &Dataset,
    settings: &Settings,
    progress: &mut Progress,
) -> Result<Quantised> {
    let mut network = Network::new(graph)?;
    let bits = budget::asked(&network, settings)?;
    let all = Samples::choose(&network.graph, data, settings.samples, settings.seed)?;
    if all.is_empty() {
        return Err(Error::Setting(
            "there are no samples to calibrate with; give a data set with training samples".into(),
        ));
    }
    // What is chosen to fit some samples is judged by others.
    let (samples, judged) = all.held_back();
    told(progress, "running the float network", 0, 1)?;
    let reference = Reference::new(&network, &judged, settings.threads)?;
    let few = judged.first(TRIAL);
    let trial = Reference::new(&network, &few, settings.threads)?;
    let standardised = units::standardise(&mut network, &all, &reference, settings)?;
    let mut job = Job { settings, samples: &samples, network, bits, progress };
    let equalised = if settings.equalise { job.equalise(&trial)? } else { Vec::new() };
    let (calibration, tried) = job.calibrate(&all)?;
    // What did best with the others unseen then sees all.
    let seen = observe(&job.network, &all, settings.threads)?;
    let sites = grids(&job.network, &seen, calibration, settings.tensors);
    let infinite = job.network.sites.iter().zip(&seen).filter(|(_, seen)| !seen.is_bounded());
    let infinite: Vec<_> = infinite.map(|(site, _)| (site.name.clone(), "it becomes infinite")).collect();
    job.network.floats.extend(infinite);
    job.network.floats.extend(settings.keep.iter().map(|name| (name.clone(), "it is kept")));
    job.samples = &all;
    if let Some(bytes) = settings.budget {
        job.bits = budget::choose(&job.network, &job.bits, &sites, settings, bytes, &trial)?;
    }
    let layers = job.weights()?;
    let mut scheme = Scheme { sites, layers };
    budget::keep(&job.network, &mut scheme, settings);
    // Where features are of different units, small differences matter, and such networks are small.
    let lost = if standardised.is_empty() { LOST } else { 0.0 };
    let widened = match settings.widen {
        true => {
            job.widen(&mut scheme, &seen, &Reference::new(&job.network, &all, settings.threads)?, lost)?
        }
        false => Vec::new(),
    };
    let learned = job.learn(&mut scheme, &samples, &reference)?;
    let correction =
        if settings.bias_correction { Some(job.correct(&mut scheme, &reference)?) } else { None };
    job.step("measuring the whole", 0, 1)?;
    let (quality, outputs) = reference.judged(&job.network, &scheme)?;
    let mut step = |i, n| told(job.progress, "measuring each layer", i, n);
    let layers = measure::layers(&job.network, &scheme, &seen, &reference, &mut step)?;
    let mut report = Report {
        samples: all.len(),
        judged: judged.len(),
        outputs,
        float_accuracy: reference.accuracy,
        accuracy: quality.accuracy,
        sqnr: quality.sqnr,
        standardised,
        calibration,
        tried,
        equalised,
        widened,
        learned,
        correction,
        bytes: layers.iter().map(|l| l.bytes).sum(),
        float_bytes: (0..job.network.layers.len()).map(|i| budget::float_bytes(&job.network, i)).sum(),
        layers,
        floats: job.network.floats.clone(),
        findings: Vec::new(),
    };
    report.findings = diagnose::findings(&job.network, &scheme, &seen, &report, settings, &reference)?;
    let graph = rewrite(&job.network, &scheme, settings.interface)?;
    let kept = |name: &str| report.floats.iter().any(|(known, _)| known == name);
    let left = left_in_floats(&graph)?.into_iter().filter(|(name, _)| !kept(name)).collect::<Vec<_>>();
    report.floats.extend(left);
    Ok(Quantised { graph, network: job.network, scheme, report })
}

/// The work as it goes on.
struct Job<'a, 'p> {
    settings: &'a Settings,
    samples: &'a Samples,
    network: Network,
    /// Bits of each layer; nothing where it stays float.
    bits: Vec<Option<u8>>,
    progress: &'a mut Progress<'p>,
}

/// Tells how far the work is; an error when it is to stop.
fn told(progress: &mut Progress, what: &str, done: usize, of: usize) -> Result<()> {
    match progress(what, done, of) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Stopped),
    }
}

fn good_enough(now: &Quality, reference: &Reference, lost: f64) -> bool {
    match now.accuracy.zip(reference.accuracy) {
        Some((now, float)) => float - now <= lost,
        None => now.sqnr >= NOISY,
    }
}

impl Job<'_, '_> {
    fn step(&mut self, what: &str, done: usize, of: usize) -> Result<()> {
        told(self.progress, what, done, of)
    }

    /// Everything rounded to the nearest: what trials are made with.
    fn simple(&self, network: &Network, sites: Vec<Option<super::Grid>>) -> Scheme {
        let of = |(i, bits): (usize, &Option<u8>)| bits.map(|b| nearest(network, i, b));
        let mut scheme = Scheme { sites, layers: self.bits.iter().enumerate().map(of).collect() };
        budget::keep(network, &mut scheme, self.settings);
        scheme
    }

    /// Equalises the pairs of layers that it helps, in order.
    fn equalise(&mut self, trial: &Reference) -> Result<Vec<Equalised>> {
        let all = pairs(&self.network);
        let how = self.settings.calibration.unwrap_or(Calibration::Mse);
        let mut report = Vec::new();
        let few = self.samples.first(TRIAL);
        let mut seen = observe(&self.network, &few, self.settings.threads)?;
        let mut now: Option<f64> = None;
        for (done, pair) in all.iter().enumerate() {
            self.step("equalising channels", done, all.len())?;
            let Some(factors) = factors(&self.network, pair, &seen) else { continue };
            let site = self.network.layers[pair.first].output.expect("it has factors");
            let spread = spread_of(&seen[site].peaks);
            if spread < UNEQUAL || self.bits[pair.first].is_none() || self.bits[pair.second].is_none() {
                continue;
            }
            let measured = |network: &Network, seen: &[Observation]| {
                let sites = grids(network, seen, how, self.settings.tensors);
                trial.measure(network, &self.simple(network, sites)).map(|q| q.sqnr)
            };
            let before = match now {
                Some(sqnr) => sqnr,
                None => measured(&self.network, &seen)?,
            };
            let changed = equalised(&self.network, pair, &factors);
            let changed_seen = observe(&changed, &few, self.settings.threads)?;
            let after = measured(&changed, &changed_seen)?;
            let applied = after > before + WORTHWHILE;
            let name = |i: usize| self.network.layers[i].name.clone();
            report.push(Equalised {
                first: name(pair.first),
                second: name(pair.second),
                spread,
                before,
                after,
                applied,
            });
            now = Some(if applied { after } else { before });
            if applied {
                (self.network, seen) = (changed, changed_seen);
            }
        }
        Ok(report)
    }

    /// How ranges are chosen: the method asked for or the one that does best, and what each came to, in dB. Few samples make the difference
    /// where ranges are cut: each of all judges once what the others chose.
    fn calibrate(&mut self, all: &Samples) -> Result<(Calibration, Vec<(Calibration, f64)>)> {
        let methods = match &self.settings.calibration {
            Some(one) => vec![*one],
            None => Calibration::ALL.to_vec(),
        };
        let mut noise = vec![0.0; methods.len()];
        let folds = all.folds();
        for (done, (samples, judged)) in folds.iter().enumerate() {
            let seen = observe(&self.network, samples, self.settings.threads)?;
            let reference = Reference::new(&self.network, judged, self.settings.threads)?;
            for (i, how) in methods.iter().enumerate() {
                self.step("choosing ranges", done * methods.len() + i, folds.len() * methods.len())?;
                let sites = grids(&self.network, &seen, *how, self.settings.tensors);
                // With weights that stay float: theirs is another error.
                let mut scheme = Scheme { sites, ..Scheme::float(&self.network) };
                budget::keep(&self.network, &mut scheme, self.settings);
                let sqnr = reference.measure(&self.network, &scheme)?.sqnr;
                noise[i] += 10f64.powf(-sqnr / 10.0) / folds.len() as f64;
            }
        }
        let decibels = |noise: &f64| -10.0 * noise.log10();
        let tried: Vec<_> = methods.into_iter().zip(noise.iter().map(decibels)).collect();
        let best = tried.iter().fold(tried[0], |best, now| if now.1 > best.1 { *now } else { best }).0;
        Ok((best, tried))
    }

    /// The integers of each layer.
    fn weights(&mut self) -> Result<Vec<Option<Weights>>> {
        let n = self.bits.len();
        let mut layers = Vec::with_capacity(n);
        for i in 0..n {
            self.step("rounding weights", i, n)?;
            layers.push(match self.bits[i] {
                None => None,
                Some(8) => Some(nearest(&self.network, i, 8)),
                Some(bits) if self.settings.rounding == Rounding::Nearest => {
                    Some(nearest(&self.network, i, bits))
                }
                Some(bits) => Some(compensated(&self.network, i, bits, self.samples, self.settings.threads)?),
            });
        }
        Ok(layers)
    }

    /// Gives tensors 16 bits, each time that which gains most, until the outputs are good enough or nothing gains. Gives what it came to each
    /// time.
    fn widen(
        &mut self,
        scheme: &mut Scheme,
        seen: &[Observation],
        reference: &Reference,
        lost: f64,
    ) -> Result<Vec<Widened>> {
        let wide = grids(&self.network, seen, Calibration::MinMax, DType::I16);
        let sites = &self.network.sites;
        let with = |scheme: &Scheme, group: usize| {
            let pick = |(i, grid): (usize, &Option<super::Grid>)| {
                grid.and_then(|grid| if sites[i].group == group { wide[i] } else { Some(grid) })
            };
            Scheme { sites: scheme.sites.iter().enumerate().map(pick).collect(), ..scheme.clone() }
        };
        // Sums of 16 bits may exceed 32, and are floats then.
        let floats = |network: &Network, scheme: &Scheme| -> Result<usize> {
            Ok(left_in_floats(&rewrite(network, scheme, Interface::Float)?)?.len())
        };
        let mut now = reference.measure(&self.network, scheme)?;
        let mut report = Vec::new();
        let mut too_wide = Vec::new();
        while report.len() < MOST_WIDE && !good_enough(&now, reference, lost) {
            let is_end = |s: &super::Site| s.is_input || s.is_output;
            let free = |(s, grid): &(&super::Site, &Option<super::Grid>)| {
                grid.is_some_and(|g| g.dtype != DType::I16)
                    && !(self.settings.interface == Interface::Int8 && is_end(s))
                    && !too_wide.contains(&s.group)
            };
            let mut groups: Vec<usize> =
                sites.iter().zip(&scheme.sites).filter(free).map(|(s, _)| s.group).collect();
            groups.sort_unstable();
            groups.dedup();
            let mut best: Option<(usize, Quality)> = None;
            for (done, group) in groups.iter().enumerate() {
                told(self.progress, "looking for tensors that need 16 bits", done, groups.len())?;
                let after = reference.measure(&self.network, &with(scheme, *group))?;
                if best.as_ref().is_none_or(|(_, b)| after.sqnr > b.sqnr) {
                    best = Some((*group, after));
                }
            }
            let Some((group, after)) = best.filter(|(_, b)| b.sqnr > now.sqnr + WORTHWHILE) else { break };
            let wider = with(scheme, group);
            if floats(&self.network, &wider)? > floats(&self.network, scheme)? {
                too_wide.push(group);
                continue;
            }
            *scheme = wider;
            let names = sites.iter().filter(|s| s.group == group).map(|s| s.name.clone()).collect();
            report.push(Widened { tensors: names, before: now.sqnr, after: after.sqnr });
            now = after;
        }
        Ok(report)
    }

    /// Learns to round where weights have few bits or cost more than [`COSTLY`].
    fn learn(
        &mut self,
        scheme: &mut Scheme,
        samples: &Samples,
        reference: &Reference,
    ) -> Result<Option<Correction>> {
        if self.settings.rounding != Rounding::Learned {
            return Ok(None);
        }
        let before = reference.measure(&self.network, scheme)?.sqnr;
        let exact = Scheme { layers: vec![None; scheme.layers.len()], ..scheme.clone() };
        let few = scheme.layers.iter().flatten().any(|w| w.bits < 8);
        if !few && reference.measure(&self.network, &exact)?.sqnr < before + COSTLY {
            return Ok(None);
        }
        let threads = self.settings.threads;
        let mut tell = |done, of| told(self.progress, "learning to round", done, of);
        let Some(layers) = learned(&self.network, scheme, samples, threads, &mut tell)? else {
            return Ok(None);
        };
        let changed = Scheme { layers, ..scheme.clone() };
        Ok(Some(self.keep_better(scheme, changed, before, reference)?))
    }

    /// Puts `changed` in the place of `scheme`, whose signal to noise is `before`, if that is better.
    fn keep_better(
        &self,
        scheme: &mut Scheme,
        changed: Scheme,
        before: f64,
        reference: &Reference,
    ) -> Result<Correction> {
        let after = reference.measure(&self.network, &changed)?.sqnr;
        let applied = after > before;
        if applied {
            *scheme = changed;
        }
        Ok(Correction { before, after, applied })
    }

    fn correct(&mut self, scheme: &mut Scheme, reference: &Reference) -> Result<Correction> {
        self.step("correcting biases", 0, 1)?;
        let before = reference.measure(&self.network, scheme)?.sqnr;
        let mut corrected = scheme.clone();
        correct_biases(&self.network, &mut corrected, self.samples, self.settings.threads)?;
        self.keep_better(scheme, corrected, before, reference)
    }
}
