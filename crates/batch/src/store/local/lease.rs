//! Leases in a folder: files that must be new, judged by the file server's clock.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::files::{absent, remove_file};
use super::{LEASES, LocalStore};
use crate::clock;
use crate::error::{BatchError, Result};
use crate::key::JobKey;
use crate::store::{Lease, Store};

/// The server's time is asked for again after this.
const PROBE_AGE: Duration = Duration::from_secs(5);

impl LocalStore {
    pub(super) fn lease_file(&self, key: &JobKey) -> PathBuf {
        self.root.join(LEASES).join(key.as_str())
    }

    /// The file server's time, so that our clock does not matter.
    fn server_time(&self) -> Result<SystemTime> {
        let mut probe = self
            .probe
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((asked, time)) = *probe
            && asked.elapsed() < PROBE_AGE
        {
            return Ok(time + asked.elapsed());
        }
        let failed = || BatchError::on("cannot ask the output for its time");
        let file = tempfile::Builder::new()
            .prefix(".time-")
            .tempfile_in(self.root.join(LEASES))
            .map_err(failed())?;
        let time = file
            .as_file()
            .metadata()
            .and_then(|m| m.modified())
            .map_err(failed())?;
        *probe = Some((Instant::now(), time));
        Ok(time)
    }

    /// Time since the file was last written, by the server's clock.
    pub(crate) fn quiet_for(&self, path: &Path) -> Result<Option<Duration>> {
        match path.symlink_metadata().and_then(|m| m.modified()) {
            Ok(written) => Ok(Some(
                self.server_time()?.duration_since(written).unwrap_or_default(),
            )),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(BatchError::io("cannot look at a lease", error)),
        }
    }

    pub(super) fn take_lease(&self, key: &JobKey, ttl: Duration) -> Result<Option<Lease>> {
        let path = self.lease_file(key);
        let lease = Lease {
            key: key.clone(),
            nonce: clock::unique(),
        };
        for _ in 0..2 {
            match File::create_new(&path) {
                Ok(mut file) => {
                    file.write_all(lease_text(&lease).as_bytes())
                        .map_err(BatchError::on("cannot write a lease"))?;
                    return Ok(Some(lease));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if self.is_leased(key, ttl)? {
                        return Ok(None);
                    }
                    // Its holder is gone. Two may remove it at once; then one of them works for nothing.
                    remove_file(&path)?;
                }
                Err(error) => return Err(BatchError::io("cannot take a lease", error)),
            }
        }
        Ok(None)
    }

    pub(super) fn renew_lease(&self, lease: &Lease) -> Result<bool> {
        let path = self.lease_file(&lease.key);
        match fs::read_to_string(&path) {
            // Not created: a lease that was released meanwhile must not come back.
            Ok(text) if text == lease_text(lease) => {
                let renewed = File::options()
                    .write(true)
                    .truncate(true)
                    .open(&path)
                    .and_then(|mut file| file.write_all(text.as_bytes()));
                match renewed {
                    Err(error) if !absent(&error) => Err(BatchError::io("cannot renew a lease", error)),
                    other => Ok(other.is_ok()),
                }
            }
            Ok(_) => Ok(false),
            Err(error) if absent(&error) => Ok(false),
            Err(error) => Err(BatchError::io("cannot renew a lease", error)),
        }
    }

    pub(super) fn release_lease(&self, lease: &Lease) -> Result<()> {
        let path = self.lease_file(&lease.key);
        match fs::read_to_string(&path) {
            Ok(text) if text == lease_text(lease) => remove_file(&path),
            _ => Ok(()),
        }
    }
}

fn lease_text(lease: &Lease) -> String {
    format!(
        "{{\"nonce\":\"{}\",\"host\":{:?},\"pid\":{}}}\n",
        lease.nonce,
        clock::host(),
        std::process::id()
    )
}
