//! Containers: zip (stored, deflated, encrypted), cabinet (stored, MSZIP, LZX), Fiddler archives, 7z, tar.

mod cab;
mod crypt;
mod lzx;
mod saz;
mod sevenz;
mod tar;
mod zip;

pub use cab::{Cab, CabMethod};
pub use saz::{Saz, Session};
pub use sevenz::SevenZip;
pub use tar::{LongNames, Tar};
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

/// The name a member has in a copy; its own if there is one copy only.
fn copy_name(name: &str, copy: usize, copies: usize) -> String {
    match copies {
        1 => name.to_owned(),
        _ => format!("copy{copy:04}/{name}"),
    }
}
