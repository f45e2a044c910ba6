//! Installs missing tools and packages.

use crate::steps::Steps;
use crate::tool::{Failure, cargo, command, fingerprint, is_installed, npm, output, root, run, target_dir};
use std::path::PathBuf;

const WASM_TARGET: &str = "wasm32-unknown-unknown";
const GECKODRIVER: &str = "0.37.1";
const SCHEMATHESIS: &str = "4.32.5";
const OLDEST_NODE: u32 = 20;

/// Programs that the test suites require and the Debian packages that contain them: browsers and their drivers, SIP servers
/// and phones, and the tools that build the container image.
const DEBIAN: [(&str, &str); 12] = [
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("firefox-esr", "firefox-esr"),
    ("pulseaudio", "pulseaudio"),
    ("ip", "iproute2"),
    ("kamailio", "kamailio kamailio-tls-modules"),
    ("rtpengine", "rtpengine-daemon"),
    ("sipp", "sip-tester"),
    ("baresip", "baresip-core"),
    ("linphonec", "linphone-cli"),
    ("buildah", "buildah"),
    ("mmdebstrap", "mmdebstrap"),
];

/// Libraries that the relay loads at run time if they are installed, in the folders of [`LIBRARY_FOLDERS`], and the Debian packages
/// that contain them: the codecs Speex and G.729.
const LIBRARIES: [(&str, &str); 2] = [("libspeex.so.1", "libspeex1"), ("libbcg729.so.0", "libbcg729-0")];
const LIBRARY_FOLDERS: [&str; 3] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"];

/// Programs that the build requires and the Debian packages that contain them. The sources of libopus are compiled with CMake.
const BUILD_TOOLS: [(&str, &str); 1] = [("cmake", "cmake")];

/// Installs the requirements for building the SDK, the package, the page and the relay.
pub(crate) fn for_building(steps: &mut Steps) -> Result<(), Failure> {
    steps.step("set-up: Node.js", node)?;
    steps.step("set-up: build tools", build_tools)?;
    steps.step("set-up: WASM target", wasm_target)?;
    steps.step("set-up: npm packages", || npm_packages("npm"))
}

/// Installs the programs that compiling the relay requires, in addition to Rust and a C compiler.
pub(crate) fn build_tools() -> Result<(), Failure> {
    debian_packages(&BUILD_TOOLS)
}

/// Additionally installs the requirements of the test suites: browsers, their drivers, a sound server, third-party SIP
/// servers and phones.
pub(crate) fn for_testing(steps: &mut Steps) -> Result<(), Failure> {
    for_building(steps)?;
    steps.step("set-up: browsers and SIP peers", || debian_packages(&DEBIAN))?;
    steps.step("set-up: PostgreSQL", postgres)?;
    steps.step("set-up: libraries of codecs", || debian_packages(&LIBRARIES))?;
    steps.step("set-up: Firefox driver", || geckodriver().map(drop))?;
    steps.step("set-up: fail2ban-regex", || unpack("fail2ban", "fail2ban-regex"))?;
    steps.step("set-up: promtool", || unpack("prometheus", "promtool"))?;
    steps.step("set-up: schemathesis", schemathesis)?;
    steps.step("set-up: container base", container_base)
}

fn node() -> Result<(), Failure> {
    let wanted = format!("Node.js {OLDEST_NODE} or later with npm is needed: see https://nodejs.org/en/download");
    let version = output(command("node").arg("--version")).map_err(|_| Failure(wanted.clone()))?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    if major.is_some_and(|major: u32| major >= OLDEST_NODE) && is_installed("npm") {
        Ok(())
    } else {
        Err(Failure(format!("{wanted} (found: node {})", version.trim())))
    }
}

fn wasm_target() -> Result<(), Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libraries = output(command(rustc).args(["--print", "target-libdir", "--target", WASM_TARGET]))?;
    if PathBuf::from(libraries.trim()).is_dir() {
        return Ok(());
    }
    run(command("rustup").args(["target", "add", WASM_TARGET])).map_err(|failure| {
        Failure(format!(
            "{failure}\nThe Rust compiler has no {WASM_TARGET}. With rustup: `rustup target add {WASM_TARGET}`.\n\
             Where rustup cannot download, Debian has the sources to build it from: `apt-get install rustc-web cargo-web \
             rust-web-src lld`,\nthen `RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 /usr/bin/cargo build --profile wasm \
             -p offhook-sdk-wasm \\\n  -Zbuild-std=std,panic_abort --target {WASM_TARGET}` (its Rust must be as new as \
             `rust-version` in Cargo.toml)."
        ))
    })
}

/// Runs `npm ci` in `folder` if its lock file or a local package that it refers to has changed since the last run.
pub(crate) fn npm_packages(folder: &str) -> Result<(), Failure> {
    let dir = root().join(folder);
    if !dir.join("package.json").is_file() {
        return Err(Failure(format!("{folder}/package.json is missing")));
    }
    let installed = dir.join("node_modules/.installed");
    let lock_file = dir.join("package-lock.json");
    let package = dir.join("package.json");
    let mut inputs = vec![package.clone(), lock_file.clone()];
    if std::fs::read_to_string(&package)?.contains("file:../npm") {
        inputs.push(crate::wasm::tarball());
    }
    let now = fingerprint(inputs.iter().map(PathBuf::as_path));
    if std::fs::read_to_string(&installed).is_ok_and(|then| then == now) {
        return Ok(());
    }
    let how = if lock_file.is_file() { "ci" } else { "install" };
    run(&mut npm(folder, [how, "--no-audit", "--no-fund"]))?;
    std::fs::create_dir_all(dir.join("node_modules"))?;
    Ok(std::fs::write(installed, now)?)
}

