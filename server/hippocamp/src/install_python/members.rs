//! What is taken of NVIDIA's wheel, by name and SHA-256: the backend, a stub, and the libraries that
//! the two need and that a system need not have. Triton's own library is not among them.

/// The package, and the file that pip gets for it.
pub(super) const REQUIREMENT: &str = "nvidia-pytriton==0.7.0";
pub(super) const WHEEL: &str = "nvidia_pytriton-0.7.0-py3-none-manylinux_2_35_x86_64.whl";
pub(super) const WHEEL_SHA256: &str =
    "21f063ff93bb426d0c06b7a55e7eb9efcfe62c0dddd9a908e9877e18710128df";

const BACKEND: &str = "pytriton/tritonserver/backends/python";
const STUBS: &str = "pytriton/tritonserver/python_backend_stubs";
const LIBRARIES: &str = "nvidia_pytriton.libs";

/// A file of the wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name in the wheel.
    pub(super) source: String,
    /// Its name in the backend's directory.
    pub(super) name: String,
    pub(super) sha256: &'static str,
    pub(super) byte_size: u64,
    pub(super) executable: bool,
}

/// Of each Python that the backend serves: version, size and hash of its stub. The wheel has one for
/// 3.13, too, which is of no use: with numpy 2 every tensor that this backend answers with is empty,
/// and numpy 1 is not there for 3.13.
const STUB_OF: [(&str, u64, &str); 5] = [
    ("3.8", 1_377_593, "41c352e7eae5ea1b3e6474a679180b770911dedef5fa836a9457f1e8601cf412"),
    ("3.9", 1_377_633, "cf800e6d53a69556848dd95af0e591fff4e6ab848903454f6d5448185f328aad"),
    ("3.10", 1_377_625, "251c532e0af9c057d50784cc933fd52f304163e238d51e74c0ffc1c1790188b5"),
    ("3.11", 1_377_705, "a302adf6396501ac139da06f965aea1bf61929c99bf799f6b8797e071cd268f4"),
    ("3.12", 1_394_089, "41a7758c6f44520b846e90a5bf8b063f99aee01698c3e32113ce352fe8369921"),
];

/// Folder, name, size and hash of what every Python needs: the libraries are all that the backend and
/// the stub lead to, but for those of the C and C++ compilers and libz.
const COMMON: [(&str, &str, u64, &str); 13] = [
    (
        BACKEND,
        "libtriton_python.so",
        1_410_521,
        "08a47eb9cb120475442abebf283a910cf06053bc1322711aeb34f4d42f038cba",
    ),
    (
        BACKEND,
        "triton_python_backend_utils.py",
        21_877,
        "dcfbb2a8e115e6c47097ca59e395488c3a94c3cec416d9b89e20bf495ef8bab7",
    ),
    (
        LIBRARIES,
        "libcudart-09529672.so.12.6.77",
        732_713,
        "90ab0564bc34ec72575ab8620c5f68170f405ee04544000d0f83810188fd9582",
    ),
    (
        LIBRARIES,
        "libarchive-3508abb0.so.13.6.0",
        872_105,
        "b56d52e012f9afb533853570301bb06e985ecf9d94fb1f52ec343157ae85ee0a",
    ),
    (
        LIBRARIES,
        "libnettle-2d3bda6c.so.8.4",
        298_641,
        "cd45a32b5f670f886cba5099eaf6ad49f0a5c97608fef2dc162492c0bbab2015",
    ),
    (
        LIBRARIES,
        "libacl-b35d4bbf.so.1.1.2301",
        38_313,
        "88f1f064fc5109f6cd37740b86e6e14c953d49254f5e54dab5c10008b7be298e",
    ),
    (
        LIBRARIES,
        "liblzma-493cb401.so.5.2.5",
        175_809,
        "734f162b444cd18d569f3dab87e164e7d016214f13bc28ce573811f7b87b20a2",
    ),
    (
        LIBRARIES,
        "libzstd-5df4f4df.so.1.4.8",
        862_641,
        "35aea5b89abe250fd78139f7f00487687816a6cd2c846d7020bb0d816fee84ac",
    ),
    (
        LIBRARIES,
        "liblz4-65f47a3d.so.1.9.3",
        130_393,
        "7402b25edab9ede090d7a9397e495b480d2befca13c5f8e826137b74784f1c54",
    ),
    (
        LIBRARIES,
        "libbz2-5e516f77.so.1.0.4",
        79_073,
        "e0613ad6d5f0b228897cea349f7336bfa7d28f37e1e01112610e47047d5f0ab5",
    ),
    (
        LIBRARIES,
        "libxml2-4b4b5b24.so.2.9.13",
        2_060_673,
        "03efc2823ab580022038a24e3a469bb0c218fc26e236f6f87f8a08c28ac61bf7",
    ),
    (
        LIBRARIES,
        "libicuuc-4683f362.so.70.1",
        2_389_033,
        "a0e4c679b06bb0e090790c3f2f9c4da92d8e19701739a61045c19842d1a17ed4",
    ),
    (
        LIBRARIES,
        "libicudata-c1404396.so.70.1",
        29_479_313,
        "79611a4d45136cb0718809599df47764c397ca3b85547c5202b2476471fa757d",
    ),
];

/// What the stub is called in the wheel, and what the backend starts: here, a script.
pub(super) const STUB: &str = "triton_python_backend_stub";

/// The stub for Python `version`, under the name it has beside the script.
pub(super) fn stub_name(version: &str) -> String {
    format!("{STUB}-{version}")
}

/// All that the backend needs for Python `version`.
///
/// # Errors
/// The versions that there are stubs for, if this is none of them.
pub(super) fn members(version: &str) -> Result<Vec<Member>, String> {
    let Some((_, byte_size, sha256)) = STUB_OF.iter().find(|(of, ..)| *of == version) else {
        return Err(STUB_OF.map(|(of, ..)| of).join(", "));
    };
    let mut members: Vec<_> = COMMON
        .iter()
        .map(|(folder, name, byte_size, sha256)| Member {
            source: format!("{folder}/{name}"),
            name: (*name).to_owned(),
            sha256,
            byte_size: *byte_size,
            executable: false,
        })
        .collect();
    members.push(Member {
        source: format!("{STUBS}/{version}/{STUB}"),
        name: stub_name(version),
        sha256,
        byte_size: *byte_size,
        executable: true,
    });
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_a_stub_and_without() {
        for (version, ..) in STUB_OF {
            let members = members(version).unwrap();
            assert_eq!(members.len(), COMMON.len() + 1);
            let stub = members.last().unwrap();
            assert_eq!(stub.name, format!("triton_python_backend_stub-{version}"));
            assert!(stub.executable && stub.source.contains(&format!("/{version}/")));
        }
        for version in ["3.7", "3.13", "3", "", "3.1"] {
            assert_eq!(members(version).unwrap_err(), "3.8, 3.9, 3.10, 3.11, 3.12", "{version}");
        }
    }
}
