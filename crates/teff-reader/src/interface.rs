//! The inputs of a model: sizes that the file leaves open are pinned.

use crate::error::{Error, Result};
use crate::reading::ReadState;

/// The size of an axis as a file has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AxisSize<'a> {
    /// Known.
    Known(usize),
    /// Known when the model runs; the name may be empty.
    Open(&'a str),
}

/// Checks that what was asked for inputs by name is of inputs that there are.
///
/// # Errors
/// [`Error::Interface`] for a name of none of them.
pub fn check_names<'n>(asked: impl IntoIterator<Item = &'n String>, names: &[&str]) -> Result<()> {
    match asked.into_iter().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(Error::interface(
            name,
            format!("a shape or value was given for it, but the model's inputs are {names:?}"),
        )),
        None => Ok(()),
    }
}

/// The shape of the input called `name`: as `given`, where that fits what the file says, or as the file says with an open batch axis
/// pinned to 1, which is noted.
///
/// # Errors
/// [`Error::Interface`] when `given` does not fit, and when nothing is given for another axis that is open.
pub fn pinned(
    reading: &ReadState,
    name: &str,
    sizes: &[AxisSize],
    given: Option<&[usize]>,
) -> Result<Vec<usize>> {
    if let Some(given) = given {
        // No network takes nothing: 0 is how some exporters say that a size is open.
        let fits = |(&n, size): (&usize, &AxisSize)| match size {
            AxisSize::Known(s) => [0, n].contains(s),
            AxisSize::Open(_) => true,
        };
        if given.len() == sizes.len() && given.iter().zip(sizes).all(fits) {
            return Ok(given.to_vec());
        }
        let shown = shown(sizes);
        return Err(Error::interface(
            name,
            format!("the given shape {given:?} does not fit the model's {shown}"),
        ));
    }
    let one = |(axis, size): (usize, &AxisSize)| match size {
        AxisSize::Known(n) => {
            if *n == 0 {
                let (shown, example) = (shown(sizes), example(sizes));
                reading.note(format!(
                    "input {name:?} has no elements: {shown}; if 0 stands for an open size, give --input-shape {name}:{example}"
                ));
            }
            Ok(*n)
        }
        AxisSize::Open(_) if axis == 0 => {
            reading.note(format!("input {name:?}: the batch axis of {} is pinned to 1", shown(sizes)));
            Ok(1)
        }
        AxisSize::Open(_) => Err(Error::interface(
            name,
            format!(
                "its shape {} leaves axis {axis} open. Give it, for example --input-shape {name}:{}",
                shown(sizes),
                example(sizes)
            ),
        )),
    };
    sizes.iter().enumerate().map(one).collect()
}

fn shown(sizes: &[AxisSize]) -> String {
    let one = |size: &AxisSize| match size {
        AxisSize::Known(n) => n.to_string(),
        AxisSize::Open("") => "?".into(),
        AxisSize::Open(name) => name.to_string(),
    };
    format!("[{}]", sizes.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn example(sizes: &[AxisSize]) -> String {
    let one = |(axis, size): (usize, &AxisSize)| match size {
        AxisSize::Known(n) if *n > 0 => n.to_string(),
        AxisSize::Known(_) | AxisSize::Open(_) => if axis == 0 { "1" } else { "32" }.into(),
    };
    sizes.iter().enumerate().map(one).collect::<Vec<_>>().join("x")
}
