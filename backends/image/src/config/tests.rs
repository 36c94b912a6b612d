use super::*;

fn config(output: Value) -> Value {
    let config = json!({"max_batch_size": 8, "input": [], "output": output});
    complete(&config).unwrap()
}

#[test]
fn the_input_is_completed_and_the_layout_is_where_the_channels_are() {
    let output = json!([
        {"name": "A", "data_type": "TYPE_FP32", "dims": ["3", "224", "160"]},
        {"name": "B", "data_type": "TYPE_FP32", "dims": [64, 96, 3]},
        {"name": "C", "data_type": "TYPE_FP32", "dims": [3, 5, 3]},
    ]);
    let completed = config(output);
    assert_eq!(complete(&completed), None);
    let found = outputs("m", &completed, None).unwrap();
    let sizes: Vec<_> = found.iter().map(|output| output.size).collect();
    assert_eq!(
        sizes,
        [
            Size { height: 224, width: 160, layout: Layout::Nchw },
            Size { height: 64, width: 96, layout: Layout::Nhwc },
            Size { height: 5, width: 3, layout: Layout::Nchw },
        ]
    );
    assert_eq!((&*found[1].name, found[1].dims), ("B", [64, 96, 3]));
    let both = config(json!([{"name": "C", "data_type": "TYPE_FP32", "dims": [3, 5, 3]}]));
    let found = outputs("m", &both, Some(Layout::Nhwc)).unwrap();
    assert_eq!(found[0].size, Size { height: 3, width: 5, layout: Layout::Nhwc });
}

#[test]
fn what_it_cannot_do_is_refused() {
    let check = |config: &Value, layout: Option<Layout>, expect: &str| {
        let error = outputs("m", config, layout).unwrap_err();
        assert_eq!(error.message(), format!("model 'm': {expect}"));
    };
    let either = "[ 3, height, width ] or [ height, width, 3 ], each side 1 to 4096";
    for dims in
        [json!([1, 8, 8]), json!([3, 8]), json!([3, -1, -1]), json!([3, 0, 8]), json!([3, 8, 4097])]
    {
        let listed: Vec<i64> = dims.as_array().unwrap().iter().filter_map(Value::as_i64).collect();
        check(
            &config(json!([{"name": "T", "data_type": "TYPE_FP32", "dims": dims}])),
            None,
            &format!("output 'T' has dims {listed:?}, expected {either}"),
        );
    }
    let good = json!([{"name": "T", "data_type": "TYPE_FP32", "dims": [3, 8, 8]}]);
    check(
        &config(good.clone()),
        Some(Layout::Nhwc),
        "output 'T' has dims [3, 8, 8], expected [ height, width, 3 ], each side 1 to 4096",
    );
    check(
        &config(json!([{"name": "T", "data_type": "TYPE_UINT8", "dims": [3, 8, 8]}])),
        None,
        "output 'T' has data_type TYPE_UINT8, expected TYPE_FP32",
    );
    check(
        &config(json!([])),
        None,
        "the configuration names no outputs: the image backend expects at least one, of TYPE_FP32, whose dims say height and width: write one into config.pbtxt, such as [ 3, 224, 224 ]",
    );
    let mut other = config(good);
    other["input"] = json!([{"name": "X", "data_type": "TYPE_UINT8", "dims": [-1]}]);
    check(
        &other,
        None,
        "input 'X' has data_type TYPE_UINT8 and dims [-1]: the image backend expects TYPE_STRING and [ 1 ], a picture",
    );
    other["input"] = json!([{}, {}]);
    check(
        &other,
        None,
        "the image backend expects one input, of TYPE_STRING; the configuration has 2",
    );
}

#[test]
fn parameters_are_read() {
    let of = |key: &'static str, value: &'static str| {
        options("m", move |asked| (asked == key).then(|| value.to_owned()))
    };
    assert_eq!(of("", ""), Ok(Options::default()));
    let preparation = |key, value| of(key, value).unwrap().preparation;
    assert_eq!(preparation("resize", "pad").resize, Resize::Pad);
    assert_eq!(preparation("resize", "stretch").resize, Resize::Stretch);
    assert_eq!(preparation("filter", "lanczos").filter, Filter::Lanczos);
    assert_eq!(preparation("mean", "0.485, 0.456,0.406").mean, [0.485, 0.456, 0.406]);
    assert_eq!(preparation("std", "0.229, 0.224, 0.225").std, [0.229, 0.224, 0.225]);
    assert!(preparation("color_order", "BGR").bgr);
    assert_eq!(preparation("background", "0,128,255").background, [0, 128, 255]);
    assert_eq!(of("layout", "NHWC").unwrap().layout, Some(Layout::Nhwc));
    assert_eq!(of("max_file_bytes", "1000").unwrap().limits.file_bytes, 1000);
    assert_eq!(of("max_pixels", "1000").unwrap().limits.pixels, 1000);
    assert_eq!(of("max_memory_bytes", "1000").unwrap().limits.memory_bytes, 1000);
    for (key, value, expected) in [
        ("resize", "fit", "crop, pad or stretch"),
        ("filter", "area", "nearest, bilinear, bicubic or lanczos"),
        ("layout", "CHW", "NCHW or NHWC"),
        ("color_order", "GBR", "RGB or BGR"),
        ("mean", "0.5", "three numbers with commas between them, for values of 0 to 1"),
        ("mean", "0.5,0.5,nan", "three numbers with commas between them, for values of 0 to 1"),
        ("std", "1,0,1", "three numbers above 0 with commas between them"),
        ("std", "1,1,1e-40", "three numbers above 0 with commas between them"),
        ("background", "0,0,256", "red, green and blue of 0 to 255 with commas between them"),
        ("max_file_bytes", "0", "a number of bytes above 0"),
        ("max_pixels", "50M", "a number of pixels above 0"),
        ("max_memory_bytes", "-1", "a number of bytes above 0"),
    ] {
        assert_eq!(
            of(key, value).unwrap_err().message(),
            format!("model 'm': parameter '{key}' expects {expected}, got '{value}'")
        );
    }
}
