//! `tpmtool getdeviceinformation` and `Get-Tpm`: one setting that says whether the TPM can be used.

use casetrace_model::{Outcome, Source};

use super::{Pairs, pair};
use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::{self, Output};

pub(crate) fn detect(head: &Head) -> u8 {
    head.if_any(starts, score::CERTAIN)
}

pub(crate) fn starts(text: &str) -> bool {
    text.starts_with("-TPM Present:") || text.starts_with("TpmPresent ")
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Tpm::default())
}

#[derive(Default)]
struct Tpm(Pairs);

impl Machine for Tpm {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        if starts(line.text) {
            self.close(out);
        }
        if let Some((name, value)) = pair(line.text) {
            self.0.push(line.number, name, value);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl Tpm {
    fn close(&mut self, out: &mut Output<'_>) {
        let pairs = std::mem::take(&mut self.0);
        let Some(present) = pairs.is_true(&["TPM Present", "TpmPresent"]) else {
            return;
        };
        let ready = pairs.is_true(&["Ready For Storage", "TpmReady"]);
        let locked = pairs.is_true(&["Is Locked Out", "LockedOut"]) == Some(true);
        let value = match (present, locked, ready) {
            (false, _, _) => "missing",
            (_, true, _) => "locked out",
            (_, _, Some(false)) => "not ready",
            (_, _, Some(true)) => "ready",
            _ => "unknown",
        };
        let details: Vec<(&str, &str)> = [
            ("version", &["TPM Version"][..]),
            ("manufacturer", &["TPM Manufacturer ID", "ManufacturerIdTxt"]),
            ("firmware", &["TPM Manufacturer Version", "ManufacturerVersion"]),
            ("vulnerable_firmware", &["TPM Has Vulnerable Firmware"]),
            ("attestation", &["Ready For Attestation"]),
            ("lockout_count", &["Lockout Counter", "LockoutCount"]),
            ("restart_pending", &["RestartPending"]),
        ]
        .into_iter()
        .filter_map(|(name, labels)| Some((name, pairs.get(labels)?)))
        .collect();
        let mut row = output::config(Source::Text, pairs.line, "tpm", value, &details);
        row.outcome = Some(if value == "ready" {
            Outcome::Success
        } else {
            Outcome::Failure
        });
        out.config_row(row, None);
    }
}
