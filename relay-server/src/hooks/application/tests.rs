use super::{Endpoint, HookCaller, HookMethod, HookMetrics};
use crate::outbound_http;
use core::time::Duration;
use serde_json::Map;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Starts a server that answers questions, and only reports events. Returns its URL.
async fn server(events: mpsc::UnboundedSender<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            if request[..length].starts_with(b"POST /CallStatusEvent") {
                events.send(()).unwrap();
            } else {
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
            open.push(stream);
        }
    });
    url
}

#[tokio::test]
async fn events_without_answer_do_not_delay_questions() {
    let (events, mut received) = mpsc::unbounded_channel();
    let url = server(events).await.parse().unwrap();
    let client = outbound_http::client(None).unwrap();
    let endpoint = Endpoint { client, url, user: None, secret: None, timeout: Duration::from_secs(5) };
    for concurrency in [1, 2] {
        let metrics: Arc<HookMetrics> = Arc::default();
        let caller = Arc::new(HookCaller::new(endpoint.clone(), "shop", concurrency, &metrics, "0"));
        let delivering: Vec<_> = (0..3)
            .map(|_| {
                let caller = Arc::clone(&caller);
                let request = caller.request(HookMethod::CallStatus, &Map::new());
                tokio::spawn(async move { caller.deliver(&request, 1).await })
            })
            .collect();
        received.recv().await.unwrap();
        assert_eq!(caller.ask(HookMethod::Call, &Map::new()).await, Ok(Map::new()), "{concurrency}");
        for task in delivering {
            task.abort();
        }
    }
}
