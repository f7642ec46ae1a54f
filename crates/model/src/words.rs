//! Finds words of a fixed list in texts, whatever the case of their ASCII letters.
//!
//! An automaton waits for memory with every byte: where it goes next depends on where it is. So a text is cut into lanes
//! that are gone through side by side, and while one waits the others move. Each lane goes on into the next until no word
//! is open, so that words across the cuts are found, too.

use std::ops::Range;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind, PatternID};

/// Parts of a text that are gone through side by side.
const LANES: usize = 4;
/// Bytes of a lane below which cutting does not pay.
const MIN_LANE: usize = 12;

/// A list of words as one automaton.
#[derive(Debug, Clone)]
pub struct Words {
    search: DFA,
    start: StateID,
}

impl Words {
    /// `None` if the list is too large for an automaton.
    pub fn new<W: AsRef<[u8]>>(words: impl IntoIterator<Item = W>) -> Option<Self> {
        let search = DFA::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(words)
            .ok()?;
        let start = search.start_state(Anchored::No).ok()?;
        Some(Self { search, start })
    }

    /// Calls `hit` with the number of each word and where it stands, for every occurrence, also within and across others.
    /// Occurrences come in no order.
    pub fn each(&self, text: &str, mut hit: impl FnMut(usize, Range<usize>)) {
        let bytes = text.as_bytes();
        let length = match bytes.len() / LANES {
            length if length >= MIN_LANE => length,
            _ => return self.lane(bytes, 0, self.start, &mut hit),
        };
        let mut states = [self.start; LANES];
        let lanes: [&[u8]; LANES] =
            std::array::from_fn(|lane| bytes.get(lane * length..(lane + 1) * length).unwrap_or_default());
        let mut at = 0;
        while at < length {
            at = self.advance_lanes(lanes, at, &mut states);
            for (lane, state) in states.iter().enumerate() {
                self.hits(*state, lane * length + at, &mut hit);
            }
        }
        for (lane, state) in states.into_iter().enumerate() {
            let end = (lane + 1) * length;
            match lane + 1 < LANES {
                true => self.open_words(bytes, end, state, &mut hit),
                false => self.lane(bytes, end, state, &mut hit),
            }
        }
    }

    /// Goes through the bytes from `at` to the end.
    fn lane(
        &self,
        bytes: &[u8],
        mut at: usize,
        mut state: StateID,
        hit: &mut impl FnMut(usize, Range<usize>),
    ) {
        while at < bytes.len() {
            (at, state) = self.advance(bytes, at, state);
            self.hits(state, at, hit);
        }
    }

    /// Goes on until a word may have ended, or the text did; the place and the state there.
    // Kept apart, so that nothing but what the loop needs takes up registers.
    #[inline(never)]
    fn advance(&self, bytes: &[u8], at: usize, mut state: StateID) -> (usize, StateID) {
        let mut next = at;
        for byte in bytes.get(at..).unwrap_or_default() {
            state = self.search.next_state(Anchored::No, state, *byte);
            next += 1;
            if self.search.is_special(state) {
                break;
            }
        }
        (next, state)
    }

    /// The same in all lanes, of which each has as many bytes.
    #[inline(never)]
    fn advance_lanes(&self, lanes: [&[u8]; LANES], at: usize, states: &mut [StateID; LANES]) -> usize {
        let [mut a, mut b, mut c, mut d] = *states;
        let rest = |lane: usize| lanes[lane].get(at..).unwrap_or_default().iter();
        let bytes = rest(0).zip(rest(1)).zip(rest(2).zip(rest(3)));
        let mut next = at;
        for ((one, two), (three, four)) in bytes {
            a = self.search.next_state(Anchored::No, a, *one);
            b = self.search.next_state(Anchored::No, b, *two);
            c = self.search.next_state(Anchored::No, c, *three);
            d = self.search.next_state(Anchored::No, d, *four);
            next += 1;
            if self.search.is_special(a.min(b).min(c).min(d)) {
                break;
            }
        }
        *states = [a, b, c, d];
        next
    }

    /// Goes on behind `cut` for words that began before it.
    fn open_words(
        &self,
        bytes: &[u8],
        cut: usize,
        mut state: StateID,
        hit: &mut impl FnMut(usize, Range<usize>),
    ) {
        let mut at = cut;
        while state != self.start
            && let Some(byte) = bytes.get(at)
        {
            state = self.search.next_state(Anchored::No, state, *byte);
            at += 1;
            if self.search.is_special(state) {
                // The lane behind the cut finds what begins there.
                self.hits(state, at, &mut |word, range: Range<usize>| {
                    if range.start < cut {
                        hit(word, range);
                    }
                });
            }
        }
    }

    /// The words that end before `end`.
    fn hits(&self, state: StateID, end: usize, hit: &mut impl FnMut(usize, Range<usize>)) {
        if self.search.is_match(state) {
            for index in 0..self.search.match_len(state) {
                let word: PatternID = self.search.match_pattern(state, index);
                hit(word.as_usize(), end - self.search.pattern_len(word)..end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str], text: &str) -> Vec<(usize, Range<usize>)> {
        let mut all = Vec::new();
        if let Some(words) = Words::new(words) {
            words.each(text, |word, range| all.push((word, range)));
        }
        all.sort_by_key(|(word, range)| (range.start, *word));
        all
    }

    /// The same by looking at every place.
    fn everywhere(words: &[&str], text: &str) -> Vec<(usize, Range<usize>)> {
        let at = |start: usize| {
            words.iter().enumerate().filter_map(move |(number, word)| {
                let range = start..start + word.len();
                let same = text
                    .as_bytes()
                    .get(range.clone())?
                    .eq_ignore_ascii_case(word.as_bytes());
                same.then_some((number, range))
            })
        };
        (0..text.len()).flat_map(at).collect()
    }

    #[test]
    fn every_occurrence_is_found_once_wherever_the_cuts_are() {
        let words = ["token", "to", "aba", "ken x", "日本", "x"];
        let texts = [
            "",
            "Token",
            "ababa TOKEN x tokento KEN X",
            "日本 tokEN Tö é日本x",
            "nothing",
        ];
        for text in texts {
            for before in 0..40 {
                for times in [1, 2, 5] {
                    let text = format!("{}{}", "y".repeat(before), text.repeat(times));
                    assert_eq!(found(&words, &text), everywhere(&words, &text), "{text}");
                    let text = format!("{text}{}", " abab".repeat(before));
                    assert_eq!(found(&words, &text), everywhere(&words, &text), "{text}");
                }
            }
        }
    }
}
