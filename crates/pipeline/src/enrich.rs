//! What the tool adds to a decoded row: the symbol of its error code, and the context its process implies.

use std::collections::HashMap;
use std::sync::LazyLock;

use casetrace_knowledge::Knowledge;
use casetrace_model::{Context, Row, Text};

/// Image names with the context they run in.
const PROCESSES: &str = include_str!("../../../pipelines/processes.tsv");

static CONTEXTS: LazyLock<HashMap<&'static str, Context>> = LazyLock::new(|| {
    PROCESSES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut cells = line.split('\t');
            Some((cells.next()?, Context::parse(cells.next()?)?))
        })
        .collect()
});

/// Well-known service accounts.
const SYSTEM_SIDS: [&str; 3] = ["S-1-5-18", "S-1-5-19", "S-1-5-20"];

/// Completes `row` in place; never overwrites what the source said.
pub(crate) fn row(row: &mut Row, knowledge: &Knowledge) {
    if row.error_symbol.is_none()
        && let Some(symbol) = row.error_code.as_deref().and_then(|code| knowledge.symbol(code))
    {
        row.error_symbol = Some(Text::from(symbol));
    }
    if row.context.is_none() {
        row.context = context(row);
    }
    if let Some(host) = row.host.take() {
        row.host = Some(short_host(&host));
    }
}

/// Sources name the same PC with and without its domain, in any case; only the short name joins them.
fn short_host(name: &str) -> Text {
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    let short = if is_address {
        name
    } else {
        name.split('.').next().unwrap_or(name)
    };
    Text::from(short.to_ascii_uppercase())
}

fn context(row: &Row) -> Option<Context> {
    let by_image = row.process.as_deref().and_then(|process| {
        let name = process
            .rsplit(['\\', '/'])
            .next()
            .unwrap_or(process)
            .to_ascii_lowercase();
        CONTEXTS.get(name.as_str()).copied()
    });
    by_image.or_else(|| {
        let sid = row.user_sid.as_deref()?;
        SYSTEM_SIDS.contains(&sid).then_some(Context::System)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use casetrace_model::Source;

    #[test]
    fn context_follows_the_image_or_the_account() {
        let mut of_process = Row::new(Source::Etl, "event", 1);
        of_process.process = Some(Text::from(r"C:\Windows\System32\LSASS.exe"));
        assert_eq!(context(&of_process), Some(Context::System));
        let mut of_sid = Row::new(Source::Evtx, "event", 1);
        of_sid.user_sid = Some(Text::from("S-1-5-18"));
        assert_eq!(context(&of_sid), Some(Context::System));
        assert_eq!(context(&Row::new(Source::Evtx, "event", 1)), None);
    }

    #[test]
    fn hosts_join_whatever_their_dress() {
        assert_eq!(short_host("pc042.corp.contoso.com"), short_host("PC042"));
        assert_eq!(short_host("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn the_table_is_well_formed() {
        let lines = PROCESSES.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(CONTEXTS.len(), lines);
    }
}
