//! Compiles graphs to C.
mod budget;
pub mod c;
mod error;
mod lower;
pub mod plan;
pub mod program;
mod target;
pub use budget::{Budget, KernelBudget};
pub use error::Error;
pub use program::Program;
pub use target::{Cycles, Target};
use teff_graph::Graph;

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
    check_name(&options.name)?;
    graph.verify()?;
    let graph = lower::prepare(graph);
    let mut program = lower::lower(&graph, &options.name, &options.target, options.reassociate)?;
    plan::assign(&mut program);
    program::validate(&program).map_err(Error::Invalid)?;
    Ok(program)
}

/// A name that C and C++ accept for a function, and that no name of generated code can equal.
fn check_name(name: &str) -> Result<(), Error> {
    let fail = |reason| Err(Error::Name { name: name.into(), reason });
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return fail("use letters, digits and underscores");
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return fail("it must not begin with a digit");
    }
    if name.starts_with('_') {
        return fail("names that begin with an underscore belong to the compiler");
    }
    if lower::is_reserved(name) {
        return fail("it is a word of C or a function of its library");
    }
    Ok(())
}
