use super::*;
use crate::authorization::KeptGrant;
use offhook_signaling::server::Limits;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Open,
    /// Closes a socket; its session is kept or removed.
    Close {
        socket: usize,
        keeps: bool,
    },
    Login {
        socket: usize,
        user: u8,
    },
    /// Reconnects with one of the valid tokens.
    Resume {
        socket: usize,
        token: usize,
    },
    Confirm {
        socket: usize,
    },
    Remove {
        session: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let any = || 0..8_usize;
    prop_oneof![
        Just(Step::Open),
        (any(), prop::bool::ANY).prop_map(|(socket, keeps)| Step::Close { socket, keeps }),
        (any(), 0..3_u8).prop_map(|(socket, user)| Step::Login { socket, user }),
        (any(), any()).prop_map(|(socket, token)| Step::Resume { socket, token }),
        any().prop_map(|socket| Step::Confirm { socket }),
        any().prop_map(|session| Step::Remove { session }),
    ]
}

fn socket() -> Socket {
    let limits = Limits {
        connection_timeout: core::time::Duration::from_secs(10),
        ping_interval: core::time::Duration::ZERO,
        ping_probes: 0,
        max_frame: 1,
        message_rate: 1,
        message_burst: 1,
    };
    Socket::new(server::Connection::new(limits, Time::EPOCH), None, None, IpAddr::from([192, 0, 2, 1]))
}

fn new_session(user: u8, token: String) -> NewSession {
    let login = (user > 0).then(|| LoginName(format!("user{user}")));
    NewSession {
        login,
        scheme: Scheme::Local,
        refused_server: None,
        hello: ConnectionMessage::default(),
        token,
        granted: KeptGrant::default(),
        application_token: None,
    }
}

/// Applies steps, as the relay does, with fresh identifiers.
#[derive(Default)]
struct World {
    clients: Clients,
    next: u64,
}

impl World {
    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn pick_socket(&self, index: usize) -> Option<ConnectionId> {
        self.clients.connections().get(index).copied()
    }

    fn apply(&mut self, step: &Step) -> Option<()> {
        match *step {
            Step::Open => {
                let connection = ConnectionId(self.fresh());
                self.clients.open(connection, socket());
            }
            Step::Close { socket, keeps } => {
                let connection = self.pick_socket(socket)?;
                match self.clients.session_at(connection) {
                    Some(id) if keeps => self.clients.suspend(id, Time::EPOCH),
                    Some(id) => drop(self.clients.remove(id)),
                    None => {}
                }
                self.clients.remove_socket(connection);
            }
            Step::Login { socket, user } => {
                let connection = self.pick_socket(socket)?;
                if self.clients.session_at(connection).is_none() {
                    let (id, token) = (SessionId(self.fresh()), self.fresh().to_string());
                    self.clients.insert(id, connection, new_session(user, token), Time::EPOCH);
                }
            }
            Step::Resume { socket, token } => {
                let connection = self.pick_socket(socket)?;
                let (used, id) = self.clients.by_token.iter().nth(token).map(|(used, id)| (used.clone(), *id))?;
                if self.clients.session_at(connection).is_none() {
                    self.clients.attach(id, connection);
                    let token = self.fresh().to_string();
                    self.clients.renew_token(id, token, &used);
                }
            }
            Step::Confirm { socket } => self.clients.confirm_token(self.pick_socket(socket)?),
            Step::Remove { session } => {
                let id = self.clients.ids().get(session).copied()?;
                self.clients.remove(id);
            }
        }
        Some(())
    }

    fn assert_indexes(&self) {
        let clients = &self.clients;
        let on_sockets = clients.sockets.iter().filter_map(|(connection, socket)| Some((socket.session?, *connection)));
        let online = clients.sessions.iter().filter_map(|(id, session)| Some((*id, session.connection()?)));
        let (on_sockets, online): (BTreeSet<_>, BTreeSet<_>) = (on_sockets.collect(), online.collect());
        assert_eq!(on_sockets, online);
        let tokens =
            clients.sessions.iter().flat_map(|(id, session)| session.tokens().map(|token| (token.clone(), *id)));
        assert_eq!(clients.by_token, tokens.collect());
        let mut by_login: BTreeMap<LoginName, BTreeSet<SessionId>> = BTreeMap::new();
        for (id, session) in &clients.sessions {
            session.login.iter().for_each(|login| {
                by_login.entry(login.clone()).or_default().insert(*id);
            });
        }
        assert_eq!(clients.by_login, by_login);
    }
}

proptest! {
    #[test]
    fn indexes_follow_every_insertion_and_removal(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::default();
        for step in steps {
            world.apply(&step);
            world.assert_indexes();
        }
        for id in world.clients.ids() {
            world.clients.remove(id);
        }
        for connection in world.clients.connections() {
            world.clients.remove_socket(connection);
        }
        prop_assert_eq!(world.clients, Clients::default());
    }
}

#[test]
fn session_moves_to_the_socket_that_resumes_it() {
    let mut world = World::default();
    for step in [Step::Open, Step::Open, Step::Login { socket: 0, user: 1 }] {
        world.apply(&step);
    }
    let ids = world.clients.ids();
    let sockets = world.clients.connections();
    assert_eq!(world.clients.attach(ids[0], sockets[1]), Some(sockets[0]));
    assert_eq!(world.clients.session_at(sockets[0]), None);
    assert_eq!(world.clients.get(ids[0]).and_then(Session::connection), Some(sockets[1]));
    assert_eq!(world.clients.attach(ids[0], sockets[1]), None, "it is there already");
}

#[test]
fn oldest_suspended_session_of_login_is_found() {
    let mut world = World::default();
    for socket in 0..3 {
        world.apply(&Step::Open);
        world.apply(&Step::Login { socket, user: 1 });
    }
    let login = LoginName("user1".to_owned());
    assert_eq!(world.clients.first_away(&login), None);
    let ids: Vec<SessionId> = world.clients.of_login(&login).collect();
    world.clients.suspend(ids[2], Time::EPOCH);
    world.clients.suspend(ids[1], Time::EPOCH);
    assert_eq!(world.clients.first_away(&login), Some(ids[1]));
}
