//! GUIDs as the timeline spells them: lower case, with dashes, without braces.

use crate::Text;

/// Normalises one GUID in any usual dress (`{…}`, upper case, surrounding blanks); `None` if it is not one.
pub fn normalise_guid(text: &str) -> Option<Text> {
    let bare = text.trim().trim_start_matches('{').trim_end_matches('}').trim();
    is_guid(bare.as_bytes()).then(|| Text::from(bare.to_ascii_lowercase()))
}

/// All GUIDs that occur in `text`, in order, normalised; repeated ones are kept.
pub fn find_guids(text: &str) -> impl Iterator<Item = Text> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at + 36 <= bytes.len() {
            let window = &bytes[at..at + 36];
            let starts_clean = at == 0 || !bytes[at - 1].is_ascii_hexdigit();
            let ends_clean = bytes.get(at + 36).is_none_or(|b| !b.is_ascii_hexdigit());
            if starts_clean && ends_clean && is_guid(window) {
                at += 36;
                return Some(
                    window
                        .iter()
                        .map(|b| char::from(b.to_ascii_lowercase()))
                        .collect(),
                );
            }
            at += 1;
        }
        None
    })
}

fn is_guid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_found_and_normalised() {
        assert_eq!(
            normalise_guid(" {4DE9BC9C-B27A-43C9-8994-0915F1A5E24F} ").as_deref(),
            Some("4de9bc9c-b27a-43c9-8994-0915f1a5e24f")
        );
        assert_eq!(normalise_guid("4DE9BC9C"), None);
        let text = "x{4DE9BC9C-B27A-43C9-8994-0915F1A5E24F} a4de9bc9c-b27a-43c9-8994-0915f1a5e24f é";
        assert_eq!(find_guids(text).count(), 1);
    }
}
