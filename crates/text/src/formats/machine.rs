//! What runs on the computer: `tasklist`, `sc query`, `net start`, filter drivers, `netstat -ano`, the hosts file, `whoami`,
//! scheduled tasks. Each is small; they share the column cutter and the shape of their rows.

mod filters;
mod hosts;
mod netstat;
mod services;
mod tasklist;
mod tasks;
mod whoami;

pub(crate) use filters::{detect as detect_filters, make as make_filters};
pub(crate) use hosts::{detect as detect_hosts, make as make_hosts};
pub(crate) use netstat::{detect as detect_netstat, make as make_netstat, starts as starts_netstat};
pub(crate) use services::{detect as detect_services, make as make_services};
pub(crate) use tasklist::{detect as detect_tasklist, make as make_tasklist};
pub(crate) use tasks::{detect as detect_tasks, make as make_tasks};
pub(crate) use whoami::{detect as detect_whoami, make as make_whoami};
