//! What results may say about names: the redactor of a case, and paths and inputs as they are shown.

use std::collections::BTreeSet;

use casetrace_bundle::Case;
use casetrace_redact::{Identity, Mode, Redactor};
use sha2::{Digest, Sha256};

use super::InputFile;
use crate::context::CaseContext;
use crate::output::hex;

/// Members whose first bytes go into the key of replacement names.
const KEY_MEMBERS: usize = 1000;

pub(super) fn input_files(case: &Case, redactor: &Redactor) -> Vec<InputFile> {
    case.members
        .iter()
        .filter(|member| member.parent.is_none())
        .map(|member| InputFile {
            path: shown_path(redactor, &member.path),
            size: member.size,
            sha256: member.sha256.clone().unwrap_or_default(),
        })
        .collect()
}

/// The redactor of a case being read, and its key.
pub(super) struct Hiding {
    pub(super) redactor: Redactor,
    key: [u8; 32],
}

impl Hiding {
    /// Pseudonyms are keyed by the case's content: equal in every run over it, unrelated between cases.
    pub(super) fn of(case: &Case, context: &CaseContext, mode: Mode) -> Self {
        let key = key(case);
        let redactor = redactor(mode, &key, &context.hosts, &context.users);
        Self { redactor, key }
    }

    /// The key for the inventory of a case in which names are still there, so that hiding them later gives the same
    /// pseudonyms.
    pub(super) fn published_key(&self) -> Option<String> {
        (self.redactor.mode() != Mode::Identity).then(|| hex(&self.key))
    }
}

/// Made from the bytes themselves, not from the published hashes, so that a reader of the results can't test guesses.
fn key(case: &Case) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"casetrace pseudonyms");
    let leaves = case
        .members
        .iter()
        .filter(|member| member.container.is_none() && member.is_readable());
    for head in leaves.take(KEY_MEMBERS).filter_map(|member| member.head().ok()) {
        hasher.update((head.len() as u64).to_le_bytes());
        hasher.update(&head);
    }
    hasher.finalize().into()
}

/// A redactor that knows the computers and users of a case.
pub(crate) fn redactor(
    mode: Mode,
    key: &[u8],
    hosts: &BTreeSet<String>,
    users: &BTreeSet<String>,
) -> Redactor {
    let mut redactor = Redactor::new(mode, key);
    hosts.iter().for_each(|host| redactor.learn(Identity::Host, host));
    users.iter().for_each(|user| redactor.learn(Identity::User, user));
    redactor
}

/// A member's logical path as results show it: computer and user names in it are identities too.
pub(crate) fn shown_path(redactor: &Redactor, path: &str) -> String {
    match redactor.mode() {
        Mode::Identity => redactor.redact_text(path).into_owned(),
        Mode::Secrets | Mode::None => path.to_owned(),
    }
}
