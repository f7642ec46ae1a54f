//! When two spellings are the same computer or user.
//!
//! dsregcmd prints `PC042`, the event log `PC042.contoso.com`; one source knows `CONTOSO\\anna`, another `anna@contoso.com`.

use std::borrow::Cow;

use casetrace_model::Value;
use casetrace_timeline::{ColumnId, Timeline};

/// The form in which values of a column are compared.
pub(crate) fn comparable<'a>(column: &str, text: &'a str) -> Cow<'a, str> {
    let core = match column {
        "host" => text
            .split_once('.')
            .filter(|(name, _)| !is_number(name))
            .map_or(text, |(name, _)| name),
        "user" => {
            let bare = text.rsplit_once('\\').map_or(text, |(_, name)| name);
            bare.split_once('@').map_or(bare, |(name, _)| name)
        }
        // Two files may differ in case only.
        "artifact" => return Cow::Borrowed(text),
        _ => text,
    };
    match core.chars().any(char::is_uppercase) {
        true => Cow::Owned(core.to_lowercase()),
        false => Cow::Borrowed(core),
    }
}

/// The first part of an address is a number, and addresses must not be cut.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// True if two rows agree in a column, or one does not know it.
pub(crate) fn compatible(timeline: &Timeline, column: ColumnId, a: u32, b: u32) -> bool {
    match (timeline.value(column, a), timeline.value(column, b)) {
        (Value::Null, _) | (_, Value::Null) => true,
        (Value::Str(a), Value::Str(b)) => comparable(column.name(), a) == comparable(column.name(), b),
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_computer_and_user_agree() {
        assert_eq!(
            comparable("host", "PC042.contoso.com"),
            comparable("host", "pc042")
        );
        assert_ne!(comparable("host", "10.1.2.3"), comparable("host", "10.9.9.9"));
        assert_eq!(
            comparable("user", "CONTOSO\\Anna"),
            comparable("user", "anna@contoso.com")
        );
        assert_eq!(comparable("server_name", "a.b.c"), "a.b.c");
    }
}
