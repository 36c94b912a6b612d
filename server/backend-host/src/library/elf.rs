//! What the loader must know of a shared library before it opens it: whether it is one for this
//! machine, and which libraries it needs. Reads a few bounded pieces of the file; what they say is
//! not trusted to stay within it.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

/// `e_machine` of this server, with the name that people give it.
pub(super) const MACHINE: (u16, &str) = if cfg!(target_arch = "aarch64") {
    (183, "aarch64")
} else {
    assert!(cfg!(target_arch = "x86_64"), "add the number of this architecture");
    (62, "x86-64")
};

const FILE_HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const DYNAMIC_ENTRY: usize = 16;
const TYPE_SHARED: u16 = 3;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;

const MAX_PROGRAM_HEADERS: u16 = 256;
const MAX_DYNAMIC_BYTES: u64 = 64 * 1024;
const MAX_NEEDED: usize = 256;
const MAX_NAME: usize = 255;

/// Why a file is no library for this server.
#[derive(Debug, thiserror::Error)]
pub(super) enum ElfError {
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    #[error("expected a shared library, got a file that is no 64-bit little-endian ELF")]
    NotElf,
    #[error("expected a library for {expected}, got one for {actual}", expected = MACHINE.1)]
    Machine { actual: String },
    #[error("expected a shared library, got an ELF file of another type ({0})")]
    NotShared(u16),
    #[error("the library is damaged: {0}")]
    Damaged(&'static str),
}

/// A loaded segment: where in the file the memory at an address comes from.
struct Segment {
    offset: u64,
    address: u64,
    size: u64,
}

/// Names of the libraries that the library at `path` needs, in its order.
pub(super) fn needed(path: &Path) -> Result<Vec<String>, ElfError> {
    let file = File::open(path)?;
    let header: [u8; FILE_HEADER] = read(&file, 0).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ElfError::NotElf,
        _ => ElfError::Read(error),
    })?;
    // 64-bit, little-endian.
    if header[..6] != [0x7f, b'E', b'L', b'F', 2, 1] {
        return Err(ElfError::NotElf);
    }
    let machine = u16::from_le_bytes(at(&header, 18));
    if machine != MACHINE.0 {
        let actual = match machine {
            62 => "x86-64".to_owned(),
            183 => "aarch64".to_owned(),
            other => format!("machine {other}"),
        };
        return Err(ElfError::Machine { actual });
    }
    let kind = u16::from_le_bytes(at(&header, 16));
    if kind != TYPE_SHARED {
        return Err(ElfError::NotShared(kind));
    }
    let (segments, dynamic) = segments(&file, &header)?;
    let Some(dynamic) = dynamic else { return Ok(Vec::new()) };
    let (names, strings) = entries(&file, &dynamic)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let strings = segments
        .iter()
        .find(|segment| strings.checked_sub(segment.address).is_some_and(|at| at < segment.size))
        .and_then(|segment| (strings - segment.address).checked_add(segment.offset))
        .ok_or(ElfError::Damaged("its string table lies outside of it"))?;
    names.into_iter().map(|name| string(&file, strings, name)).collect()
}

/// The loaded segments, and the dynamic one.
fn segments(file: &File, header: &[u8]) -> Result<(Vec<Segment>, Option<Segment>), ElfError> {
    let start = u64::from_le_bytes(at(header, 32));
    let size = u16::from_le_bytes(at(header, 54));
    let count = u16::from_le_bytes(at(header, 56));
    if usize::from(size) != PROGRAM_HEADER || count > MAX_PROGRAM_HEADERS {
        return Err(ElfError::Damaged("its program headers are not those of a library"));
    }
    let (mut loaded, mut dynamic) = (Vec::new(), None);
    for index in 0..u64::from(count) {
        let offset = start
            .checked_add(index * u64::from(size))
            .ok_or(ElfError::Damaged("its program headers lie outside of it"))?;
        let entry: [u8; PROGRAM_HEADER] = read(file, offset)?;
        let segment = Segment {
            offset: u64::from_le_bytes(at(&entry, 8)),
            address: u64::from_le_bytes(at(&entry, 16)),
            size: u64::from_le_bytes(at(&entry, 32)),
        };
        match u32::from_le_bytes(at(&entry, 0)) {
            PT_LOAD => loaded.push(segment),
            PT_DYNAMIC => dynamic = Some(segment),
            _ => {}
        }
    }
    Ok((loaded, dynamic))
}

/// From the dynamic section: where the names of needed libraries begin in the string table, and its
/// address.
fn entries(file: &File, dynamic: &Segment) -> Result<(Vec<u64>, u64), ElfError> {
    if dynamic.size > MAX_DYNAMIC_BYTES {
        return Err(ElfError::Damaged("its dynamic section is too large"));
    }
    let (mut names, mut strings) = (Vec::new(), 0);
    for index in 0..dynamic.size / DYNAMIC_ENTRY as u64 {
        let offset = dynamic
            .offset
            .checked_add(index * DYNAMIC_ENTRY as u64)
            .ok_or(ElfError::Damaged("its dynamic section lies outside of it"))?;
        let entry: [u8; DYNAMIC_ENTRY] = read(file, offset)?;
        let value = u64::from_le_bytes(at(&entry, 8));
        match u64::from_le_bytes(at(&entry, 0)) {
            DT_NULL => break,
            DT_NEEDED if names.len() == MAX_NEEDED => {
                return Err(ElfError::Damaged("it needs too many libraries"));
            }
            DT_NEEDED => names.push(value),
            DT_STRTAB => strings = value,
            _ => {}
        }
    }
    Ok((names, strings))
}

/// The string at `name` in the string table.
fn string(file: &File, strings: u64, name: u64) -> Result<String, ElfError> {
    let damaged = ElfError::Damaged("the name of a library that it needs is no name");
    let Some(offset) = strings.checked_add(name) else { return Err(damaged) };
    let mut text = [0; MAX_NAME + 1];
    let length = file.read_at(&mut text, offset)?;
    let text = text[..length].split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() || text.len() == length || text.contains(&b'/') {
        return Err(damaged);
    }
    String::from_utf8(text.to_vec()).map_err(|_not_utf8| damaged)
}

fn read<const N: usize>(file: &File, offset: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// The field of `N` bytes at `offset` of a header.
fn at<const N: usize>(header: &[u8], offset: usize) -> [u8; N] {
    header[offset..offset + N].try_into().expect("the field is within the header")
}
