//! What a sample is to be answered: `<model>/warmup/<sample>.expected.json`, an answer as a client got it
//! over HTTP, `{"outputs": [{"name", "datatype", "shape", "data"}]}`, and, if wanted, `"tolerance"`. Only
//! the outputs that it names are compared.

use super::sample::inside;
use hippocamp_config::ModelConfig;
use hippocamp_proto::inference::{self as proto, model_warmup::input::InputDataType};
use hippocamp_types::{
    BytesElements, DataType, Error, InferResponse, Tensor, quote_names_of_no_number,
};
use serde_json::Value;
use std::{fs, io, path::Path};

/// How file names of expected answers end.
const SUFFIX: &str = ".expected.json";

/// A number may differ by this much, and by this share of what is expected, where the file does not say.
const TOLERANCE: f64 = 1e-3;

/// Bytes of a file of expected answers, at most.
const LARGEST_FILE: u64 = 64 << 20;

/// What a sample is to be answered.
#[derive(Debug)]
pub(super) struct Expected {
    sample: String,
    tolerance: f64,
    outputs: Vec<Output>,
}

#[derive(Debug)]
struct Output {
    name: String,
    datatype: DataType,
    shape: Vec<i64>,
    /// One for each element.
    data: Vec<Value>,
}

impl Expected {
    /// The answer that is expected to a sample, if there is one.
    ///
    /// # Errors
    /// If the file is no answer, names what the model has not, or the sample is another each time.
    pub(super) fn find(
        config: &ModelConfig,
        setting: &proto::ModelWarmup,
        directory: &Path,
    ) -> Result<Option<Self>, Error> {
        let Ok(path) = inside(directory, &format!("{}{SUFFIX}", setting.name)) else {
            return Ok(None);
        };
        let wrong = |text: String| Error::invalid(format!("'{}': {text}", path.display()));
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(file) if file.len() > LARGEST_FILE => {
                return Err(wrong(format!(
                    "it has {} bytes, expected at most {LARGEST_FILE}",
                    file.len()
                )));
            }
            _ => {}
        }
        let random = |input: &proto::model_warmup::Input| {
            matches!(input.input_data_type, Some(InputDataType::RandomData(_)))
        };
        if setting.inputs.values().any(random) {
            return Err(wrong(format!(
                "sample '{}' has random_data, whose numbers no contract fixes: an expected answer needs zero_data or input_data_file",
                setting.name
            )));
        }
        let text =
            fs::read_to_string(&path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let json: Value =
            serde_json::from_str(&quote_names_of_no_number(&text)).map_err(|error| {
                wrong(format!("expected an answer of the inference protocol in JSON: {error}"))
            })?;
        if let Some(error) = json.get("error") {
            return Err(wrong(format!(
                "it is an error answer, not outputs: {error}; record it again, with curl -f, which writes none"
            )));
        }
        let outputs = json["outputs"].as_array().filter(|outputs| !outputs.is_empty());
        let outputs = outputs.ok_or_else(|| {
            wrong(
                "expected {\"outputs\": [{\"name\", \"datatype\", \"shape\", \"data\"}, ...]}"
                    .to_owned(),
            )
        })?;
        let outputs = outputs
            .iter()
            .map(|output| Output::new(config, output).map_err(&wrong))
            .collect::<Result<_, _>>()?;
        let tolerance = match &json["tolerance"] {
            Value::Null => TOLERANCE,
            given => given.as_f64().filter(|given| *given >= 0.0).ok_or_else(|| {
                wrong(format!("tolerance: expected a number of at least 0, got {given}"))
            })?,
        };
        Ok(Some(Self { sample: setting.name.clone(), tolerance, outputs }))
    }

    /// Whether the response is what is expected.
    ///
    /// # Errors
    /// The first difference.
    pub(super) fn check(&self, response: Option<&InferResponse>) -> Result<(), Error> {
        let refused = |text: String| {
            Error::invalid(format!(
                "refused by its acceptance check: sample '{}': {text}",
                self.sample
            ))
        };
        for expected in &self.outputs {
            let outputs = response.into_iter().flat_map(|response| &response.outputs);
            let output = outputs.into_iter().find(|output| output.name == expected.name);
            let output =
                output.ok_or_else(|| refused(format!("no output '{}' came", expected.name)))?;
            expected.check(output, self.tolerance).map_err(refused)?;
        }
        Ok(())
    }
}

