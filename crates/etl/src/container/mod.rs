//! The file as a chain of buffers, each a chain of records: finding them, expanding them, ordering them, and nothing
//! about what the records mean.

pub(crate) mod buffer;
pub(crate) mod clock;
pub(crate) mod extended;
pub(crate) mod input;
pub(crate) mod load;
pub(crate) mod logfile;
pub(crate) mod merge;
pub(crate) mod record;
pub(crate) mod scan;
