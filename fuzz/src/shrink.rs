//! Smaller inputs that fail in the same way.

/// Executions that one input is worth.
const MAX_TRIES: usize = 3000;

/// Removes runs of bytes, long ones first, as long as `fails` says that what is left still fails.
pub fn shrink(input: &[u8], mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut tries = 0;
    let mut size = best.len() / 2;
    while size > 0 && tries < MAX_TRIES {
        let mut at = 0;
        while at < best.len() && tries < MAX_TRIES {
            let end = (at + size).min(best.len());
            let mut shorter = best.clone();
            shorter.drain(at..end);
            tries += 1;
            if fails(&shorter) {
                best = shorter;
            } else {
                at = end;
            }
        }
        size /= 2;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_is_left() {
        let small = shrink(b"aaaaaaaaXbbbbbbbbbbbYcccc", |bytes| {
            bytes.contains(&b'X') && bytes.contains(&b'Y')
        });
        assert_eq!(small, b"XY");
    }
}