impl Output {
    fn new(config: &ModelConfig, json: &Value) -> Result<Self, String> {
        let text = |field: &str| json[field].as_str().ok_or(format!("an output has no {field}"));
        let name = text("name")?.to_owned();
        if !config.outputs.iter().any(|output| output.name == name) {
            let known: Vec<&str> = config.outputs.iter().map(|output| &*output.name).collect();
            return Err(format!(
                "the model has no output '{name}', expected one of {}",
                known.join(", ")
            ));
        }
        let datatype = text("datatype")?;
        let datatype = DataType::from_name(datatype)
            .ok_or_else(|| format!("output '{name}' has no known datatype: '{datatype}'"))?;
        if matches!(datatype, DataType::Fp16 | DataType::Bf16) {
            return Err(format!("output '{name}': {} is not written in JSON", datatype.name()));
        }
        let shape = json["shape"].as_array().into_iter().flatten().map(Value::as_i64);
        let shape =
            shape.collect::<Option<Vec<_>>>().ok_or(format!("output '{name}' has no shape"))?;
        let mut data = Vec::new();
        if !json["data"].is_null() {
            flatten(&json["data"], &mut data);
        }
        let elements = shape.iter().try_fold(1_i64, |count, dim| count.checked_mul(*dim));
        if elements.and_then(|elements| usize::try_from(elements).ok()) != Some(data.len()) {
            let found = data.len();
            return Err(format!(
                "output '{name}' has {found} elements, its shape {shape:?} says otherwise"
            ));
        }
        Ok(Self { name, datatype, shape, data })
    }

    fn check(&self, output: &Tensor, tolerance: f64) -> Result<(), String> {
        let name = &self.name;
        if output.datatype != self.datatype {
            let (expected, came) = (self.datatype.name(), output.datatype.name());
            return Err(format!("output '{name}' is {came}, expected {expected}"));
        }
        if output.shape.dims() != self.shape {
            let (came, expected) = (output.shape.dims(), &self.shape);
            return Err(format!("output '{name}' has shape {came:?}, expected {expected:?}"));
        }
        let came = elements(output)?;
        for (place, (came, expected)) in came.iter().zip(&self.data).enumerate() {
            if !same(came, expected, tolerance) {
                return Err(format!(
                    "output '{name}', element {place}: {came}, expected {expected} (tolerance {tolerance})"
                ));
            }
        }
        Ok(())
    }
}

/// Whole numbers, truth values and strings are equal; fractions are near.
fn same(came: &Value, expected: &Value, tolerance: f64) -> bool {
    match (came.as_f64().filter(|_| came.is_f64()), expected.as_f64()) {
        (Some(came), Some(expected)) => {
            (came - expected).abs() <= tolerance * (1.0 + expected.abs())
        }
        _ => came == expected,
    }
}

/// The elements as JSON has them.
fn elements(tensor: &Tensor) -> Result<Vec<Value>, String> {
    fn all<const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> Value) -> Vec<Value> {
        data.as_chunks().0.iter().map(|&bytes| read(bytes)).collect()
    }
    let data = &tensor.data[..];
    Ok(match tensor.datatype {
        DataType::Bool => all(data, |[byte]: [u8; 1]| (byte != 0).into()),
        DataType::Uint8 => all(data, |bytes| u8::from_le_bytes(bytes).into()),
        DataType::Uint16 => all(data, |bytes| u16::from_le_bytes(bytes).into()),
        DataType::Uint32 => all(data, |bytes| u32::from_le_bytes(bytes).into()),
        DataType::Uint64 => all(data, |bytes| u64::from_le_bytes(bytes).into()),
        DataType::Int8 => all(data, |bytes| i8::from_le_bytes(bytes).into()),
        DataType::Int16 => all(data, |bytes| i16::from_le_bytes(bytes).into()),
        DataType::Int32 => all(data, |bytes| i32::from_le_bytes(bytes).into()),
        DataType::Int64 => all(data, |bytes| i64::from_le_bytes(bytes).into()),
        DataType::Fp32 => all(data, |bytes| fraction(f32::from_le_bytes(bytes).into())),
        DataType::Fp64 => all(data, |bytes| fraction(f64::from_le_bytes(bytes))),
        DataType::Bytes => BytesElements::new(data)
            .map(|element| {
                let element = element.map_err(|error| error.to_string())?;
                Ok(String::from_utf8_lossy(element).into_owned().into())
            })
            .collect::<Result<_, String>>()?,
        DataType::Fp16 | DataType::Bf16 => {
            return Err(format!(
                "output '{}': {} is not written in JSON",
                tensor.name,
                tensor.datatype.name()
            ));
        }
    })
}

/// A fraction; what is no number by its name in answers.
fn fraction(value: f64) -> Value {
    if value.is_finite() {
        value.into()
    } else if value.is_nan() {
        "NaN".into()
    } else {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.into()
    }
}

fn flatten(json: &Value, into: &mut Vec<Value>) {
    match json {
        Value::Array(parts) => parts.iter().for_each(|part| flatten(part, into)),
        element => into.push(element.clone()),
    }
}

/// Expected answers of no sample check nothing: refused, since somebody relies on them.
///
/// # Errors
/// With the sample's name that is missing.
pub(super) fn all_have_samples(config: &ModelConfig, directory: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let Some(sample) = file.to_str().and_then(|file| file.strip_suffix(SUFFIX)) else {
            continue;
        };
        if !config.raw.model_warmup.iter().any(|setting| setting.name == sample) {
            return Err(Error::invalid(format!(
                "'{}' is the expected answer of no sample: model_warmup of model '{}' has none of the name '{sample}'",
                entry.path().display(),
                config.name,
            )));
        }
    }
    Ok(())
}
