//! What readers of model files share, whatever the format.
//!
//! A reader goes through the nodes of a file and lowers each to a composition of the graph's operations. The format says what its
//! operators mean; this crate says the rest, once: what can be wrong and how it is told ([`Error`], [`Fault`]), what is known while
//! reading and how much of that one file may ask for ([`ReadState`]), how operands are asked for ([`Operands`]), and how sizes that a
//! file leaves open are pinned ([`pinned`]).
//!
//! A lowering gives a tensor or a [`Fault`], which does not know its node; who called it does:
//!
//! ```
//! use teff_graph::{DType, Tensor};
//! use teff_reader::{FileFormat, Lowered, NodeAt, axis_of, ensure};
//!
//! static TOY: FileFormat = FileFormat { name: "a toy", give: "a file of toys", check: "" };
//!
//! /// The sum along an axis of at least two elements.
//! fn sum(x: &Tensor, axis: i64) -> Lowered {
//!     let axis = axis_of(axis, x.rank())?;
//!     ensure!(x.shape()[axis] > 1, "axis {axis} of {x} has nothing to sum");
//!     Ok(x.sum(&[axis as isize]).ok()?)
//! }
//!
//! let x = Tensor::input("x", DType::F32, &[2, 1]);
//! assert_eq!(sum(&x, 0).unwrap().shape(), [1]);
//! let at = NodeAt { format: &TOY, index: None, node: "s".into(), operator: "Sum".into(), version: 1 };
//! let error = sum(&x, -1).unwrap_err().at(&at);
//! assert_eq!(error.to_string(), "node \"s\" (Sum, opset 1): axis 1 of f32[2,1] has nothing to sum");
//! ```

mod axes;
mod element;
mod error;
mod interface;
mod operands;
mod reading;

pub use axes::{axes_of, axis_of, common_shape, listed_or_all, sizes};
pub use element::{ElementType, FloatLayout};
pub use error::{Error, Fault, FileFormat, Lowered, NodeAt, Result, rule_broken, unsupported};
pub use interface::{AxisSize, check_names, pinned};
pub use operands::{Operands, Repeat, Scanned, scan};
pub use reading::{ReadState, label};
