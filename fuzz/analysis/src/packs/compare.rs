//! Rows of members in a pack, held against the rows they give alone.

use std::collections::BTreeMap;

use casetrace_fuzz::sweep::MemberRows;

use crate::upload::MemberLine;

/// How the inventory says that another member is read in a member's place.
const TWIN: &str = "same content as ";
/// How it says that the rows are those of the archive around.
const SESSION: &str = "session of ";
/// Twins of archives within twins of archives.
const MOST_TWINS: usize = 8;

/// A member that gives other rows in a pack than alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// Logical path in its upload.
    pub(super) path: String,
    pub(super) alone: usize,
    pub(super) packed: usize,
}

/// Members of a finished case by path.
pub(super) struct Found<'a>(BTreeMap<&'a str, &'a MemberLine>);

impl<'a> Found<'a> {
    pub(super) fn new(members: &'a [MemberLine]) -> Self {
        Self(members.iter().map(|line| (line.path.as_str(), line)).collect())
    }

    /// Members of the upload below `folder` whose rows are not as many as expected.
    pub(super) fn differences(&self, folder: &str, expected: &[MemberRows]) -> Vec<Difference> {
        let differing = |member: &MemberRows| {
            let packed = self.rows(&format!("{folder}/{}", member.path))?;
            (packed != member.rows).then(|| Difference {
                path: member.path.clone(),
                alone: member.rows,
                packed,
            })
        };
        expected.iter().filter_map(differing).collect()
    }

    /// Rows of the member, or of the one of the same content that was read in its place. `None` if that one is a part of a
    /// session of another upload, so that they can't be told from the session's other rows.
    fn rows(&self, path: &str) -> Option<usize> {
        let mut at = path.to_owned();
        for _ in 0..MOST_TWINS {
            match self.twin(&at) {
                Some(twin) => at = twin,
                None => break,
            }
        }
        match self.0.get(at.as_str()) {
            Some(line) if at != path && line.reason.as_ref().is_some_and(|r| r.starts_with(SESSION)) => None,
            line => Some(line.map_or(0, |line| line.rows)),
        }
    }

    /// Where the content of `path` was read: it, or an archive around it, may have a twin.
    fn twin(&self, path: &str) -> Option<String> {
        let ends = path
            .match_indices("!/")
            .map(|(at, _)| at)
            .chain(std::iter::once(path.len()));
        ends.filter_map(|end| path.split_at_checked(end))
            .find_map(|(own, rest)| {
                let reason = self.0.get(own)?.reason.as_deref()?;
                Some(format!("{}{rest}", reason.strip_prefix(TWIN)?))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str, rows: usize, reason: Option<&str>) -> MemberLine {
        MemberLine {
            path: path.to_owned(),
            rows,
            reason: reason.map(str::to_owned),
        }
    }

    fn alone(path: &str, rows: usize) -> MemberRows {
        MemberRows {
            path: path.to_owned(),
            bytes: 1,
            rows,
            diagnostics: 0,
            twin: None,
        }
    }

    #[test]
    fn twins_count_and_lost_rows_are_told() {
        let found = [
            line("p/0/a.txt", 4, None),
            line("p/1/b.txt", 0, Some("same content as p/0/a.txt")),
            line("p/0/a.zip", 0, None),
            line("p/0/a.zip!/x", 7, None),
            line("p/1/b.zip", 0, Some("same content as p/0/a.zip")),
            line("p/2/c.txt", 2, None),
            line("p/3/d.txt", 0, Some("an image")),
            line("p/4/e.saz!/raw/1_s.txt", 0, Some("session of p/4/e.saz")),
            line(
                "p/5/f.zip!/1_s.txt",
                0,
                Some("same content as p/4/e.saz!/raw/1_s.txt"),
            ),
        ];
        let found = Found::new(&found);
        assert!(found.differences("p/1", &[alone("b.txt", 4)]).is_empty());
        assert!(
            found
                .differences("p/1", &[alone("b.zip", 0), alone("b.zip!/x", 7)])
                .is_empty()
        );
        let expected = Difference {
            path: "c.txt".to_owned(),
            alone: 3,
            packed: 2,
        };
        assert_eq!(found.differences("p/2", &[alone("c.txt", 3)]), [expected]);
        assert_eq!(found.differences("p/3", &[alone("d.txt", 1)]).len(), 1);
        assert!(found.differences("p/5", &[alone("f.zip!/1_s.txt", 1)]).is_empty());
        assert_eq!(found.differences("p/6", &[alone("gone.txt", 1)]).len(), 1);
    }
}
