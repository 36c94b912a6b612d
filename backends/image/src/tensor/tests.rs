use super::*;
use crate::decode::Turn;

/// A grey picture of these rows.
fn picture(rows: &[&[u8]]) -> Picture {
    let values = rows.concat();
    Picture {
        width: rows[0].len(),
        height: rows.len(),
        rgb: values.iter().flat_map(|&value| [value; 3]).collect(),
        turn: Turn::default(),
    }
}

fn size(height: usize, width: usize) -> Size {
    Size { height, width, layout: Layout::Nchw }
}

/// Bytes: values of 0 to 255 rather than 0 to 1.
const BYTES: Preparation = Preparation {
    resize: Resize::Stretch,
    filter: Filter::Nearest,
    mean: [0.0; 3],
    std: [1.0 / 255.0; 3],
    bgr: false,
    background: [9; 3],
};

/// The red plane of the tensor.
fn plane(preparation: &Preparation, picture: &Picture, size: Size) -> Vec<f32> {
    let mut tensors = vec![-1.0];
    preparation.append(picture, size, &mut tensors);
    assert_eq!(tensors.len(), 1 + size.values());
    assert_eq!(tensors[0], -1.0, "what is there stays");
    let plane = size.width * size.height;
    tensors[1..=plane].iter().map(|value| value.round()).collect()
}

#[test]
fn three_ways_to_fill_a_tensor() {
    let wide = picture(&[&[1, 2, 3, 4, 5, 6], &[11, 12, 13, 14, 15, 16]]);
    let tall = picture(&[&[1, 2], &[3, 4], &[5, 6], &[7, 8], &[10, 11], &[12, 13]]);
    let check = |resize, picture: &Picture, size: Size, expect: &[f32]| {
        assert_eq!(
            plane(&Preparation { resize, ..BYTES }, picture, size),
            expect,
            "{resize:?} to {size:?}"
        );
    };
    check(Resize::Stretch, &wide, size(2, 2), &[2.0, 5.0, 12.0, 15.0]);
    check(Resize::Stretch, &wide, size(1, 6), &[11.0, 12.0, 13.0, 14.0, 15.0, 16.0]);
    check(Resize::Crop, &wide, size(2, 2), &[3.0, 4.0, 13.0, 14.0]);
    check(Resize::Crop, &tall, size(2, 2), &[5.0, 6.0, 7.0, 8.0]);
    check(Resize::Crop, &wide, size(2, 4), &[2.0, 3.0, 4.0, 5.0, 12.0, 13.0, 14.0, 15.0]);
    #[rustfmt::skip]
    check(Resize::Pad, &wide, size(4, 6), &[
        9.0, 9.0, 9.0, 9.0, 9.0, 9.0,
        1.0, 2.0, 3.0, 4.0, 5.0, 6.0,
        11.0, 12.0, 13.0, 14.0, 15.0, 16.0,
        9.0, 9.0, 9.0, 9.0, 9.0, 9.0,
    ]);
    // One more pixel of background goes behind; a side is never less than a pixel.
    check(
        Resize::Pad,
        &tall,
        size(6, 3),
        &[
            1.0, 2.0, 9.0, 3.0, 4.0, 9.0, 5.0, 6.0, 9.0, 7.0, 8.0, 9.0, 10.0, 11.0, 9.0, 12.0,
            13.0, 9.0,
        ],
    );
    check(
        Resize::Pad,
        &picture(&[&[7; 99]]),
        size(3, 3),
        &[9.0, 9.0, 9.0, 7.0, 7.0, 7.0, 9.0, 9.0, 9.0],
    );
    // A pixel fills anything.
    for resize in [Resize::Crop, Resize::Pad, Resize::Stretch] {
        check(resize, &picture(&[&[7]]), size(2, 2), &[7.0; 4]);
    }
}

/// What EXIF says: for each orientation, which sides of what is shown the first row and the first column are.
const SIDES: [(&str, &str); 8] = [
    ("top", "left"),
    ("top", "right"),
    ("bottom", "right"),
    ("bottom", "left"),
    ("left", "top"),
    ("right", "top"),
    ("right", "bottom"),
    ("left", "bottom"),
];

#[test]
fn all_orientations_show_the_same() {
    let shown = [[1_u8, 2, 3, 4], [5, 6, 7, 8]];
    let (width, height) = (4, 2);
    let turns = [
        (false, false, false),
        (true, false, false),
        (true, true, false),
        (false, true, false),
        (false, false, true),
        (false, true, true),
        (true, true, true),
        (true, false, true),
    ];
    for ((first_row, first_column), (flip_x, flip_y, swap)) in SIDES.into_iter().zip(turns) {
        let along = |side: &str, index: usize| match side {
            "top" | "left" => index,
            "bottom" => height - 1 - index,
            _ => width - 1 - index,
        };
        let (columns, rows) = if swap { (height, width) } else { (width, height) };
        let at = |row: usize, column: usize| {
            let (down, across) = (along(first_row, row), along(first_column, column));
            if swap { shown[across][down] } else { shown[down][across] }
        };
        let stored: Vec<Vec<u8>> =
            (0..rows).map(|row| (0..columns).map(|column| at(row, column)).collect()).collect();
        let stored: Vec<&[u8]> = stored.iter().map(Vec::as_slice).collect();
        let picture = Picture { turn: Turn { flip_x, flip_y, swap }, ..picture(&stored) };
        let check = |resize, size: Size, expect: &[f32]| {
            let found = plane(&Preparation { resize, ..BYTES }, &picture, size);
            assert_eq!(found, expect, "{first_row} {first_column}: {resize:?} to {size:?}");
        };
        check(Resize::Stretch, size(2, 4), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        check(Resize::Crop, size(2, 2), &[2.0, 3.0, 6.0, 7.0]);
        // The odd line of background is below what is shown, whatever is stored.
        let padded = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 9.0, 9.0, 9.0];
        check(Resize::Pad, size(3, 4), &padded);
    }
}

#[test]
fn channels_are_normalised_in_the_tensors_order() {
    // Red 51 (0.2), green 102 (0.4), blue 204 (0.8), and a white pixel of background below it.
    let picture = Picture { width: 1, height: 1, rgb: vec![51, 102, 204], turn: Turn::default() };
    let rgb = Preparation {
        resize: Resize::Pad,
        mean: [0.1, 0.2, 0.3],
        std: [1.0, 2.0, 0.5],
        background: [255; 3],
        ..BYTES
    };
    let bgr = Preparation { bgr: true, ..rgb };
    let check = |preparation: &Preparation, layout, expect: [f32; 6]| {
        let mut tensor = Vec::new();
        preparation.append(&picture, Size { height: 2, width: 1, layout }, &mut tensor);
        for (found, expect) in tensor.iter().zip(expect) {
            assert!((found - expect).abs() < 1e-6, "{layout:?}: {tensor:?}");
        }
        assert_eq!(tensor.len(), 6);
    };
    check(&rgb, Layout::Nchw, [0.1, 0.9, 0.1, 0.4, 1.0, 1.4]);
    check(&rgb, Layout::Nhwc, [0.1, 0.1, 1.0, 0.9, 0.4, 1.4]);
    check(&bgr, Layout::Nchw, [0.7, 0.9, 0.1, 0.4, -0.2, 1.4]);
    check(&bgr, Layout::Nhwc, [0.7, 0.1, -0.2, 0.9, 0.4, 1.4]);
}
