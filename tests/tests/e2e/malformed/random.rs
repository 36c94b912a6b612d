//! Numbers that look like chance and come again with their seed.

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    pub(super) fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// A part of `0..length`, often a short one.
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = (length - start).min(if self.once_in(4) { length } else { 8 });
        start..start + self.below(most + 1)
    }

    /// Changes `bytes` in up to four places; `words` are what is put in beside noise.
    pub(super) fn damage(&mut self, bytes: &mut Vec<u8>, words: &[&[u8]]) {
        for _ in 0..self.below(5) {
            let part = self.part(bytes.len());
            match self.below(6) {
                0 => drop(bytes.drain(part)),
                1 => {
                    let copy = bytes[part.clone()].to_vec();
                    bytes.splice(part.start..part.start, copy);
                }
                2 => bytes.truncate(part.start),
                3 if !bytes.is_empty() => {
                    let place = self.below(bytes.len());
                    bytes[place] ^= 1 << self.below(8);
                }
                4 => {
                    let noise = self.bytes(8);
                    bytes.splice(part, noise);
                }
                _ => {
                    let word = self.pick(words);
                    bytes.splice(part, word.iter().copied());
                }
            }
        }
    }
}
