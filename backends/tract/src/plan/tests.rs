//! Models made in code, loaded, run, compared; and files that must be refused.

use super::*;
use crate::fixtures::{Onnx, add_sub, identity, int_attribute, value_info};
use crate::tensor::{bytes_of, from_parts};
use tract_onnx::pb::tensor_proto::DataType;

fn write(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn load(model: Onnx) -> Result<Arc<Plan>, LoadError> {
    let (_folder, path) = write(&model.encode());
    Plan::load(&path).map(Arc::new)
}

/// A tensor's shape and bytes.
type Raw = (Vec<usize>, Vec<u8>);

/// Runs with raw inputs (shape, bytes), gives raw outputs (shape, bytes).
fn run(runner: &mut Runner, inputs: &[(&[usize], &[u8])]) -> Result<Vec<Raw>, RunError> {
    let infos = runner.plan().inputs().to_vec();
    let values = infos
        .iter()
        .zip(inputs)
        .map(|(info, (shape, bytes))| Ok(from_parts(info, shape, std::iter::once(*bytes))?.into()))
        .collect::<Result<TVec<TValue>, RunError>>()?;
    let outputs = runner.run(values)?;
    outputs
        .iter()
        .map(|value| Ok((value.shape().to_vec(), bytes_of(value)?.into_owned())))
        .collect()
}

fn int32(values: impl IntoIterator<Item = i32>) -> Vec<u8> {
    values.into_iter().flat_map(i32::to_le_bytes).collect()
}

fn fp32(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn add_and_subtract_any_batch() {
    let plan = load(add_sub("simple", DataType::Int32, &["b", "16"])).unwrap();
    let dims =
        |infos: &[TensorInfo]| infos.iter().map(|info| info.dims.clone()).collect::<Vec<_>>();
    assert_eq!(dims(plan.inputs()), vec![Some(vec![-1, 16]); 2]);
    assert_eq!(dims(plan.outputs()), vec![Some(vec![-1, 16]); 2]);
    assert_eq!(plan.outputs()[1].datatype, hippocamp_backend::DataType::Int32);

    let mut runner = plan.runner();
    for batch in [1, 3, 1, 8] {
        let size = batch * 16;
        let first = int32(0..size);
        let second = int32((0..size).map(|i| 7 * i));
        let shape = [usize::try_from(batch).unwrap(), 16];
        let outputs = run(&mut runner, &[(&shape, &first), (&shape, &second)]).unwrap();
        assert_eq!(outputs[0], (shape.to_vec(), int32((0..size).map(|i| 8 * i))));
        assert_eq!(outputs[1], (shape.to_vec(), int32((0..size).map(|i| -6 * i))));
        assert!(runner.state.is_some(), "the state of a plan without memory is kept");
    }
}

#[test]
fn every_element_passes_through() {
    let check = |datatype: DataType, bytes: &[u8], count: usize, expect: &[u8]| {
        let plan = load(identity(datatype, &["b", "n"])).unwrap();
        let outputs = run(&mut plan.runner(), &[(&[1, count], bytes)]).unwrap();
        assert_eq!(outputs, [(vec![1, count], expect.to_vec())], "{datatype:?}");
    };
    let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 255, 254, 253, 252, 251, 250, 249, 248];
    for (datatype, size) in [
        (DataType::Uint8, 1),
        (DataType::Int8, 1),
        (DataType::Uint16, 2),
        (DataType::Int16, 2),
        (DataType::Float16, 2),
        (DataType::Uint32, 4),
        (DataType::Int32, 4),
        (DataType::Float, 4),
        (DataType::Uint64, 8),
        (DataType::Int64, 8),
        (DataType::Double, 8),
    ] {
        check(datatype, &bytes, bytes.len() / size, &bytes);
    }
    check(DataType::Bool, &[0, 1, 2, 255], 4, &[0, 1, 1, 1]);
    let strings = b"\x05\0\0\0hello\0\0\0\0\x02\0\0\0\xc3\xa9";
    check(DataType::String, strings, 3, strings);
    check(DataType::Float, &[], 0, &[]);
}

#[test]
fn half_precision_adds() {
    let plan = load(add_sub("half", DataType::Float16, &["b", "2"])).unwrap();
    // 1.0, 2.0 and 0.5, 0.5 in binary16.
    let (first, second) = ([0x00, 0x3c, 0x00, 0x40], [0x00, 0x38, 0x00, 0x38]);
    let outputs = run(&mut plan.runner(), &[(&[1, 2], &first), (&[1, 2], &second)]).unwrap();
    assert_eq!(outputs[0].1, [0x00, 0x3e, 0x00, 0x41]);
    assert_eq!(outputs[1].1, [0x00, 0x38, 0x00, 0x3e]);
}

#[test]
fn open_dimensions_may_have_names_expressions_or_nothing() {
    for dims in [
        ["b", "n"],
        ["?", "?"],
        ["batch-size", "seq-len"],
        ["b", "2*n"],
        ["-1", "-1"],
        ["b", "a b c ("],
    ] {
        let plan = load(identity(DataType::Int32, &dims)).unwrap();
        assert_eq!(plan.inputs()[0].dims, Some(vec![-1, -1]), "{dims:?}");
        let mut runner = plan.runner();
        for shape in [[1, 2], [2, 1], [3, 4]] {
            let bytes = int32(0..i32::try_from(shape[0] * shape[1]).unwrap());
            let outputs = run(&mut runner, &[(&shape, &bytes)]).unwrap();
            assert_eq!(outputs, [(shape.to_vec(), bytes)], "{dims:?}");
        }
    }
}

#[test]
fn dimensions_of_one_name_must_agree() {
    let plan = load(
        Onnx::new("mask")
            .input("ids", DataType::Int32, &["b", "seq"])
            .input("mask", DataType::Int32, &["b", "seq"])
            .node("Mul", &["ids", "mask"], &["masked"])
            .output("masked", DataType::Int32, &["b", "seq"]),
    )
    .unwrap();
    let mut runner = plan.runner();
    let error =
        run(&mut runner, &[(&[1, 2], &int32([1, 2])), (&[1, 3], &int32([1, 0, 1]))]).unwrap_err();
    assert!(error.is_invalid_request());
    assert_eq!(
        error.to_string(),
        "input 'mask' has 3 elements in dimension 1, but input 'ids' has 2 in dimension 1 and the \
         model expects both to be equal ('seq')"
    );
    let outputs =
        run(&mut runner, &[(&[1, 2], &int32([5, 6])), (&[1, 2], &int32([1, 0]))]).unwrap();
    assert_eq!(outputs[0].1, int32([5, 0]));
}

#[test]
fn a_dimension_may_be_the_sum_of_others() {
    let plan = load(
        Onnx::new("cache")
            .input("total", DataType::Float, &["past + seq"])
            .input("past", DataType::Float, &["past"])
            .input("new", DataType::Float, &["seq"])
            .node_with("Concat", &["past", "new"], &["joined"], |node| {
                node.attribute.push(int_attribute("axis", 0));
            })
            .node("Add", &["joined", "total"], &["sum"])
            .output("sum", DataType::Float, &["past + seq"]),
    )
    .unwrap();
    let mut runner = plan.runner();
    for (past, new) in [(1, 2), (3, 1)] {
        let ones = |count: usize| fp32(&vec![1.0; count]);
        let total = past + new;
        let inputs: [(&[usize], &[u8]); 3] =
            [(&[total], &ones(total)), (&[past], &ones(past)), (&[new], &ones(new))];
        let outputs = run(&mut runner, &inputs).unwrap();
        assert_eq!(outputs, [(vec![total], fp32(&vec![2.0; total]))]);
    }
}

#[test]
fn shapes_leave_as_int64() {
    let plan = load(
        Onnx::new("shape")
            .input("x", DataType::Float, &["b", "n"])
            .node("Shape", &["x"], &["shape"])
            .output("shape", DataType::Int64, &["2"]),
    )
    .unwrap();
    let mut runner = plan.runner();
    for shape in [[2_usize, 3], [1, 5]] {
        let bytes = fp32(&vec![0.0; shape[0] * shape[1]]);
        let expect = shape.iter().flat_map(|&dim| (dim as u64).to_le_bytes()).collect();
        assert_eq!(run(&mut runner, &[(&shape, &bytes)]).unwrap(), [(vec![2], expect)]);
    }
}

#[test]
fn an_output_without_a_shape_gets_the_inferred_one() {
    let mut model = identity(DataType::Float, &["b", "4"]);
    model.graph_mut().output[0] = value_info("OUTPUT0", DataType::Float as i32, None);
    assert_eq!(load(model).unwrap().outputs()[0].dims, Some(vec![-1, 4]));
}

#[test]
fn nothing_is_remembered_from_one_run_to_the_next() {
    let plan = load(
        Onnx::new("recurrent")
            .input("x", DataType::Float, &["steps", "b", "1"])
            .initializer("w", &[1, 1, 1], &[1.0])
            .initializer("r", &[1, 1, 1], &[1.0])
            .node_with("RNN", &["x", "w", "r"], &["y", "y_h"], |node| {
                node.attribute.push(int_attribute("hidden_size", 1));
            })
            .output("y_h", DataType::Float, &["1", "b", "1"]),
    )
    .unwrap();
    let mut runner = plan.runner();
    let input = fp32(&[0.5, 0.25]);
    let first = run(&mut runner, &[(&[2, 1, 1], &input)]).unwrap();
    let expect = (0.5_f32.tanh() + 0.25).tanh();
    let bytes: [u8; 4] = first[0].1.as_slice().try_into().unwrap();
    assert!((f32::from_le_bytes(bytes) - expect).abs() < 1e-4);
    assert_eq!(run(&mut runner, &[(&[2, 1, 1], &input)]).unwrap(), first);
    // More shapes than are kept, and back again.
    for batch in (1..=12).chain(1..=3) {
        let outputs = run(&mut runner, &[(&[1, batch, 1], &fp32(&vec![0.5; batch]))]).unwrap();
        assert_eq!(outputs[0].0, [1, batch, 1]);
    }
}

#[test]
fn an_external_initializer_is_read_from_the_model_s_folder() {
    use tract_onnx::pb::{StringStringEntryProto, TensorProto, tensor_proto::DataLocation};
    let model = |location: &str| {
        let mut model = Onnx::new("external")
            .input("x", DataType::Float, &["b", "2"])
            .node("Add", &["x", "w"], &["y"])
            .output("y", DataType::Float, &["b", "2"]);
        model.graph_mut().initializer.push(TensorProto {
            name: "w".to_owned(),
            data_type: DataType::Float as i32,
            dims: vec![2],
            data_location: Some(DataLocation::External as i32),
            external_data: vec![StringStringEntryProto {
                key: "location".to_owned(),
                value: location.to_owned(),
            }],
            ..TensorProto::default()
        });
        model.encode()
    };
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("model.onnx");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("weights.bin"), fp32(&[10.0, 20.0])).unwrap();
    std::fs::write(directory.join("model.onnx"), model("weights.bin")).unwrap();
    let plan = Arc::new(Plan::load(&directory).unwrap());
    let outputs = run(&mut plan.runner(), &[(&[1, 2], &fp32(&[1.0, 2.0]))]).unwrap();
    assert_eq!(outputs[0].1, fp32(&[11.0, 22.0]));

    std::fs::write(directory.join("model.onnx"), model("../outside.bin")).unwrap();
    let error = Plan::load(&directory).unwrap_err().to_string();
    assert!(error.contains("inside the model directory"), "{error}");
}

