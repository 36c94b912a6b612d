use super::*;
use hippocamp_types::ErrorCode;
use proptest::prelude::*;
use rustix::{fs::Mode, shm};
use std::{fs::File, os::unix::fs::FileExt as _, process};

/// An object of shared memory that is gone after the test.
struct Shared {
    key: String,
    file: File,
}

impl Shared {
    fn new(test: &str, byte_size: u64) -> Self {
        let key = format!("/hippocamp_shm_{}_{test}", process::id());
        let flags = shm::OFlags::CREATE | shm::OFlags::EXCL | shm::OFlags::RDWR;
        let file = File::from(shm::open(&key, flags, Mode::RUSR | Mode::WUSR).unwrap());
        file.set_len(byte_size).unwrap();
        Self { key, file }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        shm::unlink(&self.key).unwrap();
    }
}

fn at(region: &str, offset: u64, byte_size: u64) -> SharedTensor {
    SharedTensor { region: region.to_owned(), offset, byte_size }
}

#[test]
fn inputs_are_read_and_outputs_written_where_they_lie() {
    let shared = Shared::new("both_ways", 10_000);
    let regions = Regions::new(true);
    // No multiple of a page: nothing is mapped.
    regions.register("r", &shared.key, 1000, 9000).unwrap();
    regions.register("without_slash", &shared.key[1..], 0, 10_000).unwrap();
    shared.file.write_all_at(b"input", 1010).unwrap();
    let input = regions.slice(&at("r", 10, 5)).unwrap().read().unwrap();
    assert_eq!(input, "input");
    assert_eq!(regions.slice(&at("without_slash", 1010, 5)).unwrap().read().unwrap(), "input");
    shared.file.write_all_at(b"later", 1010).unwrap();
    assert_eq!(input, "input", "what was read stays as it was");

    let output = regions.slice(&at("r", 8992, 8)).unwrap();
    output.write("O", b"output").unwrap();
    let mut written = [0; 8];
    shared.file.read_exact_at(&mut written, 9992).unwrap();
    assert_eq!(&written, b"output\0\0");
    assert_eq!(
        output.write("O", b"123456789").unwrap_err().to_string(),
        "shared memory size specified with the request for output 'O' (8 bytes) should be at least 9 bytes to hold the results"
    );
}

#[test]
fn registrations_are_checked() {
    let shared = Shared::new("registrations", 4096);
    let key = shared.key.as_str();
    let regions = Regions::new(true);
    let check = |name: &str, key: &str, offset, byte_size, expect: (ErrorCode, &str)| {
        let error = regions.register(name, key, offset, byte_size).unwrap_err();
        assert_eq!(error.code(), expect.0, "{error}");
        assert!(error.to_string().contains(expect.1), "{error}");
    };
    let invalid = ErrorCode::InvalidArgument;
    check("", key, 0, 1, (invalid, "'region name' is necessary to register system"));
    check(&"n".repeat(256), key, 0, 1, (invalid, "the name of a shared memory region has 256"));
    check("r", "", 0, 1, (invalid, "the key of a shared memory region has 0 bytes"));
    check("r", &"k".repeat(256), 0, 1, (invalid, "the key of a shared memory region has 256"));
    for key in ["/", "//", ".", "/..", "/a/b", "../etc/passwd", "/a\0b"] {
        check("r", key, 0, 1, (invalid, "cannot register shared memory region 'r' - invalid shm"));
    }
    for key in ["triton_python_backend_shm_region_1", "//triton_python_backend_shm_region_"] {
        check("r", key, 0, 1, (invalid, "contains the reserved prefix"));
    }
    check("r", "/hippocamp_no_such_object", 0, 1, (invalid, "Unable to open shared memory region"));
    for (offset, byte_size) in
        [(0, 0), (0, 4097), (4096, 1), (1, 4096), (u64::MAX, 1), (1, u64::MAX)]
    {
        check("r", key, offset, byte_size, (invalid, "': invalid args"));
    }
    regions.register("r", key, 0, 4096).unwrap();
    check("r", key, 0, 1, (ErrorCode::AlreadyExists, "region 'r' already in manager"));
}

#[test]
fn links_and_what_is_no_file_are_refused() {
    let regions = Regions::new(true);
    let directory = tempfile::Builder::new().prefix("hippocamp_").tempdir_in("/dev/shm").unwrap();
    let name = directory.path().file_name().unwrap().to_str().unwrap();
    assert!(matches!(regions.register("r", name, 0, 1), Err(ShmError::Open { .. })));
    let link = format!("{name}_link");
    let path = format!("/dev/shm/{link}");
    std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
    let refused = regions.register("r", &link, 0, 1);
    std::fs::remove_file(path).unwrap();
    assert!(matches!(refused, Err(ShmError::Open { .. })), "{refused:?}");
}

#[test]
fn parts_stay_within_their_region() {
    let shared = Shared::new("parts", 4096);
    let regions = Regions::new(true);
    regions.register("r", &shared.key, 64, 128).unwrap();
    let check = |tensor: SharedTensor, expect: &str| {
        let error = regions.slice(&tensor).unwrap_err();
        assert!(error.to_string().starts_with(expect), "{error}");
    };
    check(at("s", 0, 1), "Unable to find shared memory region: 's'");
    check(at("r", 128, 0), "Invalid offset for shared memory region: 'r'");
    check(at("r", u64::MAX, 1), "Invalid offset for shared memory region: 'r'");
    check(at("r", 0, 129), "Invalid offset + byte size for shared memory region: 'r'");
    check(at("r", 1, u64::MAX), "Invalid offset + byte size for shared memory region: 'r'");
    assert_eq!(regions.slice(&at("r", 127, 1)).unwrap().byte_size(), 1);
    assert_eq!(regions.slice(&at("r", 0, 0)).unwrap().read().unwrap(), "");
}

