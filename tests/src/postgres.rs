//! A PostgreSQL server in a temporary folder, on a Unix domain socket.

use crate::child::{Folder, Program};
use crate::wait::until;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};

/// A server.
pub struct Postgres {
    // Dropped first, because the server uses the folder until it ends.
    server: Option<Program>,
    folder: Folder,
}

impl Postgres {
    /// Creates a database cluster and starts the server.
    ///
    /// # Panics
    /// Panics if it cannot be started.
    pub async fn start() -> Self {
        let folder = Folder::new("postgres");
        if let Some(user) = user() {
            std::os::unix::fs::chown(folder.path(), Some(user), None).expect("root may change the owner");
        }
        let mut postgres = Self { server: None, folder };
        let mut initdb = program("initdb");
        initdb.args(["--no-sync", "--auth=trust", "--username=offhook", "--encoding=UTF8", "--no-locale", "--pgdata"]);
        let output = initdb.arg(postgres.data()).output().expect("initdb");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        postgres.restart().await;
        postgres
    }

    /// Starts the server again.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn restart(&mut self) {
        let mut command = program("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        command.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=4MB"]);
        command.args(["-c", "max_connections=20"]);
        let server = Program::start("postgres", command);
        server.prints("ready to accept connections").await;
        self.server = Some(server);
    }

    /// Stops the server, which closes all connections.
    ///
    /// # Panics
    /// Panics if it does not end.
    pub async fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        server.signal("INT");
        assert!(until(|| server.ended().is_some()).await, "{}", server.log());
    }

    /// Returns the URL of its database.
    #[must_use]
    pub fn url(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://offhook@{folder}/postgres")
    }

    /// Executes SQL and returns the rows: one line each, with `|` between the columns.
    ///
    /// # Panics
    /// Panics if this fails.
    #[must_use]
    pub fn query(&self, sql: &str) -> Vec<String> {
        let mut psql = Command::new("psql");
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "--username=offhook", "--dbname=postgres", "--host"]);
        let output = psql.arg(self.folder.path()).args(["--command", sql]).output().expect("psql");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Starts a proxy whose first connection is closed when the server has acknowledged the second INSERT: the client does
    /// not receive the acknowledgment. The first INSERT stores the version of the schema. Returns the URL of the database through the proxy.
    ///
    /// # Panics
    /// Panics if there is no port.
    pub async fn losing_acknowledgment(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let socket = self.folder.path().join(".s.PGSQL.5432");
        tokio::spawn(async move {
            let mut loses = true;
            while let Ok((mut client, _)) = listener.accept().await {
                let Ok(mut server) = UnixStream::connect(&socket).await else { continue };
                if loses {
                    loses = false;
                    until_acknowledged(&mut client, &mut server).await;
                } else {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            }
        });
        format!("postgres://offhook@127.0.0.1:{port}/postgres")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGTERM would wait for the connections of clients.
        self.server.iter().for_each(|server| server.signal("INT"));
    }
}

/// Copies in both directions until the server acknowledges the second INSERT.
async fn until_acknowledged(client: &mut tokio::net::TcpStream, server: &mut UnixStream) {
    let (mut sent, mut received) = ([0; 65_536], [0; 65_536]);
    let mut inserts = 0;
    loop {
        let copied = tokio::select! {
            length = client.read(&mut sent) => {
                let length = length.unwrap_or(0);
                length > 0 && server.write_all(sent.get(..length).unwrap_or_default()).await.is_ok()
            }
            length = server.read(&mut received) => {
                let answer = received.get(..length.unwrap_or(0)).unwrap_or_default();
                inserts += answer.windows(8).filter(|octets| octets == b"INSERT 0").count();
                inserts < 2 && !answer.is_empty() && client.write_all(answer).await.is_ok()
            }
        };
        if !copied {
            return;
        }
    }
}

/// A program of the server, which refuses to run as root.
fn program(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin").join(name)).find(|path| path.is_file());
    let mut command = Command::new(found.unwrap_or_else(|| PathBuf::from(name)));
    command.current_dir("/");
    if let Some(user) = user() {
        command.uid(user);
    }
    command
}

/// The user `postgres` if the test runs as root.
fn user() -> Option<u32> {
    let own = std::fs::metadata("/proc/self").ok().map(|own| std::os::unix::fs::MetadataExt::uid(&own));
    if own != Some(0) {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find_map(|line| line.strip_prefix("postgres:")).map(str::to_owned);
    line.and_then(|line| line.split(':').nth(1)?.parse().ok())
}
