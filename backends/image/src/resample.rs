//! Separable resampling with a filter as wide as the reduction asks for, so that nothing aliases. Pure.
//!
//! Rows are weighed first, one output row at a time, so that the memory is a row of the source and not a
//! picture of `output rows x source columns`.

use std::ops::Range;

/// How source pixels are weighed; the names, and the results, are those of Pillow and torchvision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// The pixel under the centre.
    Nearest,
    /// A triangle over two pixels.
    Bilinear,
    /// Catmull-Rom over four pixels.
    #[default]
    Bicubic,
    /// A windowed sinc over six pixels.
    Lanczos,
}

impl Filter {
    /// Pixels to each side of the centre.
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// Weight at a distance of `x` pixels from the centre.
    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        let sinc = |x: f64| {
            let x = x * std::f64::consts::PI;
            if x == 0.0 { 1.0 } else { x.sin() / x }
        };
        match self {
            Self::Nearest => 1.0,
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Lanczos if x < 3.0 => sinc(x) * sinc(x / 3.0),
            Self::Bicubic | Self::Lanczos => 0.0,
        }
    }
}

/// A part of a picture: from `start` to `end`, in pixels, not of whole ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    /// First edge.
    pub(crate) start: f64,
    /// Last edge.
    pub(crate) end: f64,
}

/// What one output pixel is made of, along one axis.
struct Taps {
    /// Pixels of the source.
    from: Range<usize>,
    /// One for each of them; their sum is 1.
    weights: Vec<f32>,
}

/// Resamples the part `columns` x `rows` of a picture with three bytes a pixel, `width` pixels a row, to
/// `output` columns and rows: row-major, red, green, blue, 0 to 255.
pub(crate) fn resample(
    rgb: &[u8],
    width: usize,
    (columns, rows): (Span, Span),
    output: (usize, usize),
    filter: Filter,
) -> Vec<f32> {
    let height = rgb.len() / 3 / width;
    let across = taps(filter, width, columns, output.0);
    let down = taps(filter, height, rows, output.1);
    // Only columns that some output pixel is made of.
    let first = across.iter().map(|taps| taps.from.start).min().unwrap_or(0);
    let last = across.iter().map(|taps| taps.from.end).max().unwrap_or(0);
    let mut row = vec![0.0_f32; (last - first) * 3];
    let mut resampled = Vec::with_capacity(output.0 * output.1 * 3);
    for Taps { from, weights } in &down {
        row.fill(0.0);
        for (y, &weight) in from.clone().zip(weights) {
            let source = &rgb[(y * width + first) * 3..(y * width + last) * 3];
            for (sum, &value) in row.iter_mut().zip(source) {
                *sum += weight * f32::from(value);
            }
        }
        for Taps { from, weights } in &across {
            let pixels = row[(from.start - first) * 3..(from.end - first) * 3].as_chunks::<3>().0;
            let mut sum = [0.0_f32; 3];
            for (pixel, &weight) in pixels.iter().zip(weights) {
                for channel in 0..3 {
                    sum[channel] += weight * pixel[channel];
                }
            }
            // Bicubic and Lanczos swing beyond what there is.
            resampled.extend(sum.map(|value| value.clamp(0.0, 255.0)));
        }
    }
    resampled
}

