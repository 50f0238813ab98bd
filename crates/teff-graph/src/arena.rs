//! One memory for all that a computation stores: what lives at the same time lies apart (interval packing).
//!
//! ```
//! use teff_graph::arena::{Item, pack};
//!
//! // The third takes the place of the first, which is dead by then.
//! let item = |bytes, first, last| Item { bytes, align: 4, first, last, class: None };
//! let (offsets, bytes) = pack(&[item(12, 0, 1), item(8, 1, 2), item(12, 2, 2)], 100);
//! assert_eq!((offsets[0], offsets[2], bytes), (0, 0, 20));
//! ```

/// Bytes that are stored from step `first` to step `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    /// How many there are.
    pub bytes: usize,
    /// The offset is a multiple of this, at least 1.
    pub align: usize,
    /// The step that stores them.
    pub first: usize,
    /// The last step that reads them.
    pub last: usize,
    /// Items of different classes never share bytes; `None` shares with all.
    pub class: Option<u32>,
}

impl Item {
    fn apart(&self, other: &Item) -> bool {
        let together = self.first <= other.last && other.first <= self.last;
        together || matches!((self.class, other.class), (Some(a), Some(b)) if a != b)
    }
}

/// More items than this are placed in the order of time alone, unless further orders are asked for: in others each meets all before it.
const FEW: usize = 512;

/// Offsets of all items, and the bytes they take together: the best of four greedy orders and of `tries` more, one changed from another,
/// which are tried while [`lower_bound`] is not met. Many items without `tries` are placed in one order.
pub fn pack(items: &[Item], tries: usize) -> (Vec<usize>, usize) {
    // Costs more than an order, and is of use to further tries only.
    let bound = if tries > 0 { lower_bound(items) } else { 0 };
    let mut orders: Vec<Vec<usize>> = vec![(0..items.len()).collect(); 4];
    orders[0].sort_by_key(|&i| std::cmp::Reverse(items[i].bytes));
    orders[1].sort_by_key(|&i| (items[i].first, std::cmp::Reverse(items[i].bytes)));
    orders[2].sort_by_key(|&i| std::cmp::Reverse(items[i].bytes * (items[i].last - items[i].first + 1)));
    orders[3].sort_by_key(|&i| std::cmp::Reverse(items[i].last - items[i].first));
    if tries == 0 && items.len() > FEW {
        orders = vec![orders.swap_remove(1)];
    }
    let placed = orders.into_iter().map(|order| (place(items, &order), order));
    let ((mut offsets, mut bytes), mut order) =
        placed.min_by_key(|((_, bytes), _)| *bytes).expect("there are orders");
    // Moves one item of the order at a time; a fixed sequence of numbers, so that equal programs get equal plans.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..tries {
        if bytes <= bound || items.len() < 3 {
            break;
        }
        let mut next = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let mut other = order.clone();
        let moved = other.remove(next(items.len()));
        other.insert(next(items.len()), moved);
        let (new_offsets, new_bytes) = place(items, &other);
        if new_bytes <= bytes {
            (offsets, bytes, order) = (new_offsets, new_bytes, other);
        }
    }
    (offsets, bytes)
}

/// Each item in turn at the lowest place that is free of those before it.
fn place(items: &[Item], order: &[usize]) -> (Vec<usize>, usize) {
    let mut offsets = vec![0; items.len()];
    let mut end = 0;
    // When the first of those that are left begins: who is dead by then is in nobody's way.
    let mut begins: Vec<usize> = order.iter().map(|&i| items[i].first).collect();
    (1..begins.len()).rev().for_each(|n| begins[n - 1] = begins[n - 1].min(begins[n]));
    // Those placed so far, by offset.
    let mut placed: Vec<usize> = Vec::new();
    for (n, &i) in order.iter().enumerate() {
        if n > 0 && begins[n] > begins[n - 1] {
            placed.retain(|&j| items[j].class.is_some() || items[j].last >= begins[n]);
        }
        let mut at = 0usize;
        for &j in placed.iter().filter(|&&j| items[i].apart(&items[j])) {
            if at + items[i].bytes <= offsets[j] {
                break;
            }
            at = at.max((offsets[j] + items[j].bytes).next_multiple_of(items[i].align));
        }
        offsets[i] = at;
        end = end.max(at + items[i].bytes);
        placed.insert(placed.partition_point(|&j| offsets[j] < at), i);
    }
    (offsets, end)
}

/// What no plan can be smaller than: the most that is live at once, and the sum of what the classes need at their peaks.
pub fn lower_bound(items: &[Item]) -> usize {
    let peak = |wanted: &dyn Fn(&Item) -> bool| {
        let at = |t: usize| {
            items.iter().filter(|i| wanted(i) && i.first <= t && t <= i.last).map(|i| i.bytes).sum()
        };
        items.iter().map(|i| at(i.first)).max().unwrap_or(0usize)
    };
    let mut classes: Vec<u32> = items.iter().filter_map(|i| i.class).collect();
    classes.sort_unstable();
    classes.dedup();
    let apart: usize = classes.into_iter().map(|c| peak(&|i| i.class == Some(c))).sum();
    apart.max(peak(&|_| true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item() -> impl Strategy<Value = Item> {
        (1usize..100, 0usize..10, 0usize..4, prop::option::of(1u32..3)).prop_map(
            |(n, first, lasts, class)| Item { bytes: n * 4, align: 4, first, last: first + lasts, class },
        )
    }

    proptest! {
        #[test]
        fn what_lives_together_lies_apart(items in prop::collection::vec(item(), 0..12)) {
            let (offsets, bytes) = pack(&items, 4000);
            prop_assert!(bytes >= lower_bound(&items));
            for i in 0..items.len() {
                prop_assert!(offsets[i] % items[i].align == 0 && offsets[i] + items[i].bytes <= bytes);
                for j in 0..i {
                    let overlap = offsets[i] < offsets[j] + items[j].bytes && offsets[j] < offsets[i] + items[i].bytes;
                    prop_assert!(!(overlap && items[i].apart(&items[j])));
                }
            }
        }
    }

    #[test]
    fn a_chain_of_layers_needs_its_two_largest_neighbours() {
        let sizes = [100, 300, 200, 50, 400, 10];
        let items: Vec<Item> = sizes
            .iter()
            .enumerate()
            .map(|(i, &n)| Item { bytes: n * 4, align: 4, first: i, last: i + 1, class: Some(5) })
            .collect();
        assert_eq!(pack(&items, 4000).1, 4 * 500);
        assert_eq!(lower_bound(&items), 4 * 500);
    }
}
