//! A team of threads that share the work of single steps.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// How often a thread without work looks for some before it sleeps: some tens of microseconds, as long as the steps of a training
/// run that only one thread works on.
const SPINS: usize = 20_000;

/// The threads of a plan: the caller of [`Team::run`] and, when there is more than one, workers that wait for it.
pub(crate) struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

type Job = *const (dyn Fn(usize) + Sync);

struct Shared {
    /// Written by the caller while no worker works, read by workers after they see a new `round`.
    job: UnsafeCell<Option<Job>>,
    round: AtomicUsize,
    working: AtomicUsize,
    sleeping: AtomicUsize,
    stop: AtomicBool,
    panicked: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `job` is written only while `working` is 0 and read only between the change of `round` and the end of the work; what it
// points to is shared by many threads by its type.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Team {
    /// A team of `threads`, the caller included.
    pub(crate) fn new(threads: usize) -> Team {
        let shared = Arc::new(Shared {
            job: UnsafeCell::new(None),
            round: AtomicUsize::new(0),
            working: AtomicUsize::new(0),
            sleeping: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        });
        let start = |i: usize| {
            let shared = shared.clone();
            let thread = std::thread::Builder::new().name(format!("teff-{i}"));
            // Without the thread the work is done all the same: by those that there are.
            thread.spawn(move || work(&shared, i)).ok()
        };
        let workers = (1..threads).map_while(start).collect();
        let team = Team { shared, workers };
        // All are there before the first run, and have allocated what a thread allocates when it starts.
        team.run(&|_| ());
        team
    }

    /// Threads, the caller included.
    pub(crate) fn size(&self) -> usize {
        self.workers.len() + 1
    }

    /// Splits `0 .. n` into one range a thread, each a multiple of `grain` long but the last, and calls `f(thread, range)` for
    /// each on its own thread. The split depends on nothing but its arguments and the size of the team.
    pub(crate) fn split(&self, n: usize, grain: usize, f: impl Fn(usize, Range<usize>) + Sync) {
        let units = n.div_ceil(grain);
        let threads = self.size();
        self.run(&|i| {
            let (from, to) = (units * i / threads * grain, (units * (i + 1) / threads * grain).min(n));
            if from < to {
                f(i, from..to);
            }
        });
    }

    /// Calls `f(i)` on thread i of each, and returns when all are done.
    fn run(&self, f: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() {
            return f(0);
        }
        let s = &*self.shared;
        // SAFETY: no worker works now; the pointer is gone from all of them before this function returns, so that its lifetime,
        // which is dropped here, is not overrun.
        unsafe {
            *s.job.get() = Some(std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), Job>(f));
        }
        s.working.store(self.workers.len(), Ordering::SeqCst);
        s.round.fetch_add(1, Ordering::SeqCst);
        if s.sleeping.load(Ordering::SeqCst) > 0 {
            let _guard = s.lock.lock().unwrap_or_else(|e| e.into_inner());
            s.wake.notify_all();
        }
        // Also when `f` panics here the workers must be done before its captures go away.
        let wait = Wait(s);
        f(0);
        drop(wait);
        assert!(!s.panicked.load(Ordering::SeqCst), "a worker thread panicked");
    }
}

struct Wait<'a>(&'a Shared);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut spins = 0usize;
        while self.0.working.load(Ordering::Acquire) > 0 {
            spins += 1;
            // When there are more threads than processors a worker may need this one.
            if spins.is_multiple_of(1000) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.round.fetch_add(1, Ordering::SeqCst);
        drop(self.shared.lock.lock());
        self.shared.wake.notify_all();
        for w in self.workers.drain(..) {
            let _ = w.join();
        }
    }
}

/// What a worker does all its life.
fn work(s: &Shared, i: usize) {
    let mut seen = 0;
    loop {
        seen = next_round(s, seen);
        if s.stop.load(Ordering::SeqCst) {
            return;
        }
        // SAFETY: the caller wrote the job before the round and keeps it alive until nobody works.
        let job = unsafe { (*s.job.get()).map(|j| &*j) };
        if let Some(job) = job {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(i)));
            if done.is_err() {
                s.panicked.store(true, Ordering::SeqCst);
            }
        }
        s.working.fetch_sub(1, Ordering::Release);
    }
}

/// Waits for a round other than `seen`.
fn next_round(s: &Shared, seen: usize) -> usize {
    for _ in 0..SPINS {
        let round = s.round.load(Ordering::SeqCst);
        if round != seen {
            return round;
        }
        std::hint::spin_loop();
    }
    let mut guard = s.lock.lock().unwrap_or_else(|e| e.into_inner());
    // Counted before the round is looked at again, so that a caller who sees nobody asleep has set a round seen here.
    s.sleeping.fetch_add(1, Ordering::SeqCst);
    while s.round.load(Ordering::SeqCst) == seen {
        guard = s.wake.wait(guard).unwrap_or_else(|e| e.into_inner());
    }
    s.sleeping.fetch_sub(1, Ordering::SeqCst);
    s.round.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_worked_on_once() {
        let team = Team::new(3);
        for (n, grain) in [(0, 1), (1, 1), (100, 7), (1000, 64), (5, 8)] {
            let counts: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
            for round in 1..50 {
                team.split(n, grain, |_, range| {
                    range.for_each(|i| {
                        counts[i].fetch_add(1, Ordering::Relaxed);
                    })
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == round));
            }
        }
    }

    #[test]
    fn workers_wake_after_they_slept() {
        let team = Team::new(2);
        let sum = AtomicUsize::new(0);
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            team.split(10, 1, |_, range| {
                sum.fetch_add(range.sum::<usize>(), Ordering::Relaxed);
            });
        }
        assert_eq!(sum.load(Ordering::Relaxed), 135);
    }
}
