//! Pictures in files.

use super::{Lowering, Storage};
use crate::error::Error;
use crate::program::{Buffer, BufferId, Decode, Index, Place, Stmt};
use teff_graph::{DType, NodeId, Picture, Type};

impl Lowering<'_> {
    pub(super) fn picture(&mut self, node: NodeId, picture: Picture) -> Result<(), Error> {
        if *self.formats.get_or_insert(picture.formats) != picture.formats {
            return Err(self.unsupported(node, "all pictures of a network have one set of formats"));
        }
        let operand = self.graph[node].operands[0];
        let (file_ty, ty) = (self.node(operand).ty.clone(), self.node(node).ty.clone());
        let from = self.in_memory(operand);
        let to = self.storage_of(node);
        // A step of a loop may lie within a larger buffer; files and pictures have buffers of their own.
        let file = if self.is_whole(&from, &file_ty) { from.buffer } else { self.scratch(file_ty.clone()) };
        let pixels = if self.is_whole(&to, &ty) { to.buffer } else { self.scratch(ty.clone()) };
        if file != from.buffer {
            self.store_all(&file_ty, |l, index| Ok((file, Index::zero(), l.element(operand, index)?)))?;
        }
        let (words, bytes) = teff_picture::memory(&picture);
        let words = self.scratch(Type::new(DType::I32, [words]));
        let bytes = self.scratch(Type::new(DType::U8, [bytes]));
        self.push(Stmt::Decode(Decode { file, pixels, words, bytes, picture }));
        if pixels != to.buffer {
            self.copy(pixels, &to)?;
        }
        Ok(())
    }

    fn is_whole(&self, storage: &Storage, ty: &Type) -> bool {
        storage.base == Index::zero() && self.buffers[storage.buffer.index()].len() == ty.len()
    }

    /// Memory for this kernel alone; it is named when the kernel is.
    fn scratch(&mut self, ty: Type) -> BufferId {
        let id = BufferId(self.buffers.len() as u32);
        let (name, align, place) = (String::new(), ty.dtype.size(), Place::Arena(0));
        self.buffers.push(Buffer { name, align, ty, place, in_sram: false });
        id
    }
}
