//! Named float32 tensors out of a safetensors file, one at a time: the file is as large as the
//! model, and is never in memory as a whole. Read by `bert`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::files;

/// Length of the number that a safetensors file begins with: the size of its header.
const PREFIX: usize = size_of::<u64>();

/// Headers larger than this are refused before they are read; the format allows 100 MB, the
/// encoder's is 11 kB.
const MAX_HEADER: u64 = 1 << 20;

/// An open safetensors file.
#[derive(Debug)]
pub(super) struct Weights {
    file: File,
    /// Where the data begins, in bytes from the start of the file.
    data: u64,
    metadata: Metadata,
}

/// A float32 tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    /// Row-major, little-endian: as safetensors and ONNX both store it.
    pub(super) bytes: Vec<u8>,
}

impl Weights {
    /// Reads the header and checks that the file is whole.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut file = File::open(path).with_context(|| files::cannot("open", path))?;
        let (data, metadata) = header(&mut file).with_context(|| {
            format!("'{}' is no whole safetensors file: delete it and run again", path.display())
        })?;
        Ok(Self { file, data, metadata })
    }

    /// The tensor of that name, which must have that shape.
    pub(super) fn tensor(&mut self, name: &str, shape: &[usize]) -> anyhow::Result<Tensor> {
        let Some(info) = self.metadata.info(name) else {
            bail!("the weights have no tensor '{name}', expected one of shape {shape:?}");
        };
        ensure!(
            info.dtype == Dtype::F32,
            "tensor '{name}' has datatype {:?}, expected F32",
            info.dtype,
        );
        ensure!(
            info.shape == shape,
            "tensor '{name}' has shape {:?}, expected {shape:?}",
            info.shape,
        );
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        self.file
            .seek(SeekFrom::Start(self.data + start as u64))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .with_context(|| format!("cannot read tensor '{name}'"))?;
        Ok(Tensor { shape: shape.to_vec(), bytes })
    }
}

impl Tensor {
    /// Rows and columns of a matrix exchanged.
    pub(super) fn transposed(self) -> Self {
        const WIDTH: usize = size_of::<f32>();
        let &[rows, columns] = self.shape.as_slice() else {
            unreachable!("only matrices are transposed, this has shape {:?}", self.shape)
        };
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for column in 0..columns {
            for row in 0..rows {
                let at = (row * columns + column) * WIDTH;
                bytes.extend_from_slice(&self.bytes[at..at + WIDTH]);
            }
        }
        Self { shape: vec![columns, rows], bytes }
    }
}

fn header(file: &mut File) -> anyhow::Result<(u64, Metadata)> {
    let mut prefix = [0; PREFIX];
    file.read_exact(&mut prefix).context("it ends within its first eight bytes")?;
    let length = u64::from_le_bytes(prefix);
    ensure!(
        length <= MAX_HEADER,
        "its header claims {length} bytes, at most {MAX_HEADER} are read"
    );
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header)?;
    // Checks that the tensors follow each other without gaps and have the size their shape needs.
    let metadata: Metadata = serde_json::from_slice(&header).context("its header is damaged")?;
    let data = PREFIX as u64 + length;
    let (expected, actual) = (data + metadata.data_len() as u64, file.metadata()?.len());
    ensure!(actual == expected, "it has {actual} bytes, expected {expected}");
    Ok((data, metadata))
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::PathBuf;

    use safetensors::tensor::TensorView;

    use super::*;

    /// Writes a safetensors file of float32 tensors.
    pub(in super::super) fn write(path: &Path, tensors: &[(String, Tensor)]) {
        let views = tensors.iter().map(|(name, tensor)| {
            let shape = tensor.shape.clone();
            (name, TensorView::new(Dtype::F32, shape, &tensor.bytes).unwrap())
        });
        fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    }

    /// Counts up from zero.
    pub(in super::super) fn counting(shape: &[usize]) -> Tensor {
        let count = u16::try_from(shape.iter().product::<usize>()).unwrap();
        let bytes = (0..count).flat_map(|value| f32::from(value).to_le_bytes()).collect();
        Tensor { shape: shape.to_vec(), bytes }
    }

    fn sample() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("w.safetensors");
        let tensors = [("a".to_owned(), counting(&[2, 3])), ("b".to_owned(), counting(&[4]))];
        write(&path, &tensors);
        (directory, path)
    }

    #[test]
    fn tensors_come_as_asked_for_or_not_at_all() {
        let (_directory, path) = sample();
        let mut weights = Weights::open(&path).unwrap();
        assert_eq!(weights.tensor("b", &[4]).unwrap(), counting(&[4]));
        assert_eq!(weights.tensor("a", &[2, 3]).unwrap(), counting(&[2, 3]));
        let cases: [(&str, &[usize], &str); 4] = [
            ("c", &[4], "no tensor 'c', expected one of shape [4]"),
            ("a", &[3, 2], "tensor 'a' has shape [2, 3], expected [3, 2]"),
            ("a", &[6], "tensor 'a' has shape [2, 3], expected [6]"),
            ("b", &[], "tensor 'b' has shape [4], expected []"),
        ];
        for (name, shape, expect) in cases {
            let error = weights.tensor(name, shape).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        }
    }

    #[test]
    fn other_datatypes_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("w.safetensors");
        let view = TensorView::new(Dtype::I64, vec![1], &[0; 8]).unwrap();
        fs::write(&path, safetensors::serialize([("ids", view)], None).unwrap()).unwrap();
        let error = Weights::open(&path).unwrap().tensor("ids", &[1]).unwrap_err().to_string();
        assert!(error.contains("datatype I64, expected F32"), "{error}");
    }

    #[test]
    fn damaged_files_are_refused() {
        let (_directory, path) = sample();
        let whole = fs::read(&path).unwrap();
        let cut = |length: usize| whole[..length].to_vec();
        let mut huge = whole.clone();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        let cases = [
            (cut(0), "first eight bytes"),
            (cut(7), "first eight bytes"),
            (cut(20), "header is damaged"),
            (cut(whole.len() - 1), "bytes, expected"),
            ([whole.clone(), vec![0]].concat(), "bytes, expected"),
            (huge, "claims 18446744073709551615"),
        ];
        for (bytes, expect) in cases {
            fs::write(&path, bytes).unwrap();
            let error = format!("{:#}", Weights::open(&path).unwrap_err());
            assert!(error.contains(expect) && error.contains("delete it"), "{error}");
        }
    }

    #[test]
    fn transposed_exchanges_rows_and_columns() {
        let found = counting(&[2, 3]).transposed();
        let expect: Vec<u8> =
            [0., 3., 1., 4., 2., 5.].into_iter().flat_map(f32::to_le_bytes).collect();
        assert_eq!(found, Tensor { shape: vec![3, 2], bytes: expect });
        assert_eq!(found.transposed(), counting(&[2, 3]));
    }
}
