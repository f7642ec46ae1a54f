//! The channel that a file name tells of: `Microsoft-Windows-AAD%4Operational.evtx`.

/// The channel in a file name; an automatic archive's stamp is taken off. `None` if nothing is left.
pub(crate) fn from_file_name(name: &str) -> Option<String> {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = match file.rsplit_once('.') {
        Some((stem, extension)) if extension.eq_ignore_ascii_case("evtx") => stem,
        _ => file,
    };
    let bare = stem.strip_prefix("Archive-").map_or(stem, without_stamp);
    let channel = bare.replace("%4", "/");
    (!channel.is_empty()).then_some(channel)
}

/// `Security-2024-05-22-03-11-55-264` without the time it was archived.
fn without_stamp(stem: &str) -> &str {
    const GROUPS: [usize; 7] = [3, 2, 2, 2, 2, 2, 4];
    let mut rest = stem;
    for digits in GROUPS {
        match rest.rsplit_once('-') {
            Some((before, group)) if group.len() == digits && group.bytes().all(|b| b.is_ascii_digit()) => {
                rest = before
            }
            _ => return stem,
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_tell_the_channel() {
        for (name, channel) in [
            (
                "Microsoft-Windows-AAD%4Operational.evtx",
                "Microsoft-Windows-AAD/Operational",
            ),
            ("logs/System.EVTX", "System"),
            ("Archive-Security-2024-05-22-03-11-55-264.evtx", "Security"),
            ("Archive-of-mine.evtx", "of-mine"),
        ] {
            assert_eq!(from_file_name(name).as_deref(), Some(channel));
        }
        assert_eq!(from_file_name(".evtx"), None);
    }
}
