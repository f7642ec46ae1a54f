//! The properties, by sort of input.

pub(crate) mod archive;
pub(crate) mod capture;
pub(crate) mod exchange;
pub(crate) mod log;
pub(crate) mod trace;
pub(crate) mod words;

/// Takes `N` bytes off the front; missing ones are zero.
fn head<const N: usize>(data: &[u8]) -> ([u8; N], &[u8]) {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(data) {
        *to = *from;
    }
    (out, data.get(N..).unwrap_or_default())
}
