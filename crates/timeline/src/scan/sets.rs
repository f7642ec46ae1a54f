//! Sets of conditions, each kept once: which conditions a row is still in question for.

use polars::prelude::PlHashMap;

/// Sets by number; 0 is the one it began with.
#[derive(Debug)]
pub(super) struct Sets {
    /// Conditions of each set, ascending.
    list: Vec<Vec<usize>>,
    numbers: PlHashMap<Vec<usize>, u32>,
    /// From a set and a condition to the set with both.
    steps: PlHashMap<(u32, usize), u32>,
}

impl Sets {
    pub(super) fn new(mut first: Vec<usize>) -> Self {
        first.sort_unstable();
        Self {
            numbers: std::iter::once((first.clone(), 0)).collect(),
            list: vec![first],
            steps: PlHashMap::default(),
        }
    }

    /// The set of `set` and one more condition.
    pub(super) fn with(&mut self, set: u32, condition: usize) -> u32 {
        if let Some(known) = self.steps.get(&(set, condition)) {
            return *known;
        }
        let mut all = self.get(set).to_vec();
        if let Err(place) = all.binary_search(&condition) {
            all.insert(place, condition);
        }
        let number = self.number(all);
        self.steps.insert((set, condition), number);
        number
    }

    /// The number of a set.
    pub(super) fn number(&mut self, conditions: Vec<usize>) -> u32 {
        let next = self.list.len() as u32;
        *self.numbers.entry(conditions).or_insert_with_key(|conditions| {
            self.list.push(conditions.clone());
            next
        })
    }

    /// The number of a set that was given one.
    pub(super) fn known(&self, conditions: &[usize]) -> Option<u32> {
        self.numbers.get(conditions).copied()
    }

    pub(super) fn get(&self, set: u32) -> &[usize] {
        self.list.get(set as usize).map_or(&[], Vec::as_slice)
    }

    pub(super) fn has(&self, set: u32, condition: usize) -> bool {
        self.get(set).binary_search(&condition).is_ok()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_does_not_depend_on_the_way_to_it() {
        let mut sets = Sets::new(vec![5]);
        let a = sets.with(0, 2);
        let a = sets.with(a, 9);
        let b = sets.with(0, 9);
        let b = sets.with(b, 2);
        assert_eq!(a, b);
        assert_eq!(sets.get(a), [2, 5, 9]);
        assert_eq!(sets.with(a, 5), a);
        assert!(sets.has(a, 9) && !sets.has(0, 9));
    }
}
