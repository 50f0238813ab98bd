//! Ctrl-C: asked for once, taken at the next safe place; asked for twice, at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the user has asked to stop.
#[derive(Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Watches for Ctrl-C from now on.
    pub(crate) fn watch() -> Stop {
        let stop = Stop(Arc::default());
        let flag = stop.0.clone();
        // Fails only when a handler is set already, and this is called once a process.
        let _ = ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        });
        stop
    }

    /// What is never asked to stop.
    pub(crate) fn never() -> Stop {
        Stop(Arc::default())
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
