//! An end with a message when there is no more memory, where Rust's own end is an abort.

#![allow(unsafe_code, reason = "an allocator")]

use crate::stop;
use crate::ui;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, which takes no more than the machine has to give: a system that promises more than it has ends programs
/// without a word when they use it.
struct Careful;

#[global_allocator]
static ALLOCATOR: Careful = Careful;

/// Bytes in use, and the most that may be.
static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Sets the limit: what this machine has left now. Nothing where it does not say so.
pub(crate) fn limit() {
    MOST.store(available().unwrap_or(usize::MAX), Ordering::Relaxed);
}

/// Bytes that may still be asked for.
pub(crate) fn left() -> usize {
    MOST.load(Ordering::Relaxed).saturating_sub(HELD.load(Ordering::Relaxed))
}

/// What Linux says is available without swapping, and what `ulimit -v` or a container allows if that is less.
fn available() -> Option<usize> {
    let number = |file: &str, name: &str, column: usize| -> Option<usize> {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().nth(column)?.parse().ok()
    };
    // What a container may take, in the second version of Linux's control groups.
    let in_group = |name: &str| number(&format!("/sys/fs/cgroup/memory.{name}"), "", 0);
    let group = in_group("max").zip(in_group("current")).map(|(most, now)| most.saturating_sub(now));
    let free = number("/proc/meminfo", "MemAvailable:", 0).map(|kilobytes| kilobytes << 10);
    let allowed = number("/proc/self/limits", "Max address space", 0);
    free.into_iter().chain(allowed).chain(group).min()
}

// SAFETY: all is left to the system's allocator, or the process ends.
unsafe impl GlobalAlloc for Careful {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        taken(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        taken(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's block.
        let at = taken(size, || unsafe { System.realloc(at, layout, size) });
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        at
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's block.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Counts `bytes` that `take` asks the system for.
fn taken(bytes: usize, take: impl FnOnce() -> *mut u8) -> *mut u8 {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed);
    let at =
        if held.saturating_add(bytes) > MOST.load(Ordering::Relaxed) { std::ptr::null_mut() } else { take() };
    if at.is_null() {
        HELD.fetch_sub(bytes, Ordering::Relaxed);
        end(bytes, held);
    }
    at
}

/// Says so, without asking for much memory, and ends the process.
fn end(bytes: usize, held: usize) -> ! {
    ui::complain(format_args!(
        "there is not enough memory: {bytes} bytes more are needed, beside {held} in use; use smaller inputs, batches or networks, or let \
         teff have more memory (ulimit -v)"
    ));
    stop::leave_at_once(1)
}
