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
    /// Written by the caller between rounds, read by workers after they have taken their part of a round.
    job: UnsafeCell<Option<Job>>,
    /// Counts the calls of [`Team::run`].
    round: AtomicUsize,
    /// For each worker the last round whose part of the work has been taken, by it or by the caller.
    taken: Vec<AtomicUsize>,
    /// Parts of this round that are done, the caller's own not counted.
    done: AtomicUsize,
    ready: AtomicUsize,
    sleeping: AtomicUsize,
    stop: AtomicBool,
    panicked: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `job` is written only between rounds, when every part of the last one has been taken and is done, and read only by who
// has taken a part of the round; what it points to is shared by many threads by its type.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Team {
    /// A team of `threads`, the caller included.
    pub(crate) fn new(threads: usize) -> Team {
        let shared = Arc::new(Shared {
            job: UnsafeCell::new(None),
            round: AtomicUsize::new(0),
            taken: (1..threads).map(|_| AtomicUsize::new(0)).collect(),
            done: AtomicUsize::new(0),
            ready: AtomicUsize::new(0),
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
        while team.shared.ready.load(Ordering::SeqCst) < team.workers.len() {
            std::thread::yield_now();
        }
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

    /// Calls `f(i)` for each i below the size of the team, each once, and returns when all are done. Thread i takes part i; a part
    /// whose thread has not come by when the caller is done with its own, because the processor is busy elsewhere, the caller
    /// takes too.
    fn run(&self, f: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() {
            return f(0);
        }
        let s = &*self.shared;
        // SAFETY: between rounds nobody reads the job; this function returns when every part has been taken and is done, so that
        // the lifetime, which is dropped here, is not overrun.
        unsafe {
            *s.job.get() = Some(std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), Job>(f));
        }
        s.done.store(0, Ordering::SeqCst);
        let round = s.round.fetch_add(1, Ordering::SeqCst) + 1;
        if s.sleeping.load(Ordering::SeqCst) > 0 {
            let _guard = s.lock.lock().unwrap_or_else(|e| e.into_inner());
            s.wake.notify_all();
        }
        // Also when `f` panics here the workers must be done before its captures go away.
        let wait = Wait(s, round);
        f(0);
        for i in 0..self.workers.len() {
            if s.take(i, round) {
                s.done.fetch_add(1, Ordering::SeqCst);
                f(i + 1);
            }
        }
        drop(wait);
        assert!(!s.panicked.load(Ordering::SeqCst), "a worker thread panicked");
    }
}

impl Shared {
    /// Takes the part of worker `i` of a round; false when it has been taken.
    fn take(&self, i: usize, round: usize) -> bool {
        self.taken[i].compare_exchange(round - 1, round, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// Ends a round: takes the parts that are left, which is so only after a panic, and waits for the workers.
struct Wait<'a>(&'a Shared, usize);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let Wait(s, round) = *self;
        let left = (0..s.taken.len()).filter(|&i| s.take(i, round)).count();
        s.done.fetch_add(left, Ordering::SeqCst);
        let mut spins = 0usize;
        while s.done.load(Ordering::SeqCst) < s.taken.len() {
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
    s.ready.fetch_add(1, Ordering::SeqCst);
    let mut seen = 0;
    loop {
        seen = next_round(s, seen);
        if s.stop.load(Ordering::SeqCst) {
            return;
        }
        if !s.take(i - 1, seen) {
            continue;
        }
        // SAFETY: a part of this round is taken and not done, so the caller keeps the job alive.
        let job = unsafe { (*s.job.get()).map(|j| &*j) };
        if let Some(job) = job {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(i)));
            if done.is_err() {
                s.panicked.store(true, Ordering::SeqCst);
            }
        }
        s.done.fetch_add(1, Ordering::SeqCst);
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
