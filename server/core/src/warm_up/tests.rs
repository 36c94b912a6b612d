use super::*;
use hippocamp_config::{finish, parse_pbtxt, prepare};
use hippocamp_types::{MonotonicClock, Tensor};
use std::fs;
use tempfile::TempDir;

/// Answers with its input X as Y, and keeps the sizes of batches and what came.
#[derive(Default)]
struct Echo {
    batches: Arc<Mutex<Vec<usize>>>,
    seen: Arc<Mutex<Vec<Tensor>>>,
    fails: bool,
}

impl ModelInstance for Echo {
    fn name(&self) -> &str {
        "echo_0"
    }

    fn execute(&mut self, batch: Vec<InferRequest>) {
        self.batches.lock().unwrap().push(batch.len());
        for request in batch {
            let x = request.inputs.iter().find(|input| input.name == "X").unwrap().clone();
            self.seen.lock().unwrap().extend(request.inputs);
            if self.fails {
                request.responder.fail(Error::internal("no"));
                continue;
            }
            let response = InferResponse {
                model_name: "m".into(),
                model_version: 1,
                id: String::new(),
                parameters: Vec::new(),
                outputs: vec![Tensor { name: "Y".to_owned(), ..x }],
            };
            request.responder.send(Ok(response), true).unwrap();
        }
    }
}

/// A model of one input X and one output Y, FP32 and of any length, with these samples.
struct Model {
    root: TempDir,
    config: ModelConfig,
}

impl Model {
    fn new(samples: &str) -> Self {
        let root = TempDir::new().unwrap();
        let directory = root.path().join("m");
        fs::create_dir_all(directory.join("warmup")).unwrap();
        let text = format!(
            r#"backend: "echo" max_batch_size: 4
            input {{ name: "X" data_type: TYPE_FP32 dims: -1 }}
            input {{ name: "S" data_type: TYPE_STRING dims: 1 optional: true }}
            output {{ name: "Y" data_type: TYPE_FP32 dims: -1 }} {samples}"#
        );
        let raw = prepare(parse_pbtxt(&text, "config.pbtxt").unwrap(), "m", &directory).unwrap();
        let config = ModelConfig::new(finish(raw, &[])).unwrap();
        Self { root, config }
    }

    fn write(&self, file: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.root.path().join("m/warmup").join(file), contents).unwrap();
    }

    fn warm_up(&self, instance: Echo) -> Result<(), String> {
        let statistics = ModelStatistics::new("m", 1, 4, false);
        let mut instances: Vec<Box<dyn ModelInstance>> = vec![Box::new(instance)];
        let directory = self.root.path().join("m");
        warm_up(&self.config, &directory, &mut instances, &statistics, &MonotonicClock)
            .map_err(|error| error.message().to_owned())
    }
}

fn sample(more: &str, x: &str) -> String {
    format!(
        r#"model_warmup {{ name: "s" batch_size: 3 {more}
        inputs {{ key: "X" value {{ data_type: TYPE_FP32 dims: 2 {x} }} }} }}"#
    )
}

#[test]
fn samples_run_as_often_and_as_large_as_they_say() {
    let echo = Echo::default();
    let (batches, seen) = (Arc::clone(&echo.batches), Arc::clone(&echo.seen));
    Model::new(&sample("count: 2", "zero_data: true")).warm_up(echo).unwrap();
    assert_eq!(*batches.lock().unwrap(), [3, 3]);
    let seen = seen.lock().unwrap();
    assert_eq!((seen[0].shape.dims(), &seen[0].data[..]), (&[1, 2][..], &[0; 8][..]));
}

#[test]
fn random_data_is_the_same_each_time_and_in_range() {
    let run = || {
        let echo = Echo::default();
        let seen = Arc::clone(&echo.seen);
        Model::new(&sample("", "random_data: true")).warm_up(echo).unwrap();
        seen.lock().unwrap()[0].data.clone()
    };
    let data = run();
    assert_eq!(data, run());
    for element in data.as_chunks().0 {
        let number = f32::from_le_bytes(*element);
        assert!((-1.0..=1.0).contains(&number), "{number}");
    }
}

#[test]
fn data_comes_from_files() {
    let text = r#"model_warmup { name: "s" batch_size: 1
        inputs { key: "X" value { data_type: TYPE_FP32 dims: 2 input_data_file: "x.bin" } }
        inputs { key: "S" value { data_type: TYPE_STRING dims: 1 input_data_file: "s.bin" } } }"#;
    let model = Model::new(text);
    let floats: Vec<u8> = [0.5_f32, 2.0, 9.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    model.write("x.bin", &floats);
    model.write("s.bin", b"\x02\0\0\0hi");
    let echo = Echo::default();
    let seen = Arc::clone(&echo.seen);
    model.warm_up(echo).unwrap();
    assert_eq!(seen.lock().unwrap()[0].data, floats[..8], "what is more than enough is left");
    assert_eq!(seen.lock().unwrap()[1].data, &b"\x02\0\0\0hi"[..]);

    model.write("x.bin", "short");
    let error = model.warm_up(Echo::default()).unwrap_err();
    assert!(
        error.contains("expects 8 bytes, but the data provided from x.bin only has 5"),
        "{error}"
    );
}

