//! A picture to the tensor that an encoder wants: turned, brought to its size, normalised. Pure.

use crate::{
    decode::Picture,
    resample::{Filter, Span, resample},
};

/// How a picture of one shape fills a tensor of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resize {
    /// Its middle, as large as fits: the longer side is cut on both ends.
    #[default]
    Crop,
    /// All of it, in the middle of the background.
    Pad,
    /// All of it, each axis by its own scale.
    Stretch,
}

/// Order of a tensor's dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[3, height, width]`.
    Nchw,
    /// `[height, width, 3]`.
    Nhwc,
}

/// What is done to every picture of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preparation {
    /// How it fills the tensor.
    pub resize: Resize,
    /// How pixels are weighed.
    pub filter: Filter,
    /// Subtracted from values of 0 to 1; a value a channel, in the tensor's order.
    pub mean: [f32; 3],
    /// What the difference is divided by; as `mean`.
    pub std: [f32; 3],
    /// Blue, green, red rather than red, green, blue.
    pub bgr: bool,
    /// Red, green and blue behind what is transparent, and around what is padded.
    pub background: [u8; 3],
}

impl Default for Preparation {
    fn default() -> Self {
        Self {
            resize: Resize::default(),
            filter: Filter::default(),
            mean: [0.0; 3],
            std: [1.0; 3],
            bgr: false,
            background: [255; 3],
        }
    }
}

/// The shape of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Where the channels are.
    pub layout: Layout,
}

impl Size {
    /// Values of a tensor.
    pub fn values(self) -> usize {
        self.height * self.width * 3
    }

    /// Places from a column, a row and a channel to the next.
    fn strides(self) -> [usize; 3] {
        match self.layout {
            Layout::Nchw => [1, self.width, self.width * self.height],
            Layout::Nhwc => [3, 3 * self.width, 1],
        }
    }

    /// Place of a value.
    fn index(self, x: usize, y: usize, channel: usize) -> usize {
        let [across, down, deep] = self.strides();
        x * across + y * down + channel * deep
    }
}

impl Preparation {
    /// Appends the tensor of `picture`, as large as `size`, to `tensors`.
    pub fn append(&self, picture: &Picture, size: Size, tensors: &mut Vec<f32>) {
        let turn = picture.turn;
        let swapped = |(x, y)| if turn.swap { (y, x) } else { (x, y) };
        let stored = (picture.width as f64, picture.height as f64);
        let shown: (f64, f64) = swapped(stored);
        let wanted = (size.width as f64, size.height as f64);
        let scales = (wanted.0 / shown.0, wanted.1 / shown.1);

        // What of the picture is seen, and how many pixels that becomes.
        let (seen, content) = match self.resize {
            Resize::Stretch => (shown, (size.width, size.height)),
            Resize::Crop => {
                let scale = scales.0.max(scales.1);
                ((wanted.0 / scale, wanted.1 / scale), (size.width, size.height))
            }
            Resize::Pad => {
                let scale = scales.0.min(scales.1);
                let side = |shown: f64, limit| rounded(shown * scale).clamp(1, limit);
                (shown, (side(shown.0, size.width), side(shown.1, size.height)))
            }
        };
        // A middle is the same middle after any turn.
        let (seen, columns_rows) =
            (swapped(seen), if turn.swap { (content.1, content.0) } else { content });
        let middle = |stored: f64, seen: f64| Span {
            start: (stored - seen) / 2.0,
            end: (stored + seen) / 2.0,
        };
        let part = (middle(stored.0, seen.0), middle(stored.1, seen.1));
        let pixels = resample(&picture.rgb, picture.width, part, columns_rows, self.filter);

        let start = tensors.len();
        tensors.resize(start + size.values(), 0.0);
        let tensor = &mut tensors[start..];
        if content != (size.width, size.height) {
            self.fill(size, tensor);
        }
        let (left, top) = ((size.width - content.0) / 2, (size.height - content.1) / 2);
        let origin = size.index(left, top, 0);
        // Places that a column, a row and a channel of what is stored are apart in the tensor.
        let [across, down, deep] = size.strides();
        let (across, down) = if turn.swap { (down, across) } else { (across, down) };
        let scale = self.std.map(|std| 1.0 / (255.0 * std));
        let shift = [0, 1, 2].map(|channel| -self.mean[channel] / self.std[channel]);
        let source = [0, 1, 2].map(|channel| self.source(channel));
        let (columns, rows) = columns_rows;
        for (y, row) in pixels.as_chunks::<3>().0.chunks_exact(columns).enumerate() {
            let y = if turn.flip_y { rows - 1 - y } else { y };
            for (x, pixel) in row.iter().enumerate() {
                let x = if turn.flip_x { columns - 1 - x } else { x };
                let place = origin + y * down + x * across;
                for channel in 0..3 {
                    tensor[place + channel * deep] =
                        pixel[source[channel]] * scale[channel] + shift[channel];
                }
            }
        }
    }

    /// The colour that a channel of the tensor is: 0 is red.
    fn source(&self, channel: usize) -> usize {
        if self.bgr { 2 - channel } else { channel }
    }

    fn fill(&self, size: Size, tensor: &mut [f32]) {
        for channel in 0..3 {
            let value = f32::from(self.background[self.source(channel)]) / 255.0;
            let value = (value - self.mean[channel]) / self.std[channel];
            for index in 0..size.width * size.height {
                tensor[size.index(index % size.width, index / size.width, channel)] = value;
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a side of a tensor: positive, and bounded when the model is loaded"
)]
fn rounded(side: f64) -> usize {
    side.round() as usize
}

#[cfg(test)]
mod tests;
