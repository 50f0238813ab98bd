//! The training loop: batches in a seeded order, a captured step, a schedule, checkpoints.

mod goal;
mod settings;

pub use crate::optim::Rule;
pub use goal::{Goal, Loss, Score};
pub use settings::Settings;

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::nn::Pass;
use crate::optim::Optimizer;
use crate::step::Step;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use teff_data::{Augmenter, Dataset, Order};
use teff_graph::{DType, Param, Tensor};

/// Where training stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Epochs done.
    pub epoch: usize,
    /// Steps done of this epoch.
    pub step: usize,
    /// Steps in an epoch.
    pub steps: usize,
    /// Mean loss of this epoch so far.
    pub loss: f64,
    /// How good the network was at this epoch's samples when they were seen.
    pub score: Score,
    /// Learning rate of the last step.
    pub rate: f64,
}

/// What can be trained: a [`crate::model::Model`], or a [`crate::quantize::Network`] as it is or quantised.
pub trait Trainable {
    /// What it is called.
    fn name(&self) -> &str;

    /// Shape of one sample, such as `[1, 28, 28]`.
    fn input(&self) -> &[usize];

    /// Shape of what it gives for one sample, such as `[10]`.
    fn output(&self) -> &[usize];

    /// The network applied to a batch `[N, ..input]`.
    fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor;

    /// Everything it holds, trained or not, in a fixed order and with names that differ.
    fn params(&self) -> Vec<Param>;
}

/// A model being trained.
pub struct Trainer<'a> {
    model: &'a dyn Trainable,
    data: &'a Dataset,
    goal: Goal<'a>,
    /// Those of the batch.
    targets: Vec<f32>,
    settings: Settings,
    optimizer: Optimizer,
    /// What the pass keeps between steps.
    pass_state: Vec<Param>,
    step: Step,
    augmenter: Option<Augmenter>,
    epoch: usize,
    step_in_epoch: usize,
    sums: Totals,
}

/// What has been summed up in an epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    loss: f64,
    steps: usize,
    score: f64,
}

