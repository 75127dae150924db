//! One direction of a connection: in order, after a while, and with an end.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::simulation::Simulation;

pub(crate) struct Sender<T> {
    simulation: Arc<Simulation>,
    frames: mpsc::UnboundedSender<(u64, T)>,
    last: u64,
}

pub(crate) struct Receiver<T> {
    simulation: Arc<Simulation>,
    frames: mpsc::UnboundedReceiver<(u64, T)>,
    next: Option<(u64, T)>,
}

pub(crate) fn pipe<T>(simulation: &Arc<Simulation>) -> (Sender<T>, Receiver<T>) {
    let (send, receive) = mpsc::unbounded_channel();
    let sender = Sender { simulation: simulation.clone(), frames: send, last: 0 };
    (sender, Receiver { simulation: simulation.clone(), frames: receive, next: None })
}

impl<T> Sender<T> {
    /// Sends a frame, which is lost if nobody is there to get it.
    pub(crate) fn send(&mut self, frame: T) {
        let faults = self.simulation.plan.faults.cuts;
        let most = if self.simulation.strikes(faults) { 1_500 } else { 3 };
        let delay = self.simulation.draw(|random| random.below(most * 1_000));
        self.last = self.last.max(self.simulation.now() + delay);
        let _ = self.frames.send((self.last, frame));
    }
}

impl<T> Receiver<T> {
    /// The next frame when it is there; `None` once the connection is closed. May be dropped early.
    pub(crate) async fn next(&mut self) -> Option<T> {
        if self.next.is_none() {
            self.next = Some(self.frames.recv().await?);
        }
        let at = self.next.as_ref().map_or(0, |(at, _)| *at);
        self.simulation.executor.sleep_until(at).await;
        self.next.take().map(|(_, frame)| frame)
    }

    /// A frame that is there already.
    pub(crate) fn waiting(&mut self) -> Option<T> {
        if self.next.is_none() {
            self.next = self.frames.try_recv().ok();
        }
        self.next.take_if(|(at, _)| *at <= self.simulation.now()).map(|(_, frame)| frame)
    }
}
