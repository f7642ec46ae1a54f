//! Containers: zip (stored, deflated, encrypted), cabinet (stored, MSZIP), Fiddler archives.

mod cab;
mod crypt;
mod saz;
mod zip;

pub use cab::{Cab, CabMethod};
pub use saz::{Saz, Session};
pub use zip::{Encryption, Method, Zip};

/// A file on its way into a container or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Path with `/`.
    pub name: String,
    /// Content.
    pub data: Vec<u8>,
}

impl Member {
    /// A file.
    pub fn new(name: &str, data: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            data: data.into(),
        }
    }
}
