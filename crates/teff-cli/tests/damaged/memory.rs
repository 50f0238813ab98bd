//! A limit of memory: what asks for more ends the process, as the system would.

#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that a case may hold, beside what was there before.
const MOST: usize = 2 << 30;

struct Limited;

#[global_allocator]
static ALLOCATOR: Limited = Limited;

static HELD: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// A case begins.
pub(crate) fn begin() {
    LIMIT.store(HELD.load(Ordering::Relaxed) + MOST, Ordering::Relaxed);
}

// SAFETY: all is left to the system's allocator, or refused.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed);
        if held.saturating_add(layout.size()) > LIMIT.load(Ordering::Relaxed) {
            HELD.fetch_sub(layout.size(), Ordering::Relaxed);
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's block.
        unsafe { System.dealloc(at, layout) }
    }
}
