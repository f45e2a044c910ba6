//! The driver of a call's way past the relay: a second peer connection that sends the tracks of the first.

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

/// What the way past the relay consists of.
#[derive(Default)]
pub(crate) struct Way {
    peer: RefCell<Option<Peer>>,
    /// What arrives there.
    stream: Rc<RefCell<Option<MediaStream>>>,
}

/// The relay's connection, and what passes it.
pub(crate) struct Relayed<'a> {
    pub(crate) peer: &'a Peer,
    /// What the page captured.
    pub(crate) local: Option<&'a MediaStream>,
    /// What arrives there.
    pub(crate) remote: Option<&'a MediaStream>,
}

impl Way {
    /// Does what the machine wants done; `driver` gets what comes of it.
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
            // Taken by the call's machine.
            Output::Send(_) => {}
        }
    }

    /// See [`Peer::replace`].
    pub(crate) fn replace(&self, track: &MediaStreamTrack) -> Option<Promise> {
        self.peer.borrow().as_ref()?.replace(track)
    }

    fn connect(&self, offer: Option<String>, page: &CallPage, relayed: &Relayed<'_>, driver: &Weak<call::Driver>) {
        let stream = Rc::clone(&self.stream);
        let play = move |arrived| drop(stream.replace(Some(arrived)));
        let Ok(mut peer) = Peer::new(page.configuration(), play) else { return tell(driver, Input::Failed) };
        let watcher = driver.clone();
        peer.watch(move |event| match event {
            PeerEvent::Candidate(candidate) => {
                if let Some(candidate) = wire::json(&candidate) {
                    tell(&watcher, Input::Candidate(candidate));
                }
            }
            PeerEvent::Connected => tell(&watcher, Input::Connected),
            PeerEvent::Failed => tell(&watcher, Input::Failed),
        });
        if let Some(local) = relayed.local {
            peer.send(local);
        }
        let shows = |stream: Option<&MediaStream>| stream.is_some_and(|stream| stream.get_video_tracks().length() > 0);
        let has_video = shows(relayed.local) || shows(relayed.remote);
        let connection = peer.connection().clone();
        self.peer.replace(Some(peer));
        let driver = driver.clone();
        spawn_local(async move {
            let made = match offer {
                None => connection.offer(true, has_video).await,
                Some(offer) => connection.answer(&offer).await,
            };
            tell(&driver, made.map_or(Input::Failed, Input::Described));
        });
    }

    fn apply(&self, answer: String, driver: &Weak<call::Driver>) {
        let connection = self.peer.borrow().as_ref().map(|peer| peer.connection().clone());
        let (Some(connection), driver) = (connection, driver.clone()) else { return };
        spawn_local(async move {
            if connection.set_remote(&answer).await.is_err() {
                tell(&driver, Input::Failed);
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

fn tell(driver: &Weak<call::Driver>, input: Input) {
    if let Some(driver) = driver.upgrade() {
        driver.act(offhook_signaling::client::call::Input::Direct(input));
    }
}
