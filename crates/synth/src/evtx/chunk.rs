//! One 64 KiB chunk: records, shared names, shared templates, checksums.

use std::collections::HashMap;

use super::tree::{Leaf, Node, Shape};
use crate::bytes::{Bytes, noise};

pub(super) const CHUNK: usize = 65_536;
const HEAD: usize = 512;

/// A chunk under construction.
#[derive(Debug)]
pub(super) struct Chunk {
    data: Bytes,
    names: HashMap<String, u32>,
    templates: HashMap<String, u32>,
    name_buckets: [u32; 64],
    template_buckets: [u32; 32],
    first: Option<u64>,
    last: u64,
    last_at: u32,
}

impl Chunk {
    pub(super) fn new() -> Self {
        let mut data = Bytes::new();
        data.fill(0, HEAD);
        Self {
            data,
            names: HashMap::new(),
            templates: HashMap::new(),
            name_buckets: [0; 64],
            template_buckets: [0; 32],
            first: None,
            last: 0,
            last_at: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Adds a record; false (and nothing changed) if the chunk is full.
    pub(super) fn add(&mut self, shape: &Shape, record_id: u64, filetime: u64) -> bool {
        let start = self.data.len();
        let buckets = (self.name_buckets, self.template_buckets);
        self.data
            .raw(b"**\0\0")
            .u32(0)
            .u64(record_id)
            .u64(filetime)
            .raw(&[0x0f, 1, 1, 0]);
        self.template_instance(shape);
        let size = (self.data.len() - start + 4).next_multiple_of(8);
        let missing = size - 4 - (self.data.len() - start);
        self.data
            .fill(0, missing)
            .u32(size as u32)
            .patch(start + 4, &(size as u32).to_le_bytes());
        if self.data.len() > CHUNK {
            // Undo: what the record added lies behind its start.
            self.data.0.truncate(start);
            self.names.retain(|_, at| (*at as usize) < start);
            self.templates.retain(|_, at| (*at as usize) < start);
            (self.name_buckets, self.template_buckets) = buckets;
            return false;
        }
        self.first.get_or_insert(record_id);
        (self.last, self.last_at) = (record_id, start as u32);
        true
    }

    fn template_instance(&mut self, shape: &Shape) {
        let key = format!("{:?}", shape.root);
        let id = noise(&key, 16);
        self.data.u8(0x0c).u8(1).raw(&id[..4]);
        match self.templates.get(&key) {
            Some(at) => {
                let at = *at;
                self.data.u32(at);
            }
            None => self.template_definition(key, &id, &shape.root),
        }
        self.data.u32(shape.slots.len() as u32);
        for (kind, bytes) in &shape.slots {
            self.data.u16(bytes.len() as u16).u8(*kind).u8(0);
        }
        for (_, bytes) in &shape.slots {
            self.data.raw(bytes);
        }
        self.data.u8(0);
    }

    /// The definition follows its first use; its bucket chains definitions whose ids share the hash.
    fn template_definition(&mut self, key: String, id: &[u8], root: &Node) {
        let at = self.data.len() as u32 + 4;
        let bucket = &mut self.template_buckets[usize::from(id[0]) % 32];
        let next = std::mem::replace(bucket, at);
        self.data.u32(at).u32(next).raw(id).u32(0).raw(&[0x0f, 1, 1, 0]);
        self.element(root);
        self.data.u8(0);
        let size = self.data.len() as u32 - at - 24;
        self.data.patch(at as usize + 20, &size.to_le_bytes());
        self.templates.insert(key, at);
    }

    fn element(&mut self, node: &Node) {
        let tag = if node.attributes.is_empty() { 0x01 } else { 0x41 };
        self.data.u8(tag).u16(0xffff);
        let size_at = self.data.len();
        self.data.u32(0);
        self.name(&node.name);
        if !node.attributes.is_empty() {
            let list_at = self.data.len();
            self.data.u32(0);
            for (index, (name, leaf)) in node.attributes.iter().enumerate() {
                self.data.u8(if index + 1 < node.attributes.len() {
                    0x46
                } else {
                    0x06
                });
                self.name(name);
                self.leaf(leaf);
            }
            let size = (self.data.len() - list_at - 4) as u32;
            self.data.patch(list_at, &size.to_le_bytes());
        }
        if node.children.is_empty() && node.content.is_none() {
            self.data.u8(3);
        } else {
            self.data.u8(2);
            if let Some(leaf) = &node.content {
                self.leaf(leaf);
            }
            for child in &node.children {
                self.element(child);
            }
            self.data.u8(4);
        }
        let size = (self.data.len() - size_at - 4) as u32;
        self.data.patch(size_at, &size.to_le_bytes());
    }

    fn leaf(&mut self, leaf: &Leaf) {
        match leaf {
            Leaf::Literal(text) => {
                self.data
                    .u8(5)
                    .u8(1)
                    .u16(text.encode_utf16().count() as u16)
                    .utf16(text);
            }
            Leaf::Slot(number, kind, optional) => {
                self.data
                    .u8(if *optional { 0x0e } else { 0x0d })
                    .u16(*number)
                    .u8(*kind);
            }
        }
    }

    /// A reference to a name, and the name itself where the chunk lacks it.
    fn name(&mut self, text: &str) {
        if let Some(at) = self.names.get(text) {
            let at = *at;
            self.data.u32(at);
            return;
        }
        let at = self.data.len() as u32 + 4;
        let hash = text.encode_utf16().fold(0u32, |h, unit| {
            h.wrapping_mul(65_599).wrapping_add(u32::from(unit))
        });
        let hash = hash as u16;
        let bucket = &mut self.name_buckets[usize::from(hash) % 64];
        let next = std::mem::replace(bucket, at);
        self.data
            .u32(at)
            .u32(next)
            .u16(hash)
            .u16(text.encode_utf16().count() as u16)
            .utf16z(text);
        self.names.insert(text.to_owned(), at);
    }

    /// The finished 64 KiB.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let (first, last, free) = (self.first.unwrap_or(0), self.last, self.data.len() as u32);
        let mut head = Bytes::new();
        head.raw(b"ElfChnk\0")
            .u64(first)
            .u64(last)
            .u64(first)
            .u64(last)
            .u32(128)
            .u32(self.last_at)
            .u32(free);
        head.u32(crc32fast::hash(self.data.0.get(HEAD..).unwrap_or_default()));
        self.data.patch(0, &head.0);
        let mut tables = Bytes::new();
        self.name_buckets
            .iter()
            .chain(&self.template_buckets)
            .for_each(|at| {
                tables.u32(*at);
            });
        self.data.patch(128, &tables.0);
        let mut covered = self.data.0.get(..120).unwrap_or_default().to_vec();
        covered.extend_from_slice(self.data.0.get(128..HEAD).unwrap_or_default());
        let crc = crc32fast::hash(&covered);
        self.data.patch(124, &crc.to_le_bytes());
        let missing = CHUNK - self.data.len();
        self.data.fill(0, missing).take()
    }
}