#[test]
fn what_tract_cannot_run_is_refused_by_name() {
    let check = |model: Onnx, expect: &str| {
        let error = load(model).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    let string_split = Onnx::new("strings")
        .input("x", DataType::String, &["b"])
        .node_with("StringSplit", &["x"], &["y", "z"], |node| node.name = "n".to_owned())
        .output("z", DataType::Int64, &["b"]);
    check(string_split, "operator 'StringSplit' (node 'n') is not supported by the tract backend");

    let two = Onnx::new("two")
        .input("x", DataType::Float, &["b"])
        .node_with("Relu", &["x"], &["y"], |node| node.domain = "acme".to_owned())
        .node("Det", &["y"], &["z"])
        .output("z", DataType::Float, &["b"]);
    check(two, "operators 'acme.Relu' (node 'y'), 'Det' (node 'z') are not supported");

    check(
        identity(DataType::Bfloat16, &["b"]),
        "tensor 'INPUT0' has the ONNX datatype BFLOAT16, which is not supported by the tract backend",
    );

    let mut no_shape = identity(DataType::Float, &["b"]);
    no_shape.graph_mut().input[0] = value_info("INPUT0", DataType::Float as i32, None);
    check(no_shape, "input 'INPUT0' has no shape in the ONNX model");

    let mut no_type = identity(DataType::Float, &["b"]);
    no_type.graph_mut().input[0].r#type = None;
    check(no_type, "'INPUT0' is not a tensor of known datatype");

    let mut inside = identity(DataType::Float, &["b"]);
    let mut attribute = int_attribute("body", 0);
    attribute.g = Some(tract_onnx::pb::GraphProto::default());
    attribute
        .g
        .as_mut()
        .unwrap()
        .node
        .push(tract_onnx::pb::NodeProto { op_type: "Hidden".to_owned(), ..Default::default() });
    inside.graph_mut().node[0].attribute.push(attribute);
    check(inside, "operator 'Hidden' (node '') is not supported");

    let long = "n".repeat(300);
    check(
        identity(DataType::Float, &[&long]),
        "tensor 'INPUT0' has a dimension whose name is longer",
    );

    let mut nothing = identity(DataType::Float, &["b"]);
    nothing.graph_mut().node.clear();
    check(nothing, "output 'OUTPUT0' is given by no node");
    let mut dangling = identity(DataType::Float, &["b"]);
    dangling.graph_mut().node[0].input[0] = "missing".to_owned();
    check(dangling, "cannot be run by the tract backend");
}

#[test]
fn files_that_are_no_model_are_named() {
    let check = |bytes: &[u8], expect: &str| {
        let (_folder, path) = write(bytes);
        let error = Plan::load(&path).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()) && error.contains(expect), "{error}");
    };
    check(b"", "is empty, expected an ONNX model");
    check(b"{\"not\": \"onnx\"}", "is not an ONNX model or is damaged");
    check(&[0; 64], "is not an ONNX model or is damaged");
    let whole = add_sub("simple", DataType::Int32, &["b", "16"]).encode();
    check(&whole[..whole.len() / 2], "is not an ONNX model or is damaged");
    check(&[8, 8], "it holds no graph");

    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("model.onnx");
    let error = Plan::load(&absent).unwrap_err();
    assert!(matches!(error, LoadError::Absent { .. }), "{error}");
    assert!(error.to_string().contains(&absent.display().to_string()), "{error}");
}

