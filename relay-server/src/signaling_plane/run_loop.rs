//! The loop of the signaling plane, and its shutdown.

use super::intake::{Arrived, Kind};
use super::{Frame, HEARTBEAT, PlaneInput, SHUTDOWN_TIMEOUT, SLICE, SignalingPlane};
use offhook_b2bua::io::Input;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::oneshot;
use tokio::time::Instant;

impl SignalingPlane {
    /// Runs until `shutdown`, or until a media worker or the machine has failed. Then ends all calls, closes every WebSocket, and
    /// returns after the media threads have ended.
    pub async fn run(mut self, mut shutdown: oneshot::Receiver<()>) {
        // A new machine has outputs, for example the REGISTER of a trunk.
        self.guarded(Self::drain);
        while !self.broken {
            let deadline = self.deadline();
            tokio::select! {
                () = self.intake.wait() => {}
                () = sleep_until(deadline) => {}
                () = tokio::time::sleep(HEARTBEAT) => {}
                _ = &mut shutdown => break,
            }
            self.guarded(Self::turn);
            self.count();
            self.gauges.turn_ended(self.clock.now());
            // The plane may share its thread with other tasks.
            tokio::task::yield_now().await;
        }
        self.guarded(|plane| {
            plane.input(Input::Shutdown);
            plane.drain();
        });
        self.finish_calls().await;
        while let Some(Arrived::WebSocket(inbound)) = self.intake.next(Kind::WebSocket) {
            if let PlaneInput::Opened(connection, _, queue) = inbound {
                self.queues.insert(connection, queue);
            }
        }
        self.api.stop();
        // WebSockets that the machine has not closed. 1001 is "going away" (RFC 6455 §7.4.1).
        for queue in core::mem::take(&mut self.queues).into_values() {
            let _ = queue.frames.try_send(Frame::Close(1001, "the relay is shutting down".to_owned()));
        }
        self.count();
        // Waits for the last datagrams of the media threads.
        let workers = core::mem::take(&mut self.workers);
        drop(self);
        let _ = tokio::task::spawn_blocking(move || drop(workers)).await;
    }

    /// Executes `work`. After a panic, which is a bug, the plane ends its calls and stops.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            self.broken = true;
        }
    }

    /// Serves every kind of input for at most [`SLICE`].
    fn turn(&mut self) {
        self.gauges.queued.publish(self.intake.lengths());
        for kind in Kind::ALL {
            let end = std::time::Instant::now() + SLICE;
            while !self.broken
                && let Some(arrived) = self.intake.next(kind)
            {
                self.take(arrived);
                self.drain();
                if std::time::Instant::now() >= end {
                    break;
                }
            }
            self.serve_deadline();
        }
        if let Some(sip) = &self.sip {
            sip.count_dropped(self.intake.take_dropped());
        }
    }

    /// The next deadline of the machine.
    fn deadline(&self) -> Option<Instant> {
        self.relay.poll_timeout().map(|time| Instant::from_std(self.clock.instant(time)))
    }

    fn serve_deadline(&mut self) {
        let now = self.clock.now();
        if self.relay.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.relay.handle_timeout(now);
        }
        self.drain();
    }

    /// Waits until SIP servers and phones have answered the last requests, and media workers have reported the statistics of the
    /// calls, for at most [`SHUTDOWN_TIMEOUT`]. A lost BYE is retransmitted, and a challenged REGISTER is repeated.
    async fn finish_calls(&mut self) {
        let end = Instant::now() + SHUTDOWN_TIMEOUT;
        // The turns may have ended because of a failure. Calls are finished nevertheless, unless there is a second
        // failure.
        self.broken = false;
        while self.has_unfinished_calls() && !self.broken {
            let deadline = self.deadline();
            tokio::select! {
                () = self.intake.wait() => {}
                () = sleep_until(deadline) => {}
                () = tokio::time::sleep_until(end) => {
                    return self.report_unfinished_calls();
                }
            }
            self.guarded(Self::turn);
        }
    }

    fn has_unfinished_calls(&self) -> bool {
        self.awaits_sip_responses() || self.relay.has_pending_records()
    }

    fn awaits_sip_responses(&self) -> bool {
        self.sip.is_some() && !self.relay.is_sip_quiet()
    }

    /// Logs the reason why calls are not finished at the end of the shutdown.
    fn report_unfinished_calls(&self) {
        if self.awaits_sip_responses() {
            tracing::warn!("shutdown: some SIP peers did not respond to BYE or REGISTER in time");
        }
        if self.relay.has_pending_records() {
            tracing::warn!("shutdown: some media workers did not report the final statistics of calls in time");
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => core::future::pending().await,
    }
}
