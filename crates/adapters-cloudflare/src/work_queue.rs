//! A queue that begins events for work that was ordered.

use std::fmt;

use worker::send::SendWrapper;

/// The producer of the queue. Its messages say nothing: what there is to do stands in the table of jobs, and the event that
/// a message begins does all of it that nobody has claimed.
pub struct WorkQueue(SendWrapper<worker::Queue>);

impl fmt::Debug for WorkQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkQueue").finish_non_exhaustive()
    }
}

impl WorkQueue {
    /// With that binding.
    #[must_use]
    pub fn new(queue: worker::Queue) -> Self {
        Self(SendWrapper::new(queue))
    }

    /// Begins an event.
    ///
    /// # Errors
    /// Of the platform: nothing begins then.
    pub async fn begin_event(&self) -> worker::Result<()> {
        self.0.send("work").await
    }
}
