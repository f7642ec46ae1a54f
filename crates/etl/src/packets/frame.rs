//! What a frame's own headers tell about it.

use super::link;
use crate::bytes::{array, u8_at};

/// Clears the Protected bit of a native 802.11 frame, which Windows leaves set although it already decrypted the frame.
pub(super) fn clear_protected(frame: &mut [u8]) {
    if let Some(flags) = frame.get_mut(1) {
        *flags &= !0x40;
    }
}

/// Whether [`clear_protected`] would change the frame.
pub(super) fn is_protected(frame: &[u8]) -> bool {
    u8_at(frame, 1) & 0x40 != 0
}

/// Length on the wire of a frame that was cut, from the IP header in it; the captured length if there is none or if the
/// header says zero (segmentation offload).
pub(super) fn original_len(link: u16, frame: &[u8]) -> usize {
    let ip_at = match link {
        link::RAW_IP => Some(0),
        link::ETHERNET => ethernet_payload(frame),
        _ => None,
    };
    let total = ip_at.and_then(|at| Some(at + ip_len(frame.get(at..)?)?));
    total.unwrap_or(0).max(frame.len())
}

/// Where the IP header begins, behind VLAN tags.
fn ethernet_payload(frame: &[u8]) -> Option<usize> {
    let mut at = 12;
    for _ in 0..3 {
        match array(frame, at).map(u16::from_be_bytes)? {
            0x0800 | 0x86dd => return Some(at + 2),
            0x8100 | 0x88a8 => at += 4,
            _ => return None,
        }
    }
    None
}

fn ip_len(packet: &[u8]) -> Option<usize> {
    match u8_at(packet, 0) >> 4 {
        4 => array(packet, 2).map(|len| usize::from(u16::from_be_bytes(len))),
        6 => array(packet, 4)
            .map(u16::from_be_bytes)
            .filter(|len| *len > 0)
            .map(|len| usize::from(len) + 40),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_frames_tell_their_length() {
        let mut ip = vec![0x45, 0, 5, 0xdc];
        ip.resize(20, 0);
        assert_eq!(original_len(link::RAW_IP, &ip), 1500);
        let mut tagged = vec![0; 12];
        tagged.extend([0x81, 0, 0, 5, 8, 0]);
        tagged.extend(&ip);
        assert_eq!(original_len(link::ETHERNET, &tagged), 1518);
        assert_eq!(original_len(link::WIFI, &tagged), tagged.len());
        assert_eq!(original_len(link::RAW_IP, &[0x45, 0, 0, 0]), 4);
        assert_eq!(original_len(link::RAW_IP, &[]), 0);
    }
}
