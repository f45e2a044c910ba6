//! The container image: built by buildah without a container engine, and run with a read-only root as the user of its
//! configuration. Calls go through it, between two accounts of the Kamailio of `compose.yaml`.

use crate::sip::account;
use crate::{HIGH, LOW, establish_call};
use offhook_tests::browser::Browser;
use offhook_tests::child::Program;
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::ports;
use offhook_tests::relay::{Relay, program};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const BASE: &str = "localhost/offhook-base";
const IMAGE: &str = "localhost/offhook-relay";

/// An image whose root file system is mounted.
struct Image {
    folder: PathBuf,
    root: PathBuf,
    /// The configuration of the image, as of the Docker image specification.
    config: Value,
}

impl Image {
    /// Builds the image from the program and the phone page that were built for the suites, instead of its stage `build`.
    fn build() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = target.join(format!("container-{}", std::process::id()));
        let built = folder.join("build/out");
        std::fs::create_dir_all(&built).expect("a folder");
        std::fs::create_dir_all(folder.join("context")).expect("a folder");
        run(Command::new("strip").arg("-o").arg(built.join("offhook-relay")).arg(program()));
        run(Command::new("cp").arg("-r").arg(format!("{REPOSITORY}/demo-phone/dist")).arg(built.join("page")));
        let mut image = Self { folder, root: PathBuf::new(), config: Value::Null };
        let base = image.buildah(&["from", "scratch"]);
        let archive = target.with_file_name("tools/container-base.tar");
        image.buildah(&["add", "--quiet", &base, &archive.display().to_string(), "/"]);
        image.buildah(&["commit", "--quiet", "--rm", &base, BASE]);
        let [build, context] = ["build", "context"].map(|name| image.folder.join(name).display().to_string());
        image.buildah(&[
            "build",
            "--quiet",
            "--isolation=chroot",
            "--format=docker",
            "--target=relay",
            &format!("--build-arg=BASE={BASE}"),
            &format!("--build-context=build={build}"),
            &format!("--file={REPOSITORY}/Containerfile"),
            &format!("--tag={IMAGE}"),
            &context,
        ]);
        let described = image.buildah(&["inspect", "--type=image", IMAGE]);
        let described: Value = serde_json::from_str(&described).expect("a description in JSON");
        image.config = described.pointer("/Docker/config").cloned().expect("a configuration");
        let container = image.buildah(&["from", "--pull-never", IMAGE]);
        image.root = image.buildah(&["mount", &container]).into();
        image
    }

    fn buildah(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("buildah");
        command.args(["--storage-driver=vfs", "--root"]).arg(self.folder.join("storage"));
        command.arg("--runroot").arg(self.folder.join("run")).args(arguments);
        run(&mut command)
    }

    /// The strings of a list in the configuration.
    fn list(&self, name: &str) -> Vec<String> {
        let values = self.config.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// A command that runs `program` in the image: with a read-only root, a volume for the state, and the user and the
    /// environment of the configuration.
    fn command(&self, program: &[String], environment: &[String]) -> Command {
        let user = self.config.get("User").and_then(Value::as_str).expect("a user");
        let root = self.root.display();
        let volume = self.config.get("Volumes").and_then(Value::as_object).and_then(|all| all.keys().next());
        let volume = volume.expect("a volume for the state");
        let script = format!(
            "mount --bind {root} {root} && mount -o remount,bind,ro {root} && mount -t tmpfs -o mode=0700,uid=10001,gid=10001 \
             state {root}{volume} && exec chroot --userspec={user} {root} \"$@\""
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation=private", "sh", "-c", &script, "sh", "/usr/bin/env", "-i"]);
        command.args(self.list("Env")).args(environment).args(program);
        command
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // The mount of the storage driver `vfs` is a plain folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs a command and returns its output.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program runs: cargo xtask setup installs it");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// The environment of the relay in `compose.yaml`, with other addresses.
fn compose_environment() -> Vec<String> {
    let compose = std::fs::read_to_string(format!("{REPOSITORY}/compose.yaml")).expect("compose.yaml");
    let lines = compose.lines().filter_map(|line| line.trim().strip_prefix("OFFHOOK_")?.split_once(": "));
    let found: Vec<String> = lines
        .map(|(name, value)| {
            let value = value.replace("127.0.0.1:5080", "127.0.0.1:0");
            format!("OFFHOOK_{name}={value}")
        })
        .collect();
    assert!(found.len() >= 2, "{compose}");
    found
}

/// Starts the Kamailio of `compose.yaml`.
fn kamailio(address: SocketAddr) -> Program {
    let program = if Path::new("/usr/sbin/kamailio").is_file() { "/usr/sbin/kamailio" } else { "kamailio" };
    let mut command = Command::new(program);
    command.args(["-DD", "-E", "-m", "64", "-M", "8", "-f", &format!("{REPOSITORY}/deploy/kamailio.cfg")]);
    command.args(["-A", &format!("LISTEN={address}")]);
    for user in ["1001", "1002"] {
        command.env(format!("PASSWORD_{user}"), offhook_tests::kamailio::password(user));
    }
    Program::start("kamailio", command)
}

#[tokio::test]
async fn image_is_read_only_and_calls_go_through_it() {
    let image = tokio::task::spawn_blocking(Image::build).await.expect("the image is built");
    assert_eq!(image.config.get("User"), Some(&"10001:10001".into()));
    let kamailio_address = SocketAddr::from(([127, 0, 0, 1], ports::free(1)));
    let _kamailio = kamailio(kamailio_address);
    let mut environment = compose_environment();
    let port = ports::free(1);
    environment.push(format!("OFFHOOK_LISTEN_PLAIN=127.0.0.1:{port}"));
    let more = ["OFFHOOK_RTP_FIRST_PORT=0", "OFFHOOK_MEDIA_PORT=0", "OFFHOOK_LISTEN_TLS=127.0.0.1:0"];
    environment.extend(more.map(str::to_owned));
    environment.extend(["OFFHOOK_API_LISTEN=127.0.0.1:0", "OFFHOOK_MEDIA_ADDRESS=127.0.0.1"].map(str::to_owned));
    let mut relay = Relay::start_command(image.command(&image.list("Entrypoint"), &environment));

    // The page, the state directory and the health check of the image.
    let (head, page) = relay.request("/", "").await;
    assert!(head.starts_with("HTTP/1.1 200") && page.contains("<script"), "{head}\n{page}");
    relay.printed("api-token ").await;
    relay.logs("self-signed certificate created").await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", relay.process())).expect("a process");
    assert!(status.contains("\nUid:\t10001\t10001\t10001\t10001\n"), "{status}");
    let check: Vec<String> =
        image.config.pointer("/Healthcheck/Test").and_then(Value::as_array).cloned().unwrap_or_default()[1..]
            .iter()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect();
    let healthy = || image.command(&check, &environment).status().expect("the check runs").success();
    assert!(healthy());

    let hello = |user| account(user, kamailio_address, true);
    let mut alice = Browser::connect(&relay, hello("1001"), Habits::default()).await;
    let mut bob = Browser::connect(&relay, hello("1002"), Habits::default()).await;
    let (at_alice, at_bob) = establish_call(&mut alice, &mut bob, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    at_alice.peer.receives_tone(HIGH).await;
    at_bob.peer.receives_tone(LOW).await;
    assert!(!relay.log().contains("ERROR") && !relay.log().contains("Read-only"), "{}", relay.log());
    alice.hang_up(&at_alice.id);
    relay.signal("TERM");
    assert!(relay.ends().await.success(), "{}", relay.log());
    assert!(!healthy(), "the check fails without a relay");
}