#[test]
fn a_truncated_object_is_an_error_and_no_signal() {
    let shared = Shared::new("truncated", 8192);
    let regions = Regions::new(true);
    regions.register("r", &shared.key, 0, 8192).unwrap();
    let slice = regions.slice(&at("r", 0, 8192)).unwrap();
    shared.file.set_len(100).unwrap();
    let truncated = ShmError::Truncated("r".to_owned());
    assert_eq!(slice.read().unwrap_err(), truncated);
    assert_eq!(slice.write("O", &[1; 8192]).unwrap_err(), truncated);
    assert_eq!(shared.file.metadata().unwrap().len(), 100);
    assert_eq!(regions.slice(&at("r", 0, 100)).unwrap().read().unwrap().len(), 100);
}

#[test]
fn a_sparse_object_takes_no_memory_beyond_the_limit() {
    let shared = Shared::new("sparse", 1 << 40);
    let regions = Regions::new(true);
    regions.register("r", &shared.key, 0, 1 << 40).unwrap();
    let error = regions.slice(&at("r", 0, 1 << 40)).unwrap().read().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable, "{error}");
}

#[test]
fn a_region_lives_until_the_last_request_that_uses_it() {
    let shared = Shared::new("unregistered", 16);
    let regions = Regions::new(true);
    regions.register("a", &shared.key, 0, 16).unwrap();
    regions.register("b", &shared.key, 8, 8).unwrap();
    let names = |regions: &Regions| -> Vec<String> {
        regions.status("").unwrap().into_iter().map(|status| status.name).collect()
    };
    assert_eq!(names(&regions), ["a", "b"]);
    let slice = regions.slice(&at("a", 0, 4)).unwrap();
    regions.unregister("a").unwrap();
    regions.unregister("a").unwrap();
    assert_eq!(names(&regions), ["b"]);
    slice.write("O", b"done").unwrap();
    assert_eq!(slice.read().unwrap(), "done");
    regions.unregister("").unwrap();
    assert_eq!(names(&regions), [""; 0]);
    assert_eq!(
        regions.status("b").unwrap_err().to_string(),
        "Unable to find system shared memory region: 'b'"
    );
}

#[test]
fn there_are_so_many_and_no_more() {
    let shared = Shared::new("many", 16);
    let regions = Regions::new(true);
    for number in 0..MAX_REGIONS {
        regions.register(&number.to_string(), &shared.key, 0, 16).unwrap();
    }
    let error = regions.register("one more", &shared.key, 0, 16).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable, "{error}");
    regions.unregister("7").unwrap();
    regions.register("one more", &shared.key, 0, 16).unwrap();
}

#[test]
fn without_the_flag_nothing_is_registered() {
    let regions = Regions::new(false);
    let flag = "--allow-client-shm=true";
    for refused in [
        regions.register("r", "/k", 0, 1),
        regions.unregister(""),
        regions.register_cuda("r"),
        regions.unregister_cuda(),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(error.to_string().contains(flag), "{error}");
    }
    assert_eq!(regions.status("").unwrap(), []);
}

#[test]
fn gpus_have_no_regions() {
    let shared = Shared::new("cuda", 16);
    let regions = Regions::new(true);
    regions.register("r", &shared.key, 0, 16).unwrap();
    let text = |result: Result<(), ShmError>| result.unwrap_err().to_string();
    assert_eq!(regions.cuda_status(""), Ok(()));
    assert_eq!(
        text(regions.cuda_status("r")),
        "The region named 'r' is registered as system shared memory, not CUDA shared memory"
    );
    assert_eq!(text(regions.cuda_status("s")), "Unable to find cuda shared memory region: 's'");
    assert_eq!(
        text(regions.register_cuda("s")),
        "failed to register CUDA shared memory region: 's', GPUs not supported"
    );
    assert_eq!(regions.unregister_cuda(), Ok(()));
}

/// Number of generated inputs, for a long run: `HIPPOCAMP_FUZZ_CASES`.
fn cases() -> ProptestConfig {
    let cases = std::env::var("HIPPOCAMP_FUZZ_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(1000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Sizes near those that matter: 0, that of the object, and the ends of the types.
fn size() -> impl Strategy<Value = u64> {
    let near = prop::sample::select(vec![0, 4096, 8192, 1 << 31, 1 << 32, 1 << 63, u64::MAX]);
    prop_oneof![
        (near, -3_i64..=3).prop_map(|(size, by)| size.wrapping_add_signed(by)),
        0..10_000_u64,
        any::<u64>()
    ]
}

#[test]
fn whatever_a_client_names_stays_within_its_object() {
    const SIZE: u64 = 8192;
    let shared = Shared::new("generated", SIZE);
    let content: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
    shared.file.write_all_at(&content, 0).unwrap();
    let regions = Regions::new(true);
    proptest!(cases(), |(start in size(), length in size(), offset in size(), byte_size in size())| {
        regions.unregister("").unwrap();
        let within = |start: u64, length: u64, end: u64| u128::from(start) + u128::from(length) <= u128::from(end);
        let registered = regions.register("r", &shared.key, start, length);
        prop_assert_eq!(registered.is_ok(), length > 0 && within(start, length, SIZE), "{:?}", registered);
        let slice = regions.slice(&at("r", offset, byte_size));
        let fits = registered.is_ok() && offset < length && within(offset, byte_size, length);
        prop_assert_eq!(slice.is_ok(), fits, "{:?}", slice);
        if let Ok(slice) = slice {
            let from = usize::try_from(start + offset).unwrap();
            let to = from + usize::try_from(byte_size).unwrap();
            prop_assert_eq!(slice.read().unwrap(), &content[from..to]);
        }
    });
}
