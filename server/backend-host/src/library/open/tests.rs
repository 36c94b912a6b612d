use super::*;

/// A directory with `files`.
fn directory(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        fs::write(directory.path().join(name), contents).unwrap();
    }
    directory
}

#[test]
fn tritons_library_is_satisfied_under_any_name() {
    for name in ["libtritonserver.so", "libtritonserver-717102f0.so"] {
        let files = [("libx.so", stand_in::library("libx.so", &["libc.so.6", name]))];
        let directory = directory(&files);
        let path = directory.path().join("libx.so");
        assert_eq!(elf::needed(&path).unwrap(), ["libc.so.6", name]);
        let open = open(&path).unwrap();
        assert_eq!(open.needed.len(), 1);
        open.close().unwrap();
    }
}

#[test]
fn libraries_beside_a_backend_are_found_with_what_they_need() {
    let files = [
        ("libx.so", stand_in::library("libx.so", &["libhc-first.so", "libhc-second.so"])),
        ("libhc-first.so", stand_in::library("libhc-first.so", &["libhc-second.so"])),
        // A circle, which must end.
        ("libhc-second.so", stand_in::library("libhc-second.so", &["libhc-second.so"])),
    ];
    let directory = directory(&files);
    let open = super::open(&directory.path().join("libx.so")).unwrap();
    assert_eq!(open.needed.len(), 2);
    open.close().unwrap();
}

#[test]
fn a_library_that_is_missing_is_named() {
    let directory = directory(&[("libx.so", stand_in::library("libx.so", &["libhc-none.so"]))]);
    let error = open(&directory.path().join("libx.so")).unwrap_err();
    assert!(error.starts_with("libhc-none.so: cannot open shared object file"), "{error}");
}

#[test]
fn what_is_no_library_for_this_machine_says_so() {
    let good = stand_in::library("libx.so", &["libtritonserver.so"]);
    let check = |change: &dyn Fn(&mut Vec<u8>), expect: &str| {
        let mut file = good.clone();
        change(&mut file);
        let directory = directory(&[("libx.so", file)]);
        let path = directory.path().join("libx.so");
        let error = open(&path).unwrap_err();
        assert_eq!(error, format!("{}: {expect}", path.display()));
    };
    let no_elf = "expected a shared library, got a file that is no 64-bit little-endian ELF";
    check(&|file| file.clear(), no_elf);
    check(&|file| file[0] = b'#', no_elf);
    // 32-bit.
    check(&|file| file[4] = 1, no_elf);
    check(
        &|file| file[18] = 243,
        &format!("expected a library for {}, got one for machine 243", elf::MACHINE.1),
    );
    check(&|file| file[16] = 2, "expected a shared library, got an ELF file of another type (2)");
    check(&|file| file[56] = 255, "cannot read it: failed to fill whole buffer");
    check(
        &|file| file[57] = 2,
        "the library is damaged: its program headers are not those of a library",
    );
    let is_string_table = |file: &[u8], at: usize| file[at..at + 8] == 5_u64.to_le_bytes();
    let string_table = (232..good.len() - 8).step_by(8).find(|&at| is_string_table(&good, at));
    let string_table = string_table.unwrap() + 8;
    check(
        &|file| file[string_table + 6] = 1,
        "the library is damaged: its string table lies outside of it",
    );
}

#[test]
fn no_byte_of_a_library_that_is_changed_ends_the_reader() {
    let good = stand_in::library("libx.so", &["libtritonserver.so", "libc.so.6"]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("libx.so");
    for at in 0..good.len() {
        for value in [0, 0x7f, 0xff] {
            let mut file = good.clone();
            file[at] = value;
            fs::write(&path, &file).unwrap();
            if let Ok(names) = elf::needed(&path) {
                assert!(names.iter().all(|name| !name.contains('/') && name.len() <= 255));
            }
            fs::write(&path, &good[..at]).unwrap();
            drop(elf::needed(&path));
        }
    }
}

#[test]
fn a_function_that_this_server_lacks_is_named() {
    let source = "void TRITONBACKEND_NoSuchFunction(void);\n\
        void TRITONBACKEND_ModelInstanceExecute(void) { TRITONBACKEND_NoSuchFunction(); }\n";
    let directory = directory(&[("x.c", source.into())]);
    let path = directory.path().join("libx.so");
    let mut compile = std::process::Command::new("cc");
    compile.args(["-shared", "-fPIC", "-o"]).arg(&path).arg(directory.path().join("x.c"));
    assert!(compile.status().expect("the linker that Rust uses is there").success());
    let error = open(&path).unwrap_err();
    assert!(error.contains("undefined symbol: TRITONBACKEND_NoSuchFunction"), "{error}");
}
