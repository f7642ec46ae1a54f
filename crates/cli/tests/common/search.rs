//! Finds a word in outputs, however it is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A word in every encoding that is searched for; for base64 the part that is the same whatever stands around it, for
/// each of the three places it can begin.
fn encodings(word: &str) -> Vec<Vec<u8>> {
    let wide: Vec<u8> = word.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut all = vec![word.as_bytes().to_vec(), wide.clone()];
    all.push(
        word.bytes()
            .flat_map(|b| format!("%{b:02X}").into_bytes())
            .collect(),
    );
    all.push(word.replace('@', "%40").into_bytes());
    for bytes in [word.as_bytes(), &wide] {
        for shift in 0..3_usize {
            let padded = [vec![b'a'; shift], bytes.to_vec()].concat();
            let text = STANDARD.encode(padded);
            let text = text.trim_end_matches('=');
            let (from, to) = ((shift * 4).div_ceil(3), text.len() - 2);
            all.push(text.as_bytes()[from..to].to_vec());
        }
    }
    all
}

/// True if the word is there in any encoding and case; the encodings are ASCII, so other bytes don't matter.
pub(crate) fn holds(output: &[u8], word: &str) -> bool {
    let text = String::from_utf8_lossy(output).to_ascii_lowercase();
    encodings(word).iter().any(|needle| {
        let needle = String::from_utf8_lossy(needle).to_ascii_lowercase();
        text.contains(&needle)
    })
}