#[test]
fn damaged_files_never_panic() {
    let whole = add_sub("simple", DataType::Int32, &["b", "16"]).encode();
    let (_folder, path) = write(&whole);
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        drop(Plan::load(&path));
        let mut flipped = whole.clone();
        flipped[cut] ^= 1 << (cut % 8);
        std::fs::write(&path, &flipped).unwrap();
        drop(Plan::load(&path));
    }
}

#[test]
fn contracted_dimensions_are_checked() {
    let plan = load(
        Onnx::new("product")
            .input("x", DataType::Float, &["a", "n"])
            .input("y", DataType::Float, &["m", "b"])
            .node("MatMul", &["x", "y"], &["z"])
            .output("z", DataType::Float, &["a", "b"]),
    )
    .unwrap();
    let mut runner = plan.runner();
    for (n, m) in [(2, 3), (3, 2), (1000, 1), (1, 1000)] {
        let (x, y) = (fp32(&vec![1.0; n]), fp32(&vec![1.0; m]));
        let error = run(&mut runner, &[(&[1, n], &x), (&[m, 1], &y)]).unwrap_err();
        assert!(error.to_string().contains("to be equal"), "{error}");
    }
    let good = run(&mut runner, &[(&[1, 2], &fp32(&[1.0, 2.0])), (&[2, 1], &fp32(&[3.0, 4.0]))]);
    assert_eq!(good.unwrap()[0].1, fp32(&[11.0]));
}

