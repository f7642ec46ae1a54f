//! Which files, where, and how they are damaged.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::mutate::Dice;

/// Variants at one place: the cut, and the sorts of damage.
pub const PER_PLACE: u64 = 4;
/// Places of a file, at least and at most.
const PLACES: (u64, u64) = (2, 400);
/// Files above this size take seconds a variant.
const MAX_FILE: u64 = 40 << 20;
/// Sorts of damage, and how many bytes each may change.
const SORTS: [(&str, usize); 3] = [("bit", 1), ("fill", 8), ("noise", 700)];

/// All files below `folders`, as (path, size), in order of path.
///
/// Errors: a folder that can't be read.
pub fn files(folders: &[PathBuf]) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut out = Vec::new();
    let mut waiting = folders.to_vec();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                waiting.push(entry.path());
            } else if meta.is_file() && (1..=MAX_FILE).contains(&meta.len()) {
                out.push((entry.path(), meta.len()));
            }
        }
    }
    out.sort();
    Ok(out)
}

/// Places of each file, so that all variants together are about the wanted number: few in large files.
pub fn plan(sizes: &[u64], variants: u64) -> Vec<u64> {
    let places = |budget: u64| -> Vec<u64> {
        sizes
            .iter()
            .map(|size| (budget / size.max(&1)).clamp(PLACES.0, PLACES.1).min(*size))
            .collect()
    };
    let (mut low, mut high) = (0, 1_u64 << 40);
    while low < high {
        let middle = low + (high - low) / 2;
        match places(middle).iter().sum::<u64>() * PER_PLACE < variants {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    places(low)
}

/// Where the place of this number lies in a file of `size` bytes that has `places` of them.
pub fn place(size: usize, places: u64, number: u64, dice: &mut Dice) -> usize {
    let [places, number] = [places.max(1), number].map(|n| usize::try_from(n).unwrap_or(1));
    let step = size / places;
    (number * step + dice.below(step.max(1))).min(size.saturating_sub(1))
}

/// The file with each sort of damage at `at`, by the sort's name.
pub fn damaged<'d>(
    data: &'d [u8],
    at: usize,
    dice: &'d mut Dice,
) -> impl Iterator<Item = (&'static str, Vec<u8>)> + 'd {
    SORTS.into_iter().map(move |(what, longest)| {
        let mut damaged = data.to_vec();
        let bit = 1 << dice.below(8);
        let value = *dice.one(&[0_u8, 0xff, 0x80]).unwrap_or(&0);
        let len = 1 + dice.below(longest);
        for byte in damaged.iter_mut().skip(at).take(len) {
            *byte = match what {
                "bit" => *byte ^ bit,
                "fill" => value,
                _ => dice.any().to_le_bytes()[0],
            };
        }
        (what, damaged)
    })
}

/// Rows in front of the damage are there. A few may change with it: the last one, and those that sum a connection up.
/// `alone` is what the part in front gives, or the undamaged file if that is less: repetitions are summed up in the whole file.
pub fn kept(alone: usize, damaged: usize) -> bool {
    damaged + 5 + alone / 10 >= alone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_get_more_places_and_the_sum_is_reached() {
        let sizes = [100, 10_000, 1_000_000, 30_000_000];
        let places = plan(&sizes, 2000);
        assert!(
            places.windows(2).all(|pair| pair[0] >= pair[1] || pair[0] == 100),
            "{places:?}"
        );
        assert!(places.iter().sum::<u64>() * PER_PLACE >= 2000);
        assert!(places.iter().all(|n| (PLACES.0..=PLACES.1).contains(n)));
    }

    #[test]
    fn damage_begins_at_its_place_and_keeps_the_length() {
        let data = vec![b'a'; 5_000];
        for number in 0..50 {
            let mut dice = Dice::new(number);
            let at = place(data.len(), 50, number, &mut dice);
            let variants: Vec<_> = damaged(&data, at, &mut dice).collect();
            assert_eq!(variants.len() as u64 + 1, PER_PLACE);
            for (what, variant) in variants {
                assert_eq!(variant.len(), data.len());
                assert_eq!(variant.get(..at), data.get(..at), "{what}");
            }
        }
    }
}
