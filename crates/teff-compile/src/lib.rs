//! Compiles graphs to C.
pub mod c;
mod error;
mod lower;
pub mod plan;
pub mod program;
mod target;
pub use error::Error;
pub use program::Program;
pub use target::{Cycles, Target};
use teff_graph::{Graph, passes};

/// What to compile for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the function; prefix of everything visible outside.
    pub name: String,
    /// The machine.
    pub target: Target,
    /// Whether float reductions may be summed in several parts, which vector registers need. The sums of dense layers and
    /// convolutions keep their order in any case.
    pub reassociate: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { name: "net".into(), target: Target::GENERIC, reassociate: true }
    }
}

/// Compiles.
///
/// # Errors
/// See [`Error`].
pub fn compile(graph: &Graph, options: &Options) -> Result<Program, Error> {
    graph.verify()?;
    let graph = passes::simplify(&passes::freeze(graph));
    let mut program = lower::lower(&graph, &options.name, &options.target, options.reassociate)?;
    plan::assign(&mut program);
    program::validate(&program).map_err(Error::Invalid)?;
    Ok(program)
}
