//! Reads a configuration past its faults: an unknown field is blanked, an unknown value replaced by
//! the likeliest one, and the text read again.

use hippocamp_config::{
    ConfigError, Position, Positions, TextFault, nearest, parse_pbtxt, read_pbtxt,
};
use hippocamp_proto::{DESCRIPTORS, inference as proto};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Faults of one text that are looked for.
const MAX_FAULTS: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// `None` if the text is no configuration; without a file it is the empty one.
    pub(crate) config: Option<proto::ModelConfig>,
    pub(crate) positions: Positions,
    pub(crate) faults: Vec<ConfigError>,
    /// Fields whose values were replaced.
    pub(crate) repaired: Vec<String>,
}

/// The configuration that the server would read.
pub(crate) fn config_path(directory: &Path, config_name: Option<&str>) -> PathBuf {
    let custom = config_name.map(|name| directory.join("configs").join(format!("{name}.pbtxt")));
    custom.filter(|path| path.is_file()).unwrap_or_else(|| directory.join("config.pbtxt"))
}

pub(crate) fn parse(path: &Path) -> Parsed {
    if !path.exists() {
        return Parsed { config: Some(proto::ModelConfig::default()), ..Parsed::default() };
    }
    let first = read_pbtxt(path);
    let text = match &first {
        Ok(_) | Err(ConfigError::Text { .. }) => fs::read_to_string(path).unwrap_or_default(),
        Err(_) => String::new(),
    };
    let positions = Positions::of(&text);
    let mut parsed = Parsed { positions, ..Parsed::default() };
    let mut bytes = text.strip_prefix('\u{feff}').unwrap_or(&text).as_bytes().to_vec();
    let mut result = first;
    loop {
        let fault = match result {
            Ok(config) => {
                parsed.config = Some(config);
                return parsed;
            }
            Err(fault) => fault,
        };
        let repaired = match &fault {
            ConfigError::Text { line, column, fault, .. } => {
                let place = Position { line: *line, column: *column };
                repair(&mut bytes, &parsed.positions, place, fault)
            }
            _ => None,
        };
        parsed.faults.push(fault);
        match repaired {
            Some(path) if parsed.faults.len() < MAX_FAULTS => parsed.repaired.push(path),
            _ => return parsed,
        }
        // Only whole fields and words of ASCII were replaced.
        let Ok(text) = std::str::from_utf8(&bytes) else { return parsed };
        result = parse_pbtxt(text, path);
    }
}

/// Takes the fault out of the text, in place; the field's path if that worked.
fn repair(
    text: &mut [u8],
    positions: &Positions,
    place: Position,
    fault: &TextFault,
) -> Option<String> {
    let (span, path) = positions.around(place)?;
    let offset = positions.offset(place)?;
    match fault {
        TextFault::UnknownField { .. } if span.start == offset => {
            blank(text.get_mut(span)?);
        }
        TextFault::UnknownValue { kind, value, .. } => {
            let number = likeliest(kind, value)?.to_string();
            let word = text.get_mut(offset..offset + value.len())?;
            blank(word);
            word.get_mut(..number.len())?.copy_from_slice(number.as_bytes());
        }
        _ => return None,
    }
    Some(path.to_owned())
}

fn blank(text: &mut [u8]) {
    text.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// The number of the enum's value that is meant, else of its first that means something.
fn likeliest(kind: &str, value: &str) -> Option<i32> {
    let descriptor = DESCRIPTORS.all_enums().find(|known| known.name() == kind)?;
    let values: Vec<(String, i32)> =
        descriptor.values().map(|known| (known.name().to_owned(), known.number())).collect();
    let whole = |name: &str| name.strip_suffix(value).is_some_and(|start| start.ends_with('_'));
    let mut names = values.iter().map(|(name, _)| name.as_str());
    // CPU is meant to be KIND_CPU.
    let meant = names.clone().find(|name| whole(name)).or_else(|| nearest(value, &mut names));
    let known = meant.and_then(|meant| values.iter().find(|(name, _)| name == meant));
    known.or(values.get(1)).map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_text_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.pbtxt");
        let text = "max_batchsize: 8\ninput [ { name: \"x\", data_type: TYPE_FLOAT32, colour: { a: 1 }, dims: [ 4 ] } ]\nbackend: \"tract\"\ndim: 3";
        fs::write(&path, text).unwrap();
        let parsed = parse(&path);
        let places: Vec<_> = parsed
            .faults
            .iter()
            .map(|fault| match fault {
                ConfigError::Text { line, column, .. } => (*line, *column),
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(places, [(1, 1), (2, 33), (2, 47), (4, 1)]);
        let config = parsed.config.unwrap();
        assert_eq!((config.backend.as_str(), config.input[0].dims.as_slice()), ("tract", &[4][..]));
        assert_eq!(config.input[0].data_type, proto::DataType::TypeFp32 as i32);
        assert_eq!(parsed.repaired[1], "input[0].data_type[0]");
    }

    #[test]
    fn a_text_that_is_none_ends_the_reading() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.pbtxt");
        fs::write(&path, "name: \"m\" input [ { ").unwrap();
        let parsed = parse(&path);
        assert!(parsed.config.is_none() && parsed.faults.len() == 1, "{parsed:?}");
        assert!(parse(&directory.path().join("none")).config.is_some());
    }
}