/// What each of `output` pixels is made of, of a source of `size` pixels.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions within a picture, whose sides are bounded, and weights"
)]
fn taps(filter: Filter, size: usize, span: Span, output: usize) -> Vec<Taps> {
    let scale = (span.end - span.start) / output as f64;
    let wide = scale.max(1.0);
    let support = filter.support() * wide;
    let of = |index: usize| {
        let centre = span.start + (index as f64 + 0.5) * scale;
        if filter == Filter::Nearest {
            let nearest = (centre.max(0.0) as usize).min(size - 1);
            return Taps { from: nearest..nearest + 1, weights: vec![1.0] };
        }
        // Pixels whose centre is within the support; at an edge, those that there are.
        let start = ((centre - support + 0.5).max(0.0) as usize).min(size - 1);
        let end = ((centre + support + 0.5) as usize).clamp(start + 1, size);
        let weights: Vec<_> =
            (start..end).map(|pixel| filter.weight((pixel as f64 + 0.5 - centre) / wide)).collect();
        let sum: f64 = weights.iter().sum();
        Taps {
            from: start..end,
            weights: weights.iter().map(|weight| (weight / sum) as f32).collect(),
        }
    };
    (0..output).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(values: &[u8]) -> Vec<u8> {
        values.iter().flat_map(|&value| [value; 3]).collect()
    }

    fn whole(size: u32) -> Span {
        Span { start: 0.0, end: f64::from(size) }
    }

    /// Red values of one row of pixels that is resampled to `output` columns.
    fn row(values: &[u8], columns: Span, output: usize, filter: Filter) -> Vec<f32> {
        let resampled =
            resample(&grey(values), values.len(), (columns, whole(1)), (output, 1), filter);
        assert_eq!(resampled.len(), output * 3);
        resampled.as_chunks::<3>().0.iter().map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn golden_rows() {
        let check = |values: &[u8], span: Span, filter: Filter, expect: &[f32]| {
            let found = row(values, span, expect.len(), filter);
            for (found, expect) in found.iter().zip(expect) {
                assert!(
                    (found - expect).abs() < 1e-3,
                    "{filter:?} of {values:?}: {found} is not {expect}"
                );
            }
        };
        let ramp = [0, 100, 200, 250];
        for filter in [Filter::Nearest, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            // As many pixels as before are the same pixels; one value stays that value.
            check(&ramp, whole(4), filter, &[0.0, 100.0, 200.0, 250.0]);
            check(&[77; 9], whole(9), filter, &[77.0; 4]);
            check(&[77], whole(1), filter, &[77.0; 5]);
        }
        check(&ramp, whole(4), Filter::Nearest, &[100.0, 250.0]);
        check(&ramp, Span { start: 2.0, end: 4.0 }, Filter::Nearest, &[200.0, 250.0]);
        // To half: weights of 1/4, 3/4, 3/4, 1/4 of a pixel; what lies outside has none.
        check(
            &ramp,
            whole(4),
            Filter::Bilinear,
            &[(0.0 * 3.0 + 100.0 * 3.0 + 200.0) / 7.0, (100.0 + 200.0 * 3.0 + 250.0 * 3.0) / 7.0],
        );
        // To twice as many: a quarter between neighbours.
        check(&[0, 100], whole(2), Filter::Bilinear, &[0.0, 25.0, 75.0, 100.0]);
        // Catmull-Rom at a quarter: -9/128, 111/128, 29/128, -3/128; the first pixel is cut off left of it.
        let at = (111.0 * 100.0 + 29.0 * 200.0 - 3.0 * 250.0) / 128.0;
        check(&ramp, Span { start: 1.5, end: 2.0 }, Filter::Bicubic, &[at]);
    }

    #[test]
    fn filters_that_swing_stay_within_bytes() {
        for filter in [Filter::Bicubic, Filter::Lanczos] {
            let values = row(&[0, 0, 0, 255, 255, 255], whole(6), 24, filter);
            assert!(values.iter().all(|value| (0.0..=255.0).contains(value)), "{values:?}");
            assert!(values.contains(&0.0) && values.contains(&255.0), "{values:?}");
        }
    }

    #[test]
    fn channels_and_axes_are_kept_apart() {
        // Two columns, three rows: red counts columns, green counts rows, blue is 9.
        let rgb: Vec<u8> = (0..6).flat_map(|index| [index % 2 * 10, index / 2 * 20, 9]).collect();
        let found = resample(&rgb, 2, (whole(2), whole(3)), (1, 3), Filter::Bilinear);
        let expect = [[5.0, 0.0, 9.0], [5.0, 20.0, 9.0], [5.0, 40.0, 9.0]];
        assert_eq!(found, expect.as_flattened());
    }
}
