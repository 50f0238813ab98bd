//! Layers that quantisation ruins, why, and what would help.

use super::calibrate::{Calibration, grids};
use super::correct::correct_biases;
use super::equalise::{equalised, factors, pairs, spread_of};
use super::observe::{Observation, observe};
use super::probe::Reference;
use super::settings::{Finding, Remedy, Report, Settings};
use super::weights::compensated;
use super::{Network, Scheme, budget, measure};
use crate::error::Result;

/// A layer is named when it alone costs more of the accuracy than this,
const TOLERATED_LOSS: f64 = 0.01;
/// or when it alone leaves the outputs a smaller signal to noise than this, in dB, and accuracy is lost altogether or not known.
const TOLERATED_NOISE: f64 = 15.0;
/// A channel that reaches so much farther than the middle one is an outlier.
const OUTLIER: f64 = 8.0;

/// The layers that lose too much, the worst first, each with the remedies that help it.
pub(super) fn findings(
    network: &Network,
    scheme: &Scheme,
    seen: &[Observation],
    report: &Report,
    settings: &Settings,
    reference: &Reference,
) -> Result<Vec<Finding>> {
    let lost =
        report.float_accuracy.zip(report.accuracy).is_none_or(|(before, now)| before - now > TOLERATED_LOSS);
    let mut bad: Vec<usize> = (0..network.layers.len())
        .filter(|&i| {
            let l = &report.layers[i];
            scheme.layers[i].is_some()
                && (l.loss.is_some_and(|loss| loss > TOLERATED_LOSS) || lost && l.alone < TOLERATED_NOISE)
        })
        .collect();
    bad.sort_by_key(|&i| report.layers[i].rank);
    bad.into_iter().map(|i| finding(network, scheme, seen, report, settings, reference, i)).collect()
}

fn finding(
    network: &Network,
    scheme: &Scheme,
    seen: &[Observation],
    report: &Report,
    settings: &Settings,
    reference: &Reference,
    i: usize,
) -> Result<Finding> {
    let alone = report.layers[i].alone;
    let mut remedies = Vec::new();
    let mut consider = |option: String, what: &str, network: &Network, scheme: &Scheme| -> Result<()> {
        let quality = reference.measure(network, scheme)?;
        // Half of the noise, at least.
        if quality.sqnr > alone + 3.0 {
            remedies.push(Remedy {
                option,
                what: what.into(),
                sqnr: quality.sqnr,
                accuracy: quality.accuracy,
            });
        }
        Ok(())
    };
    let only = measure::only(network, scheme, i);
    let bits = only.layers[i].as_ref().map_or(8, |w| w.bits);
    if let Some((changed, scheme)) =
        with_equalised(network, scheme, i, bits, report.calibration, settings, reference)?
    {
        consider(
            "--equalize on".into(),
            "divides its far-reaching channels and multiplies the next layer's weights instead",
            &changed,
            &scheme,
        )?;
    }
    for how in Calibration::ALL.into_iter().filter(|c| c.name() != report.calibration.name()) {
        let other = Scheme { sites: grids(network, seen, how, settings.tensors), ..scheme.clone() };
        let what = "chooses the ranges of its tensors in another way";
        consider(format!("--calibration {}", how.name()), what, network, &measure::only(network, &other, i))?;
    }
    if bits < 8 {
        let more = bits * 2;
        let mut wider = only.clone();
        wider.layers[i] = Some(compensated(network, i, more, reference.samples, settings.threads)?);
        if settings.bias_correction {
            correct_biases(network, &mut wider, reference.samples, settings.threads)?;
        }
        consider(
            format!("--layer {}={more}", network.layers[i].name),
            "gives its weights more bits",
            network,
            &wider,
        )?;
    }
    remedies.sort_by(|a, b| b.sqnr.total_cmp(&a.sqnr));
    let mut kept = Settings { keep: vec![network.layers[i].name.clone()], ..settings.clone() };
    kept.keep.extend(settings.keep.iter().cloned());
    let mut without = only.clone();
    budget::keep(network, &mut without, &kept);
    let quality = reference.measure(network, &without)?;
    remedies.push(Remedy {
        option: format!("--keep {}", network.layers[i].name),
        what: "leaves it float".into(),
        sqnr: quality.sqnr,
        accuracy: quality.accuracy,
    });
    Ok(Finding { layer: network.layers[i].name.clone(), cause: cause(network, scheme, seen, i), remedies })
}

/// The layer alone, after it was equalised with the next.
fn with_equalised(
    network: &Network,
    scheme: &Scheme,
    i: usize,
    bits: u8,
    how: Calibration,
    settings: &Settings,
    reference: &Reference,
) -> Result<Option<(Network, Scheme)>> {
    let Some(pair) = pairs(network).into_iter().find(|p| p.first == i) else { return Ok(None) };
    let Some(factors) = factors(network, &pair, &observe(network, reference.samples, settings.threads)?)
    else {
        return Ok(None);
    };
    let changed = equalised(network, &pair, &factors);
    let seen = observe(&changed, reference.samples, settings.threads)?;
    let mut layers = scheme.layers.clone();
    layers[i] = Some(super::weights::nearest(&changed, i, bits));
    let all = Scheme { sites: grids(&changed, &seen, how, settings.tensors), layers };
    let alone = measure::only(&changed, &all, i);
    Ok(Some((changed, alone)))
}

/// What makes a layer lose, as far as its numbers tell.
fn cause(network: &Network, scheme: &Scheme, seen: &[Observation], i: usize) -> String {
    let layer = &network.layers[i];
    let mut causes = Vec::new();
    if let Some(site) = layer.output {
        let o = &seen[site];
        let spread = spread_of(&o.peaks);
        let most = o.peaks.iter().enumerate().fold((0, 0f32), |m, (c, p)| if *p > m.1 { (c, *p) } else { m });
        if spread > OUTLIER
            && let Some(grid) = scheme.sites[site]
        {
            let middle = f64::from(most.1) / spread;
            causes.push(format!(
                "channel {} of its output reaches {:.3}, the middle one {middle:.3}, which is {:.1} steps of the grid they share",
                most.0,
                most.1,
                middle / f64::from(grid.scale)
            ));
        } else if let Some(grid) = scheme.sites[site] {
            let (low, high) = grid.reach();
            let total: u64 = o.counts.iter().sum::<u64>().max(1);
            // Half of all values other than 0 lie nearer to 0 than this.
            let near = median_magnitude(o, total);
            if near < f64::from(grid.scale) {
                causes.push(format!("half of its outputs lie within {near:.2e} of 0, less than one step of a grid from {low:.3} to {high:.3}"));
            }
        }
    }
    if let Some(weights) = &scheme.layers[i]
        && weights.bits < 8
    {
        causes.push(format!("weights of {} bits are too coarse for it", weights.bits));
    }
    if causes.is_empty() {
        causes.push("the network is sensitive to its rounding".into());
    }
    causes.join("; ")
}

fn median_magnitude(seen: &Observation, total: u64) -> f64 {
    let mut bars: Vec<(f64, u64)> =
        seen.counts.iter().enumerate().map(|(i, n)| (seen.middle(i).abs(), *n)).collect();
    bars.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut passed = 0;
    for (x, n) in bars {
        passed += n;
        if 2 * passed >= total {
            return x;
        }
    }
    0.0
}
