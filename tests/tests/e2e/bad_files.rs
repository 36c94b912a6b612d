//! What goes wrong with files while a repository is polled: the generation that serves is never disturbed,
//! and the reason is told where there is one.

use crate::{
    clients::{body, get, http, within_limit},
    polling::{copy, line, polled, until},
    under_load::UnderLoad,
};
use hippocamp_tests::Repository;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    thread,
    time::{Duration, SystemTime},
};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_files_disturb_nobody() {
    let repository = Repository::new().simple("simple", "");
    let (root, server) = (repository.path().to_owned(), polled(&repository, 1));
    let client = http(&server);
    until(&client, "simple", "1 READY").await;
    let load = UnderLoad::start(&server);
    let model = root.join("simple");
    let file = model.join("1/model.onnx");
    let told = async |reason: &str| {
        within_limit(async {
            loop {
                let told = line(&client, "simple").await;
                assert!(told.starts_with("1 READY "), "{told}");
                if told.contains(reason) {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    };

    // A link out of the repository, one to nowhere, a pipe.
    let spare = root.join("simple/1/spare");
    symlink("/etc/passwd", &spare).expect("it is new");
    told("leads out of the repository").await;
    fs::remove_file(&spare).expect("it is ours");
    until(&client, "simple", "1 READY").await;
    symlink("nowhere", &spare).expect("it is new");
    told("files cannot be read").await;
    fs::remove_file(&spare).expect("it is ours");
    mknodat(CWD, &spare, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("it is new");
    told("expected a file or a directory").await;
    fs::remove_file(&spare).expect("it is ours");

    // A file that is replaced by a directory, and back.
    let good = fs::read(&file).expect("it is there");
    fs::rename(&file, root.join(".model")).expect("it is one file system");
    fs::create_dir(&file).expect("it is new");
    told("model.onnx").await;
    fs::remove_dir(&file).expect("it is ours");
    fs::rename(root.join(".model"), &file).expect("it is one file system");

    // Times that lie in the future and in the past: they say nothing.
    let loads = |page: &str| {
        page.lines().find(|line| line.contains("outcome=\"success\"")).map(str::to_owned)
    };
    sleep(Duration::from_millis(2500)).await;
    let before = loads(&body(&get(server.metrics(), "/metrics").await));
    for time in [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 33)] {
        File::open(&file).expect("it is there").set_modified(time).expect("it is ours");
        sleep(Duration::from_millis(2500)).await;
    }
    assert_eq!(loads(&body(&get(server.metrics(), "/metrics").await)), before);
    assert!(before.is_some());

    // Two writers at once, one of them with halves, until both are done.
    let writers: Vec<_> = [1, 2]
        .into_iter()
        .map(|part| {
            let (model, good) = (model.clone(), good.clone());
            thread::spawn(move || {
                fs::create_dir_all(model.join("2")).expect("there is room");
                for _ in 0..30 {
                    let content = &good[..good.len() / part];
                    fs::write(model.join("2/model.onnx"), content).expect("there is room");
                    thread::sleep(Duration::from_millis(37 * part as u64));
                }
                fs::write(model.join("2/model.onnx"), &good).expect("there is room");
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().expect("there is room"));
    until(&client, "simple", "2 READY").await;

    // A configuration that is good and bad by turns, every 100 ms, and comes to rest bad, then good.
    let config = fs::read_to_string(model.join("config.pbtxt")).expect("it is there");
    for _ in 0..15 {
        for text in [&config, "nonsense {"] {
            fs::write(model.join("config.pbtxt"), text).expect("there is room");
            sleep(Duration::from_millis(100)).await;
        }
    }
    within_limit(async {
        while !line(&client, "simple").await.contains("nonsense") {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let page = body(&get(server.metrics(), "/metrics").await);
    assert!(
        page.contains("hippocamp_model_loads_total{model=\"simple\",outcome=\"failure\"}"),
        "{page}"
    );
    assert_eq!(get(server.http(), "/v2/health/ready").await.status, 200, "it serves");
    fs::write(model.join("config.pbtxt"), config).expect("there is room");

    // The version that serves vanishes and comes back changed.
    copy(&model.join("2"), &root.join(".three"));
    fs::remove_dir_all(model.join("2")).expect("it is ours");
    fs::rename(root.join(".three"), model.join("3")).expect("it is one file system");
    until(&client, "simple", "3 READY").await;
    load.stop().await;
    server.stop();
}
