//! The random masks of RISE (Petsiuk, Das, Saenko 2018, section 3.2): a coarse grid of ones and zeros,
//! enlarged smoothly and shifted by less than a cell, so that a mask has no edges of its own.

/// Cells of the coarse grid: those of posters, which are 2 to 3.
pub(super) const COLUMNS: usize = 8;
pub(super) const ROWS: usize = 12;

/// Chance that a cell shows the picture.
const SHOWN: f64 = 0.5;

/// One mask.
#[derive(Clone, Debug)]
pub(super) struct Mask {
    /// Corners of the cells, a column and a row more than cells, and one more for the shift.
    corners: Vec<f32>,
    /// Of a cell, 0 to 1.
    shift: (f32, f32),
}

const WIDE: usize = COLUMNS + 2;
const HIGH: usize = ROWS + 2;

impl Mask {
    fn new(random: &mut Random) -> Self {
        let corners =
            (0..WIDE * HIGH).map(|_| if random.unit() < SHOWN { 1.0 } else { 0.0 }).collect();
        #[expect(clippy::cast_possible_truncation, reason = "a number of 0 to 1")]
        let mut shift = || random.unit() as f32;
        Self { corners, shift: (shift(), shift()) }
    }

    /// How much of the picture is seen at a place: `x` and `y` are 0 to 1.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let (column, right) = cell(x * COLUMNS as f32 + self.shift.0, COLUMNS);
        let (row, down) = cell(y * ROWS as f32 + self.shift.1, ROWS);
        let corner = |column: usize, row: usize| self.corners[row * WIDE + column];
        let above = corner(column, row) * (1.0 - right) + corner(column + 1, row) * right;
        let below = corner(column, row + 1) * (1.0 - right) + corner(column + 1, row + 1) * right;
        above * (1.0 - down) + below * down
    }

    /// The mask over a picture, row by row.
    pub(super) fn over(&self, width: usize, height: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                values.push(self.at(centre(x, width), centre(y, height)));
            }
        }
        values
    }
}

/// `count` masks; always the same for a `seed`.
pub(super) fn masks(count: usize, seed: u64) -> Vec<Mask> {
    let mut random = Random(seed);
    (0..count).map(|_| Mask::new(&mut random)).collect()
}

/// The middle of the `at`th of `count` equal parts of 0 to 1.
pub(super) fn centre(at: usize, count: usize) -> f32 {
    (at as f32 + 0.5) / count as f32
}

/// The cell of a place counted in cells, and where in it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places are 0 to a dozen"
)]
fn cell(place: f32, cells: usize) -> (usize, f32) {
    let cell = (place as usize).min(cells);
    (cell, (place - cell as f32).clamp(0.0, 1.0))
}

/// A number for the bytes of a picture (FNV-1a): one picture has the same masks each time.
pub(super) fn seed(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough for masks.
struct Random(u64);

impl Random {
    /// 0 to 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_show_half_everywhere_and_are_smooth() {
        let masks = masks(2000, 7);
        for (x, y) in [(0.01, 0.01), (0.5, 0.5), (0.99, 0.99), (0.3, 0.8)] {
            let mean = masks.iter().map(|mask| mask.at(x, y)).sum::<f32>() / 2000.0;
            assert!((mean - 0.5).abs() < 0.05, "{mean} at {x} {y}");
        }
        let over = masks[0].over(128, 192);
        assert!(over.iter().all(|value| (0.0..=1.0).contains(value)));
        let step = over.windows(2).enumerate().filter(|(at, _)| at % 128 != 127);
        assert!(step.map(|(_, pair)| (pair[1] - pair[0]).abs()).fold(0.0, f32::max) < 0.1);
    }

    #[test]
    fn a_seed_gives_the_same_masks() {
        let first = |seed| masks(1, seed)[0].over(16, 24);
        assert_eq!(first(seed(b"poster")), first(seed(b"poster")));
        assert_ne!(first(seed(b"poster")), first(seed(b"another")));
    }
}
