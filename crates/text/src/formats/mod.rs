//! One module per format: `detect` judges a file's head, `make` gives its line machine (or `read` its stream
//! reader), `starts` says whether a block of it begins at a line.

pub(crate) mod az;
pub(crate) mod azps;
pub(crate) mod cli;
pub(crate) mod dsregcmd;
pub(crate) mod unknown;
