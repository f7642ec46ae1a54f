//! Which variants are in which pack: the same for the same files, number of variants and seed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use casetrace_fuzz::mutate::Dice;
use casetrace_fuzz::sweep::{self, PER_PLACE};

/// Variants of a pack, at most.
const MOST_VARIANTS: u64 = 200;
/// Bytes of a pack, about: the variants of one place stay together, however large their file is.
const MOST_BYTES: u64 = 3 << 20;

/// A place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Which file.
    pub(super) file: usize,
    /// Places of the file.
    of: u64,
    /// Which of them.
    number: u64,
}

/// A damaged file.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    /// The file it was made from.
    pub(super) file: usize,
    /// Name of the file.
    pub(super) name: String,
    /// Where it is damaged.
    pub(super) at: usize,
    /// How.
    pub(super) what: &'static str,
    /// What became of it.
    pub(super) data: Vec<u8>,
}

/// All files and packs of a sweep.
pub(super) struct Plan {
    pub(super) files: Vec<PathBuf>,
    pub(super) packs: Vec<Vec<Place>>,
    seed: u64,
}

impl Plan {
    /// Errors: folders that can't be read.
    pub(super) fn new(folders: &[PathBuf], variants: u64, seed: u64) -> io::Result<Self> {
        let files = sweep::files(folders)?;
        let sizes: Vec<u64> = files.iter().map(|(_, size)| *size).collect();
        let mut places: Vec<Place> = sweep::plan(&sizes, variants)
            .into_iter()
            .enumerate()
            .flat_map(|(file, of)| (0..of).map(move |number| Place { file, of, number }))
            .collect();
        shuffle(&mut places, &mut Dice::new(seed));
        Ok(Self {
            files: files.into_iter().map(|(path, _)| path).collect(),
            packs: packs(places, &sizes),
            seed,
        })
    }

    /// The variants of a pack: at each place the file cut there, and each sort of damage.
    ///
    /// Errors: files that can't be read.
    pub(super) fn variants(&self, pack: &[Place]) -> io::Result<Vec<Variant>> {
        let mut read: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        let mut out = Vec::new();
        for place in pack {
            let path = self.files.get(place.file).map_or(Path::new(""), PathBuf::as_path);
            let data = match read.entry(place.file) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(fs::read(path)?),
            };
            let name = path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            self.at(place, data, &name, &mut out);
        }
        Ok(out)
    }

    fn at(&self, place: &Place, data: &[u8], name: &str, out: &mut Vec<Variant>) {
        let own = (place.file as u64) << 32 | place.number;
        let mut dice = Dice::new(self.seed ^ own.wrapping_mul(0x9e37_79b9));
        let at = sweep::place(data.len(), place.of, place.number, &mut dice);
        let cut = ("cut", data.get(..at).unwrap_or_default().to_vec());
        out.extend(
            std::iter::once(cut)
                .chain(sweep::damaged(data, at, &mut dice))
                .map(|(what, data)| Variant {
                    file: place.file,
                    name: name.to_owned(),
                    at,
                    what,
                    data,
                }),
        );
    }
}

fn shuffle<T>(items: &mut [T], dice: &mut Dice) {
    for at in (1..items.len()).rev() {
        items.swap(at, dice.below(at + 1));
    }
}

fn packs(places: Vec<Place>, sizes: &[u64]) -> Vec<Vec<Place>> {
    let mut packs = vec![Vec::new()];
    let mut bytes = 0;
    for place in places {
        let more = PER_PLACE * sizes.get(place.file).copied().unwrap_or_default();
        let Some(last) = packs.last_mut() else { break };
        let full = (last.len() as u64 + 1) * PER_PLACE > MOST_VARIANTS || bytes + more > MOST_BYTES;
        if full && !last.is_empty() {
            packs.push(vec![place]);
            bytes = more;
        } else {
            last.push(place);
            bytes += more;
        }
    }
    packs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_in_one_pack_and_packs_are_bounded() {
        let sizes = [1_000, 2 << 20, 300];
        let places: Vec<Place> = (0..300)
            .map(|number| Place {
                file: (number % 3) as usize,
                of: 100,
                number: number / 3,
            })
            .collect();
        let mut mixed = places.clone();
        shuffle(&mut mixed, &mut Dice::new(5));
        assert_ne!(mixed, places);
        let packs = packs(mixed, &sizes);
        let mut back: Vec<Place> = packs.concat();
        back.sort_by_key(|place| (place.number, place.file));
        assert_eq!(back, places);
        for pack in packs {
            let bytes: u64 = pack.iter().map(|p| sizes[p.file] * PER_PLACE).sum();
            assert!(
                pack.len() == 1 || bytes <= MOST_BYTES,
                "{bytes} bytes in {}",
                pack.len()
            );
            assert!(pack.len() as u64 * PER_PLACE <= MOST_VARIANTS);
        }
    }
}