#[test]
fn a_failed_run_leaves_the_runner_usable() {
    let sum = load(
        Onnx::new("sum")
            .input("x", DataType::Float, &["n"])
            .input("y", DataType::Float, &["m"])
            .node("Add", &["x", "y"], &["z"])
            .output("z", DataType::Float, &["?"]),
    )
    .unwrap();
    let mut runner = sum.runner();
    let bad = run(&mut runner, &[(&[2], &fp32(&[1.0, 2.0])), (&[3], &fp32(&[1.0; 3]))]);
    assert!(bad.is_err(), "{bad:?}");
    let good = run(&mut runner, &[(&[2], &fp32(&[1.0, 2.0])), (&[2], &fp32(&[3.0, 4.0]))]);
    assert_eq!(good.unwrap()[0].1, fp32(&[4.0, 6.0]));

    let lookup = load(
        Onnx::new("lookup")
            .input("ids", DataType::Int64, &["n"])
            .initializer("table", &[3, 1], &[10.0, 20.0, 30.0])
            .node("Gather", &["table", "ids"], &["rows"])
            .output("rows", DataType::Float, &["n", "1"]),
    )
    .unwrap();
    let mut runner = lookup.runner();
    for id in [3_i64, 1 << 40, i64::MAX, -4, i64::MIN] {
        let bad = run(&mut runner, &[(&[1], &id.to_le_bytes())]);
        assert!(matches!(bad, Err(RunError::Engine { .. })), "{bad:?}");
    }
    let good = run(&mut runner, &[(&[1], &2_i64.to_le_bytes())]).unwrap();
    assert_eq!(good[0].1, fp32(&[30.0]));
}

