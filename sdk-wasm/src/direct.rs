//! Driver of direct media: a second peer connection, to the other browser of the call, which sends the same tracks as
//! the connection to the relay.

use crate::browser::peer::{Peer, PeerEvent};
use crate::browser::types::{MediaStream, MediaStreamTrack};
use crate::page::CallPage;
use crate::{call, wire};
use core::cell::RefCell;
use js_sys::{JSON, Promise};
use offhook_signaling::client::direct::{Input, Output};
use std::rc::{Rc, Weak};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

/// The direct connection of a call.
#[derive(Default)]
pub(crate) struct DirectConnection {
    peer: RefCell<Option<Peer>>,
    /// The stream received on the direct connection.
    stream: Rc<RefCell<Option<MediaStream>>>,
}

/// The connection to the relay and its streams.
pub(crate) struct Relayed<'a> {
    pub(crate) peer: &'a Peer,
    /// The captured stream.
    pub(crate) local: Option<&'a MediaStream>,
    /// The stream received from the relay.
    pub(crate) remote: Option<&'a MediaStream>,
}

impl DirectConnection {
    /// Performs an output of the state machine. The resulting inputs are passed to `driver`.
    pub(crate) fn perform(&self, output: Output, page: &CallPage, relayed: &Relayed<'_>, driver: &Weak<call::Driver>) {
        match output {
            Output::CreateOffer => self.connect(None, page, relayed, driver),
            Output::CreateAnswer { offer } => self.connect(Some(offer), page, relayed, driver),
            Output::Apply(answer) => self.apply(answer, driver),
            Output::Add(candidate) => {
                if let (Some(peer), Ok(candidate)) = (self.peer.borrow().as_ref(), JSON::parse(candidate.as_str())) {
                    peer.connection().add_candidate(candidate);
                }
            }
            Output::Switch { direct } => self.switch(direct, page, relayed),
            Output::Close => {
                let peer = self.peer.borrow_mut().take();
                drop(peer);
                self.stream.replace(None);
            }
            // Handled by the call's state machine.
            Output::Send(_) => {}
        }
    }

    /// See [`Peer::replace`].
    pub(crate) fn replace(&self, track: &MediaStreamTrack) -> Option<Promise> {
        self.peer.borrow().as_ref()?.replace(track)
    }

    fn connect(&self, offer: Option<String>, page: &CallPage, relayed: &Relayed<'_>, driver: &Weak<call::Driver>) {
        let stream = Rc::clone(&self.stream);
        let play = move |received| drop(stream.replace(Some(received)));
        let Ok(mut peer) = Peer::new(page.configuration(), play) else { return notify(driver, Input::Failed) };
        let watcher = driver.clone();
        peer.watch(move |event| match event {
            PeerEvent::Candidate(candidate) => {
                if let Some(candidate) = wire::json(&candidate) {
                    notify(&watcher, Input::Candidate(candidate));
                }
            }
            PeerEvent::Connected => notify(&watcher, Input::Connected),
            PeerEvent::Failed => notify(&watcher, Input::Failed),
        });
        if let Some(local) = relayed.local {
            peer.send(local);
        }
        let is_video =
            |stream: Option<&MediaStream>| stream.is_some_and(|stream| stream.get_video_tracks().length() > 0);
        let has_video = is_video(relayed.local) || is_video(relayed.remote);
        let connection = peer.connection().clone();
        self.peer.replace(Some(peer));
        let driver = driver.clone();
        spawn_local(async move {
            let description = match offer {
                None => connection.offer(true, has_video).await,
                Some(offer) => connection.answer(&offer).await,
            };
            notify(&driver, description.map_or(Input::Failed, Input::Described));
        });
    }

    fn apply(&self, answer: String, driver: &Weak<call::Driver>) {
        let connection = self.peer.borrow().as_ref().map(|peer| peer.connection().clone());
        let (Some(connection), driver) = (connection, driver.clone()) else { return };
        spawn_local(async move {
            if connection.set_remote(&answer).await.is_err() {
                notify(&driver, Input::Failed);
            }
        });
    }

    fn switch(&self, direct: bool, page: &CallPage, relayed: &Relayed<'_>) {
        let own = self.peer.borrow().as_ref().map(|peer| peer.native().clone());
        let stream = self.stream.borrow().clone();
        let (connection, stream) = if direct {
            (own.unwrap_or_else(|| relayed.peer.native().clone()), stream)
        } else {
            (relayed.peer.native().clone(), relayed.remote.cloned())
        };
        relayed.peer.set_sending(!direct);
        page.moved(direct, &connection, &stream.map_or(JsValue::UNDEFINED, Into::into));
    }
}

fn notify(driver: &Weak<call::Driver>, input: Input) {
    if let Some(driver) = driver.upgrade() {
        driver.act(offhook_signaling::client::call::Input::Direct(input));
    }
}
