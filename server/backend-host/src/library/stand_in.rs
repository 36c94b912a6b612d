//! Shared libraries without contents, for the dynamic loader alone. A backend that was linked with
//! `libtritonserver.so` names it as needed, although its functions are this executable's: a library
//! of that name that is open already satisfies the loader, and it looks for no file.

use super::elf::MACHINE;

const FILE_HEADER: u16 = 64;
const PROGRAM_HEADER: u16 = 56;
const SEGMENTS: u16 = 3;
const HASH: u64 = FILE_HEADER as u64 + (SEGMENTS * PROGRAM_HEADER) as u64;
const HASH_BYTES: u64 = 16;
const SYMBOLS: u64 = HASH + HASH_BYTES;
const SYMBOL_BYTES: u64 = 24;
const DYNAMIC: u64 = SYMBOLS + SYMBOL_BYTES;

/// Of the largest pages that Linux has on these machines.
const PAGE: u64 = 0x1_0000;

/// The file of a library `name` that defines nothing and needs `needed`.
pub(super) fn library(name: &str, needed: &[&str]) -> Vec<u8> {
    let mut strings = vec![0];
    let mut string = |text: &str| {
        let offset = strings.len() as u64;
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        offset
    };
    // DT_SONAME, DT_NEEDED.
    let mut dynamic = vec![(14, string(name))];
    dynamic.extend(needed.iter().map(|needed| (1, string(needed))));
    let dynamic_bytes = (dynamic.len() as u64 + 6) * 16;
    let strings_start = DYNAMIC + dynamic_bytes;
    dynamic.extend([
        (4, HASH),
        (5, strings_start),
        (6, SYMBOLS),
        (10, strings.len() as u64),
        (11, SYMBOL_BYTES),
        (0, 0),
    ]);
    let whole = strings_start + strings.len() as u64;

    let mut file = Vec::new();
    // 64-bit, little-endian, version 1, System V; a shared library.
    file.extend_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    halves(&mut file, &[3, MACHINE.0]);
    words(&mut file, &[1]);
    longs(&mut file, &[0, u64::from(FILE_HEADER), 0]);
    words(&mut file, &[0]);
    halves(&mut file, &[FILE_HEADER, PROGRAM_HEADER, SEGMENTS, 0, 0, 0]);
    // Readable and writable: the loader writes addresses into the dynamic section. No code, and no
    // stack that runs code.
    let mut segment = |kind, offset: u64, size: u64, align: u64| {
        words(&mut file, &[kind, 6]);
        longs(&mut file, &[offset, offset, offset, size, size, align]);
    };
    segment(1, 0, whole, PAGE);
    segment(2, DYNAMIC, dynamic_bytes, 8);
    segment(0x6474_e551, 0, 0, 16);
    // One bucket, one symbol: the null symbol.
    words(&mut file, &[1, 1, 0, 0]);
    longs(&mut file, &[0, 0, 0]);
    for (tag, value) in dynamic {
        longs(&mut file, &[tag, value]);
    }
    file.extend_from_slice(&strings);
    file
}

fn halves(file: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|value| file.extend_from_slice(&value.to_le_bytes()));
}

fn words(file: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|value| file.extend_from_slice(&value.to_le_bytes()));
}

fn longs(file: &mut Vec<u8>, values: &[u64]) {
    values.iter().for_each(|value| file.extend_from_slice(&value.to_le_bytes()));
}
