//! One WebSocket: forwards frames between the browser and the signaling plane.

use crate::http::Lingering;
use crate::signaling_plane::{Client, Frame, FrameQueue, PlaneInput};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use core::time::Duration;
use offhook_b2bua::io::{ConnectionId, Input};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::{self, error::ProtocolError};

/// Time limit for writing one frame. Dead peers are detected earlier, by pings; this limit is for peers that send but
/// do not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time limit for writing a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves one WebSocket until either side closes it.
pub(crate) async fn serve(
    mut socket: WebSocket,
    (connection, client): (ConnectionId, Client),
    plane: mpsc::Sender<PlaneInput>,
    queue: usize,
    lingering: Lingering,
) {
    let (frames, mut outbound) = mpsc::channel(queue);
    let kill = Arc::new(Notify::new());
    let queued = Arc::new(AtomicUsize::new(0));
    let queue = FrameQueue { frames, queued: Arc::clone(&queued), kill: Arc::clone(&kill) };
    if plane.send(PlaneInput::Opened(connection, client, queue)).await.is_err() {
        return close(&mut socket, 1001, "the relay is shutting down".to_owned()).await;
    }
    loop {
        tokio::select! {
            biased;
            () = kill.notified() => return,
            frame = outbound.recv() => match frame {
                Some(Frame::Text(text)) => {
                    queued.fetch_sub(text.len(), Ordering::Relaxed);
                    let sending = tokio::time::timeout(WRITE_TIMEOUT, socket.send(Message::Text(text.into())));
                    let sent = tokio::select! {
                        () = kill.notified() => return,
                        sent = sending => matches!(sent, Ok(Ok(()))),
                    };
                    if !sent {
                        break;
                    }
                }
                // The machine has already removed this connection, so no `Disconnected` is sent for it.
                Some(Frame::Close(code, reason)) => {
                    lingering.on();
                    return close(&mut socket, code, reason).await;
                }
                None => return,
            },
            message = socket.recv() => {
                let Some(input) = read(message, connection, &mut socket, &lingering).await else { break };
                if let Some(input) = input && plane.send(PlaneInput::Input(input)).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = plane.send(PlaneInput::Input(Input::Disconnected { connection })).await;
}

/// Converts a received message to an input of the machine, if it is one; `None` ends the connection.
async fn read(
    message: Option<Result<Message, axum::Error>>,
    connection: ConnectionId,
    socket: &mut WebSocket,
    lingering: &Lingering,
) -> Option<Option<Input>> {
    match message? {
        Ok(Message::Text(text)) => Some(Some(Input::Text { connection, text: text.as_str().to_owned() })),
        Ok(Message::Binary(octets)) => Some(Some(Input::Binary { connection, length: octets.len() })),
        // The library answers pings, and sends the response to a close frame with the next read.
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => Some(None),
        Err(error) => {
            if let Some((code, reason)) = violation(error) {
                tracing::debug!(connection = connection.0, code, reason, "WebSocket closed: protocol violation");
                lingering.on();
                close(socket, code, reason.to_owned()).await;
            }
            None
        }
    }
}

/// The close code (RFC 6455 §7.4.1) and reason for a protocol violation; none for a lost connection.
fn violation(error: axum::Error) -> Option<(u16, &'static str)> {
    match error.into_inner().downcast_ref::<tungstenite::Error>()? {
        tungstenite::Error::Capacity(_) => Some((1009, "the frame is too long")),
        tungstenite::Error::Utf8(_) => Some((1007, "the text is not UTF-8")),
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        tungstenite::Error::Protocol(_) => Some((1002, "the frame violates the WebSocket protocol")),
        _ => None,
    }
}

async fn close(socket: &mut WebSocket, code: u16, reason: String) {
    let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, socket.send(frame)).await;
}
