//! Rows on their way from the thread that makes them to the sink, in memory that is used again and never moved.

use casetrace_model::{Row, Source};

/// Rows that lie together.
const BLOCK: usize = 16;

/// Which packet of a batch and which shard brought a row about; rows of all shards are put in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    pub(crate) unit: u32,
    pub(crate) shard: u8,
}

/// Room for a few rows. Those that were handed over stay in it, and the next ones are made of them where they lie.
pub(crate) type Block = Vec<Row>;

/// Rows with the place in the order of packets that brought them about.
///
/// Two lists, because a row is a kilobyte: to make a pair of it is to copy it. The rows in blocks, as a list that grows copies
/// them, too.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    places: Vec<Place>,
    blocks: Vec<Block>,
    /// Further blocks for more rows.
    spare: Vec<Block>,
}

impl Rows {
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The block the next row goes to, and where in it.
    fn next(&mut self, place: Place) -> (&mut Block, usize) {
        let at = self.places.len();
        self.places.push(place);
        if at / BLOCK == self.blocks.len() {
            let block = self.spare.pop();
            self.blocks
                .push(block.unwrap_or_else(|| Vec::with_capacity(BLOCK)));
        }
        (&mut self.blocks[at / BLOCK], at % BLOCK)
    }

    /// Adds an empty row.
    pub(crate) fn add(&mut self, place: Place, source: Source, kind: &'static str, record: u64) -> &mut Row {
        let (block, at) = self.next(place);
        if at < block.len() {
            block[at].renew(source, kind, record);
        } else {
            block.push(Row::new(source, kind, record));
        }
        &mut block[at]
    }

    pub(crate) fn push(&mut self, place: Place, row: Row) {
        let (block, at) = self.next(place);
        match block.get_mut(at) {
            Some(old) => *old = row,
            None => block.push(row),
        }
    }

    /// Takes the rows out, in order; what is left in them is used again.
    pub(crate) fn drain(
        &mut self,
    ) -> (
        std::vec::Drain<'_, Place>,
        impl Iterator<Item = &mut Row> + use<'_>,
    ) {
        (self.places.drain(..), self.blocks.iter_mut().flatten())
    }

    /// Gives the rows away for an empty list; the further blocks stay.
    pub(crate) fn hand_over(&mut self, to: &mut Self) {
        std::mem::swap(&mut self.places, &mut to.places);
        std::mem::swap(&mut self.blocks, &mut to.blocks);
    }

    /// Takes blocks that are no longer in use, but no more than makes so many of them.
    pub(crate) fn use_again(&mut self, blocks: &mut Vec<Block>, most: usize) {
        let left = (blocks.len() + self.spare.len()).saturating_sub(most);
        self.spare.extend(blocks.drain(left.min(blocks.len())..));
    }

    /// Gives the blocks of an emptied list back, but no more than makes so many of them there.
    pub(crate) fn give_back(&mut self, to: &mut Vec<Block>, most: usize) {
        let room = most.saturating_sub(to.len()).min(self.blocks.len());
        to.extend(self.blocks.drain(..room));
        self.blocks.clear();
    }

    /// The rows, for good.
    pub(crate) fn into_rows(self) -> Vec<Row> {
        self.blocks
            .into_iter()
            .flatten()
            .take(self.places.len())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_used_again_and_only_so_many_are_kept() {
        let (mut rows, mut handed, mut kept) = (Rows::default(), Rows::default(), Vec::new());
        for record in 0..100 {
            rows.add(Place::default(), Source::Pcap, "tcp.connect", record);
        }
        rows.hand_over(&mut handed);
        assert_eq!((rows.len(), handed.len()), (0, 100));
        assert!(handed.drain().1.map(|row| row.record).eq(0..100));
        assert!(handed.is_empty());
        let memory = handed.blocks[1].as_ptr();
        handed.give_back(&mut kept, 2);
        assert!(kept.len() == 2 && handed.blocks.is_empty());
        rows.use_again(&mut kept, 2);
        rows.add(Place::default(), Source::Pcap, "tcp.close", 7);
        assert!(kept.is_empty() && rows.blocks[0].as_ptr() == memory);
        let rows = rows.into_rows();
        assert_eq!(
            rows.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(),
            ["tcp.close"]
        );
    }
}
