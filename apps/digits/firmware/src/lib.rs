//! What the firmware does with pictures of the camera: [`Recogniser`] is core 0, which finds a digit, or takes the whole picture, and runs
//! the network; [`Show`] is core 1, which shows the feed and the answer (`screen`). Frames go between them, an [`Answer`] beside each.

#![no_std]

mod answer;
mod recognise;
mod screen;
mod show;

pub use answer::Answer;
pub use recognise::Recogniser;
pub use show::Show;
