//! Clients that ask all the time while something changes: no request may fail.

use crate::clients::{http, simple};
use hippocamp_tests::Sandbox;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use tokio::task::JoinHandle;

/// Clients of the model `simple`.
pub(crate) struct UnderLoad {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl UnderLoad {
    /// Four clients begin to ask.
    pub(crate) fn start(server: &Sandbox) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |_| {
            let (client, stop, asked) = (http(server), Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.infer(&simple("simple", 2, 1)).await;
                    let answer = answer.expect("a version serves");
                    assert_eq!(answer.output("OUTPUT0").unwrap().values::<i32>().unwrap(), [3; 16]);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let clients = (0..4).map(client).collect();
        Self { stop, asked, clients }
    }

    /// Every request so far was answered, and there were some.
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("no request failed");
        }
        assert!(self.asked.load(Ordering::Relaxed) > 100, "they did ask");
    }
}
