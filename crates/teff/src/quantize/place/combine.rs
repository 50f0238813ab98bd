//! Functions of single elements, of one tensor or two.

use super::{State, Walk};
use teff_graph::{Binary, NodeId, Op};

impl Walk<'_> {
    /// A function of single elements: a table, if all operands are functions of one site.
    pub(super) fn function(&mut self, id: NodeId) -> State {
        let operands = self.graph[id].operands.clone();
        self.settle_roots(&operands);
        match self.common_source(&operands) {
            Some(site) => State::Table(site),
            None => {
                let known =
                    operands.iter().any(|o| !matches!(self.state_of(*o), State::Float | State::Constant));
                if known {
                    self.float(id, "it combines tensors in a way that has no integer kernel")
                } else {
                    State::Float
                }
            }
        }
    }

    /// Sums that a table is to be made of are quantised where all that use them share them; what was moved is quantised again, to the same
    /// integers, so that the table is of single elements.
    fn settle_roots(&mut self, operands: &[NodeId]) {
        for &o in operands {
            match self.state_of(o) {
                State::Wide(root) => {
                    self.sites.insert(root);
                    // Until the next walk, what follows is as if it were one.
                    self.states[o.index()] = State::Table(root);
                }
                State::Quantised(site) if site != o => {
                    self.sites.insert(o);
                    self.states[o.index()] = State::Quantised(o);
                }
                State::Quantised(_) | State::Table(_) | State::Softmax => {}
                State::Constant | State::Float => {}
            }
        }
    }

    /// The site that all operands but constants of one value are functions of.
    fn common_source(&self, operands: &[NodeId]) -> Option<NodeId> {
        let mut source = None;
        for &o in operands {
            match self.state_of(o) {
                // What was moved is a function of other elements.
                State::Quantised(site) if site == o && source.is_none_or(|s| s == o) => source = Some(o),
                State::Table(site) if source.is_none_or(|s| s == site) => source = Some(site),
                State::Constant if self.is_uniform(o) => {}
                _ => return None,
            }
        }
        source
    }

    fn is_uniform(&self, id: NodeId) -> bool {
        let bare = match self.graph[id].op {
            Op::Broadcast(_) => self.graph[id].operands[0],
            _ => id,
        };
        match &self.graph[bare].op {
            Op::Constant(v) => (1..v.len()).all(|i| v.get(i) == v.get(0)),
            _ => false,
        }
    }

    pub(super) fn binary(&mut self, id: NodeId, op: Binary) -> State {
        let operands = self.graph[id].operands.clone();
        let (a, b) = (operands[0], operands[1]);
        let (x, constant) = match (self.state_of(a), self.state_of(b)) {
            (State::Constant, _) => (b, Some(a)),
            (_, State::Constant) => (a, Some(b)),
            _ => (a, None),
        };
        let Some(constant) = constant else { return self.of_two(id, op, a, b) };
        match self.state_of(x) {
            State::Float => State::Float,
            State::Wide(root) if self.follows(op, constant, constant == a, x) => {
                // Where several use the same sums, all that is made of them keeps that in mind.
                State::Wide(if root == x && self.users[x.index()].len() == 1 { id } else { root })
            }
            _ if self.is_uniform(constant) => self.function(id),
            // By channel, on what is 8 bits already.
            _ if self.follows(op, constant, constant == a, x) => {
                if self.settle(x).is_some() {
                    State::Wide(id)
                } else {
                    State::Float
                }
            }
            _ => self.float(id, "it combines a tensor with constants in a way that has no integer kernel"),
        }
    }

    /// Whether wide sums stay such when combined with a constant: it may differ along one axis, and factors must be positive.
    fn follows(&self, op: Binary, constant: NodeId, first: bool, x: NodeId) -> bool {
        let bare = match self.graph[constant].op {
            Op::Broadcast(_) => self.graph[constant].operands[0],
            _ => constant,
        };
        let Op::Constant(value) = &self.graph[bare].op else { return false };
        let one_axis = value.shape().iter().filter(|n| **n > 1).count() <= 1;
        let channels = match &self.graph[x].op {
            Op::MatMul => self.graph[x].ty.rank() - 1,
            _ => 1,
        };
        let lead = self.graph[x].ty.rank() - value.shape().len();
        let by_channel = value.shape().iter().enumerate().all(|(i, n)| *n == 1 || i + lead == channels)
            || value
                .shape()
                .iter()
                .enumerate()
                .all(|(i, n)| *n == 1 || i + lead + 1 == self.graph[x].ty.rank());
        let positive = || value.to_f64().iter().all(|f| *f > 0.0);
        one_axis
            && by_channel
            && match op {
                Binary::Add | Binary::Max | Binary::Min => true,
                Binary::Sub => !first,
                Binary::Mul => positive(),
                Binary::Div => !first && positive(),
                Binary::Rem
                | Binary::Pow
                | Binary::And
                | Binary::Or
                | Binary::Xor
                | Binary::Shl
                | Binary::Shr
                | Binary::MulHigh => false,
                Binary::Eq | Binary::Lt | Binary::Le => false,
            }
    }

    /// Two tensors that are both computed.
    fn of_two(&mut self, id: NodeId, op: Binary, a: NodeId, b: NodeId) -> State {
        if let (State::Wide(x), State::Wide(y)) = (self.state_of(a), self.state_of(b))
            && x == y
        {
            self.settle_roots(&[a, b]);
        }
        if let Some(site) = self.common_source(&[a, b]) {
            return State::Table(site);
        }
        match op {
            Binary::Add | Binary::Sub | Binary::Mul => match (self.settle(a), self.settle(b)) {
                (Some(_), Some(_)) => State::Wide(id),
                _ => State::Float,
            },
            _ => match (self.state_of(a), self.state_of(b)) {
                (State::Float, State::Float) => State::Float,
                _ => self.float(id, "it combines two tensors in a way that has no integer kernel"),
            },
        }
    }
}
