//! A captured packet on its way from a container (pcap, pcapng, ETL) to protocol analysis or a capture writer.

/// Which way a packet went, seen from the capturing host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Received.
    In,
    /// Sent.
    Out,
}

/// One packet; borrowed from the reader's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Nanoseconds since 1970.
    pub ts_ns: i64,
    /// 1-based record number of the packet (or its ETW event) in the artifact.
    pub record: u64,
    /// libpcap link type (1 Ethernet, 101 raw IP, 105 802.11, …).
    pub link_type: u16,
    /// Captured bytes.
    pub data: &'a [u8],
    /// Length on the wire; at least `data.len()`.
    pub orig_len: u32,
    /// Interface number, to be looked up in what [`PacketSink::interface`] announced.
    pub interface: u32,
    /// Direction, if the source says.
    pub direction: Option<Direction>,
    /// Process that sent it, if the source says. Received packets run in whatever process was interrupted,
    /// so readers set this for sent ones only.
    pub pid: Option<u32>,
    /// A remark for capture files (drop reason, component).
    pub comment: Option<&'a str>,
}

/// Tells the image name of a process id at a time (nanoseconds since 1970).
pub type ProcessLookup = std::sync::Arc<dyn Fn(u32, i64) -> Option<crate::Text> + Send + Sync>;

/// Where packets go.
pub trait PacketSink {
    /// Announces an interface before its first packet. Numbers are dense from 0.
    fn interface(&mut self, number: u32, link_type: u16, name: &str, description: &str) {
        let _ = (number, link_type, name, description);
    }
    /// Lends the process names of the source before the first packet.
    fn processes(&mut self, lookup: ProcessLookup) {
        let _ = lookup;
    }
    /// Takes one packet.
    fn packet(&mut self, packet: &Packet<'_>);
}

impl<F: FnMut(&Packet<'_>)> PacketSink for F {
    fn packet(&mut self, packet: &Packet<'_>) {
        self(packet);
    }
}