#[test]
fn dimensions_that_the_graph_fixes_are_fixed() {
    let plan = load(
        Onnx::new("linear")
            .input("x", DataType::Float, &["?", "?"])
            .initializer("w", &[2, 1], &[1.0, 10.0])
            .node("MatMul", &["x", "w"], &["y"])
            .output("y", DataType::Float, &["?", "1"]),
    )
    .unwrap();
    let mut runner = plan.runner();
    let error = run(&mut runner, &[(&[1, 3], &fp32(&[1.0; 3]))]).unwrap_err();
    assert!(error.is_invalid_request(), "{error}");
    let outputs = run(&mut runner, &[(&[2, 2], &fp32(&[1.0, 2.0, 3.0, 4.0]))]).unwrap();
    assert_eq!(outputs[0].1, fp32(&[21.0, 43.0]));
}

#[test]
fn instances_share_a_plan_across_threads() {
    let plan = load(add_sub("simple", DataType::Int32, &["b", "1"])).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let mut runner = plan.runner();
            scope.spawn(move || {
                for i in 0..200 {
                    let inputs = (int32([thread]), int32([i]));
                    let outputs =
                        run(&mut runner, &[(&[1, 1], &inputs.0), (&[1, 1], &inputs.1)]).unwrap();
                    assert_eq!(outputs[0].1, int32([thread + i]));
                }
            });
        }
    });
}
