//! The seam between the driver and the binding of a Worker.

use async_trait::async_trait;

use super::call::Call;

/// What runs batches.
#[async_trait]
pub(crate) trait Binding: Send + Sync {
    /// Runs the calls in order, all of them or none, and answers with the rows of each as JSON: for each call a list of
    /// lists, of which the first has the names of the columns; an empty one where there are no rows.
    ///
    /// # Errors
    /// The message of D1.
    async fn batch(&self, calls: &[Call<'_>]) -> Result<String, String>;
}