#[test]
fn what_is_wrong_is_told() {
    let check = |samples: &str, expect: &str| {
        let error = Model::new(samples).warm_up(Echo::default()).unwrap_err();
        assert!(error.contains(expect), "{error}");
    };
    let other = |inputs: &str| format!(r#"model_warmup {{ name: "s" batch_size: 1 {inputs} }}"#);
    check(&other(""), "input 'X' is missing");
    check(&sample("", ""), "expects input 'X' to have input_data_type set");
    check(
        &sample("batch_size: 5", "zero_data: true").replace("batch_size: 3 ", ""),
        "batch_size is 5, expected at most 4",
    );
    let input = |key: &str, value: &str| {
        other(&format!(r#"inputs {{ key: "{key}" value {{ {value} zero_data: true }} }}"#))
    };
    check(&input("Z", "data_type: TYPE_FP32 dims: 1"), "no input 'Z', expected one of X, S");
    check(&input("X", "data_type: TYPE_INT64 dims: 1"), "data_type TYPE_INT64, expected TYPE_FP32");
    check(&input("X", "data_type: TYPE_FP32 dims: [1, 2]"), "dims [1, 2], expected [-1]");
    check(
        &input("X", "data_type: TYPE_FP32 dims: -1"),
        "all variable-size dimensions are specified for input 'X'",
    );
    check(&input("X", "data_type: TYPE_FP32 dims: 1000000000"), "expected at most 1073741824");
    check(&sample("", r#"input_data_file: "../x""#), "inside the model's directory 'warmup'");
    check(&sample("", r#"input_data_file: "none""#), "cannot read");
    let error = Model::new(&sample("", "zero_data: true"))
        .warm_up(Echo { fails: true, ..Echo::default() })
        .unwrap_err();
    assert_eq!(error, "failed to run warmup sample 's': no");
}

#[test]
fn a_version_that_answers_otherwise_is_refused() {
    let model = Model::new(&sample("", r#"input_data_file: "x.bin""#));
    let floats: Vec<u8> = [0.5_f32, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    model.write("x.bin", floats);
    let expect = |answer: &str| {
        model.write("s.expected.json", answer);
        model.warm_up(Echo::default())
    };
    let output = |shape: &str, data: &str| {
        format!(
            r#"{{"outputs": [{{"name": "Y", "datatype": "FP32", "shape": {shape}, "data": {data}}}]}}"#
        )
    };
    expect(&output("[1, 2]", "[0.5, 2.0001]")).unwrap();
    expect(&output("[1, 2]", "[[0.5, 2]]")).unwrap();
    let refused = |answer: &str, because: &str| {
        let error = expect(answer).unwrap_err();
        assert!(error.contains(because), "{error}");
    };
    refused(
        &output("[1, 2]", "[0.5, 2.1]"),
        "refused by its acceptance check: sample 's': output 'Y', element 1: 2.0, expected 2.1",
    );
    refused(&output("[2]", "[0.5, 2]"), "has shape [1, 2], expected [2]");
    refused(&output("[1, 2]", "[0.5]"), "has 1 elements");
    refused(&output("[1, 2]", "[0.5, 2]").replace("FP32", "INT32"), "is FP32, expected INT32");
    refused(&output("[1, 2]", "[0.5, 2]").replace('Y', "Z"), "no output 'Z', expected one of Y");
    refused("{}", "expected {\"outputs\":");
    refused(
        r#"{"error": "no such model"}"#,
        "an error answer, not outputs: \"no such model\"; record",
    );
    refused("[", "expected an answer of the inference protocol in JSON");
    let strict = output("[1, 2]", "[0.5, 2.0001]").replace("]}]}", "]}], \"tolerance\": 0}");
    refused(&strict, "(tolerance 0)");
    // What is no number is recorded by its name.
    let special: Vec<u8> =
        [f32::NAN, f32::NEG_INFINITY].iter().flat_map(|x| x.to_le_bytes()).collect();
    model.write("x.bin", special);
    let recorded = output("[1, 2]", "[NaN,-Infinity]");
    expect(&recorded.replace("Y\"", "Y\", \"parameters\": {\"NaN \\\" Infinity\": 1}")).unwrap();
    refused(&output("[1, 2]", "[NaN, Infinity]"), "\"-Infinity\", expected \"Infinity\"");
    refused(&output("[1, 2]", "[1.0, -Infinity]"), "\"NaN\", expected 1.0");
    refused(&output("[1, 2]", "[null]"), "has 1 elements");
    model.write("other.expected.json", "{}");
    refused(&output("[1, 2]", "[0.5, 2]"), "is the expected answer of no sample");
}

#[test]
fn an_answer_to_random_data_cannot_be_expected() {
    let model = Model::new(&sample("", "random_data: true"));
    model.write("s.expected.json", "{}");
    let error = model.warm_up(Echo::default()).unwrap_err();
    assert!(error.contains("an expected answer needs zero_data or input_data_file"), "{error}");
}
