//! Packets: link, network and transport layers, and the application messages inside them.
//!
//! [`Wire`] collects frames; [`Tcp`] and the functions of the protocol modules fill it. Writers for capture
//! files ([`crate::pcap`], [`crate::etl`]) take a wire's frames.

pub mod dns;
mod frame;
pub mod http;
pub mod kerberos;
pub mod ldap;
pub mod quic;
mod tcp;
pub mod tls;
mod wire;

pub use frame::{Host, TcpSegment, icmp_unreachable, tcp_frame, udp_frame};
pub use tcp::Tcp;
pub use wire::{Frame, Wire};
