//! The hosts file: one `config` row for each name it overrides.

use casetrace_model::Text;

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::{Output, config};

pub(crate) fn detect(head: &Head) -> u8 {
    let named = head.name == "hosts"
        || head.named("hostsfile")
        || head.named("hosts.txt")
        || head.name.ends_with("_hosts");
    let comments = head.any(|line| line.contains("sample HOSTS file used by Microsoft TCP/IP"));
    match (named, comments) {
        (_, true) => score::CERTAIN,
        (true, false) => score::NAME + 5,
        _ => score::NO,
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Hosts)
}

struct Hosts;

impl Machine for Hosts {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.split('#').next().unwrap_or_default();
        let mut words = text.split_whitespace();
        let Some(address) = words
            .next()
            .filter(|word| word.parse::<std::net::IpAddr>().is_ok())
        else {
            return;
        };
        for name in words.take(32) {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let details = [("address", address), ("host", name.as_str())];
            let mut row = config(
                casetrace_model::Source::Text,
                line.number,
                "hosts_entry",
                &format!("{address} {name}"),
                &details,
            );
            row.server_name = Some(Text::from(name.as_str()));
            row.dst_ip = Some(Text::from(address));
            out.row(row);
        }
    }

    fn end(&mut self, _: &mut Output<'_>) {}
}
