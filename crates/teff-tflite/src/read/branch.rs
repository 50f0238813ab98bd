//! `IF`: one of two sub-graphs; where the condition depends on the model's inputs, both, of which one is taken.

use super::held::Held;
use super::node::{Fault, Lowered, invalid};
use super::operators::{Lower, Table};
use super::subgraph::{Subgraph, give, given};
use super::walk::{Reader, layer_name, operator_at};
use crate::schema::if_options as o;
use teff_graph::{DType, Tensor};

pub(super) const TABLE: Table = &[("IF", Lower::Walk(if_))];

fn if_(reader: &mut Reader, i: usize) -> Lowered<()> {
    let info = reader.file.operators[i];
    let name = layer_name(&operator_at(reader.file, i));
    let first_new = Tensor::scalar(false).id();
    let given = given(reader, &info)?;
    let Some((condition, rest)) = given.split_first() else { return invalid("it has no condition") };
    let rest: Vec<Option<Held>> = rest.iter().map(|t| Some(Held::plain(t.clone()))).collect();
    if condition.dtype() != DType::Bool || condition.len() != 1 {
        return invalid(format!("its condition is {}, and must be one bool", condition.ty()));
    }
    let options = match info.options {
        Some(table) if info.options_kind == o::UNION => table,
        _ => return invalid("it names no sub-graphs"),
    };
    let branch = |reader: &mut Reader<'_, '_>, field| -> Lowered<Vec<Tensor>> {
        let index = options.get(field).map_err(|e| Fault::Invalid(format!("of its options, {e}")))?;
        let sub = Subgraph::new(reader, index, rest.len(), info.outputs.len())?;
        let part = sub.part(sub.file.outputs.clone());
        Ok(sub.run(reader, &part, &rest)?.into_iter().map(Held::into_plain).collect())
    };
    let results = match reader.folding.value(condition) {
        Some(v) if v.to_i64()[0] != 0 => branch(reader, o::THEN_SUBGRAPH_INDEX)?,
        Some(_) => branch(reader, o::ELSE_SUBGRAPH_INDEX)?,
        None => {
            let (yes, no) =
                (branch(reader, o::THEN_SUBGRAPH_INDEX)?, branch(reader, o::ELSE_SUBGRAPH_INDEX)?);
            reader.note(format!("of the branches at operator {i} both are computed, and one is taken"));
            let condition = condition.reshape(&[]);
            let either = |(yes, no): (&Tensor, &Tensor)| match yes.ty() == no.ty() {
                true => Ok(condition.select(yes, no)),
                false => invalid(format!("its branches give {} and {}", yes.ty(), no.ty())),
            };
            yes.iter().zip(&no).map(either).collect::<Lowered<_>>()?
        }
    };
    give(reader, &info, results, first_new, &name)
}
