//! A case in a share: its name, its files, and how one tells whether they changed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Longest readable part of an id.
const SLUG_CHARS: usize = 48;

/// A case's name in results: readable, unique, the same on every machine, and usable as a file name everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BundleId(String);

impl BundleId {
    /// The id of the case at `path` below the share: what can be read of the path, and eleven hex digits of its hash.
    pub fn of_path(path: &str) -> Self {
        let mut slug = String::new();
        for ch in path.chars() {
            if ch.is_ascii_alphanumeric() {
                slug.push(ch.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
            if slug.len() >= SLUG_CHARS {
                break;
            }
        }
        let slug = slug.trim_end_matches('-');
        let hash = blake3::hash(path.as_bytes()).to_hex();
        let short = hash.get(..11).unwrap_or_default();
        match slug {
            "" => Self(short.to_owned()),
            slug => Self(format!("{slug}-{short}")),
        }
    }

    /// An id that somebody gave us; refused if it could leave its folder.
    pub fn parse(text: &str) -> Option<Self> {
        let clean = !text.is_empty() && text.len() <= SLUG_CHARS + 12;
        let plain = |ch: char| ch.is_ascii_lowercase() || ch.is_ascii_digit() || ch == '-';
        (clean && text.chars().all(plain)).then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shard out of `count` this case belongs to; the same on every machine.
    pub fn shard(&self, count: u32) -> u32 {
        let hash = blake3::hash(self.0.as_bytes());
        let mut head = [0_u8; 8];
        head.copy_from_slice(&hash.as_bytes()[..8]);
        (u64::from_le_bytes(head) % u64::from(count.max(1))) as u32
    }
}

impl std::fmt::Display for BundleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One share of the work: number `index` of `count`, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// At least 1.
    pub count: u32,
}

impl Shard {
    /// Everything.
    pub const ALL: Self = Self { index: 0, count: 1 };

    /// `i/n`, i from 0 to n-1.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("{text:?} is no shard; write i/n with i from 0 to n-1");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let shard = Self {
            index: index.trim().parse().map_err(|_| wrong())?,
            count: count.trim().parse().map_err(|_| wrong())?,
        };
        if shard.index < shard.count {
            Ok(shard)
        } else {
            Err(wrong())
        }
    }

    /// True if the case is ours.
    pub fn has(self, bundle: &BundleId) -> bool {
        bundle.shard(self.count) == self.index
    }
}

/// One file of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Path below the share, `/` between components.
    pub name: String,
    /// Where it is: a path, or a key of an object store.
    pub place: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Whatever the store changes when the content changes: times and inode, or the ETag.
    pub stamp: String,
    /// The newest of the file's times, nanoseconds since 1970 by the share's clock.
    pub newest_ns: i64,
}

/// One case as it lies in the share now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Its name in results.
    pub id: BundleId,
    /// Path below the share.
    pub path: String,
    /// True for a folder; false for a lone file.
    pub folder: bool,
    /// All files, by name.
    pub files: Vec<InputFile>,
    /// Something in it says that the upload goes on.
    pub uploading: bool,
}

impl Bundle {
    /// Makes the case at `path`; files are put in order.
    pub fn new(path: &str, folder: bool, mut files: Vec<InputFile>, uploading: bool) -> Self {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            id: BundleId::of_path(path),
            path: path.to_owned(),
            folder,
            files,
            uploading,
        }
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.size).fold(0, u64::saturating_add)
    }

    /// Newest time of any file.
    pub fn newest_ns(&self) -> i64 {
        self.files.iter().map(|f| f.newest_ns).max().unwrap_or(0)
    }

    /// Changes when a file is added, removed, or touched; cheap, because no content is read.
    pub fn fingerprint(&self) -> String {
        let mut hash = blake3::Hasher::new();
        for file in &self.files {
            for part in [file.name.as_str(), &file.stamp] {
                hash.update(&(part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            }
            hash.update(&file.size.to_le_bytes());
        }
        hash.finalize()
            .to_hex()
            .as_str()
            .get(..32)
            .unwrap_or_default()
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_file_names_and_differ() {
        let id = BundleId::of_path("Contoso GmbH/Case 42 (PC-1).zip");
        assert!(id.as_str().starts_with("contoso-gmbh-case-42-pc-1-zip-"), "{id}");
        assert_eq!(BundleId::parse(id.as_str()), Some(id));
        assert_ne!(BundleId::of_path("a b"), BundleId::of_path("a-b"));
        assert_eq!(BundleId::parse("../x"), None);
        assert!(BundleId::parse(BundleId::of_path("案件").as_str()).is_some());
        assert!(BundleId::parse(BundleId::of_path(&"x".repeat(400)).as_str()).is_some());
    }

    #[test]
    fn shards_cover_everything_exactly_once_and_evenly() {
        let ids: Vec<BundleId> = (0..2000)
            .map(|at| BundleId::of_path(&format!("case {at}")))
            .collect();
        for count in 1..=16 {
            let mut sizes = Vec::new();
            let mut owners = vec![0; ids.len()];
            for index in 0..count {
                let shard = Shard { index, count };
                let ours: Vec<usize> = (0..ids.len()).filter(|at| shard.has(&ids[*at])).collect();
                ours.iter().for_each(|at| owners[*at] += 1);
                sizes.push(ours.len());
            }
            assert!(owners.iter().all(|n| *n == 1), "{count} shards");
            let fair = ids.len() / count as usize;
            assert!(
                sizes.iter().all(|n| n.abs_diff(fair) < fair / 2 + 1),
                "{count}: {sizes:?}"
            );
        }
    }

    #[test]
    fn shards_are_read() {
        assert_eq!(Shard::parse("1/4"), Ok(Shard { index: 1, count: 4 }));
        for wrong in ["4/4", "1", "a/b", "0/0", "-1/2"] {
            assert!(Shard::parse(wrong).is_err(), "{wrong}");
        }
    }
}
