//! Events into timeline rows.
//!
//! [`RowBuilder`] turns one event into one row and never changes, so that threads can share it. What needs the events before
//! it (HTTP requests and their responses) is told as an [`follow::HttpFact`] and put together in order by [`follow::Follower`].

mod batch;
mod builder;
mod dns;
mod follow;
mod head;
mod kind;
mod message;
mod run;
mod threads;

pub(crate) use builder::RowBuilder;
pub(crate) use run::rows;
