//! How a fixture is written: sections behind lines `-- … --`, anything before the first is a comment.
//!
//! ```text
//! -- m/config.pbtxt --                    a file with the lines that follow
//! -- directory m/1 --                     an empty directory
//! -- link m/1/a -> ../b --                a link; `outside` in its target is a file beside the repository
//! -- bytes m/1/x: ff 00 --                a file of these bytes
//! -- size m/config.pbtxt: 2000000 --      a file of so many spaces
//! -- onnx m/1/model.onnx: x FP32 [-1,4] -> y FP32 [-1,8]; op Foo; space enc:1; external w.bin 8 --
//! -- index m/1: enc:1 4 --                an index of vectors of 4 elements, by that encoder
//! -- options: cores=4 any-backend config-only config-name=x roots=a,b model-namespacing --
//! -- options: allow-external-links --
//! -- expect --                            a finding a line; behind `|` what its message contains
//! error unknown-field m config.pbtxt:3 | did you mean
//! ```

use crate::onnx;
use arrow_array::{RecordBatch, StringArray};
use hippocamp_check::{CheckOptions, Strictness};
use hippocamp_usearch::{IndexWriter, Scalar, Vector, WriteOptions};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

/// One fixture.
#[derive(Debug, Default)]
pub(crate) struct Fixture {
    parts: Vec<Part>,
    options: Vec<String>,
    /// Findings as the test shows them, and what their messages contain.
    pub(crate) expected: Vec<(String, Option<String>)>,
}

#[derive(Debug)]
enum Part {
    File(String, Vec<u8>),
    Directory(String),
    Link(String, String),
    Index(String, String),
}

impl Fixture {
    pub(crate) fn parse(text: &str) -> Self {
        let mut fixture = Self::default();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(head) = line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --"))
            else {
                continue;
            };
            let mut body = String::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("-- ")) {
                body.push_str(line);
                body.push('\n');
            }
            fixture.section(head, &body);
        }
        fixture
    }

    fn section(&mut self, head: &str, body: &str) {
        let (kind, rest) = head.split_once(' ').unwrap_or((head, ""));
        let pair = || rest.split_once(": ").unwrap_or_else(|| panic!("'{head}' lacks ': '"));
        let part = match kind {
            "expect" => {
                self.expected.extend(body.lines().filter(|line| !line.is_empty()).map(|line| {
                    match line.split_once(" | ") {
                        Some((finding, says)) => (finding.to_owned(), Some(says.to_owned())),
                        None => (line.to_owned(), None),
                    }
                }));
                return;
            }
            "options:" => return self.options.extend(rest.split(' ').map(str::to_owned)),
            "directory" => Part::Directory(rest.to_owned()),
            "link" => {
                let (from, to) = rest.split_once(" -> ").expect("a link leads somewhere");
                Part::Link(from.to_owned(), to.to_owned())
            }
            "bytes" => {
                let byte = |text| u8::from_str_radix(text, 16).expect("a byte in hex");
                Part::File(pair().0.to_owned(), pair().1.split(' ').map(byte).collect())
            }
            "size" => {
                let size = pair().1.parse().expect("a number of bytes");
                Part::File(pair().0.to_owned(), vec![b' '; size])
            }
            "onnx" => Part::File(pair().0.to_owned(), onnx::encode(pair().1)),
            "index" => Part::Index(pair().0.to_owned(), pair().1.to_owned()),
            _ => Part::File(head.to_owned(), body.as_bytes().to_vec()),
        };
        self.parts.push(part);
    }

    pub(crate) fn materialise(&self, root: &Path) {
        fs::create_dir_all(root).unwrap();
        fs::write(root.with_file_name("outside"), "secret").unwrap();
        let parent = |path: &Path| fs::create_dir_all(path.parent().unwrap()).unwrap();
        for part in &self.parts {
            match part {
                Part::File(path, content) => {
                    let path = root.join(path);
                    parent(&path);
                    fs::write(path, content).unwrap();
                }
                Part::Directory(path) => fs::create_dir_all(root.join(path)).unwrap(),
                Part::Link(from, to) => {
                    let from = root.join(from);
                    parent(&from);
                    symlink(to, from).unwrap();
                }
                Part::Index(path, of) => index(&root.join(path), of),
            }
        }
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.options.iter().find_map(|option| option.strip_prefix(key)?.strip_prefix('='))
    }

    pub(crate) fn roots(&self, root: &Path) -> Vec<PathBuf> {
        match self.value("roots") {
            Some(roots) => roots.split(',').map(|name| root.join(name)).collect(),
            None => vec![root.to_owned()],
        }
    }

    pub(crate) fn options(&self) -> CheckOptions {
        let has = |flag: &str| self.options.iter().any(|option| option == flag);
        CheckOptions {
            models: Vec::new(),
            config_name: self.value("config-name").map(str::to_owned),
            cores: self.value("cores").map_or(4, |cores| cores.parse().unwrap()),
            backends: ["identity", "tokenizer", "tract", "usearch"].map(str::to_owned).into(),
            aliases: vec![("onnxruntime".to_owned(), "tract".to_owned())],
            backend_directory: "backends".into(),
            namespaces: has("model-namespacing"),
            external_links: has("allow-external-links"),
            strictness: Strictness {
                any_backend: has("any-backend"),
                config_only: has("config-only"),
            },
        }
    }
}

/// Two items and their vectors.
fn index(directory: &Path, of: &str) {
    let (space, dimensions) = of.split_once(' ').expect("an encoder and a number");
    let dimensions: usize = dimensions.parse().unwrap();
    let titles = StringArray::from(vec!["one", "two"]);
    let items = RecordBatch::try_from_iter([("title", Arc::new(titles) as _)]).unwrap();
    let options = WriteOptions {
        embedding_space: space.to_owned(),
        dimensions,
        scalar: Scalar::F32,
        source: String::new(),
    };
    let vectors: Vec<Vector> =
        (0..2).map(|item| Vector { item, values: vec![1.0; dimensions] }).collect();
    fs::create_dir_all(directory).unwrap();
    IndexWriter::new(directory, options).write(&items, &vectors, |_| {}).unwrap();
}
