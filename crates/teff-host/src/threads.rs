//! A team of threads that share the work of single steps.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
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

type Job = *const (dyn Fn(usize, usize) + Sync);

struct Shared {
    /// Written by the caller while no part is open, read by who has claimed one.
    job: UnsafeCell<Option<Job>>,
    /// What there is to claim: see [`Ticket`].
    ticket: AtomicU64,
    /// Parts of this round that are done.
    done: AtomicUsize,
    ready: AtomicUsize,
    sleeping: AtomicUsize,
    stop: AtomicBool,
    panicked: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `job` is written only while all parts are done, and read only by who has claimed a part, which is done only after that;
// what it points to is shared by many threads by its type.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// The round, how many parts it has, and the next to be claimed, in one word: a part is claimed by changing all at once, so that
/// who comes late for one round never takes a part of another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ticket {
    round: u32,
    parts: u16,
    next: u16,
}

impl Ticket {
    fn of(word: u64) -> Ticket {
        Ticket { round: (word >> 32) as u32, parts: (word >> 16) as u16, next: word as u16 }
    }

    fn word(self) -> u64 {
        (self.round as u64) << 32 | (self.parts as u64) << 16 | self.next as u64
    }
}

impl Shared {
    fn ticket(&self) -> Ticket {
        Ticket::of(self.ticket.load(Ordering::SeqCst))
    }

    /// Claims a part of the open round, if one is left.
    fn claim(&self) -> Option<usize> {
        let mut t = self.ticket();
        while t.next < t.parts {
            let taken = Ticket { next: t.next + 1, ..t }.word();
            match self.ticket.compare_exchange_weak(t.word(), taken, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Some(t.next as usize),
                Err(now) => t = Ticket::of(now),
            }
        }
        None
    }
}

/// Parts a thread: the more, the less one waits for the other, and the more is done anew for each part.
const PARTS: usize = 2;

impl Team {
    /// A team of `threads`, the caller included.
    pub(crate) fn new(threads: usize) -> Team {
        let shared = Arc::new(Shared {
            job: UnsafeCell::new(None),
            ticket: AtomicU64::new(0),
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

    /// Splits `0 .. n` into parts, each a multiple of `grain` long but the last, and calls `f(thread, part)` for each on whatever
    /// thread has time. The split depends on nothing but its arguments and the size of the team.
    pub(crate) fn split(&self, n: usize, grain: usize, f: impl Fn(usize, Range<usize>) + Sync) {
        let units = n.div_ceil(grain);
        let parts = match self.workers.is_empty() {
            true => 1,
            false => (PARTS * self.size()).min(units).min(u16::MAX as usize),
        };
        self.run(parts, &|thread, part| {
            let (from, to) = (units * part / parts * grain, (units * (part + 1) / parts * grain).min(n));
            if from < to {
                f(thread, from..to);
            }
        });
    }

    /// Calls `f(thread, part)` for every part, and returns when all are done.
    fn run(&self, parts: usize, f: &(dyn Fn(usize, usize) + Sync)) {
        if parts < 2 {
            return (0..parts).for_each(|part| f(0, part));
        }
        let s = &*self.shared;
        // SAFETY: all parts of earlier rounds are done, and this function returns after all of this one are, so that the lifetime,
        // which is dropped here, is not overrun.
        unsafe {
            *s.job.get() = Some(std::mem::transmute::<*const (dyn Fn(usize, usize) + Sync + '_), Job>(f));
        }
        s.done.store(0, Ordering::SeqCst);
        let round = s.ticket().round.wrapping_add(1);
        s.ticket.store(Ticket { round, parts: parts as u16, next: 0 }.word(), Ordering::SeqCst);
        if s.sleeping.load(Ordering::SeqCst) > 0 {
            let _guard = s.lock.lock().unwrap_or_else(|e| e.into_inner());
            s.wake.notify_all();
        }
        work_off(s, 0);
        let mut spins = 0usize;
        while s.done.load(Ordering::Acquire) < parts {
            spins += 1;
            // When there are more threads than processors a worker may need this one.
            if spins.is_multiple_of(1000) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        assert!(!s.panicked.load(Ordering::SeqCst), "a part of a step panicked");
    }
}

/// Claims part after part of the open round.
fn work_off(s: &Shared, thread: usize) {
    while let Some(part) = s.claim() {
        // SAFETY: the caller of the round wrote the job before it opened it, and keeps it alive until this part is done.
        let job = unsafe { (*s.job.get()).map(|j| &*j) };
        if let Some(job) = job {
            // A part that panics is done nevertheless, or the caller would wait forever.
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(thread, part)));
            if result.is_err() {
                s.panicked.store(true, Ordering::SeqCst);
            }
        }
        s.done.fetch_add(1, Ordering::Release);
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let round = self.shared.ticket().round.wrapping_add(1);
        self.shared.ticket.store(Ticket { round, parts: 0, next: 0 }.word(), Ordering::SeqCst);
        drop(self.shared.lock.lock());
        self.shared.wake.notify_all();
        for w in self.workers.drain(..) {
            let _ = w.join();
        }
    }
}

/// What a worker does all its life.
fn work(s: &Shared, thread: usize) {
    s.ready.fetch_add(1, Ordering::SeqCst);
    let mut seen = 0;
    loop {
        seen = next_round(s, seen);
        if s.stop.load(Ordering::SeqCst) {
            return;
        }
        work_off(s, thread);
    }
}

/// Waits for a round other than `seen`.
fn next_round(s: &Shared, seen: u32) -> u32 {
    for _ in 0..SPINS {
        let round = s.ticket().round;
        if round != seen {
            return round;
        }
        std::hint::spin_loop();
    }
    let mut guard = s.lock.lock().unwrap_or_else(|e| e.into_inner());
    // Counted before the round is looked at again, so that a caller who sees nobody asleep has set a round seen here.
    s.sleeping.fetch_add(1, Ordering::SeqCst);
    while s.ticket().round == seen {
        guard = s.wake.wait(guard).unwrap_or_else(|e| e.into_inner());
    }
    s.sleeping.fetch_sub(1, Ordering::SeqCst);
    s.ticket().round
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
