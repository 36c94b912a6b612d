//! The model's configuration: completes its input, and refuses what this backend cannot do.
//! Pure: JSON in, JSON out.

use crate::{
    decode::Limits,
    resample::Filter,
    tensor::{Layout, Preparation, Resize, Size},
};
use hippocamp_backend::{
    Error,
    config::{list, sizes, text},
};
use serde_json::{Value, json};

/// Rows and columns that an output may have.
const MAX_SIDE: i64 = 4096;

/// An output of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) name: String,
    /// As in the configuration: without the batch dimension.
    pub(crate) dims: [i64; 3],
    pub(crate) size: Size,
}

/// What the configuration's parameters set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) preparation: Preparation,
    pub(crate) limits: Limits,
    /// `None`: the channels are where the 3 is.
    pub(crate) layout: Option<Layout>,
}

/// The configuration with an input; `None` if it has one already.
pub(crate) fn complete(config: &Value) -> Option<Value> {
    if !list(config, "input").is_empty() {
        return None;
    }
    let mut completed = config.clone();
    completed["input"] = json!([{"name": "IMAGE", "data_type": "TYPE_STRING", "dims": [1]}]);
    Some(completed)
}

/// The outputs of a configuration, which is checked on the way.
///
/// # Errors
/// What is wrong, what was expected, and what came.
pub(crate) fn outputs(
    model: &str,
    config: &Value,
    layout: Option<Layout>,
) -> Result<Vec<Output>, Error> {
    let refuse = |text: String| Error::invalid(format!("model '{model}': {text}"));
    match list(config, "input") {
        [input] => {
            let (datatype, dims) = (text(input, "data_type"), sizes(input, "dims"));
            if datatype != "TYPE_STRING" || dims != [1] {
                return Err(refuse(format!(
                    "input '{}' has data_type {datatype} and dims {dims:?}: the image backend expects TYPE_STRING and [ 1 ], a picture",
                    text(input, "name"),
                )));
            }
        }
        inputs => {
            return Err(refuse(format!(
                "the image backend expects one input, of TYPE_STRING; the configuration has {}",
                inputs.len()
            )));
        }
    }
    let outputs = list(config, "output");
    if outputs.is_empty() {
        return Err(refuse(
            "the configuration names no outputs: the image backend expects at least one, of TYPE_FP32, whose dims say height and width: write one into config.pbtxt, such as [ 3, 224, 224 ]".to_owned(),
        ));
    }
    outputs
        .iter()
        .map(|output| {
            let (name, datatype) = (text(output, "name"), text(output, "data_type"));
            if datatype != "TYPE_FP32" {
                return Err(refuse(format!("output '{name}' has data_type {datatype}, expected TYPE_FP32")));
            }
            let dims = sizes(output, "dims");
            size(&dims, layout)
                .map(|(dims, size)| Output { name: name.to_owned(), dims, size })
                .ok_or_else(|| {
                    let expected = match layout {
                        Some(Layout::Nchw) => "[ 3, height, width ]",
                        Some(Layout::Nhwc) => "[ height, width, 3 ]",
                        None => "[ 3, height, width ] or [ height, width, 3 ]",
                    };
                    refuse(format!(
                        "output '{name}' has dims {dims:?}, expected {expected}, each side 1 to {MAX_SIDE}"
                    ))
                })
        })
        .collect()
}

/// Dims as a shape; the channels first if both ends are 3.
fn size(dims: &[i64], layout: Option<Layout>) -> Option<([i64; 3], Size)> {
    let dims: [i64; 3] = dims.try_into().ok()?;
    let (height, width, layout) = match (dims, layout) {
        ([3, height, width], None | Some(Layout::Nchw)) => (height, width, Layout::Nchw),
        ([height, width, 3], None | Some(Layout::Nhwc)) => (height, width, Layout::Nhwc),
        _ => return None,
    };
    let side = |side: i64| (side <= MAX_SIDE).then(|| usize::try_from(side).ok()).flatten();
    let (height, width) = (side(height)?, side(width)?);
    (height > 0 && width > 0).then_some((dims, Size { height, width, layout }))
}

/// The options that the configuration's parameters set.
///
/// # Errors
/// If a parameter's value is not what it should be.
pub(crate) fn options(
    model: &str,
    parameter: impl Fn(&str) -> Option<String>,
) -> Result<Options, Error> {
    let mut options = Options::default();
    let read = |key: &str, expected: &str, set: &mut dyn FnMut(&str) -> Option<()>| {
        let Some(value) = parameter(key) else { return Ok(()) };
        set(value.trim()).ok_or_else(|| {
            Error::invalid(format!(
                "model '{model}': parameter '{key}' expects {expected}, got '{value}'"
            ))
        })
    };
    let Options { preparation, limits, layout } = &mut options;
    read("resize", "crop, pad or stretch", &mut |value| {
        preparation.resize = match value {
            "crop" => Resize::Crop,
            "pad" => Resize::Pad,
            "stretch" => Resize::Stretch,
            _ => return None,
        };
        Some(())
    })?;
    read("filter", "nearest, bilinear, bicubic or lanczos", &mut |value| {
        preparation.filter = match value {
            "nearest" => Filter::Nearest,
            "bilinear" => Filter::Bilinear,
            "bicubic" => Filter::Bicubic,
            "lanczos" => Filter::Lanczos,
            _ => return None,
        };
        Some(())
    })?;
    read("layout", "NCHW or NHWC", &mut |value| {
        *layout = Some(match value {
            "NCHW" => Layout::Nchw,
            "NHWC" => Layout::Nhwc,
            _ => return None,
        });
        Some(())
    })?;
    read("color_order", "RGB or BGR", &mut |value| {
        preparation.bgr = match value {
            "RGB" => false,
            "BGR" => true,
            _ => return None,
        };
        Some(())
    })?;
    read("mean", "three numbers with commas between them, for values of 0 to 1", &mut |value| {
        preparation.mean =
            three(value).filter(|mean: &[f32; 3]| mean.iter().all(|mean| mean.is_finite()))?;
        Some(())
    })?;
    read("std", "three numbers above 0 with commas between them", &mut |value| {
        let positive = |std: &f32| std.is_normal() && *std > 0.0;
        preparation.std = three(value).filter(|std: &[f32; 3]| std.iter().all(positive))?;
        Some(())
    })?;
    read("background", "red, green and blue of 0 to 255 with commas between them", &mut |value| {
        preparation.background = three(value)?;
        Some(())
    })?;
    read("max_file_bytes", "a number of bytes above 0", &mut |value| {
        limits.file_bytes = value.parse().ok().filter(|&bytes| bytes > 0)?;
        Some(())
    })?;
    read("max_pixels", "a number of pixels above 0", &mut |value| {
        limits.pixels = value.parse().ok().filter(|&pixels| pixels > 0)?;
        Some(())
    })?;
    read("max_memory_bytes", "a number of bytes above 0", &mut |value| {
        limits.memory_bytes = value.parse().ok().filter(|&bytes| bytes > 0)?;
        Some(())
    })?;
    Ok(options)
}

fn three<T: std::str::FromStr>(value: &str) -> Option<[T; 3]> {
    let numbers = value.split(',').map(|number| number.trim().parse().ok());
    numbers.collect::<Option<Vec<T>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests;
