//! Buffers and the memory they lie in.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::sync::Arc;
use teff_graph::{DType, Element, Value, with_data};

/// A buffer of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BufferId(pub(crate) u32);

impl BufferId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a buffer lies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BufferPlace {
    /// At a byte offset in the arena of the schedule; what a step needs for itself also lies there.
    Arena(usize),
    /// Memory that who runs the schedule provides: an input, an output or a parameter, by slot.
    External(usize),
    /// Known now.
    Constant(Arc<Value>),
}

/// What a schedule stores: elements of one dtype.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlacedBuffer {
    pub(crate) dtype: DType,
    pub(crate) len: usize,
    pub(crate) place: BufferPlace,
}

/// Cache lines, and the widest vectors.
pub(crate) const ALIGN: usize = 64;

/// Zeroed memory, aligned to [`ALIGN`].
pub(crate) struct Block {
    start: *mut u8,
    bytes: usize,
}

// SAFETY: a block owns its memory, as a Vec does.
#[allow(unsafe_code)]
unsafe impl Send for Block {}
// SAFETY: as above; writing goes through `&mut` or through the raw pointer, whose users answer for it.
#[allow(unsafe_code)]
unsafe impl Sync for Block {}

#[allow(unsafe_code)]
impl Block {
    pub(crate) fn new(bytes: usize) -> Block {
        let bytes = bytes.max(1).next_multiple_of(ALIGN);
        let layout = Layout::from_size_align(bytes, ALIGN).expect("a graph that fits into memory");
        // SAFETY: the size is not 0.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Block { start, bytes }
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.start
    }

    /// The first `len` elements.
    ///
    /// # Panics
    /// When the block is smaller.
    pub(crate) fn slice<T: Element>(&self, len: usize) -> &[T] {
        assert!(len * size_of::<T>() <= self.bytes);
        // SAFETY: inside the block, aligned; zeroed at first and written only as elements of the same type after.
        unsafe { std::slice::from_raw_parts(self.start.cast(), len) }
    }

    /// As [`Block::slice`], for writing.
    pub(crate) fn slice_mut<T: Element>(&mut self, len: usize) -> &mut [T] {
        assert!(len * size_of::<T>() <= self.bytes);
        // SAFETY: as above, and `&mut self` makes it the only view.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), len) }
    }
}

impl Drop for Block {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout.
        unsafe { dealloc(self.start, Layout::from_size_align_unchecked(self.bytes, ALIGN)) }
    }
}

/// Address of the first element of a value.
pub(crate) fn address(value: &Value) -> *mut u8 {
    with_data!(value.data(), v => v.as_ptr().cast_mut().cast())
}

/// Address of the first element of a value, for writing.
pub(crate) fn address_mut(value: &mut Value) -> *mut u8 {
    with_data!(value.data_mut(), v => v.as_mut_ptr().cast())
}
