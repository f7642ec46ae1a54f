//! Tells of a whole `fields` object, without taking it apart, that nothing in it can be a secret.

use memchr::memchr2_iter;

use crate::{encoded, prefilter};

/// True if no value of a `fields` object can hold a secret.
pub(crate) fn is_quiet(fields: &str) -> bool {
    let signs = || memchr2_iter(b'%', b'\\', fields.as_bytes());
    // A name can be spelled with character codes, too.
    let code =
        |at: usize| fields.as_bytes().get(at) == Some(&b'%') || fields.as_bytes().get(at + 1) == Some(&b'u');
    // An escape next to a run would be taken for a part of it.
    let base64 = || match signs().next() {
        Some(_) => prefilter::may_hold_base64(fields),
        None => encoded::holds_base64_text(fields),
    };
    !signs().any(code) && !prefilter::may_hold_secret(fields) && !base64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Redactor;
    use crate::known::Known;
    use crate::mode::Mode;
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use casetrace_model::JsonObject;
    use proptest::prelude::*;

    fn word() -> impl Strategy<Value = String> {
        let fixed: Vec<&str> = "password|Pass-Word|access_token|x-api-key|state|code|Cookie|client_secret|Authorization|sig|=|:|: |\"|\\|\\\"|\n|\t|\r\n|\u{1b}|\u{e9}|日本| |, |%3D|%22|&|?|Bearer |Basic |eyJabcdefgh12345.e30.x|TlRMTVNTUAAB12345|0.AXoAabcdef123|M.R3_BAY.xyz|://u:p@h|<Password>|</Password>|--password |-----BEGIN PRIVATE KEY-----|0xc000006d|5820fbe9-60c8-43b0-bb11-44aee233e4e7|C:\\Windows\\System32|n|x"
            .split('|')
            .collect();
        prop_oneof![
            4 => prop::sample::select(fixed).prop_map(ToOwned::to_owned),
            1 => "[A-Za-z0-9]{1,16}",
        ]
    }

    /// A value, plain or behind an encoding.
    fn value() -> impl Strategy<Value = String> {
        (prop::collection::vec(word(), 0..8), 0..6_u8).prop_map(|(words, how)| {
            let text = words.concat();
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            match how {
                0 => STANDARD.encode(&text),
                1 => URL_SAFE_NO_PAD.encode(&text),
                2 => STANDARD.encode(wide),
                3 => format!("in {} text", STANDARD.encode(&text)),
                _ => text,
            }
        })
    }

    /// The same JSON with some characters written as codes.
    fn with_codes(json: &str, every: usize) -> String {
        let letters = json.char_indices().map(|(at, c)| {
            let plain = !c.is_ascii_alphabetic() || at % every > 0;
            // The letter of an escape is none of the text.
            let escape = json.get(..at).is_some_and(|before| before.ends_with('\\'));
            match plain || escape {
                true => c.to_string(),
                false => format!("\\u{:04x}", u32::from(c)),
            }
        });
        letters.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn quiet_objects_hold_nothing_that_the_patterns_mask(
            members in prop::collection::vec((word(), value()), 1..4),
            every in 1..40_usize,
        ) {
            let object = members.iter().fold(JsonObject::new(), |object, (name, value)| object.str(name, value));
            let redactor = Redactor::new(Mode::Secrets, b"");
            let plain = object.finish();
            for fields in [with_codes(&plain, every), plain] {
                if is_quiet(&fields) {
                    prop_assert_eq!(redactor.members(&fields, &Known::default()), None, "{}", fields);
                }
            }
        }

        #[test]
        fn ordinary_objects_are_quiet(
            n in any::<u64>(),
            name in prop::sample::select(&["ProcessId", "ThreadId", "TargetLogonId", "OdoId", "CorrelationId", "RegistryOdoId"]),
        ) {
            let object = JsonObject::new().num("n", n).str(name, "0xc000006d").str("Path", r"C:\Windows\System32\lsass.exe");
            prop_assert!(is_quiet(&object.finish()));
        }
    }
}
