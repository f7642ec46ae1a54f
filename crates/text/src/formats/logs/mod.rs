//! Logs whose lines begin with a time: NetSetup.LOG, the Entra Connect wizard's trace, netlogon.log, LSA traces, gpsvc.log, CMTrace, and any other.
//! All give `log.line` rows; wall-clock times are read in the zone of the bundle.

mod cmtrace;
mod connect;
mod generic;
mod gpsvc;
mod lsa;
mod netlogon;
mod netsetup;

pub(crate) use cmtrace::{detect as detect_cmtrace, make as make_cmtrace};
pub(crate) use connect::{detect as detect_connect, make as make_connect};
pub(crate) use generic::{detect as detect_generic, make as make_generic};
pub(crate) use gpsvc::{detect as detect_gpsvc, make as make_gpsvc};
pub(crate) use lsa::{detect as detect_lsa, make as make_lsa};
pub(crate) use netlogon::{detect as detect_netlogon, make as make_netlogon};
pub(crate) use netsetup::{detect as detect_netsetup, make as make_netsetup};
