//! One module per format: `detect` judges a file's head, `make` gives its line machine (or `read` its stream
//! reader), `starts` says whether a block of it begins at a line.

pub(crate) mod answers;
pub(crate) mod az;
pub(crate) mod azps;
pub(crate) mod certutil;
pub(crate) mod cli;
pub(crate) mod collection;
pub(crate) mod columns;
pub(crate) mod connectivity;
pub(crate) mod displaydns;
pub(crate) mod dsregcmd;
pub(crate) mod environment;
pub(crate) mod error_page;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod ipconfig;
pub(crate) mod klist;
pub(crate) mod logs;
pub(crate) mod machine;
pub(crate) mod netsh;
pub(crate) mod nltest;
pub(crate) mod registry;
pub(crate) mod signin;
pub(crate) mod systeminfo;
pub(crate) mod unknown;
pub(crate) mod winhttp;
pub(crate) mod xml;