impl<'a> Trainer<'a> {
    /// Captures the training step of `model` on `data`.
    ///
    /// # Errors
    /// Settings out of range, samples of another shape than the model's, fewer samples than a batch.
    pub fn new(model: &'a dyn Trainable, data: &'a Dataset, settings: Settings) -> Result<Trainer<'a>> {
        settings.check()?;
        let setting = |reason: String| Err(Error::Setting(reason));
        if data.shape() != model.input() {
            return setting(format!(
                "the model takes samples of shape {:?}, the data has {:?}",
                model.input(),
                data.shape()
            ));
        }
        if let [_, others @ ..] = data.inputs()
            && let Some(other) = others.first()
        {
            return setting(format!(
                "the data has {} arrays of samples, and a network is trained on one; take {:?} out of it, or say that it is to be found (--label)",
                data.inputs().len(),
                other.name
            ));
        }
        let goal = Goal::new(data, settings.loss, settings.label_smoothing)?;
        goal.check(model.output())?;
        if data.len() < settings.batch {
            return setting(format!(
                "{} samples do not fill a batch of {}; choose a smaller one",
                data.len(),
                settings.batch
            ));
        }
        let x = Tensor::input("x", DType::F32, &[&[settings.batch], data.shape()].concat());
        let y = Tensor::input("y", DType::F32, &[settings.batch, goal.target_len()]);
        let pass = Pass::training(settings.seed);
        let said = model.forward(&x, &pass);
        let loss = goal.loss(&said, &y);
        let mut optimizer = settings.optimizer();
        let mut updates = optimizer.minimize(&loss)?;
        updates.extend(pass.updates());
        let step = Step::new(&[&x, &y], &[&loss, &said], &updates, settings.step_threads())?;
        let augmenter = settings.augment.clone().map(|a| Augmenter::new(a, data.shape())).transpose()?;
        let pass_state = pass.state();
        let sums = Totals::default();
        Ok(Trainer {
            model,
            data,
            targets: vec![0.0; settings.batch * goal.target_len()],
            goal,
            settings,
            optimizer,
            pass_state,
            step,
            augmenter,
            epoch: 0,
            step_in_epoch: 0,
            sums,
        })
    }

    /// Steps in an epoch.
    pub fn steps(&self) -> usize {
        self.data.len() / self.settings.batch
    }

    /// Where training stands.
    pub fn progress(&self) -> Progress {
        let samples = self.sums.steps * self.settings.batch;
        Progress {
            epoch: self.epoch,
            step: self.step_in_epoch,
            steps: self.steps(),
            loss: self.sums.loss / self.sums.steps.max(1) as f64,
            score: self.goal.scored(self.sums.score, samples),
            rate: self.rate(),
        }
    }

    /// True when all epochs are done.
    pub fn is_done(&self) -> bool {
        self.epoch >= self.settings.epochs
    }

    fn rate(&self) -> f64 {
        let done = (self.epoch * self.steps() + self.step_in_epoch) as f64;
        let all = (self.settings.epochs * self.steps()) as f64;
        self.settings.rate * self.settings.schedule.at((done / all).min(1.0))
    }

    /// Trains to the end of the epoch, calling `observe` after each step; it may stop the training there.
    ///
    /// # Errors
    /// A loss that is no longer a number.
    pub fn epoch(&mut self, mut observe: impl FnMut(Progress) -> ControlFlow<()>) -> Result<Progress> {
        if self.step_in_epoch == 0 {
            self.sums = Totals::default();
        }
        let mut order = Order::new(self.data.len());
        let order = order.shuffle(self.settings.seed, self.epoch as u64);
        let batches = order.chunks_exact(self.settings.batch).skip(self.step_in_epoch);
        let mut gather = gatherer(self.data, self.augmenter.clone(), self.epoch as u64);
        if self.augmenter.is_none() || self.settings.threads == 1 {
            for batch in batches {
                gather(batch, self.step.input_mut(0));
                if self.one(batch, &mut observe)?.is_break() {
                    break;
                }
            }
        } else {
            self.overlapped(gather, batches, &mut observe)?;
        }
        let progress = self.progress();
        if self.step_in_epoch == self.steps() {
            (self.epoch, self.step_in_epoch) = (self.epoch + 1, 0);
        }
        Ok(progress)
    }

    /// Batches are put together on a thread of their own, one ahead: changing images takes about as long as learning from them.
    fn overlapped<'b>(
        &mut self,
        mut gather: impl FnMut(&[usize], &mut [f32]) + Send,
        batches: impl Iterator<Item = &'b [usize]> + Send,
        observe: &mut impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<()> {
        let (size, sample) = (self.settings.batch, self.data.sample_len());
        let (to_fill, empty) = sync_channel::<Vec<f32>>(2);
        let (filled, ready) = sync_channel(2);
        std::thread::scope(|scope| {
            // Moved in, so that every way out of this closure hangs up and lets the thread end.
            let (to_fill, ready) = (to_fill, ready);
            for _ in 0..2 {
                to_fill.send(vec![0.0; size * sample]).expect("the channel holds two");
            }
            let gather = move || {
                for batch in batches {
                    let Ok(mut images) = empty.recv() else { return };
                    gather(batch, &mut images);
                    if filled.send((images, batch)).is_err() {
                        return;
                    }
                }
            };
            let started = std::thread::Builder::new().spawn_scoped(scope, gather);
            started
                .map_err(|e| Error::Setting(format!("no thread for the batches could be started: {e}")))?;
            while let Ok((images, batch)) = ready.recv() {
                self.step.input_mut::<f32>(0).copy_from_slice(&images);
                if self.one(batch, observe)?.is_break() {
                    break;
                }
                // The thread has ended when it had no more batches.
                let _ = to_fill.send(images);
            }
            Ok(())
        })
    }

    /// One step on the images of these samples, which are in place.
    fn one(
        &mut self,
        batch: &[usize],
        observe: &mut impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        self.optimizer.set_rate(self.rate());
        self.goal.gather(batch, &mut self.targets);
        self.step.input_mut::<f32>(1).copy_from_slice(&self.targets);
        self.step.run()?;
        let loss = self.step.item(0);
        if !loss.is_finite() {
            return Err(Error::Setting(format!(
                "the loss became {loss} in epoch {}, step {}: the training diverged; lower the learning rate or clip gradients",
                self.epoch + 1,
                self.step_in_epoch + 1
            )));
        }
        self.sums.score += self.goal.score(self.step.output(1), &self.targets);
        self.sums.loss += f64::from(loss);
        self.sums.steps += 1;
        self.step_in_epoch += 1;
        Ok(observe(self.progress()))
    }

    /// Everything that training needs to go on from here, bit for bit.
    pub fn checkpoint(&self) -> Checkpoint {
        let mut out = Checkpoint::default();
        for p in self.state() {
            out.tensors.insert(p.name().to_string(), p.value().clone());
        }
        let text = [
            ("model", self.model.name().to_string()),
            ("epoch", self.epoch.to_string()),
            ("step", self.step_in_epoch.to_string()),
            ("sums", format!("{:?} {} {:?}", self.sums.loss, self.sums.steps, self.sums.score)),
            ("settings", format!("{:?}", Settings { epochs: 0, threads: 0, ..self.settings.clone() })),
        ];
        out.metadata.extend(text.map(|(k, v)| (k.to_string(), v)));
        out
    }

    fn state(&self) -> Vec<Param> {
        self.model
            .params()
            .into_iter()
            .chain(self.optimizer.state().iter().chain(&self.pass_state).cloned())
            .collect()
    }

    /// Goes on from a checkpoint of `path`.
    ///
    /// # Errors
    /// A checkpoint of another model or other settings. Nothing is changed then.
    pub fn resume(&mut self, checkpoint: &Checkpoint, path: &Path) -> Result<()> {
        let fail = |reason: String| Err(Error::Checkpoint { path: path.into(), reason });
        let text = |key: &str| checkpoint.metadata.get(key).map(String::as_str).unwrap_or_default();
        let ours = self.checkpoint();
        for key in ["model", "settings"] {
            if text(key) != ours.metadata[key] {
                return fail(format!(
                    "was made with {key} {:?}, not {:?}; train with the same, or start anew without it",
                    text(key),
                    ours.metadata[key]
                ));
            }
        }
        let types =
            |c: &Checkpoint| -> Vec<_> { c.tensors.iter().map(|(n, v)| (n.clone(), v.ty())).collect() };
        if types(checkpoint) != types(&ours) {
            return fail("holds other tensors than this training needs; start anew without it".into());
        }
        let sums: Vec<&str> = text("sums").split(' ').collect();
        let (Ok(epoch), Ok(step), &[loss, steps, score]) =
            (text("epoch").parse(), text("step").parse(), &sums[..])
        else {
            return fail("does not say where training stood; start anew without it".into());
        };
        let (Ok(loss), Ok(steps), Ok(score)) = (loss.parse(), steps.parse(), score.parse()) else {
            return fail("does not say where training stood; start anew without it".into());
        };
        for p in self.state() {
            p.set(checkpoint.tensors[&*p.name()].clone()).expect("types were compared");
        }
        (self.epoch, self.step_in_epoch, self.sums) = (epoch, step, Totals { loss, steps, score });
        Ok(())
    }
}

/// Writes the images of batches of an epoch, changed if they are to be.
fn gatherer(
    data: &Dataset,
    augmenter: Option<Augmenter>,
    epoch: u64,
) -> impl FnMut(&[usize], &mut [f32]) + Send {
    let mut changes = augmenter.map(|a| (a.scratch(), a));
    move |batch, images| match &mut changes {
        Some((scratch, augmenter)) => augmenter.gather(data, batch, epoch, images, scratch),
        None => data.gather(batch, images),
    }
}
