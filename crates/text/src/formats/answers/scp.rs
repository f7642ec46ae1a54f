//! The keywords of the service connection point, as PowerShell prints the attribute.

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    head.if_any(starts, score::LIKELY + 20)
}

pub(crate) fn starts(text: &str) -> bool {
    keyword(text).is_some()
}

/// `azureADName:contoso.com`, `azureADId:aaaabbbb-…`, in any case.
fn keyword(text: &str) -> Option<(bool, &str)> {
    let (name, value) = text.split_once(':')?;
    let is_id = name.eq_ignore_ascii_case("azureADId");
    let plain = !value.is_empty() && value.len() < 254 && !value.contains(char::is_whitespace);
    ((is_id || name.eq_ignore_ascii_case("azureADName")) && plain).then_some((is_id, value))
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Keywords::default())
}

#[derive(Default)]
struct Keywords {
    line: u64,
    id: String,
    name: String,
}

impl Machine for Keywords {
    fn line(&mut self, line: &Line<'_>, _: &mut Output<'_>) {
        if let Some((is_id, value)) = keyword(line.text.trim()) {
            self.line = if self.line == 0 { line.number } else { self.line };
            let target = if is_id { &mut self.id } else { &mut self.name };
            value.clone_into(target);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        let Self { line, id, name } = std::mem::take(self);
        if line > 0 {
            let details = [("tenant_id", id.as_str()), ("tenant_name", name.as_str())];
            out.config(
                line,
                "scp_keywords",
                if id.is_empty() { &name } else { &id },
                &details,
            );
        }
    }
}
