//! Passwords: never printed, wiped when dropped.

use std::fmt;

use encoding_rs::{SHIFT_JIS, WINDOWS_1252};
use zeroize::Zeroizing;

/// A password for encrypted archives.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over the text; the caller's own copies are the caller's to wipe.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// As 7z archives use it, in UTF-16.
    pub(crate) fn wide(&self) -> sevenz_rust2::Password {
        sevenz_rust2::Password::from(self.0.as_str())
    }

    /// The byte strings an archiver may have derived its key from: UTF-8, or the PC's code page.
    pub(crate) fn encodings(&self) -> Vec<Zeroizing<Vec<u8>>> {
        let mut out = vec![Zeroizing::new(self.0.as_bytes().to_vec())];
        if self.0.is_ascii() {
            return out;
        }
        for encoding in [SHIFT_JIS, WINDOWS_1252] {
            let (bytes, _, unmappable) = encoding.encode(&self.0);
            if !unmappable {
                out.push(Zeroizing::new(bytes.into_owned()));
            }
        }
        out
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_and_knows_its_code_pages() {
        let secret = Secret::new("pässwörd".into());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.encodings().len(), 2);
        assert_eq!(Secret::new("Passw0rd!".into()).encodings().len(), 1);
    }
}
