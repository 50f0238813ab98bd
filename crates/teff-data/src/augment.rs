//! Augmentation: each image shifted, turned, scaled and bent a little differently every time it is seen.
//!
//! All of it is one map from the pixels of the result to places in the original, so that each image is sampled once
//! (bilinearly) and blurred no more than that takes:
//!
//! ```text
//! place(p) = centre + rotate(-angle) (p - centre) / scale - shift + displacement(p)
//! ```
//!
//! The numbers are drawn from a generator of (seed, epoch, sample) alone, so the result does not depend on threads,
//! batches or order.

mod elastic;
mod resample;

use crate::dataset::{Dataset, Sample};
use crate::error::{Error, Result, dimensions};
use crate::rng::Rng;
use elastic::Elastic;
use resample::{Affine, Padded};

/// What lies outside the original image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Zero: right for digits on black.
    Zero,
    /// The nearest pixel of the edge: right for photographs.
    Edge,
}

/// How far images are changed. Each value is the largest change; the actual one is drawn evenly between minus and plus
/// that. The defaults suit 28x28 handwritten digits.
#[derive(Clone, Debug, PartialEq)]
pub struct Augment {
    /// Pixels that an image moves in each direction; 0 to 1000, default 2. The distance need not be whole.
    pub shift: f32,
    /// Degrees that it is turned about its centre; 0 to 180, default 12.
    pub rotate: f32,
    /// Share by which it grows or shrinks: 0.1 means factors of 0.9 to 1.1; 0 to 0.9, default 0.12.
    pub scale: f32,
    /// Strength of the elastic distortion of Simard, Steinkraus and Platt ("Best practices for convolutional neural
    /// networks", ICDAR 2003): each pixel draws a displacement of -1 to 1 in each direction, the two fields are
    /// smoothed by a Gaussian of `elastic_sigma` and multiplied by this. 0 (none) to 1000, default 24 (theirs was 34).
    /// Away from the edges the displacement has a root mean square of `0.163 * elastic_alpha / elastic_sigma` pixels.
    pub elastic_alpha: f32,
    /// Standard deviation in pixels of the Gaussian that smooths the displacements; 0.5 to 50, default 4.
    pub elastic_sigma: f32,
    /// What lies outside the image; default [`Outside::Zero`].
    pub outside: Outside,
    /// Chooses the sequence of changes; default 0.
    pub seed: u64,
}

impl Default for Augment {
    fn default() -> Self {
        Self {
            shift: 2.0,
            rotate: 12.0,
            scale: 0.12,
            elastic_alpha: 24.0,
            elastic_sigma: 4.0,
            outside: Outside::Zero,
            seed: 0,
        }
    }
}

impl Augment {
    /// No change at all, to switch single ones on.
    pub fn none() -> Self {
        Self { shift: 0.0, rotate: 0.0, scale: 0.0, elastic_alpha: 0.0, ..Self::default() }
    }

    fn check(&self) -> Result<()> {
        let ranges = [
            ("shift", self.shift, 0.0, 1000.0),
            ("rotate", self.rotate, 0.0, 180.0),
            ("scale", self.scale, 0.0, 0.9),
            ("elastic_alpha", self.elastic_alpha, 0.0, 1000.0),
            ("elastic_sigma", self.elastic_sigma, 0.5, 50.0),
        ];
        for (name, value, least, most) in ranges {
            // Written so that NaN is refused too.
            if !(least..=most).contains(&value) {
                let what = format!("is {value}, and must lie within {least} to {most}");
                return Err(Error::Parameter { name, what });
            }
        }
        Ok(())
    }
}

/// Applies an [`Augment`] to images of one shape. Shared between threads; each has its own [`Scratch`].
#[derive(Clone, Debug)]
pub struct Augmenter {
    parameters: Augment,
    channels: usize,
    height: usize,
    width: usize,
    elastic: Option<Elastic>,
}

/// The memory one thread needs to augment, so that no call allocates.
#[derive(Clone, Debug)]
pub struct Scratch {
    padded: Padded,
    elastic: elastic::Fields,
    plan: resample::Plan,
}

impl Augmenter {
    /// For samples of `shape`, `[channels, height, width]`.
    ///
    /// # Errors
    /// When a parameter is out of its range, or the shape is not that of an image with sides of 1 to 2048.
    pub fn new(parameters: Augment, shape: &[usize]) -> Result<Self> {
        parameters.check()?;
        let &[channels, height @ 1..=2048, width @ 1..=2048] = shape else {
            let what = format!(
                "{} is not channels x height x width with sides of 1 to 2048, and must be",
                dimensions(shape)
            );
            return Err(Error::Parameter { name: "shape", what });
        };
        let elastic = (parameters.elastic_alpha > 0.0)
            .then(|| Elastic::new(height, width, parameters.elastic_alpha, parameters.elastic_sigma));
        Ok(Self { parameters, channels, height, width, elastic })
    }

    /// Fresh memory for one thread.
    pub fn scratch(&self) -> Scratch {
        Scratch {
            padded: Padded::new(self.height, self.width),
            elastic: elastic::Fields::new(self.elastic.as_ref()),
            plan: resample::Plan::new(self.height * self.width),
        }
    }

    /// Writes the changed `sample` to `out`, scaled as [`Sample::write_to`] does. `index` is the sample's place in the
    /// data set: together with the seed and `epoch` it determines the change.
    ///
    /// # Panics
    /// When the sample or `out` is not of the shape given to [`Augmenter::new`], or `scratch` is another augmenter's.
    pub fn apply(
        &self,
        sample: Sample<'_>,
        index: usize,
        epoch: u64,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let pixels = self.height * self.width;
        assert_eq!(out.len(), self.channels * pixels, "the buffer does not fit the sample");
        let mut rng = Rng::stream(self.parameters.seed, &[epoch, index as u64]);
        let affine = self.draw_affine(&mut rng);
        let field = self.elastic.as_ref().map(|elastic| elastic.draw(&mut rng, &mut scratch.elastic));
        scratch.plan.lay(&affine, self.size(), self.parameters.outside, field);
        for (channel, out) in out.chunks_exact_mut(pixels).enumerate() {
            let range = channel * pixels..(channel + 1) * pixels;
            scratch.padded.load(sample.part(range));
            scratch.plan.sample(&scratch.padded, out);
        }
    }

    /// [`Dataset::gather`] with each sample changed.
    ///
    /// # Panics
    /// As [`Dataset::gather`] and [`Augmenter::apply`].
    pub fn gather(
        &self,
        dataset: &Dataset,
        indices: &[usize],
        epoch: u64,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        assert_eq!(out.len(), indices.len() * dataset.sample_len(), "the buffer does not fit the batch");
        for (&index, out) in indices.iter().zip(out.chunks_exact_mut(dataset.sample_len())) {
            self.apply(dataset.sample(index), index, epoch, out, scratch);
        }
    }

    fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// Draws shift, angle and scale, always in this order, and turns them into the map described above.
    fn draw_affine(&self, rng: &mut Rng) -> Affine {
        let p = &self.parameters;
        let shift = (rng.within(p.shift), rng.within(p.shift));
        let angle = rng.within(p.rotate).to_radians();
        let scale = 1.0 + rng.within(p.scale);
        Affine::about_centre(self.size(), shift, angle, scale)
    }
}
