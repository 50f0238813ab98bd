//! `IF`: one of two sub-graphs; where the condition depends on the model's inputs, both, of which one is taken.

use super::lower::{Lower, Table};
use super::reader::Reader;
use super::subgraph::run_whole;
use crate::schema::if_options as o;
use teff_graph::{DType, Tensor};
use teff_reader::{Lowered, ensure, invalid};

pub(super) const TABLE: Table = &[("IF", Lower::Subgraphs(if_))];

fn if_(reader: &mut Reader, i: usize, given: Vec<Tensor>) -> Lowered<Vec<Tensor>> {
    let info = reader.file.operators[i];
    let Some((condition, rest)) = given.split_first() else { return invalid!("it has no condition") };
    ensure!(
        condition.dtype() == DType::Bool && condition.len() == 1,
        "its condition is {condition}, and must be one bool"
    );
    let options = info.options(o::UNION)?;
    let (then, other) = (options.get(o::THEN_SUBGRAPH_INDEX)?, options.get(o::ELSE_SUBGRAPH_INDEX)?);
    let branch = |reader: &mut Reader, index| run_whole(reader, index, rest, info.outputs.len());
    match reader.reading.value(condition) {
        Some(v) => branch(reader, if v.to_i64()[0] != 0 { then } else { other }),
        None => {
            let (yes, no) = (branch(reader, then)?, branch(reader, other)?);
            reader
                .reading
                .note(format!("of the branches at operator {i} both are computed, and one is taken"));
            let condition = condition.reshape(&[]);
            let either = |(yes, no): (&Tensor, &Tensor)| match yes.ty() == no.ty() {
                true => Ok(condition.select(yes, no)),
                false => invalid!("its branches give {yes} and {no}"),
            };
            yes.iter().zip(&no).map(either).collect()
        }
    }
}
