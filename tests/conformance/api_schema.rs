//! The REST API against its own OpenAPI document: schemathesis generates valid and invalid requests from the document, and
//! compares the responses with it.

use crate::EstablishedCall;
use offhook_tests::relay::Relay;
use offhook_tests::rest::RestClient;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program in the virtual environment that `cargo xtask setup` has created.
fn schemathesis() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools/schemathesis/bin/schemathesis")
}

/// An operation may be not implemented, but must not fail.
const SETTINGS: &str = "[checks]\nnot_a_server_error.expected-statuses = [\"2xx\", \"3xx\", \"4xx\", 501]\n";

#[tokio::test]
async fn responses_conform_to_the_openapi_document() {
    let relay = Relay::start_with(&["limits.connections_per_address=5000"]);
    let address = relay.printed("api http://").await;
    let address = address.split('/').next().expect("an address").to_owned();
    let token = relay.printed("api-token ").await;
    // The lists have an item.
    let _call = EstablishedCall::begin(&relay).await;
    let directory = std::env::temp_dir().join(format!("offhook-schemathesis-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let settings = directory.join("schemathesis.toml");
    std::fs::write(&settings, SETTINGS).expect("written");
    let mut command = Command::new(schemathesis());
    command.current_dir(&directory).arg("--config-file").arg(&settings).arg("run");
    command.arg(format!("http://{address}/api/openapi.json"));
    command.args(["-H", &format!("Authorization: Bearer {token}"), "--phases", "examples,coverage,fuzzing"]);
    // The same requests in each run. The stream of events would not end.
    command.args(["--generation-deterministic", "-n", "15", "--exclude-path", "/api/v1/events"]);
    // The document does not describe every rule, for example that two identifiers must differ.
    command.args(["--exclude-checks", "positive_data_acceptance", "--continue-on-failure", "--no-color"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    let output = output.expect("schemathesis runs: cargo xtask setup installs it");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(" generated"), "{text}");
    let api = RestClient::of(&relay).await;
    assert_eq!(api.get("/api/v1/calls").await.body.get("total"), Some(&1.into()), "the call continues");
    std::fs::remove_dir_all(directory).expect("removed");
}
