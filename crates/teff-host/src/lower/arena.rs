//! One arena for all that a program computes: which buffers share memory, and where each lies.

use crate::memory::ALIGN;

/// What is stored from step `from` to step `to`, both included.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Region {
    pub(super) bytes: usize,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// Large regions end in a few unused lines, so that buffers of one size, walked together, do not start at the same place of a
/// page: stores would then seem to hit the loads that follow 4096 bytes apart, which makes processors wait.
fn room(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGN) + if bytes >= 4096 { 5 * ALIGN } else { 0 }
}

/// An offset for each region so that no two that live at one time overlap, and the bytes needed in all.
///
/// Regions are placed from large to small, each in the smallest gap it fits: the usual greedy plan, close to the largest sum of
/// what lives at one time.
pub(super) fn place(regions: &[Region]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..regions.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(regions[i].bytes), i));
    let mut offsets = vec![0; regions.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut end = 0;
    for i in order {
        let region = &regions[i];
        let size = room(region.bytes);
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&p| regions[p].from <= region.to && region.from <= regions[p].to)
            .map(|&p| (offsets[p], offsets[p] + room(regions[p].bytes)))
            .collect();
        taken.sort_unstable();
        let (mut at, mut best) = (0, None);
        for (start, stop) in taken {
            if start > at && start - at >= size && best.is_none_or(|(_, gap)| start - at < gap) {
                best = Some((at, start - at));
            }
            at = at.max(stop);
        }
        offsets[i] = best.map_or(at, |(at, _)| at);
        end = end.max(offsets[i] + size);
        placed.push(i);
    }
    (offsets, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_that_live_together_do_not_overlap() {
        let region = |bytes, from, to| Region { bytes, from, to };
        let regions =
            [region(100, 0, 2), region(64, 1, 1), region(300, 2, 3), region(10, 0, 5), region(64, 3, 4)];
        let (offsets, end) = place(&regions);
        for (i, a) in regions.iter().enumerate() {
            for (j, b) in regions.iter().enumerate().skip(i + 1) {
                let together = a.from <= b.to && b.from <= a.to;
                let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                assert!(!together || apart, "{i} and {j}: {offsets:?}");
            }
        }
        // The largest sum at one time is at step 2: 100, 300 and 10 bytes, in lines of 64.
        assert_eq!(end, 128 + 320 + 64);
    }
}