/// Installs the packages of the programs and libraries that are missing.
fn debian_packages(files: &[(&str, &'static str)]) -> Result<(), Failure> {
    let missing: Vec<&str> = files
        .iter()
        .filter(|(file, _)| !is_installed(file) && !is_in_sbin(file) && !is_library(file))
        .flat_map(|(_, names)| names.split(' '))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_installed("apt-get") {
        return Err(Failure(format!("apt-get is not available; install these packages: {}", missing.join(" "))));
    }
    run(as_root("apt-get").args(["update"]))?;
    run(as_root("apt-get").args(["install", "-y", "--no-install-recommends"]).args(missing))
}

/// Installs PostgreSQL without the cluster of the system, whose server would be started. The test creates its own.
fn postgres() -> Result<(), Failure> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    if versions.into_iter().any(|version| version.path().join("bin/initdb").is_file()) {
        return Ok(());
    }
    debian_packages(&[("pg_createcluster", "postgresql-common")])?;
    let settings = "/etc/postgresql-common/createcluster.conf";
    run(as_root("sed").args(["-i", "s/^#*create_main_cluster.*/create_main_cluster = false/", settings]))?;
    debian_packages(&[("initdb", "postgresql")])
}

fn is_library(name: &str) -> bool {
    LIBRARY_FOLDERS.iter().any(|folder| std::path::Path::new(folder).join(name).is_file())
}

fn is_in_sbin(program: &str) -> bool {
    ["/usr/sbin", "/sbin"].iter().any(|dir| std::path::Path::new(dir).join(program).is_file())
}

fn as_root(program: &str) -> std::process::Command {
    if output(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0") {
        return command(program);
    }
    let mut sudo = command("sudo");
    sudo.arg(program);
    sudo
}

/// Returns the path of geckodriver. Debian has no package of it, so it is built once, in the target folder.
pub(crate) fn geckodriver() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("GECKODRIVER") {
        return Ok(path.into());
    }
    let tools = target_dir().join("tools");
    let program = tools.join("bin/geckodriver");
    if !program.is_file() {
        let mut install = cargo(["install", "--quiet", "--locked", "geckodriver", "--version", GECKODRIVER]);
        run(install.arg("--root").arg(&tools).arg("--target-dir").arg(tools.join("build")))?;
    }
    Ok(program)
}

/// Creates the root file system on which the test of the container image is based.
fn container_base() -> Result<(), Failure> {
    let archive = target_dir().join("tools/container-base.tar");
    if archive.is_file() {
        return Ok(());
    }
    let partial = archive.with_extension("partial.tar");
    run(as_root("mmdebstrap").args(["--quiet", "--variant=essential", "bookworm"]).arg(&partial))?;
    Ok(std::fs::rename(partial, archive)?)
}

/// Installs schemathesis into a virtual environment in the target folder.
fn schemathesis() -> Result<(), Failure> {
    let environment = target_dir().join("tools/schemathesis");
    let version = environment.join(format!("version-{SCHEMATHESIS}"));
    if version.is_file() {
        return Ok(());
    }
    let create = || run(command("python3").args(["-m", "venv", "--clear"]).arg(&environment));
    if create().is_err() {
        // Debian has the module `ensurepip` in a package of its own.
        run(as_root("apt-get").args(["update"]))?;
        run(as_root("apt-get").args(["install", "-y", "--no-install-recommends", "python3", "python3-venv"]))?;
        create()?;
    }
    let package = format!("schemathesis=={SCHEMATHESIS}");
    run(command(environment.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", &package]))?;
    Ok(std::fs::write(version, "")?)
}

/// Unpacks a Debian package into the target folder, for one program in it. The package is not installed, because it enables a service:
/// fail2ban reads the machine's logs and changes its firewall, Prometheus listens on a port.
fn unpack(package: &str, program: &str) -> Result<(), Failure> {
    let tools = target_dir().join("tools");
    let unpacked = tools.join(package);
    if is_installed(program) || unpacked.is_dir() {
        return Ok(());
    }
    if !is_installed("apt-get") || !is_installed("dpkg-deb") {
        return Err(Failure(format!("install {package} first (no apt-get and dpkg-deb here to unpack it)")));
    }
    let partial = tools.join(format!("{package}.partial"));
    if partial.is_dir() {
        std::fs::remove_dir_all(&partial)?;
    }
    std::fs::create_dir_all(&partial)?;
    let download = || run(command("apt-get").args(["download", "--quiet", package]).current_dir(&partial));
    if download().is_err() {
        run(as_root("apt-get").args(["update"]))?;
        download()?;
    }
    let files: Vec<PathBuf> =
        std::fs::read_dir(&partial)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    for file in files {
        run(command("dpkg-deb").arg("--extract").arg(&file).arg(&partial))?;
        std::fs::remove_file(&file)?;
    }
    Ok(std::fs::rename(partial, unpacked)?)
}
